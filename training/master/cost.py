"""User CPU of a master: ours without and with a reference, and matchering's, one after the other on the same pieces.

    python -m training.master.cost                # 4 test songs, 40 s each
    python -m training.master.cost --seconds 180  # three minutes of each

Seconds of the processor spent in the programs themselves (`ru_utime`), decoding and start included, over seconds of
sound; the shortest of `--runs`, since a busy machine only adds to it. The pieces are those of the protocol, undamaged.
"""

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path

import soundfile as sf

from .features import ROOT, XTASK
from .prepare import scratch
from .protocol.__main__ import chosen, resampled
from .protocol.systems import MATCHERING
from .songs import middle


def user_seconds(command: list) -> float:
    """User CPU seconds of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command[:4]))}: {done.stderr.strip()[-500:]}")
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def commands(xtask: Path, given: Path, reference: Path, rate: int, folder: Path) -> dict[str, list]:
    ours = [xtask, "render", "master", given, "-o", folder / "ours.wav", "--bits", "32f", "--quiet", "-j", "1", "--overwrite"]
    return {"matchering 2": [sys.executable, "-c", MATCHERING, given, reference, folder / "matchering.wav", rate],
            "Plainsong, no reference": ours, "Plainsong, with a reference": [*ours, "--reference", reference],
            "Plainsong, no reference, with report": [*ours, "--report", folder / "report.json"],
            "analysis alone": [xtask, "analyse", "--json", given]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--xtask", type=Path, default=XTASK)
    args = parser.parse_args()
    spent: dict[str, float] = {}
    total = 0.0
    for song, other in chosen("test", args.songs):
        x, rate = middle(song, args.seconds)
        reference = resampled(*middle(other, args.seconds), rate)
        total += x.shape[1] / rate
        with scratch() as d:
            folder = Path(d)
            given, beside = folder / "given.wav", folder / "reference.wav"
            sf.write(given, x.T, rate, subtype="FLOAT")
            sf.write(beside, reference.T, rate, subtype="FLOAT")
            for name, command in commands(args.xtask.resolve(), given, beside, rate, folder).items():
                spent[name] = spent.get(name, 0.0) + min(user_seconds(command) for _ in range(args.runs))
        print(song.key, json.dumps({k: round(v / total, 4) for k, v in spent.items()}), flush=True)
    peer = spent["matchering 2"]
    print(f"\n| {total:.0f} s of sound | user seconds a second | of matchering's |\n| --- | --- | --- |")
    for name, seconds in spent.items():
        print(f"| {name} | {seconds / total:.4f} | {seconds / peer:.2f} |")


if __name__ == "__main__":
    main()
