"""Writes the models' CARD.md from the run of `evaluate` that gives their figures.

    python -m training.stems.evaluate --card       # runs this at its end
"""

import csv
import hashlib
import json
from pathlib import Path

from .export import LICENSE, ROOT, VERSION, load_onnx, model_id
from .frames import MODES
from .sources import SPLIT, TABLE

TITLES = {"stems": "Stems", "stems-low": "Stems, low latency", "dialogue": "Dialogue"}
TRAINED = ROOT / "training" / "data" / "stems-trained.json"
"""Hours of mixtures, steps and core-seconds behind the shipped weights, over all runs, kept by hand: a checkpoint knows its own run alone."""
KINDS = {"stems": ("soundfont", "drums", "scores", "track", "album", "vocals", "vocals and voice"), "dialogue": ("soundfont", "drums", "scores", "track", "album", "vocals and voice")}

LICENCE = f"""**Licence of the weights: {LICENSE}.** Part of the sounds they were trained on is under GPL and CC-BY-SA, listed
below. Whether such licences reach trained weights is not settled; the weights are therefore shared under a
share-alike licence, the sources are named, and none of their audio is in the model's files."""

ABOUT = {
    "stems": """Takes a song apart while it plays, into vocals, drums, bass and other, which add up to the song whatever the model says
(other is what the masks of the three leave).""",
    "dialogue": "Takes speech out from under music while it plays: voice and rest, which add up to what came in.",
}

LIMITS = {
    "stems": """- **Little real music.** Four songs of one electronic pop album are all the real multitracks that it learned from; the two songs it
  is scored on are of the same album and singers, so figures on other music will be lower. All else is generated: General
  MIDI songs and patterns through soundfonts and drum kits, speech moved to melodies as singing.
- **A beginning.** It heard few hours, and a bounce or a remix needs better. Vocals of Caesium are no better than a quarter of the mix; of Lithium 3 dB.
- **Bass** is known apart in one of the four songs, and scored on one (Lithium), where it is *below* a quarter of the mix over the whole song: low
  sounds leak into it while it rests. In the median second in which it plays it has 8 dB.
- Expected to fail, not measured: choirs and stacked voices, growls and vocoders (to other in part); fretless and upright bass above 300 Hz (to other); electronic
  kicks with a long tone (shared between drums and bass); violin, saxophone and lead synthesisers (leak into vocals).
- Not measured: classical music, jazz, recordings of a live audience. In silence and in stems that are absent a trace of others stays.""",
    "dialogue": """- Speech is read, much of it single words and sentences; crowds, shouting and singing are not in training. Sung words count as music here.
- Music is of free games and generated songs. Solo instruments in a voice's range leak at the worst ratios.
- Below -5 dB of speech to music it was not trained.""",
}


def trained(name: str) -> str:
    seen = json.loads(TRAINED.read_text()).get(name) if TRAINED.exists() else None
    if not seen:
        return "What it has seen was not written down."
    if seen.get("note"):
        return f"{seen['note']} Recipe and history: `training/EXPERIMENTS.md`, section 3."
    return (f"{seen['steps']:,} steps, {seen['hours']:.1f} hours of mixtures, {seen['core_seconds'] / 60:.0f} minutes of one busy core. "
            "Recipe and history: `training/EXPERIMENTS.md`, section 3.")


def songs_table(found: dict, songs: list, names: list[str], key: str) -> str:
    """A row for each song and system of those in `names`."""
    stems = list(dict.fromkeys(s for n in names for row in found[n] for s in row))
    lines = ["| song | | " + " | ".join(stems) + " |", "|" + " --- |" * (len(stems) + 2)]
    for i, (song, _) in enumerate(songs):
        for n in names:
            cells = [f"{found[n][i][s][key]:.2f}" if s in found[n][i] else "" for s in stems]
            lines.append("| " + " | ".join([song, n, *cells]) + " |")
    return "\n".join(lines) + "\n"


def write_card(folder: Path, text: str, part: str, command: str) -> None:
    """`folder/CARD.md`; `text` are the tables of the run `command`."""
    net = load_onnx(folder / "model.onnx")
    low = "asymmetric" in (folder / "manifest.toml").read_text()
    mode = MODES["low" if low else "standard"]
    name = model_id(net.task, mode)
    digest = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    split = hashlib.sha256(SPLIT.read_bytes()).hexdigest()[:16]
    with open(TABLE) as f:
        rows = [r for r in csv.DictReader(f, delimiter="\t") if r["kind"] in KINDS[net.task]]
    sources = "\n".join(f"| {r['id']} | {r['what']} | {r['source']} {r['version']} | {r['licence']} |" for r in rows)
    count = sum(p.numel() for p in net.parameters())
    init = {"stems-low": " --mode low"}.get(name, "") + f" --init models/{name}"
    body = f"""# {TITLES[name]}: model card

{ABOUT[net.task]} Version {VERSION}, {count:,} parameters ({net.size.channels} channels, {net.size.layers} layers), window
{mode.window_ms} ms, hop {mode.hop_ms} ms, delay {mode.synthesis_ms} ms; `model.onnx` sha256 `{digest}`.

{LICENCE}

## What it does, and does not

- Complex masks of both channels below 6 kHz (bins of 25 Hz), real ones above (32 bands, to 24 kHz). Each frame from what came before it.
- The input's level does not matter: the graph takes it out by a running mean over about 4 s.
{LIMITS[net.task]}

## Figures

Of these weights, on {'real songs' if net.task == 'stems' else 'talkers and music'} of the part `{part}`, held out as a whole, by `{command}`. Decisions were taken on the part `valid`.

{text}
## Training

{trained(name)} Split: `training/data/stems-split.tsv`, sha256 `{split}...`.

| source | what | where | licence |
| --- | --- | --- | --- |
{sources}

## Rebuild, go on

```sh
training/stems/data.sh 300 1 ALBUM
python -m training.stems.train --task {net.task}{init} --minutes 600
python -m training.stems.export --checkpoint training/runs/{name}/last.pt
{command}
```
"""
    (folder / "CARD.md").write_text(body)
