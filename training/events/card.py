"""Writes the events model's CARD.md and its manifest's figures from the run of `evaluate` that calls it."""

import csv
import hashlib
import json
from pathlib import Path

from ..common.place import RUNS, TRAINING
from ..denoise.export import LICENSE, VERSION
from ..master.songs import songs
from .export import load_onnx, write_manifest
from .mix import HEARD_DB, KINDS, Recipe


def run_log() -> str:
    log = RUNS / "events" / "log.jsonl"
    if not log.exists():
        return ""
    last = json.loads(log.read_text().splitlines()[-1])
    return f"{last['step']} steps, {last['hours']:.0f} hours of programmes, {last['minutes']:.0f} minutes of one busy core."


def write_card(folder: Path, counts: dict, rows: list[str], command: str) -> None:
    """`folder/CARD.md`, and the figures of `folder/manifest.toml`, from `counts` and the table's `rows`."""
    net = load_onnx(folder / "model.onnx")
    digest = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    with open(TRAINING / "data" / "sources.tsv") as f:
        sources = list(csv.DictReader(f, delimiter="\t"))
    with open(TRAINING / "data" / "master-sources.tsv") as f:
        sources += csv.DictReader(f, delimiter="\t")
    data = "\n".join(f"| {r['id']} | {r['what']} | {r['source']} {r['version']} | {r['licence']} |" for r in sources)
    by = {part: songs(part) for part in ("train", "test")}
    heard = ", ".join(f"{kind} {limits[0]:.0f} dB" for kind, limits in HEARD_DB.items())
    (folder / "CARD.md").write_text(f"""# Events: model card

Says for each 10 ms whether there is speech, music and noise: three probabilities, each of its own, at once and again
half a second later, when more has been heard. Version {VERSION}, {sum(p.numel() for p in net.parameters()):,} parameters; `model.onnx` sha256 `{digest}`.

**Licence of the weights: {LICENSE}.** Part of the audio it was trained on is under GPL and CC-BY-SA, listed
below. Whether such licences reach trained weights is not settled; the weights are therefore shared under a
share-alike licence, the sources are named, and none of their audio is in the model's files.

## What it does, and does not

- It hears bands, how tonal they are and whether tones stay, relative to a running level: the input's gain does not matter.
- A kind that is far enough under the rest is not there for it: {heard} under the others count as heard.
- **Singing.** Sung songs count as music in training, and there are few of them: an a cappella voice may be told as speech.
- A single held note, an alarm or a bird can be music to it. Many people talking at once are noise in training, and may be told as speech.
- The music is of free games, with little classical, jazz or pop; the speech is read, mostly single words and sentences.

## Figures

Programmes from talkers, albums and noises that never trained, by `{command}`. F1, recall and precision of half
seconds; *at once* is what is said without waiting.

{chr(10).join(rows)}

Speech of the languages below is of the test talkers alone, some of them one person. By sex of the speaker: not known for most sources, so not told.

## Training

{run_log()} Recipe and history: `training/EXPERIMENTS.md`. Programmes are made on the fly (`training/events/mix.py`): talkers
with pauses, in rooms, two in turn; music from {Recipe().music_db[0]:.0f} to {Recipe().music_db[1]:+.0f} dB against speech, under it or in turn with it; noise; microphones and band limits.
{len(by["train"])} songs train, {len(by["test"])} of other albums test.

| source | what | where | licence |
|---|---|---|---|
{data}

## Rebuild

```sh
python -m training.denoise.prepare
python -m training.master.songs
python -m training.events.prepare
python -m training.events.train
python -m training.events.export --checkpoint training/runs/events/last.pt
python -m training.events.evaluate --card
```
""")
    write_manifest(folder, {f"f1_{kind}": round(counts[kind, 'late', 'all'].f1, 3) for kind in KINDS})
