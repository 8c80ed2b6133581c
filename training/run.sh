#!/bin/sh
# From data to shipped weights: training/run.sh [minutes], from the repository's root.
# Every step goes on where it stopped.
set -eu
minutes=${1:-600}
cd "$(dirname "$0")/.."
. training/common/setup.sh
$python -m training.denoise.prepare
$python -m training.denoise.train --mode standard --minutes "$minutes"
$python -m training.denoise.export --mode standard --checkpoint training/runs/standard/last.pt
$python -m training.denoise.train --mode low --minutes "$minutes" --init training/runs/standard/last.pt
$python -m training.denoise.export --mode low --checkpoint training/runs/low/last.pt
$python -m training.evaluate --card
