"""Where sounds come from: packages, packs, scores, and which part of the split each belongs to.

    python -m training.stems.sources              # fetches and unpacks what is missing
    python -m training.stems.sources --split      # writes data/stems-split.tsv anew (new sources only)

All that this writes lies in `training/cache/stems-*`. Talkers keep the part that the denoiser's
`data/split.tsv` gives them; songs, tracks and drum kits have theirs in `data/stems-split.tsv`.
"""

import argparse
import csv
import io
import struct
import subprocess
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path

from ..denoise.prepare import CACHE, HERE, PARTS, SHARED, read_split

TABLE = HERE / "data" / "stems-sources.tsv"
SPLIT = HERE / "data" / "stems-split.tsv"
DEB, X = CACHE / "stems-deb", CACHE / "stems-x"
ALBUM = CACHE / "stems-album"
"""Where the album's repository is unpacked (`album.py`)."""
TEST_SONGS, VALID_SONGS = ("Lithium", "Caesium"), ("Rubidium",)
"""Whole songs of the album that never train. Lithium has all four stems."""
HELD_KITS = {"ForzeeStereo": "test", "BJA_Pacific": "valid"}
"""Chosen by name, for a hash of fourteen names leaves the held-out parts empty."""
HELD_PERCENT = {"test": 8, "valid": 8}


def fetch() -> None:
    """Downloads and unpacks the Debian packages of `data/stems-sources.tsv` at their versions."""
    DEB.mkdir(parents=True, exist_ok=True)
    with open(TABLE) as f:
        rows = [r for r in csv.DictReader(f, delimiter="\t") if r["source"].startswith("Debian")]
    for r in rows:
        target = X / r["id"]
        if (target / "usr").exists() or (CACHE / "x" / r["id"]).exists():
            continue
        if not any(DEB.glob(r["id"] + "_*.deb")):
            subprocess.run(["apt-get", "download", f"{r['id']}={r['version']}"], cwd=DEB, check=True)
        # renamed when whole, so that a broken unpacking is not taken for a package
        part = X / f"{r['id']}.part"
        part.mkdir(parents=True, exist_ok=True)
        subprocess.run(["dpkg", "-x", next(DEB.glob(r["id"] + "_*.deb")), part], check=True)
        part.rename(target)


def part_of(kind: str, key: str) -> str:
    """Part of a song, score, track or kit; what is not in the table falls by a hash of its key, as it
    would when the table is written anew."""
    return split().get((kind, key)) or drawn(key)


@lru_cache(maxsize=1)
def split() -> dict:
    with open(SPLIT) as f:
        return {(r["kind"], r["key"]): r["part"] for r in csv.DictReader(f, delimiter="\t")}


def drawn(key: str) -> str:
    n = zlib.crc32(key.encode()) % 100
    return "test" if n < HELD_PERCENT["test"] else "valid" if n < sum(HELD_PERCENT.values()) else "train"


# ------------------------------------------------------------------ finished music

TRACKS = {
    "wesnoth-1.16-music": "usr/share/games/wesnoth/**/*.ogg", "hyperrogue-music": "usr/**/*.ogg",
    "hedgewars-data": "usr/share/games/hedgewars/Data/Music/*.ogg", "warzone2100-music": "usr/**/*.o*",
    "colobot-common-sounds": "usr/**/music/*.ogg", "lordsawar-data": "usr/**/music/*.ogg", "lincity-ng-data": "usr/**/music/*.ogg",
}
"""Debian packages of instrumental tracks; see the licences in `data/stems-sources.tsv`."""


def tracks() -> list[tuple[str, Path]]:
    """(key, path) of every finished track."""
    out = []
    for package, pattern in TRACKS.items():
        base = X / package if (X / package).exists() else CACHE / "x" / package
        out += [(f"{package} {p.stem}", p) for p in sorted(base.glob(pattern)) if p.suffix in (".ogg", ".opus", ".oga")]
    return out


def track_part(key: str) -> str:
    """The denoiser's split goes before ours, so that a track is held out everywhere."""
    return read_split().get(("music", key)) or part_of("track", key)


# ------------------------------------------------------------------ sounds

