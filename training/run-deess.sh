#!/bin/sh
# The de-esser's model from data to shipped weights: training/run-deess.sh [minutes of CPU], from the repository's root.
# Every step goes on where it stopped. training/README.md names the Debian packages.
set -eu
minutes=${1:-30}
cd "$(dirname "$0")/.."
. training/common/setup.sh
$python -m training.denoise.prepare
$python -m training.deess.prepare
$python -m training.deess.hard
$python -m training.deess.train --clock cpu --minutes "$minutes"
$python -m training.deess.export --checkpoint training/runs/deess/last.pt
$python -m training.deess.protocol --card
