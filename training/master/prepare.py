"""Features of finished music, as it is and with other dynamics, from the Rust analysis.

    python -m training.master.prepare --minutes 20     # goes on where it stopped
    python -m training.master.prepare --check          # how far `features.shift` agrees with really changed audio

For every song: its middle, and excerpts, each as it is and with changed dynamics (`cache/master-base/`). Tone and width
are moved on the features while training (`--check` says how well that agrees). Test songs belong to the protocol and
are not touched here.
"""

import argparse
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np
import soundfile as sf

from ..common.place import CACHE
from .degrade import Damage, apply_dynamics, apply_linear, draw_damage, draw_dynamics, draw_tone, draw_width
from .features import XTASK, Places, analyse, at_octaves, at_thirds, shift, table
from .songs import Song, middle, songs

BASE = CACHE / "master-base"
MIDDLE_SECONDS, EXCERPT_SECONDS = 90.0, 20.0
DAMAGED_SECONDS = 40.0
"""Length of what the protocol damages and masters."""
EXCERPTS, VARIANTS = 2, 2
SILENT_DB = -45.0
"""Excerpts with a lower RMS are not taken."""
CHECKS = 40


def scratch() -> tempfile.TemporaryDirectory:
    """A folder for passing sounds to the analysis, in memory where that is possible."""
    shm = Path("/dev/shm")
    return tempfile.TemporaryDirectory(dir=shm if shm.exists() else None)


def features_of(sounds: list, xtask: Path) -> np.ndarray:
    """Features `[sounds, N]` of pairs of samples `[2, n]` and rate."""
    with scratch() as d:
        paths = []
        for i, (x, rate) in enumerate(sounds):
            paths.append(Path(d) / f"{i}.wav")
            sf.write(paths[-1], x.T, rate, subtype="FLOAT")
        return analyse(paths, xtask)


def excerpt(x: np.ndarray, rate: int, seconds: float, rng: np.random.Generator) -> np.ndarray | None:
    """A piece of `x` that is not silent."""
    n = int(seconds * rate)
    for _ in range(8):
        start = int(rng.integers(0, max(1, x.shape[1] - n)))
        piece = x[:, start : start + n]
        if 10 * np.log10(np.mean(piece * piece) + 1e-20) > SILENT_DB:
            return piece
    return None


def name(song: Song) -> str:
    return f"{zlib.crc32(song.key.encode()):08x}.npz"


def base(song: Song, xtask: Path) -> dict:
    """`original` `[pieces, N]`, `given` `[variants, N]` and `of` `[variants]`: the piece each is of."""
    rng = np.random.default_rng(zlib.crc32(song.key.encode()))
    x, rate = middle(song, MIDDLE_SECONDS)
    sounds, given, of = [(x, rate)], [], []
    for _ in range(EXCERPTS):
        piece = excerpt(x, rate, EXCERPT_SECONDS, rng)
        if piece is None:
            continue
        sounds.append((piece, rate))
        for _ in range(VARIANTS):
            given.append((apply_dynamics(piece, rate, draw_dynamics(rng), rng), rate))
            of.append(len(sounds) - 1)
    got = features_of([*sounds, *given], xtask)
    return {"original": got[: len(sounds)], "given": got[len(sounds) :], "of": np.array(of, int)}


def damaged(song: Song, number: int) -> tuple[np.ndarray, int, Damage, np.random.Generator]:
    """The excerpt of a song and its damage, the same in every run."""
    rng = np.random.default_rng([zlib.crc32(song.key.encode()), number])
    x, rate = middle(song, DAMAGED_SECONDS)
    return x, rate, draw_damage(rng), rng


def build(xtask: Path, minutes: float, share: tuple[int, int]) -> None:
    end = time.monotonic() + 60 * minutes
    jobs = songs("train") + songs("valid")
    np.random.default_rng(1).shuffle(jobs)
    jobs = jobs[share[0] :: share[1]]
    BASE.mkdir(parents=True, exist_ok=True)
    done = 0
    for song in jobs:
        if time.monotonic() > end:
            break
        path = BASE / name(song)
        if path.exists():
            done += 1
            continue
        try:
            got = base(song, xtask)
        except (RuntimeError, ValueError, sf.LibsndfileError) as error:
            print(f"left out: {song.key}: {error}", flush=True)
            continue
        np.savez(path.with_suffix(".part.npz"), **got, key=song.key, album=song.album, table=np.array(table(xtask)))
        path.with_suffix(".part.npz").rename(path)
        done += 1
        if done % 20 == 0:
            print(f"{done} of {len(jobs)}", flush=True)


def check(xtask: Path) -> None:
    """Prints how far moved features lie from those of really changed audio: median and 90th percentile of the
    difference, by group, beside the size of the change."""
    places = Places(table(xtask))
    rng = np.random.default_rng(5)
    found = songs("valid")
    befores, afters, moved = [], [], []
    for i in range(CHECKS):
        song = found[int(rng.integers(len(found)))]
        x, rate = middle(song, EXCERPT_SECONDS)
        tone, width = draw_tone(rng), draw_width(rng)
        got = features_of([(x, rate), (apply_linear(x, rate, tone, width), rate)], xtask)
        befores.append(got[0])
        afters.append(got[1])
        moved.append(shift(got[:1], places, at_thirds(tone)[None], width[None], at_octaves(width)[None])[0])
    befores, afters, moved = map(np.array, (befores, afters, moved))
    heard = befores[:, places.mean] > -62
    groups = {f"thirds {v}": places.levels[:, k] for k, v in enumerate(("mean", "p10", "p25", "p50", "p75", "p90", "p97"))}
    groups |= {f"width {v}": places.widths[:, k] for k, v in enumerate(("whole", "p50", "p90"))}
    groups["regions"] = places.regions
    names = table(xtask)
    for field in ("crest", "crest-p10", "crest-p50", "crest-p90", "above-p50", "below-p50", "range", "movement"):
        groups[f"band {field}"] = np.array([i for i, n in enumerate(names) if n.startswith("band.") and n.endswith("." + field)])
    groups["dynamics"] = np.array([i for i, n in enumerate(names) if n.startswith("dynamics.")])
    for title, at in groups.items():
        miss, size = np.abs(moved[:, at] - afters[:, at]), np.abs(befores[:, at] - afters[:, at])
        if "thirds" in title:
            miss, size = miss[heard], size[heard]
        print(f"{title:20} miss {np.median(miss):.2f} (90 %: {np.quantile(miss, .9):.2f})   change {np.median(size):.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1e6, help="stop after so many minutes")
    parser.add_argument("--xtask", type=Path, default=XTASK)
    parser.add_argument("--share", type=int, nargs=2, default=(0, 1), metavar=("I", "N"), help="only each Nth song from I on")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    if args.check:
        return check(args.xtask)
    build(args.xtask, args.minutes, tuple(args.share))


if __name__ == "__main__":
    main()
