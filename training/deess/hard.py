"""Finds what a model takes for a sibilant where there is none, for the mixer to show it more often.

    python -m training.deess.hard                      # models/deess over the training part's noise, music and drums
    python -m training.deess.hard --checkpoint training/runs/deess/last.pt

Writes `training/cache/deess-hard-train.json`: rows of source, key of the piece, sample of the memory map, and
the reduction in dB. Music is searched in voice mode alone, since there may be voices in it; the rest in mix mode too.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from ..common.trainer import prepare_process
from ..denoise.prepare import CACHE
from .bands import RATE
from .mix import HARD_SOURCES, HOP, Source
from .protocol.reference import Reference

LEAST_DB = 0.5
APART_SECONDS = 0.5
"""Events nearer to one another are one."""
LOOK_SECONDS = 60


def events(ours: Reference, name: str, source: Source) -> list:
    """Rows of one source."""
    out, apart = [], int(APART_SECONDS * RATE / HOP)
    for p in source.pieces:
        for start in range(p["start"], p["start"] + p["length"], LOOK_SECONDS * RATE):
            end = min(p["start"] + p["length"], start + LOOK_SECONDS * RATE)
            if end - start < HOP * 20:
                continue
            x = source.audio[start:end].astype(np.float32) / 32768
            r = np.max([ours.decide(x, mode).max(1) for mode in ((0,) if name == "music" else (0, 2))], axis=0)
            last = -apart
            for hop in np.flatnonzero(r > LEAST_DB):
                if hop - last >= apart:
                    last = hop
                    out.append([name, p["key"], int(start + hop * HOP), round(float(r[hop : hop + apart].max()), 2)])
    return out


def main():
    from .protocol.__main__ import load

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, help="a trainer's file in place of models/deess")
    args = parser.parse_args()
    prepare_process(1)
    ours, out = Reference(load(args.checkpoint)), []
    for name, file in HARD_SOURCES.items():
        got = events(ours, name, Source(file, "train"))
        print(f"{name}: {len(got)} events", flush=True)
        out += got
    (CACHE / "deess-hard-train.json").write_text(json.dumps(out))


if __name__ == "__main__":
    main()
