"""Writes the model's CARD.md; every figure in it comes from the run that writes it."""

import csv
import hashlib
import json
from pathlib import Path

from ...denoise.prepare import CACHE
from ..bands import RATE
from ..export import LICENSE, VERSION, write_manifest
from ..net import Net, count
from ..prepare import FESTIVAL, FLITE, HELD_LANGUAGES, KNOWN_LANGUAGES, VARIANTS

TRAINING = Path(__file__).parents[2]
TRAINED = "42,400 steps of four segments of 9 s in five runs, one after the other; about 59 hours of mixtures made, each used about eight times."
"""What the shipped weights saw: brought up to date with them."""
SOURCES = ("sources.tsv", "deess-sources.tsv")
UNSEEN = {"repository/mimic3-voices"}
"""Rows of them that the shipped weights did not learn from: brought up to date with the weights."""


def talkers(part: str) -> str:
    held = HELD_LANGUAGES["test"] | HELD_LANGUAGES["valid"]
    pieces = json.loads((CACHE / f"speech-{part}.json").read_text())
    if part == "train":
        pieces = [p for p in pieces if p["lang"] not in held]
    hours = sum(p["length"] for p in pieces) / RATE / 3600
    return f"{len({p['key'].split(' @')[0] for p in pieces})} talker labels in {len({p['lang'] for p in pieces})} languages, {hours:.1f} h"


def write_card(folder: Path, net: Net, text: str, data: dict) -> None:
    """`folder/CARD.md` and the manifest's figures."""
    digest = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    rows = []
    for name in SOURCES:
        with open(TRAINING / "data" / name) as f:
            rows += (r for r in csv.DictReader(f, delimiter="\t") if r["id"] not in UNSEEN)
    sources = "\n".join(f"| {r['id']} | {r['what']} | {r['source']} {r['version']} | {r['licence']} |" for r in rows)
    ours = data["Synthetic speech"]["Plainsong, reference"]
    real = data["Recorded speech, labels by analysis"]["Plainsong, reference"]
    groups = "\n".join(
        f"| {g} | {v['error']:.2f} | {v['sdr']:.1f} | {v['idle']:.1f} | {v['tkfh']:.2f} |"
        for part in (ours, real) for g, v in part["groups"].items())
    minutes = {p: sum(r["length"] for r in json.loads((CACHE / f"deess-synth-{p}.json").read_text())) / RATE / 60 for p in ("train", "test")}
    body = f"""# De-esser: model card

Names the sound of each 5 ms (s, sh, f, breath, plosive, none) and says by how many dB it is too strong for this
talker, in 12 bands from 2.5 to 16 kHz. Version {VERSION}, {count(net):,} parameters; `model.onnx` sha256 `{digest}`.

**Licence of the weights: {LICENSE}.** Part of the speech it was trained on is under GPL and CC-BY-SA, listed
below. Whether such licences reach trained weights is not settled; the weights are therefore shared under a
share-alike licence, the sources are named, and none of their audio is in the model's files.

## What it does, and does not

- *Too strong* is measured against the talker's own other sounds. A recording is taken as natural in training;
  its sibilants alone are then raised by a known curve, and that curve is the answer. A microphone that is bright
  as a whole is not an excess; a talker whose natural s is unusually strong looks like one that was raised, and is
  taken for it in part.
- The level does not matter: a running mean in front of the graph takes it out.
- It needs about 2 s of a talker. In the first syllables it takes less than it will.
- What noise covers is left alone. Below 8 kHz of band there is little to work with, below 4 kHz nothing.
- `whistle` was trained on narrow boosts of 3 to 9 % of an octave made from recordings, never on a real whistle.
- `f` and `breath` have few examples whose class is certain: treat them as hints. Breaths of recordings are labelled by analysis,
  and were not checked by ear; the table "Each class of sound" says what is recognised of them.

## Figures

On held-out voices and languages, by `python -m training.deess.protocol --card`, the sibilants (s z sh zh ch j)
being raised by 9 dB from 5 to 10 kHz. *error*: absolute error of the reduction on a sibilant, dB; *SDR* of the
output against the speech that was never raised, dB; *vowels*: log-spectral distance to the input, dB; *t k f h*: their change
above 2 kHz, dB; *needs nothing*: SDR of the output to the input on speech that was never raised (untouched bits count as
100 dB, hence the median). Held-out synthetic
voices come from the same synthesisers as those in training: **other synthesisers are not measured.** On recorded
speech the labels come from signal analysis (checked by `python -m training.deess.labels`), so recall and
classes there are agreement with that analysis, and recordings are taken as natural, which not all are.

{text}
By synthesiser, and by language of recorded speech:

| | error | SDR | needs nothing | t k f h |
| --- | --- | --- | --- | --- |
{groups}

## Training

{TRAINED} Recipe and history: `training/EXPERIMENTS.md`.
Recorded speech: {talkers("train")}. Synthetic speech: {minutes["train"]:.0f} min of espeak-ng 1.51 ({len(VARIANTS["train"])} voice variants), flite 2.2
({", ".join(FLITE["train"])}) and festival 2.5 ({", ".join(v[0] for v in FESTIVAL["train"])}), reading names of countries, languages and currencies. Half of the
segments are synthetic, with exact phoneme times; the others carry labels by analysis at half the weight.
Boosts 1 to 15 dB (most 4 to 13) from 3.2-7.2 kHz to 6.5-15 kHz or open, one in five the
whole sibilant without an edge (9 to 18 dB), 28 % untouched, 7 % cut; microphone curves, rooms, compression, clipping, speed, two talkers in turn, band limits, hiss, noise and music behind. Music, drum
patterns, noise and generated tones alone are negatives in all modes, most in singing and mix.

Never trained, and behind the figures above: languages {", ".join(sorted(HELD_LANGUAGES["test"]))}, recorded or synthetic; flite {", ".join(FLITE["test"])}; festival
{", ".join(v[0] for v in FESTIVAL["test"])}; espeak-ng variants {", ".join(VARIANTS["test"])} (they also speak
{", ".join(KNOWN_LANGUAGES)}, which trained with other variants); recorded: {talkers("test")} of `training/data/split.tsv`.
Decisions were taken on a second set of voices, talkers and languages ({", ".join(sorted(HELD_LANGUAGES["valid"]))}; flite {", ".join(FLITE["valid"])}; festival
{", ".join(v[0] for v in FESTIVAL["valid"])}; espeak-ng {", ".join(VARIANTS["valid"])}), which never trained either.

| source | what | where | licence |
|---|---|---|---|
{sources}

## Rebuild

```sh
python -m training.denoise.prepare
python -m training.deess.prepare
python -m training.deess.train
python -m training.deess.export --checkpoint training/runs/deess/last.pt
python -m training.deess.protocol --card
```
"""
    (folder / "CARD.md").write_text(body)
    keys = {"error": "error_db", "sdr": "sdr_db", "vowel": "vowel_distance_db", "tkfh": "t_k_f_h_db", "idle": "needs_nothing_sdr_db"}
    write_manifest(folder, {v: round(ours[k], 3) for k, v in keys.items()} | {f"recorded_{v}": round(real[k], 3) for k, v in keys.items()})
