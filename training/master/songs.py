"""Finished music: where it lies, which album a song is of, which part the album falls to.

    python -m training.master.songs            # fetches and unpacks what is missing, writes the tracked split
    python -m training.master.songs --list     # counts

A whole album is train, valid or test, so that a held-out song's artist and mastering are unknown to the model too.
"""

import argparse
import csv
import subprocess
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf

from ..common.place import CACHE, TRAINING

SHARED = TRAINING.parents[1] / "shared" / "data"
SOURCES = TRAINING / "data" / "master-sources.tsv"
SPLIT = TRAINING / "data" / "master-split.tsv"
PARTS = ("train", "valid", "test")
PLACES = ("master-x", "stems-x", "x")
"""Folders of the cache that hold unpacked packages; new ones go to the first."""
SOUNDS = (".ogg", ".oga", ".opus", ".flac", ".mp3")
ARCHIVE = ".pk3"
"""What some games pack their sounds in: a ZIP file."""
SHORTEST = 25.0
"""Seconds; shorter files are jingles and effects."""
QUIETEST = -60.0
"""RMS in dB of a file below which it is no song."""


@dataclass(frozen=True)
class Song:
    """A song: `files` are summed (games of rhythm keep the guitar apart); `album` names the package and the folder."""

    key: str
    album: str
    part: str
    seconds: float
    files: tuple

    @property
    def path(self) -> Path:
        return self.files[0]


def sources() -> list[dict]:
    with open(SOURCES) as f:
        return list(csv.DictReader(f, delimiter="\t"))


def folder(package: str) -> Path | None:
    """Where a package lies unpacked."""
    return next((p for p in (CACHE / place / package for place in PLACES) if p.exists()), None)


def fetch() -> None:
    """Downloads the packages at their pinned versions and unpacks their sounds and licences."""
    debs = CACHE / "master-deb"
    debs.mkdir(parents=True, exist_ok=True)
    for row in sources():
        if not row["source"].startswith("Debian") or folder(row["id"]):
            continue
        subprocess.run(["apt-get", "download", f"{row['id']}={row['version']}"], cwd=debs, check=True)
        deb = next(debs.glob(row["id"] + "_*.deb"))
        target = CACHE / PLACES[0] / row["id"]
        target.mkdir(parents=True)
        tar = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE)
        wanted = [f"*{s}" for s in (*SOUNDS, ARCHIVE)] + ["*copyright*"]
        subprocess.run(["tar", "x", "-C", target, "--wildcards", "--no-anchored", *wanted], stdin=tar.stdout, check=False)
        for archive in target.rglob(f"*{ARCHIVE}"):
            with zipfile.ZipFile(archive) as z:
                z.extractall(archive.parent, [n for n in z.namelist() if n.lower().endswith(SOUNDS)])
            archive.unlink()


def candidates() -> list[tuple[str, str, tuple]]:
    """Key, album and files of everything that may be a song."""
    out = []
    for row in sources():
        root = SHARED / row["id"] if not row["source"].startswith("Debian") else folder(row["id"])
        if root is None or not root.exists():
            continue
        music = sorted(p for p in root.rglob(row["files"]) if p.suffix.lower() in SOUNDS)
        if row["id"].startswith("fretsonfire"):
            for place in sorted({p.parent for p in music}):
                tracks = tuple(p for p in music if p.parent == place and p.stem in ("song", "guitar", "rhythm"))
                if tracks:
                    out.append((f"{row['id']} {place.name}", row["id"], tracks))
            continue
        for p in music:
            stem = p.stem[:-2] if row["id"] == "mastered" and p.stem.endswith(("_a", "_b")) else p.stem
            album = row["id"]
            if row["id"] == "mastered":
                album += " " + stem.split("_")[0]
            elif p.parent.name.endswith("_soundtrack"):
                album += " " + p.parent.name
            out.append((f"{row['id']} {stem}", album, (p,)))
    return out


def length(files: tuple) -> float:
    with sf.SoundFile(files[0]) as f:
        return f.frames / f.samplerate


def write_split() -> None:
    """Writes the tracked list of songs: key, album, part, seconds."""
    parts = {row["id"]: row["part"] for row in sources()}
    rows, seen = [], set()
    for key, album, files in candidates():
        try:
            seconds = length(files)
        except sf.LibsndfileError:
            continue
        with sf.SoundFile(files[0]) as f:
            channels = f.channels
            f.seek(min(f.frames // 2, f.frames - 1))
            level = np.sqrt(np.mean(np.square(f.read(20 * f.samplerate, dtype="float32"))) + 1e-12)
        if seconds < SHORTEST or channels != 2 or 20 * np.log10(level) < QUIETEST or key in seen:
            continue
        seen.add(key)
        rows.append((key, album, parts[album.split(" ")[0]], f"{seconds:.0f}"))
    with open(SPLIT, "w") as f:
        f.write("key\talbum\tpart\tseconds\n")
        f.writelines("\t".join(r) + "\n" for r in sorted(rows))


def songs(part: str | None = None) -> list[Song]:
    """The songs of a part (or all) that are there, in the order of their keys."""
    files = {key: files for key, _, files in candidates()}
    with open(SPLIT) as f:
        rows = list(csv.DictReader(f, delimiter="\t"))
    return [Song(r["key"], r["album"], r["part"], float(r["seconds"]), files[r["key"]])
            for r in rows if r["key"] in files and part in (None, r["part"])]


def read(song: Song, start: float = 0.0, seconds: float | None = None) -> tuple[np.ndarray, int]:
    """Samples `[2, n]` float32 (peaks over full scale are kept) and their rate."""
    total, rate = None, 0
    for path in song.files:
        with sf.SoundFile(path) as f:
            rate = f.samplerate
            f.seek(min(int(start * rate), f.frames))
            parts, left = [], f.frames if seconds is None else int(seconds * rate)
            try:
                while left > 0:
                    block = f.read(min(left, 1 << 18), dtype="float32", always_2d=True)
                    if not len(block):
                        break
                    parts.append(block)
                    left -= len(block)
            except sf.LibsndfileError:
                pass  # a damaged end: what came is kept
        x = np.concatenate(parts).T if parts else np.zeros((2, 0), np.float32)
        x = np.repeat(x, 2, 0) if len(x) == 1 else x[:2]
        if total is None:
            total = x
        else:
            n = min(total.shape[1], x.shape[1])
            total = total[:, :n] + x[:, :n]
    return np.ascontiguousarray(total), rate


def middle(song: Song, seconds: float) -> tuple[np.ndarray, int]:
    """The middle of a song, samples `[2, n]` and their rate."""
    return read(song, max(0.0, 0.5 * (song.seconds - seconds)), min(seconds, song.seconds))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="only count")
    args = parser.parse_args()
    if not args.list:
        fetch()
        write_split()
    for part in PARTS:
        found = songs(part)
        print(f"{part}: {len(found)} songs, {sum(s.seconds for s in found) / 3600:.2f} h")
        for album, count in sorted(Counter(s.album for s in found).items()):
            print(f"  {count:4d} {album}")


if __name__ == "__main__":
    main()
