#!/usr/bin/env bash
# Makes docs/gallery.png, twenty pictures, and docs/clips.gif, six clips side by side: all by the embedded model, one seed.
# Needs ffmpeg and a built phasor. Run from the repository.
set -euo pipefail
phasor=.build/release/phasor
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

pictures=(
    "a large ghost in the night sky" "a large house in a grassy field" "a huge mushroom on a blue background"
    "a large strawberry on a white background" "a large dog on the beach"
    "a large blue car on the beach" "two ghosts on a purple background" "a large hamburger on a checkered floor"
    "a large green heart in a snowy field" "a large frog by the ocean"
    "a huge panda on a cyan background" "three trees in a grassy field" "a large sailboat by the ocean"
    "a ghost and a pumpkin in the night sky" "a large penguin in a snowy field"
    "a large crown on a purple background" "a small snowman in the bottom left corner, black background"
    "a large sunflower in a grassy field" "a large blue book on a yellow background" "a huge smiley on an orange background")
clips=(
    "a large ghost moves to the left in the night sky" "a dog moves to the right on the beach"
    "two stars move apart in the night sky" "a red car moves to the left on a cyan background"
    "a house in a grassy field, the camera zooms in" "a panda grows bigger on a pink background")

for index in "${!pictures[@]}"; do
    "$phasor" generate "${pictures[$index]}" --seed 3 -o "$folder/$(printf %02d "$index").png"
done
ffmpeg -v error -y -framerate 1 -i "$folder/%02d.png" -vf "tile=5x4:padding=6:color=white" -frames:v 1 docs/gallery.png

inputs=()
for index in "${!clips[@]}"; do
    "$phasor" generate "${clips[$index]}" --seed 3 --crf 1 -o "$folder/$index.mp4"
    inputs+=(-i "$folder/$index.mp4")
done
ffmpeg -v error -y "${inputs[@]}" -filter_complex \
    "hstack=inputs=${#clips[@]},split[a][b];[a]palettegen=max_colors=128[p];[b][p]paletteuse=dither=none" docs/clips.gif
