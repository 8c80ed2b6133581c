"""Measures mastering on held-out songs, beside matchering 2 and doing nothing, in one run.

    python -m training.master.protocol                      # test songs, all systems
    python -m training.master.protocol --part valid --songs 12 --no-peers
    python -m training.master.protocol --only untouched loudness

Needs `cargo build --release -p xtask`. Every song is damaged by a known curve, dynamics, width and level
(`degrade.draw_damage`), mastered, and compared with what it was. matchering gets another song of the same album as
its reference, and so does ours in one of its rows. Results are kept by the hash of what was scored; tables and JSON
go to training/runs/master/. Decisions belong on `valid`.
"""

import argparse
import hashlib
import json
import os
import zlib
from pathlib import Path

import numpy as np
import soundfile as sf

from ...common.place import CACHE, RUNS
from ..features import XTASK
from ..prepare import DAMAGED_SECONDS, damaged, scratch
from ..songs import Song, middle, songs
from .measure import MEASURES, distances, loudness, tone_distance
from .programmes import programmes
from .systems import Ours, matchering, nothing

VERSION = "1"
"""To be changed with the measures or the damage."""
PER_ALBUM = 8
"""Songs of each album, so that none outweighs the others."""
TARGETS = (-14.0, -16.0, -23.0)
CEILING = -1.0


def chosen(part: str, most: int | None) -> list[tuple[Song, Song]]:
    """Songs that are measured, each with another one of its album as reference."""
    albums: dict[str, list[Song]] = {}
    for song in songs(part):
        albums.setdefault(song.album, []).append(song)
    out = []
    for album in sorted(albums):
        own = sorted(albums[album], key=lambda s: zlib.crc32(s.key.encode()))
        if len(own) > 1:
            out += [(s, own[(i + 1) % len(own)]) for i, s in enumerate(own[:PER_ALBUM])]
    if most is None or most >= len(out):
        return out
    return [out[i] for i in np.linspace(0, len(out) - 1, most).round().astype(int)]


class Kept:
    """Figures on disk by the hash of what was scored and how."""

    def __init__(self):
        self.path = CACHE / "master-scores.json"
        self.known = json.loads(self.path.read_text()) if self.path.exists() else {}

    def get(self, key: str, make):
        if key not in self.known:
            self.known[key] = make()
            self.save()
        return self.known[key]

    def save(self):
        if self.path.exists():  # another run may have added to it
            self.known = json.loads(self.path.read_text()) | self.known
        part = self.path.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(self.known))
        os.replace(part, self.path)


def digest(*parts) -> str:
    h = hashlib.sha256()
    for p in parts:
        h.update(p if isinstance(p, bytes) else str(p).encode())
    return h.hexdigest()[:24]


def engine(xtask: Path, model: Path | None) -> tuple[tuple, str]:
    """Options of our renderer for another model than its own, and what its results depend on."""
    binary = digest(xtask.read_bytes(), (model / "model.onnx").read_bytes() + (model / "manifest.toml").read_bytes() if model else b"")
    return (("--model", str(model.resolve())) if model else ()), binary


def systems(xtask: Path, model: Path | None, peers: bool) -> dict:
    """Name to a system and what its results depend on beside the sounds."""
    more, binary = engine(xtask, model)
    own = {"Plainsong, no reference": (), "Plainsong, no reference, told the loudness": ("--loudness={loudness:.2f}",),
           "Plainsong, same reference": ("--reference", "{reference}")}
    out = {"nothing": (nothing, "")}
    if peers:
        out["matchering 2"] = (matchering, "2.0.6")
    return out | {k: (Ours(xtask, *more, *o), binary + repr(o)) for k, o in own.items()}


