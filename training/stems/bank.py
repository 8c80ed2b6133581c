"""Songs on disk as stems, and their way to another machine.

A song is `stems-bank/<part>/<name>.i16` (int16 `[stems, samples, 2]` at 48 kHz) with a `.json`: key, kind
(where it came from), label, names of its stems, and every stem's level in dBFS for each second.
Labels say what is known: "full" (all four stems), "merged" (bass lies in "other"), "rest"
(a finished mix without vocals, as "other"), "voice" (speech).

    python -m training.stems.bank                                    # what is there
    python -m training.stems.bank --pack OUT --megabytes 58 --pieces 4   # Opus in pieces, album first
    python -m training.stems.bank --unpack PIECE.tar ...             # and back, on the other machine
"""

import argparse
import io
import json
import re
import tarfile
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import Pool
from pathlib import Path

import numpy as np

from ..common.place import CACHE
from ..denoise.frames import RATE

FOLDER = CACHE / "stems-bank"
PARTS = ("train", "valid", "test")
PEAK = 0.99
SILENT_DB = -90.0
FIRST_KINDS = ("album", "speech")
"""Packed before all others."""
OPUS_LEVEL = {"vocals": 0.82, "drums": 0.80, "bass": 0.92, "other": 0.82, "voice": 0.94}
"""libsndfile's compression level: (1 - level) * 500 + 12 kbit/s in stereo, so 100, 110, 50, 100, 40."""


@dataclass
class Song:
    """`stems`: name to `[samples, 2]` float32; all of one length."""

    key: str
    kind: str
    label: str
    stems: dict


def file_name(key: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]+", "_", key)


def levels(x: np.ndarray) -> list[float]:
    """RMS in dBFS of each whole second of `[samples, 2]`."""
    n = len(x) // RATE
    e = np.square(x[: n * RATE].astype(np.float64)).reshape(n, -1).mean(1)
    return [round(float(v), 1) for v in 10 * np.log10(e + 10 ** (SILENT_DB / 10))]


def write_song(song: Song, part: str, folder: Path = FOLDER) -> str:
    """Writes a song; returns a line that says what it is."""
    where = folder / part
    where.mkdir(parents=True, exist_ok=True)
    names = sorted(song.stems)
    data = np.stack([song.stems[n] for n in names])
    pcm = np.clip(np.round(data * 32767), -32767, 32767).astype(np.int16)
    head = dict(key=song.key, kind=song.kind, label=song.label, stems=names, length=data.shape[1],
                levels={n: levels(song.stems[n]) for n in names})
    name = file_name(song.key)
    pcm.tofile(where / f"{name}.part")
    (where / f"{name}.part").rename(where / f"{name}.i16")
    (where / f"{name}.json").write_text(json.dumps(head))
    return f"{part} {song.key}: {song.label}, {data.shape[1] / RATE:.0f} s, {', '.join(names)}"


def heads(part: str, folder: Path = FOLDER) -> list[dict]:
    """Descriptions of a part's songs, in order of their names, with `path` of the samples."""
    out = []
    for p in sorted((folder / part).glob("*.json")):
        if p.with_suffix(".i16").exists():
            out.append(json.loads(p.read_text()) | {"path": p.with_suffix(".i16")})
    return out


def samples(head: dict) -> np.ndarray:
    """`[stems, samples, 2]` int16, a memory map."""
    return np.memmap(head["path"], np.int16, "c", shape=(len(head["stems"]), head["length"], 2))


def load_song(head: dict) -> Song:
    x = samples(head)
    return Song(head["key"], head["kind"], head["label"], {n: x[i].astype(np.float32) / 32767 for i, n in enumerate(head["stems"])})


def encode(x: np.ndarray, level: float) -> bytes:
    """`[samples, 2]` int16 as Ogg Opus; a voice as mono."""
    import soundfile as sf

    box = io.BytesIO()
    with sf.SoundFile(box, "w", RATE, x.shape[1], format="OGG", subtype="OPUS", compression_level=level) as f:
        for a in range(0, len(x), 10 * RATE):
            f.write(x[a : a + 10 * RATE])
    return box.getvalue()


