"""Writes a model's CARD.md; every figure in it comes from the run that writes it."""

import csv
import hashlib
from pathlib import Path

from ..denoise.export import LICENSE, VERSION, load_onnx
from ..denoise.frames import Mode

TRAINING = Path(__file__).parents[1]


def counts() -> dict:
    """Number of keys by kind and part of the split."""
    out = {}
    with open(TRAINING / "data" / "split.tsv") as f:
        for r in csv.DictReader(f, delimiter="\t"):
            out.setdefault(r["kind"], {}).setdefault(r["part"], []).append(r["key"])
    return out


SEEN = {"standard": (65.1, 9640), "low": (66.6, 10050)}
"""Hours of mixtures and core-seconds behind the shipped weights, over all runs (`training/EXPERIMENTS.md`); a
checkpoint knows its own run alone."""


def seen(mode: Mode) -> str:
    """Audio and time of the training."""
    hours, cpu = SEEN[mode.name]
    return f"Training saw {hours:.0f} hours of mixtures in {cpu:,} core-seconds of one CPU core, over all runs."


def write_card(folder: Path, mode: Mode, name: str, scores: dict, pairs, report) -> None:
    """`folder/CARD.md` of the model `name` among `scores`."""
    keep = {n: s for n, s in scores.items() if n == name or not n.startswith("Plainsong")}
    text, data = report(keep, pairs, [name])
    net = load_onnx(folder / "model.onnx")
    digest = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    split = hashlib.sha256((TRAINING / "data" / "split.tsv").read_bytes()).hexdigest()
    with open(TRAINING / "data" / "sources.tsv") as f:
        sources = list(csv.DictReader(f, delimiter="\t"))
    part = counts()
    lines = [f"| {r['id']} | {r['what']} | {r['source']} {r['version']} | {r['licence']} |" for r in sources]
    talkers = ", ".join(k.removeprefix("gc ") for k in part["speech"]["test"])
    worst = sorted((round(v["si_sdr"] - data["noisy"][g]["si_sdr"], 2), g) for g, v in data[name].items()
                   if isinstance(v, dict) and "si_sdr" in v and g in data["noisy"] and g != "clean in")[:3]
    fails = "; ".join(f"{g}: SI-SDR {d:+.1f} dB" for d, g in worst)
    delay = mode.synthesis_ms
    first = "" if mode.name == "standard" else " It began from the standard model's weights."
    body = f"""# {name.replace('Plainsong', 'Denoise', 1)}: model card

Takes noise and late room sound from one voice. Version {VERSION}, {sum(p.numel() for p in net.parameters()):,} parameters,
{net.blocks} blocks, delay {delay} ms, hop {mode.hop_ms} ms; `model.onnx` sha256 `{digest}`.

**Licence of the weights: {LICENSE}.** Part of the speech it was trained on is under GPL and CC-BY-SA,
listed below. Whether such licences reach trained weights is not settled; the weights are therefore
shared under a share-alike licence, the sources are named, and none of their audio is in the model's files.

## What it does, and does not

- It keeps speech with the first 40 to 60 ms of a room, and lowers the rest. Clean speech is to pass unchanged.
- **Music counts as noise**, and so does the talk of a crowd. Singing was not trained for and is not measured here.
- The input's level does not matter: the graph takes it out by a running mean over about 2 s.
- Masks are complex up to 4.8 kHz (bins of 50 Hz), real above (32 bands).
- Weakest groups of the table below: {fails}.
- Onsets and sibilants in strong noise lose level (see Details); pauses keep more noise than with the larger peers.

## Figures

Of these weights, on held-out talkers, noises and rooms, made by `python -m training.evaluate --card`.
PESQ is wide band; SI-SDR in dB; SIG, BAK, OVRL are DNSMOS P.835. One set of {sum(p.snr is not None for p in pairs)} mixtures: differences
of .02 PESQ, .3 dB or .03 OVRL are chance. Decisions were taken on other
mixtures, of the `valid` part.

{text}
## Training

{seen(mode)}{first} Recipe and history: `training/EXPERIMENTS.md`. Mixtures are made on the fly:
SNR -5 to 22 dB, 45 % with a room, speed .82 to 1.22, band limits, microphone curves, hum, hiss, clicks,
10 % clean, 10 % with music as noise, 5 % babble.

| source | what | where | licence |
|---|---|---|---|
{chr(10).join(lines)}

Split `training/data/split.tsv` (sha256 `{split[:16]}…`): {len(part['speech']['train'])} talker labels train, {len(part['speech']['valid'])} watch, {len(part['speech']['test'])} test
({talkers}); {len(part['noise']['train'])} noise sources train, {len(part['noise']['test'])} test; {len(part['room']['train'])} recorded or modelled rooms and 200 synthetic ones train,
{len(part['room']['test'])} and 16 test. VoiceBank-DEMAND's and MUSDB18's test parts were never used.

Most of the speech is single words or short phrases; sentences come from few talkers. Children, whispers,
shouting, and languages without Latin, Greek, Cyrillic, Arabic, Hebrew or Indic script in the table are thin or absent.

## Rebuild

```sh
training/run.sh
```
"""
    (folder / "CARD.md").write_text(body)
