#!/bin/sh
# The events model from data to shipped weights: training/run-events.sh [minutes of CPU], from the repository's root.
# Every step goes on where it stopped. training/README.md names the Debian packages.
set -eu
minutes=${1:-15}
cd "$(dirname "$0")/.."
. training/common/setup.sh
$python -m training.denoise.prepare
$python -m training.master.songs
$python -m training.events.prepare
$python -m training.events.train --clock cpu --minutes "$minutes"
$python -m training.events.export --checkpoint training/runs/events/last.pt
$python -m training.events.evaluate --card
