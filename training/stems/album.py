"""Real multitracks: the album of `github.com/ichbinsoftware/everythingisremixed` (CC0-1.0), seven songs.

    python -m training.stems.album REPOSITORY      # a clone (bare or not) of commit 6a6fbe3

Each song has a file per instrument, all as long as the song. They are summed here to the four stems.
Without the repository the summed excerpts of `../shared/data/music/multitrack` serve (`--excerpts`).
Lead vocals end at 11 kHz. Potassium has its bass in one file with a pad, and Hydrogen, Rubidium,
Caesium and Francium have no bass of their own: what they have lies in "other", so bass and other are
scored and learned as one there (`"merged"`).
"""

import argparse
import re
import subprocess
from pathlib import Path

import numpy as np

from ..denoise.frames import RATE
from .bank import PEAK, Song, write_song
from .sources import ALBUM, SHARED, split

COMMIT = "6a6fbe3"
SONGS = ("Hydrogen", "Lithium", "Sodium", "Potassium", "Rubidium", "Caesium", "Francium")
WITH_BASS = ("Lithium", "Sodium")
KINDS = (
    ("vocals", r"VOX"), ("bass", r"^SY BASS|^BASS STAB"),
    ("drums", r"DRUM|HH|HAT|KICK|BEAT|SNARE|TOM|CRASH|CYMBAL|CLAP|BREAK(?!.*MELODY)|K & SN|TOPS|PRC|PERC|CRUSH|BUILD|FILL SCRATCH|SCRATCH"),
)
"""Stem by instrument's name; what fits none is "other"."""
OTHER = r"MELODY|PAD|PIANO|FILL PIANO|SWEEP|RISE|EDM BUILD"


def kind_of(name: str) -> str:
    """Stem of an instrument's file name, such as "2.Lithium_Stem_SY BASS.m4a"."""
    name = name.split("_Stem_")[-1].removesuffix(".m4a").removesuffix("_mobile").replace("_", " ")
    if re.search(OTHER, name):
        return "other"
    return next((k for k, pattern in KINDS if re.search(pattern, name)), "other")


def listed(repository: Path) -> dict[str, list[str]]:
    """Files to take for each song: the full one, or the small one where the full one is missing."""
    lines = subprocess.run(["git", "-C", repository, "ls-tree", "-r", "-l", "-z", COMMIT, "src"], check=True,
                           capture_output=True).stdout.decode().split("\0")
    sizes = {}
    for line in filter(None, lines):
        meta, path = line.split("\t")
        if path.endswith(".m4a") and "_Stem_" in path:
            sizes[path] = meta.split()[-1].isdigit()
    out = {s: [] for s in SONGS}
    for path, there in sorted(sizes.items()):
        small = path.replace(".m4a", "_mobile.m4a")
        song = path.split("/")[1].split(".")[1]
        if path.endswith("_mobile.m4a"):
            continue
        if there or sizes.get(small):
            out[song].append(path if there else small)
    return out


def decode(data: bytes) -> np.ndarray:
    """`[samples, 2]` float32 at 48 kHz of an AAC file's bytes."""
    import io

    import av
    import soxr

    with av.open(io.BytesIO(data)) as box:
        rate = box.streams.audio[0].rate
        frames = [f.to_ndarray() for f in box.decode(audio=0)]
    x = np.concatenate(frames, -1).astype(np.float32)
    x = np.repeat(x, 2, 0)[:2].T if x.shape[0] == 1 else x[:2].T
    return soxr.resample(x, rate, RATE) if rate != RATE else x


def take_song(repository: Path, name: str, files: list[str]) -> Song:
    stems = {}
    for path in files:
        data = subprocess.run(["git", "-C", repository, "show", f"{COMMIT}:{path}"], check=True, capture_output=True).stdout
        x = decode(data)
        kind = kind_of(Path(path).name)
        if kind in stems:
            n = max(len(x), len(stems[kind]))
            x = np.pad(x, ((0, n - len(x)), (0, 0))) + np.pad(stems[kind], ((0, n - len(stems[kind])), (0, 0)))
        stems[kind] = x
    n = max(map(len, stems.values()))
    stems = {k: np.pad(v, ((0, n - len(v)), (0, 0))) for k, v in stems.items()}
    peak = max(1.0, *(np.abs(v).max() / PEAK for v in (sum(stems.values()), *stems.values())))
    return Song(f"album {name}", "album", "full" if name in WITH_BASS else "merged", {k: v / peak for k, v in stems.items()})


def excerpts() -> list[Song]:
    """The packed excerpts as songs."""
    import soundfile as sf

    out = []
    for folder in sorted((SHARED / "music" / "multitrack").iterdir()):
        stems = {p.stem: sf.read(p, dtype="float32", always_2d=True)[0] for p in sorted(folder.glob("*.opus"))}
        stems = {k: np.repeat(v, 2, 1)[:, :2] if v.shape[1] == 1 else v for k, v in stems.items()}
        n = min(map(len, stems.values()))
        out.append(Song(f"excerpt {folder.name}", "album", "full" if "bass" in stems else "merged", {k: v[:n] for k, v in stems.items()}))
    for p in sorted((SHARED / "music" / "vocals").glob("*_vocals_extra.opus")):
        x = sf.read(p, dtype="float32", always_2d=True)[0]
        # the rest of the song is not there: material for remixes only
        out.append(Song(f"vocals {p.stem.split('_')[0]}", "notes", "full", {"vocals": np.repeat(x, 2, 1)[:, :2] if x.shape[1] == 1 else x}))
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("repository", type=Path, nargs="?")
    parser.add_argument("--excerpts", action="store_true", help="only the packed excerpts")
    args = parser.parse_args()
    if args.excerpts:
        for song in excerpts():
            name = song.key.split()[1].removesuffix("_b")
            print(write_song(song, split()["album", name]), flush=True)
        return
    if not args.repository:
        parser.error("give a clone of the repository, or --excerpts")
    ALBUM.mkdir(parents=True, exist_ok=True)
    for name, files in listed(args.repository).items():
        print(write_song(take_song(args.repository, name, files), split()["album", name]), flush=True)


if __name__ == "__main__":
    main()