def fonts() -> list[Path]:
    """General MIDI soundfonts."""
    got = [p for p in (*X.glob("*/usr/share/sounds/sf2/FluidR3_GM.sf2"), *X.glob("*/usr/share/sounds/sf3/MuseScore_General*.sf3"))
           if not p.is_symlink()]
    if not got:
        raise FileNotFoundError(f"no soundfont below {X}: run python -m training.stems.sources")
    return sorted(got)


def drum_fonts() -> list[Path]:
    """Soundfonts that are one acoustic drum kit on General MIDI keys."""
    return sorted(p for p in X.glob("avldrums*/usr/share/**/*.sf2") if not p.is_symlink())


def kit_folders() -> list[Path]:
    return sorted(p.parent for p in X.glob("hydrogen-drumkits/usr/share/hydrogen/data/drumkits/*/drumkit.xml"))


def loose_hits() -> dict[str, list[Path]]:
    """Loose drum samples by source; loops and sampled breaks are left out."""
    sonic = [p for p in sorted(X.glob("sonic-pi-samples/usr/**/*.flac")) if not p.stem.startswith(("loop", "rand"))]
    lmms = [p for p in sorted(X.glob("lmms-common/usr/share/lmms/samples/drums/*")) if p.suffix in (".ogg", ".wav", ".flac")]
    machines = [p for d in ("machines", "sonicpi") for p in sorted((SHARED / "music" / "drums" / d).glob("*"))
                if "loop" not in p.stem]
    return {k: v for k, v in (("sonic-pi", sonic), ("lmms", lmms), ("machines", machines)) if v}


# ------------------------------------------------------------------ scores

def pop909() -> list[str]:
    with zipfile.ZipFile(SHARED / "music" / "midi" / "POP909_main.zip") as z:
        return sorted(n for n in z.namelist() if n.endswith(".mid"))


def wad_songs(path: Path) -> dict[str, bytes]:
    """MIDI files inside a WAD (the archive of id Software's games): name to bytes."""
    data = path.read_bytes()
    count, at = struct.unpack("<ii", data[4:12])
    out = {}
    for i in range(count):
        start, size, name = struct.unpack("<ii8s", data[at + 16 * i : at + 16 * i + 16])
        if data[start : start + 4] == b"MThd":
            out[name.rstrip(b"\0").decode()] = data[start : start + size]
    return out


@lru_cache(maxsize=1)
def midi_songs() -> dict[str, bytes]:
    """All scores: key to MIDI bytes."""
    out = {}
    with zipfile.ZipFile(SHARED / "music" / "midi" / "POP909_main.zip") as z:
        out |= {f"pop909 {Path(n).stem}": z.read(n) for n in pop909()}
    for wad in sorted(X.glob("freedoom/usr/share/games/doom/*.wad")):
        out |= {f"freedoom {wad.stem} {k}": v for k, v in wad_songs(wad).items()}
    for p in sorted(X.glob("openttd-openmsx/usr/**/*.mid")):
        out[f"openmsx {p.stem}"] = p.read_bytes()
    return out


def midi_file(data: bytes):
    import mido

    return mido.MidiFile(file=io.BytesIO(data), clip=True)


def write_split() -> None:
    """Writes `data/stems-split.tsv`; songs of the album by name, all else by a hash of its key."""
    from .album import SONGS

    rows = {("album", s): "test" if s in TEST_SONGS else "valid" if s in VALID_SONGS else "train" for s in SONGS}
    rows |= {("score", k): drawn(k) for k in midi_songs()}
    known = read_split()
    rows |= {("track", k): known.get(("music", k)) or drawn(k) for k, _ in tracks()}
    rows |= {("kit", p.name): HELD_KITS.get(p.name, "train") for p in kit_folders()}
    with open(SPLIT, "w") as f:
        f.write("kind\tkey\tpart\n")
        f.writelines(f"{kind}\t{key}\t{part}\n" for (kind, key), part in sorted(rows.items()))
    for part in PARTS:
        print(part, sum(p == part for p in rows.values()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--split", action="store_true", help="write data/stems-split.tsv and stop")
    args = parser.parse_args()
    fetch()
    if args.split:
        write_split()


if __name__ == "__main__":
    main()
