#!/bin/sh
# From data to shipped weights: training/stems/run.sh [minutes] [songs] [album repository].
# Every step goes on where it stopped. More options for the trainer, such as "--device cuda
# --batch 48", come from TRAIN.
set -eu
minutes=${1:-600}
songs=${2:-300}
album=${3:-}
cd "$(dirname "$0")/../.."
. training/common/setup.sh
training/stems/data.sh "$songs" 1 "$album"
train="$python -m training.stems.train ${TRAIN:-}"
$train --task stems --minutes "$minutes"
$train --task stems --mode low --minutes "$minutes" --init training/runs/stems/last.pt
$train --task dialogue --size 48x3 --minutes "$minutes"
for run in stems stems-low dialogue; do
    $python -m training.stems.export --checkpoint "training/runs/$run/last.pt"
done
$python -m training.stems.evaluate --card --model models/stems models/stems-low
$python -m training.stems.evaluate --task dialogue --card --model models/dialogue
