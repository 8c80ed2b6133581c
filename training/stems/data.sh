#!/bin/sh
# Makes the bank: training/stems/data.sh [songs] [seed] [album repository], from the repository's root.
# Every step goes on where it stopped. A song takes about half a minute of one core.
set -eu
songs=${1:-300}
seed=${2:-1}
album=${3:-}
cd "$(dirname "$0")/../.."
python=training/.venv/bin/python
export OMP_NUM_THREADS=1
$python -m training.denoise.prepare
$python -m training.stems.sources
if [ -n "$album" ]; then
    $python -m training.stems.album "$album"
else
    $python -m training.stems.album --excerpts
fi
held=$(( (songs + 9) / 10 ))
for part in train valid test; do
    count=$held
    [ "$part" = train ] && count=$songs
    $python -m training.stems.generate --part $part --songs "$count" --seed "$seed" --tracks --speech "$((count / 2))" --notes
done
$python -m training.stems.bank
$python -m training.stems.compare
