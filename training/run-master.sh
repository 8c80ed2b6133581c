#!/bin/sh
# The mastering model from data to shipped weights: training/run-master.sh [minutes of CPU], from the repository's root.
# Every step goes on where it stopped.
set -eu
minutes=${1:-0.5}
cd "$(dirname "$0")/.."
[ -d training/.venv ] || python3 -m venv training/.venv
python=training/.venv/bin/python
$python -m pip install -q -r training/requirements.txt
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
cargo build --release -p xtask
$python -m training.master.songs
$python -m training.master.prepare
$python -m training.master.train --minutes "$minutes"
$python -m training.master.export --checkpoint training/runs/master/last.pt
$python -m training.master.protocol --model models/master
$python -m training.master.card --checkpoint training/runs/master/last.pt
