#!/usr/bin/env bash
# Makes docs/gallery.png: two rows of pictures and two rows of five frames of clips, all by the embedded model.
# Needs ffmpeg and a built phasor. Run from the repository.
set -euo pipefail
phasor=.build/release/phasor
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

pictures=(
    "a large ghost in the night sky" "a large house in a grassy field" "a huge mushroom on a blue background"
    "a large strawberry on a white background" "a large dog on the beach" "a large apple on a cyan background"
    "two ghosts on a purple background" "a large cat on a gray background" "a large green heart in a snowy field"
    "a large frog by the ocean")
clips=("a large dog comes closer on an orange background" "a large ghost moves to the left in the night sky")

row=0
for index in "${!pictures[@]}"; do
    "$phasor" generate "${pictures[$index]}" --seed 3 -o "$folder/$(printf %02d "$row").png"
    row=$((row + 1))
done
for index in "${!clips[@]}"; do
    "$phasor" generate "${clips[$index]}" --seed 3 --crf 1 -o "$folder/clip$index.mp4"
    for frame in 0 4 8 12 16; do
        ffmpeg -v error -y -i "$folder/clip$index.mp4" -vf "select=eq(n\\,$frame)" -frames:v 1 \
            "$folder/$(printf %02d "$row").png"
        row=$((row + 1))
    done
done
ffmpeg -v error -y -framerate 1 -i "$folder/%02d.png" -vf "tile=5x4:padding=6:color=white" \
    -frames:v 1 docs/gallery.png