def packed(head: dict) -> dict[str, bytes]:
    """A song's files of a piece."""
    x, name = samples(head), file_name(head["key"])
    out = {f"{name}.json": json.dumps({k: v for k, v in head.items() if k != "path"}).encode()}
    for i, stem in enumerate(head["stems"]):
        if max(head["levels"][stem], default=SILENT_DB) > -75:
            out[f"{name}.{stem}.opus"] = encode(x[i, :, :1] if stem == "voice" else x[i], OPUS_LEVEL[stem])
    return out


@contextmanager
def mapper(workers: int):
    """A `map` that keeps the order, over so many processes; one needs no other process."""
    if workers == 1:
        yield map
        return
    with Pool(workers) as pool:
        yield pool.imap


def pack(parts: list[str], out: Path, megabytes: float, pieces: int, workers: int = 1, folder: Path = FOLDER) -> list[Path]:
    """Writes pieces of at most so many megabytes, the album first, then all kinds in turn."""
    out.mkdir(parents=True, exist_ok=True)
    rows = [(part, h) for part in parts for h in heads(part, folder)]
    rng = np.random.default_rng(1)
    order = sorted(range(len(rows)), key=lambda i: (rows[i][1]["kind"] not in FIRST_KINDS, rows[i][0] == "train", rng.random()))
    written, size, tar = [], 0, None
    limit = megabytes * 1e6
    with mapper(workers) as each:
        for i, files in zip(order, each(packed, [rows[i][1] for i in order])):
            total = sum(len(v) + 1536 for v in files.values())
            if total > limit:
                raise ValueError(f"{rows[i][1]['key']} takes {total / 1e6:.1f} MB, over {megabytes} MB: raise --megabytes")
            if tar is None or size + total > limit:
                if tar:
                    tar.close()
                if len(written) == pieces:
                    return written
                written.append(out / f"piece-{len(written):02d}.tar")
                tar, size = tarfile.open(written[-1], "w"), 10240
            for name, data in files.items():
                info = tarfile.TarInfo(f"{rows[i][0]}/{name}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
            size += total
    if tar:
        tar.close()
    return written


def _restore(job) -> str:
    import soundfile as sf

    part, head, files, folder = job
    n = head["length"]
    stems = {}
    for stem in head["stems"]:
        x = np.zeros((n, 2), np.float32)
        if stem in files:
            got, _ = sf.read(io.BytesIO(files[stem]), dtype="float32", always_2d=True)
            x[: len(got)] = got[:n]
        stems[stem] = x
    return write_song(Song(head["key"], head["kind"], head["label"], stems), part, folder)


def unpack(pieces: list[Path], workers: int = 1, folder: Path = FOLDER) -> None:
    """Writes the songs of pieces into the bank here."""
    for piece in pieces:
        songs = {}
        with tarfile.open(piece) as tar:
            for m in tar:
                part, name = m.name.split("/")
                if part not in PARTS or "/" in name:
                    raise ValueError(f"{piece} holds {m.name}, which is no file of a bank's piece")
                stem, ext = name.rsplit(".", 1)
                data = tar.extractfile(m).read()
                if ext == "json":
                    songs.setdefault((part, stem), {})["head"] = json.loads(data)
                else:
                    base, which = stem.rsplit(".", 1)
                    songs.setdefault((part, base), {})[which] = data
        jobs = [(part, s.pop("head"), s, folder) for (part, _), s in songs.items()]
        with mapper(workers) as each:
            for line in each(_restore, jobs):
                print(line, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pack", type=Path, metavar="FOLDER")
    parser.add_argument("--megabytes", type=float, default=58)
    parser.add_argument("--pieces", type=int, default=4)
    parser.add_argument("--unpack", type=Path, nargs="+", metavar="PIECE")
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    if args.pack:
        for p in pack(["train", "valid"], args.pack, args.megabytes, args.pieces, args.workers):
            print(f"{p}: {p.stat().st_size / 1e6:.1f} MB")
    if args.unpack:
        unpack(args.unpack, args.workers)
    for part in PARTS:
        by = {}
        for h in heads(part):
            n, s = by.get((h["kind"], h["label"]), (0, 0))
            by[h["kind"], h["label"]] = (n + 1, s + h["length"] / RATE)
        for (kind, label), (n, s) in sorted(by.items()):
            print(f"{part} {kind} {label}: {n} songs, {s / 3600:.2f} h")


if __name__ == "__main__":
    main()
