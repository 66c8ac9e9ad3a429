#!/bin/sh
# Writes phasor(1), a page of manual, from what `phasor help` says of each command.
#
#     manual.sh PROGRAM >phasor.1
set -eu

program=$1
# In roff a backslash begins an escape, and a full stop or an apostrophe at the start of a line a request.
text() { sed -e 's/\\/\\e/g' -e "s/^[.']/\\\\\&&/" -e 's/-/\\-/g'; }

printf '.TH PHASOR 1 "" "phasor %s"\n' "$("$program" --version)"
printf '.SH NAME\nphasor \\- inference server for few\\-step distilled image and video generators\n'
printf '.SH SYNOPSIS\n.B phasor\n.I command\n.RI [ arguments ]\n'
printf '.SH DESCRIPTION\n.nf\n'
"$program" --help | text
printf '.fi\n.SH COMMANDS\n'
"$program" --help | awk '/^SUBCOMMANDS:/ { on = 1; next } on && /^  [a-z]/ { print $1 }' | while read -r command; do
    printf '.SS phasor %s\n.nf\n' "$command"
    "$program" help "$command" | text
    printf '.fi\n'
done
printf '.SH SEE ALSO\nThe settings of \n.B phasor serve\ncan also stand in a file: \n.B phasor serve \\-\\-print\\-config\nprints one.\n'
