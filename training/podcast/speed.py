"""Hours of programme that a core finishes in an hour: `render podcast` end to end, decoding and encoding in it.

    python -m training.podcast.speed [--seconds 600] [--formats wav flac mp3 opus] [--repeat 2]

The programme is that of `cuts.py`: held-out talkers with pauses, half of them in held-out noise, as FLAC of one channel. Told: time of the
processor in user code of the renderer and its encoder (the least of the repeats: what else runs on the machine makes it only longer),
and how many encodings it took.
"""

import argparse
import json
import resource
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from .cuts import CACHE, RATE, programme


def recording(seconds: float, seed: int) -> np.ndarray:
    """Talkers one after another, `[N]`."""
    random = np.random.default_rng(seed)
    talkers, noises = (json.loads((CACHE / f"{kind}-test.json").read_text()) for kind in ("speech", "noise"))
    speech, noise = (np.memmap(CACHE / f"{kind}-test.i16", np.int16, "r") for kind in ("speech", "noise"))
    parts, length = [], 0
    while length < seconds * RATE:
        for number, index in enumerate(random.permutation(len(talkers))):
            bed = noises[random.integers(len(noises))]
            bed = None if number % 2 == 0 else noise[bed["start"] : bed["start"] + bed["length"]]
            parts.append(programme(talkers[index], speech, bed, 40.0, random)[0])
            length += len(parts[-1])
    return np.concatenate(parts)[: int(seconds * RATE)]


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--xtask", default="target/release/xtask")
    args.add_argument("--seconds", type=float, default=600.0)
    args.add_argument("--formats", nargs="+", default=["wav", "flac", "mp3", "opus"])
    args.add_argument("--repeat", type=int, default=2)
    args.add_argument("--seed", type=int, default=5)
    args = args.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        soundfile.write(folder / "in.flac", recording(args.seconds, args.seed), RATE, "PCM_16")
        print("| out | user time, s | hours of programme a core-hour | encodings |")
        print("|---|---|---|---|")
        for form in args.formats:
            times, passes = [], None
            for _ in range(args.repeat):
                before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
                words = [args.xtask, "render", "podcast", folder / "in.flac", "-o", folder / f"out.{form}", "--jobs", "1", "--quiet"]
                words += ["--overwrite", "--report", folder / "report.json"]
                subprocess.run([str(word) for word in words], check=True)
                times.append(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before)
                passes = json.loads((folder / "report.json").read_text())["podcast"]["loudness"]["passes"]
            print(f"| {form} | {min(times):.1f} | {args.seconds / min(times):.0f} | {passes} |", flush=True)


if __name__ == "__main__":
    main()