def resampled(x: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    if rate == wanted:
        return x
    import soxr

    return soxr.resample(x.T, rate, wanted, "HQ").T.astype(np.float32)


def degraded(part: str, most: int | None, xtask: Path, model: Path | None, peers: bool, kept: Kept) -> dict:
    """Distances by system and song, and CPU seconds."""
    out: dict[str, list] = {}
    for number, (song, other) in enumerate(chosen(part, most)):
        x, rate, damage, rng = damaged(song, 0)
        given = damage(x, rate, rng)
        peak = np.abs(given).max()
        given = given * np.float32(min(1.0, 0.97 / peak))  # what a musician hands in is not clipped
        reference = resampled(*middle(other, DAMAGED_SECONDS), rate)
        known = digest(VERSION, x.tobytes(), given.tobytes(), reference.tobytes())
        own_loudness = loudness(x, rate)

        with scratch() as d:
            folder = Path(d)
            paths = folder / "given.wav", folder / "reference.wav"
            for path, sound in zip(paths, (given, reference)):
                sf.write(path, sound.T, rate, subtype="FLOAT")
            for name, (system, depends) in systems(xtask, model, peers).items():

                def make():
                    values = {"loudness": own_loudness} if isinstance(system, Ours) else {}
                    y, seconds = system(*paths, rate, folder, **values)
                    return distances(x, y, rate) | {"cpu": seconds}

                got = kept.get(f"{known} {name} {depends}", make)
                out.setdefault(name, []).append(got | {"album": song.album, "key": song.key, "seconds": x.shape[1] / rate})
        print(f"{number + 1} {song.key}: " + "  ".join(f"{n} {v[-1]['thirds']:.2f}" for n, v in out.items()), flush=True)
    return out


def untouched(part: str, most: int | None, xtask: Path, model: Path | None, kept: Kept) -> list[dict]:
    """Finished songs mastered to their own loudness: how far the spectrum and the width move."""
    (more, binary), rows = engine(xtask, model), []
    ours = Ours(xtask, *more, "--loudness=keep")
    for song, _ in chosen(part, most):
        x, rate = middle(song, DAMAGED_SECONDS)

        def make():
            with scratch() as d:
                path = Path(d) / "given.wav"
                sf.write(path, x.T, rate, subtype="FLOAT")
                y, _ = ours(path, path, rate, Path(d))
            return distances(x, y, rate)

        rows.append(kept.get(f"untouched {digest(VERSION, x.tobytes())} {binary}", make) | {"album": song.album, "key": song.key})
    return rows


def targets(xtask: Path, model: Path | None, kept: Kept) -> list[dict]:
    """Loudness error and true peak of varied programmes at three targets."""
    (more, binary), rows = engine(xtask, model), []
    for name, x, rate in programmes():
        for target in TARGETS:

            def make():
                with scratch() as d:
                    path = Path(d) / "given.wav"
                    sf.write(path, x.T, rate, subtype="FLOAT")
                    y, _ = Ours(xtask, *more, f"--loudness={target}", f"--ceiling={CEILING}")(path, path, rate, Path(d))
                return {"error": loudness(y, rate) - target, "peak": true_peak(y)}

            rows.append(kept.get(f"target {target} {digest(VERSION, x.tobytes())} {binary}", make) | {"name": name, "target": target})
    return rows


def true_peak(x: np.ndarray) -> float:
    """Highest value between samples, by 8 times the rate, dBTP."""
    from scipy.signal import resample_poly

    return float(20 * np.log10(np.abs(resample_poly(x, 8, 1, axis=1)).max() + 1e-12))


def table(head: list, rows: list) -> str:
    def cell(v):
        return f"{v:.2f}" if isinstance(v, float) else str(v)

    return "\n".join("| " + " | ".join(map(cell, r)) + " |" for r in [head, ["---"] * len(head), *rows]) + "\n"


def mean(rows: list, key: str) -> float:
    return float(np.mean([r[key] for r in rows]))


def report(part: str, found: dict, alone: list, loud: list) -> str:
    text = ""
    if found:
        first = next(iter(found.values()))
        text += f"**Way back** ({len(first)} songs of {len({r['album'] for r in first})} held-out albums, `{part}`, {DAMAGED_SECONDS:.0f} s each; mean distance from the original)\n\n"
        rows = [[name, *(mean(r, m) for m in MEASURES), mean(r, "cpu") / mean(r, "seconds")] for name, r in found.items()]
        text += table(["", "1/3 octave, dB", "loudness, LU", "width, dB", "crest, dB", "log spectrum, dB", "CPU s a second"], rows) + "\n"
        albums = sorted({r["album"] for r in first})
        text += "By album, 1/3 octave and width, dB\n\n"
        text += table(["", "songs", *found], [[a, sum(r["album"] == a for r in first),
                      *(f"{mean([x for x in r if x['album'] == a], 'thirds'):.2f}, {mean([x for x in r if x['album'] == a], 'width'):.2f}"
                        for r in found.values())] for a in albums]) + "\n"
    if alone:
        moved = np.array([r["thirds"] for r in alone])
        wide = np.array([r["width"] for r in alone])
        text += f"**Untouched masters** ({len(alone)}, loudness kept): spectrum moved {moved.mean():.2f} dB on average, median "
        text += f"{np.median(moved):.2f}, 90 % within {np.quantile(moved, 0.9):.2f}, most {moved.max():.2f}; within .3 dB: "
        text += f"{100 * np.mean(moved <= 0.3):.0f} %. Width moved {wide.mean():.2f} dB, loudness {np.mean([r['loudness'] for r in alone]):.2f} LU.\n\n"
    if loud:
        rows = [[f"{t:.0f} LUFS", sum(r["target"] == t for r in loud), max(abs(r["error"]) for r in loud if r["target"] == t),
                 max(r["peak"] for r in loud if r["target"] == t)] for t in TARGETS]
        text += f"**Loudness** of {len(loud) // len(TARGETS)} varied programmes, ceiling {CEILING:.0f} dBTP\n\n"
        text += table(["target", "programmes", "largest error, LU", "highest true peak, dBTP"], rows) + "\n"
        worst = sorted(loud, key=lambda r: -abs(r["error"]))[:3]
        text += "Worst: " + ", ".join(f"{r['name']} at {r['target']:.0f} {r['error']:+.2f} LU" for r in worst) + "\n\n"
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=("valid", "test"), default="test")
    parser.add_argument("--songs", type=int, help="only so many")
    parser.add_argument("--xtask", type=Path, default=XTASK)
    parser.add_argument("--model", type=Path, help="a model's folder in place of the one in xtask")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--only", nargs="+", choices=("degraded", "untouched", "loudness"), default=["degraded", "untouched", "loudness"])
    args = parser.parse_args()
    kept = Kept()
    found = degraded(args.part, args.songs, args.xtask, args.model, not args.no_peers, kept) if "degraded" in args.only else {}
    alone = untouched(args.part, args.songs, args.xtask, args.model, kept) if "untouched" in args.only else []
    loud = targets(args.xtask, args.model, kept) if "loudness" in args.only else []
    text = report(args.part, found, alone, loud)
    folder = RUNS / "master"
    folder.mkdir(parents=True, exist_ok=True)
    name = args.part if len(args.only) == 3 else f"{args.part}-{'-'.join(args.only)}"
    (folder / f"protocol-{name}.md").write_text(text)
    (folder / f"protocol-{name}.json").write_text(json.dumps({"degraded": found, "untouched": alone, "loudness": loud}))
    print(text)


if __name__ == "__main__":
    main()
