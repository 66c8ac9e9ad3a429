#!/bin/sh
# Puts a built phasor and what it needs below a prefix, or takes it away again. The Makefile calls it:
#
#     install.sh PROGRAM PREFIX DESTDIR UNITDIR
#     install.sh --remove PREFIX DESTDIR UNITDIR
set -eu

program=$1 prefix=$2 destination=$3 units=$4
share=$destination$prefix/share

if [ "$program" = --remove ]; then
    rm -f "$destination$prefix/bin/phasor" "$share/man/man1/phasor.1" "$share/bash-completion/completions/phasor" \
        "$share/zsh/site-functions/_phasor" "$share/fish/vendor_completions.d/phasor.fish" \
        "$destination$units/phasor.service"
    rm -rf "$share/phasor"
    exit
fi

[ -x "$program" ] || { echo "$program is not there: make install builds it" >&2; exit 1; }
install -D "$program" "$destination$prefix/bin/phasor"
strip "$destination$prefix/bin/phasor"

# An older installation's files must not stay between the new ones.
rm -rf "$share/phasor"
for folder in Models public; do
    find "$folder" -type f ! -path 'Models/recipe/*' -exec sh -c '
        share=$1; shift
        for file; do install -D -m 644 "$file" "$share/phasor/$file"; done' sh "$share" {} +
done

install -d "$share/man/man1" "$share/bash-completion/completions" "$share/zsh/site-functions" \
    "$share/fish/vendor_completions.d" "$destination$units"
sh docs/deploy/manual.sh "$program" >"$share/man/man1/phasor.1"
"$program" --generate-completion-script bash >"$share/bash-completion/completions/phasor"
"$program" --generate-completion-script zsh >"$share/zsh/site-functions/_phasor"
"$program" --generate-completion-script fish >"$share/fish/vendor_completions.d/phasor.fish"
# The unit as documented, with the program and the model where they are now.
sed -e "s|/opt/phasor/bin/|$prefix/bin/|g" -e "s|/opt/phasor/|$prefix/share/phasor/|g" docs/deploy/phasor.service \
    >"$destination$units/phasor.service"
chmod 644 "$share/man/man1/phasor.1" "$destination$units/phasor.service"

echo "Installed $prefix/bin/phasor. As a service: see $units/phasor.service"
