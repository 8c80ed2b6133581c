"""Writes the model's CARD.md from the trainer's file and the last run of the protocol.

    python -m training.master.card --checkpoint training/runs/master/last.pt
"""

import argparse
import csv
import hashlib
from collections import Counter
from pathlib import Path

from ..common.place import RUNS
from .export import ID, LICENSE, VERSION, load
from .features import ROOT
from .songs import SPLIT, sources


def split() -> list[dict]:
    with open(SPLIT) as f:
        return list(csv.DictReader(f, delimiter="\t"))


def write_card(folder: Path, checkpoint: Path) -> None:
    net, saved = load(checkpoint)
    digest = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    counts = Counter(r["album"].split(" ")[0] for r in split())
    data = "\n".join(f"| {r['id']} | {r['what']} | {counts[r['id']]} | {r['part']} | {r['source']} {r['version']} | {r['licence']} |"
                     for r in sources())
    groups = "\n".join(f"| {name} | {g['nothing']:.2f} | {g['error']:.2f} | {g['untouched']:.2f} | {g['evidence']:.2f} |"
                       for name, g in saved["groups"].items())
    measured = RUNS / "master" / "protocol-test.md"
    protocol = measured.read_text().strip() if measured.exists() else "Not measured with these weights yet."
    (folder / "CARD.md").write_text(f"""# Mastering: model card

From {net.size} features of a song (`analysis` in `dsp-core`) says what should be changed so that it is balanced like
finished music: tone at 30 thirds of an octave, width in three regions, dynamics in four bands, each in dB with its
standard deviation. Version {VERSION}, {sum(p.numel() for p in net.parameters()):,} parameters; `model.onnx` sha256 `{digest}`.

**Licence of the weights: {LICENSE}.** The music it learned from is under the licences below, in part share-alike.
Whether such licences reach trained weights is not settled; the weights are therefore shared under a share-alike
licence, the sources are named, and none of their audio is in the model's files.

## What it does, and does not

- It learned the way back from known damage (`training/master/degrade.py`): curves of tone, gains of the sides, dynamics by band.
  Trained on {saved.get('songs', 'the')} songs; a whole album is train, valid or test.
- **Tone can only be told in part without a reference.** Songs differ from each other by 4 to 10 dB in a third, more than most
  damage does. The answer is the mean of what is likely, so it is far smaller than the damage; a reference says more.
  The engine leaves out moves of less than .5 dB in their mean and makes larger ones smaller by that, so that finished music is left alone:
  on moved valid features the error of 2.17 dB becomes 2.04 with it and 1.98 without.
- **Dynamics are not learned.** No way back was found that errs less than doing nothing, with traces of limiters as features neither; their `evidence` is
  set so high that they are never believed.
- Loudness and ceiling are not its business: they are solved on the chain.
- Thirds over a source's own limit (a codec's) and hardly heard ones were not learned. Over 16 kHz few sources are left.
- The music is of free games: electronic, orchestral, folk, rock and metal, mostly without singing. Pop with vocals, hip hop, jazz and
  classical recordings are hardly there, and speech is not. Nobody has listened to its masters yet.
- It sees thirds, width and shape of dynamics, but no level, peaks or loudness: turning a song up changes nothing.

## Figures

Valid songs, features moved as in training (`python -m training.master.train`): mean error in dB of what remains to be done, with the
engine's confidence, before its dead zone; *untouched*: moves on songs that need none; *evidence*: mean squared move in units of its deviation at
which the confidence is one half.

| group | nothing done | error | untouched | evidence |
|---|---|---|---|---|
{groups}

Held-out songs through the whole chain (`python -m training.master.protocol`):

{protocol}

## Data

| source | what | songs | part | from | licence |
|---|---|---|---|---|---|
{data}
""")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=ROOT / "models" / ID)
    args = parser.parse_args()
    write_card(args.out, args.checkpoint)


if __name__ == "__main__":
    main()
