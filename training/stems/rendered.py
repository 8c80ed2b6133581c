"""Scores what `render stems` writes of the real songs that never trained, by quality.

    python -m training.stems.rendered --engine target/release/xtask
    python -m training.stems.rendered --part valid --qualities fast best

The engine's sound and not the net's in PyTorch: framing, lag, passes of a bounce and files are in it. Figures are those of
`evaluate`; CPU is the renderer's user time as a share of the song's length. Tables go to training/runs/evaluate/.
"""

import argparse
import json
import resource
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from ..common.place import RUNS
from .evaluate import RATE, merged, real_songs, scores, table

STEMS = ("vocals", "drums", "bass", "other")


def rendered(engine: Path, quality: str, mixture: np.ndarray) -> tuple[np.ndarray, float]:
    """Stems `[4, 2, n]` that the renderer makes of `[2, n]`, and its user seconds."""
    with tempfile.TemporaryDirectory() as folder:
        song, out = Path(folder) / "song.wav", Path(folder) / "out"
        soundfile.write(song, mixture.T, RATE, subtype="FLOAT")
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        subprocess.run([engine, "render", "stems", song, "-o", f"{out}/", "--quality", quality, "--quiet"], check=True)
        seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        read = lambda name: soundfile.read(out / f"song.{name}.wav", dtype="float32")[0].T  # noqa: E731
        return np.stack([read(name) for name in STEMS]), seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", type=Path, default=Path("target/release/xtask"))
    parser.add_argument("--part", choices=("test", "valid"), default="test", help="valid for decisions, test for what is published")
    parser.add_argument("--qualities", nargs="+", default=["fast", "good", "best"])
    parser.add_argument("--seconds", type=float, help="only the middle of each song")
    parser.add_argument("--out", type=Path, default=RUNS / "evaluate")
    args = parser.parse_args()
    rows, cost, length = {"mix / 4": []} | {q: [] for q in args.qualities}, dict.fromkeys(args.qualities, 0.0), 0.0
    for name, tag, stems in real_songs(args.part):
        if args.seconds:
            n = int(args.seconds * RATE)
            a = max(0, (stems.shape[-1] - n) // 2)
            stems = stems[..., a : a + n]
        mixture = stems.sum(0)
        length += mixture.shape[-1] / RATE
        names, true = merged(tag, stems)
        rows["mix / 4"].append(scores(names, true, merged(tag, np.stack([mixture / 4] * 4))[1], False))
        for quality in args.qualities:
            got, seconds = rendered(args.engine.resolve(), quality, mixture)
            cost[quality] += seconds
            rows[quality].append(scores(names, true, merged(tag, got)[1], False))
            print(name, quality, {k: round(v["uSDR"], 2) for k, v in rows[quality][-1].items()}, flush=True)
    text = f"**uSDR of `render stems`**, {len(rows['mix / 4'])} songs of `{args.part}`, dB\n\n" + table(rows, [*STEMS, "bass + other"], "uSDR")
    text += "\nCPU: " + ", ".join(f"{q} {cost[q] / length:.2f}" for q in args.qualities) + " of a core.\n"
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / f"rendered-{args.part}.md").write_text(text)
    (args.out / f"rendered-{args.part}.json").write_text(json.dumps({"rows": rows, "cpu": cost, "seconds": length}))
    print(text)


if __name__ == "__main__":
    main()
