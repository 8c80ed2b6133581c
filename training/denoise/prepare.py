"""Fetches, decodes and splits the audio, once, into memory maps under `training/cache`.

    python -m training.denoise.prepare            # everything that is missing
    python -m training.denoise.prepare --split    # writes data/split.tsv anew (new sources only)

`<kind>-<part>.i16` holds 48 kHz mono int16, recordings of one talker (or of one noise source)
end to end; `<kind>-<part>.json` lists the pieces. Rooms are kept as spectra. The parts are
those of `data/split.tsv`: by talker, by noise source, by room, by track. `test` is for
published figures only, `valid` for watching a training.
"""

import argparse
import csv
import hashlib
import json
import subprocess
import zlib
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import soundfile as sf

from . import repositories
from .frames import RATE

HERE = Path(__file__).parents[1]
CACHE = HERE / "cache"
SHARED = HERE.parents[1] / "shared" / "data"
SPLIT = HERE / "data" / "split.tsv"
PARTS = ("train", "valid", "test")

TEST_TALKERS = {
    "gc ca Antoni Bella Perez", "gc en Julia Wycherley", "gc pt_BR Enrico Nicoletto",
    "gc pt IFILP-TEC", "gc es Smart4Kids.com", "gc hu somlai", "tuxpaint da",
    "klettres de", "ktuberling sl", "asterisk it",
}
VALID_TALKERS = {"gc fi Niko Lewman", "gc th GPL V3+", "gc eo Navaraj Budha", "klettres he", "ktuberling el"}
SAME_PERSON = {"gc kn Julia Wycherley": "test", "gc so Niko Lewman": "valid"}
TEST_PERCENT, VALID_PERCENT = 15, 7

TUXPAINT = {"ro": 18000, "ru": 19000, "bg": 17000, "be": 19500, "da": 20000, "el": 11000, "ca": 13500}
KLETTRES = {"da": 17000, "lt": 19000, "nds": 17000, "de": 20000, "en_GB": 17000, "he": 17000, "ar": 19000,
            "ru": 18500, "it": 21500, "cs": 21000, "nb": 15000, "nl": 13500, "en": 12500, "fr": 13500}
KTUBERLING = {"lt": 14500, "da": 17000, "fr": 20000, "uk": 18500, "ru": 21500, "el": 19000, "en": 20000,
              "de": 17000, "sl": 19500, "ro": 20500, "nn": 12500, "ca": 11000}
FILLETS_LEVELS = ("fdto", "hanoi", "hole", "nowall", "rush")
ASTERISK = {"en": "en_US_f_Allison", "es": "es_MX_f_Allison", "fr": "", "it": "", "ru": ""}

LEVEL = 0.05
"""RMS of the loud frames of an utterance in the memory map."""
ROOM_SECONDS = 1.0
FFT = 3 * RATE
"""Length of the transforms by which rooms are applied: one second of history, two kept."""
EARLY_MS = (40, 60)
"""The target's part of a room fades out between these times after the direct sound."""


def fetch_packages() -> None:
    """Downloads and unpacks the Debian packages and repositories of `data/sources.tsv`."""
    (CACHE / "deb").mkdir(parents=True, exist_ok=True)
    with open(HERE / "data" / "sources.tsv") as f:
        rows = [r for r in csv.DictReader(f, delimiter="\t") if r["source"].startswith("Debian")]
    for r in rows:
        target = CACHE / "x" / r["id"]
        if target.exists():
            continue
        subprocess.run(["apt-get", "download", f"{r['id']}={r['version']}"], cwd=CACHE / "deb", check=True)
        deb = next((CACHE / "deb").glob(r["id"] + "_*.deb"))
        target.mkdir(parents=True)
        subprocess.run(["dpkg", "-x", deb, target], check=True)
    repositories.fetch(CACHE, HERE / "data" / "sources.tsv")


def index(path: Path) -> list[dict]:
    with open(path, encoding="utf-8", errors="replace") as f:
        return list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))


def plain(text: str) -> str:
    """ASCII name of a voice label, without addresses."""
    text = text.split("|")[-1].split("<")[0].split("http://www.")[-1].split(" - ")[0].split("(editor")[0]
    text = text.replace("é", "e").replace("ã", "a").replace("č", "c").replace("š", "s")
    return "".join(ch for ch in text if ch.isascii()).strip() or "voice"


def speech_items() -> list[dict]:
    """All utterances: path, key (talker), lang, bandwidth in Hz, licence."""
    out = []
    for pack in ("speech48", "speech16"):
        for r in index(SHARED / pack / "INDEX.tsv"):
            name = r["speaker"]
            key = name if name in ("kathleen", "kerstin") else f"gc {r['lang']} {plain(name)}"
            band = 7000 if name == "kerstin" else 7800 if pack == "speech16" else min(int(float(r["bandwidth_hz"])), 20000) - 500
            out.append(dict(path=SHARED / pack / r["file"], key=key, lang=r["lang"], band=band,
                            set=pack[6:], licence=r["licence"]))
    x = CACHE / "x"
    for lang, band in TUXPAINT.items():
        for p in sorted((x / "tuxpaint-stamps-default").rglob(f"*_desc_{lang}.ogg")):
            out.append(dict(path=p, key=f"tuxpaint {lang}", lang=lang, band=band, set="48", licence="GPL-2.0"))
    for package, table in (("klettres", KLETTRES), ("ktuberling", KTUBERLING)):
        for lang, band in table.items():
            for p in sorted((x / f"{package}-data").rglob("*")):
                if p.suffix in (".ogg", ".wav", ".opus") and f"/{lang}/" in str(p):
                    out.append(dict(path=p, key=f"{package} {lang}", lang=lang, band=band, set="48", licence="GPL-2.0+"))
    for level in FILLETS_LEVELS:
        for p in sorted((x / "fillets-ng-data-cs").rglob(f"sound/{level}/**/*.ogg")):
            out.append(dict(path=p, key="fillets cs", lang="cs", band=14500, set="48", licence="GPL-2.0"))
    for lang in ASTERISK:
        for p in sorted((x / f"asterisk-core-sounds-{lang}-g722").rglob("*.g722")):
            if "silence" not in str(p) and "tone" not in p.name and "beep" not in p.name:
                key = "asterisk en es" if lang in ("en", "es") else f"asterisk {lang}"
                out.append(dict(path=p, key=key, lang=lang, band=7700, set="16",
                                licence="CC-BY-3.0" if lang in ("it", "ru") else "CC-BY-SA-3.0"))
    return out + repositories.items(CACHE)


def noise_items() -> list[dict]:
    out = []
    for r in index(SHARED / "noise48" / "INDEX.tsv"):
        stem = Path(r["file"]).stem
        # pieces A, B, ... of one original recording stay together
        source = stem
        if r["category"].startswith("esc10"):
            source = "-".join(stem.split("-")[:2])
        elif r["category"].startswith("kitchen"):
            source = stem.rsplit("-", 2)[0]
        out.append(dict(path=SHARED / "noise48" / r["file"], key=f"{r['category']} {source}",
                        category=r["category"], licence=r["licence"]))
    return out


def music_items() -> list[dict]:
    out = [dict(path=p, key=f"mastered {p.stem[:-2] if p.stem.endswith(('_a', '_b')) else p.stem}")
           for p in sorted((SHARED / "mastered").glob("*.ogg"))]
    for package in ("wesnoth-1.16-music", "hyperrogue-music"):
        out += [dict(path=p, key=f"{package} {p.stem}") for p in sorted((CACHE / "x" / package).rglob("*.ogg"))]
    return out


def room_items() -> list[dict]:
    out = []
    for r in index(SHARED / "rir" / "INDEX.tsv"):
        if r["file"].startswith("plate"):
            continue
        name = "surrey_roomA" if "surrey" in r["file"] else Path(r["file"]).stem.replace("_revised", "")
        out.append(dict(path=SHARED / "rir" / r["file"], key=f"room {name}"))
    return out


def drawn_part(key: str) -> str:
    n = zlib.crc32(key.encode()) % 100
    return "test" if n < TEST_PERCENT else "valid" if n < TEST_PERCENT + VALID_PERCENT else "train"


def write_split() -> None:
    """Writes `data/split.tsv`: every key of the sources and the part it belongs to."""
    rows = {}
    for it in speech_items():
        k = it["key"]
        part = "test" if k in TEST_TALKERS else "valid" if k in VALID_TALKERS else SAME_PERSON.get(k, "train")
        rows["speech", k] = part
    missing = (TEST_TALKERS | VALID_TALKERS) - {k for _, k in rows}
    if missing:
        raise ValueError(f"held-out talkers not among the sources: {sorted(missing)}")
    for kind, items in (("noise", noise_items()), ("music", music_items()), ("room", room_items())):
        for it in items:
            rows[kind, it["key"]] = "test" if "surrey" in it["key"] else drawn_part(it["key"])
    with open(SPLIT, "w") as f:
        f.write("kind\tkey\tpart\n")
        f.writelines(f"{kind}\t{key}\t{part}\n" for (kind, key), part in sorted(rows.items()))


def read_split() -> dict:
    with open(SPLIT) as f:
        return {(r["kind"], r["key"]): r["part"] for r in csv.DictReader(f, delimiter="\t")}


def decode(path: Path, mono: str = "mean", limit: float | None = None) -> tuple[np.ndarray, int]:
    """Samples `[n]` float32 at 48 kHz and the file's own rate; what a damaged end leaves is kept."""
    import soxr

    if path.suffix == ".g722":
        import av

        with av.open(str(path), format="g722") as box:
            parts = [f.to_ndarray().reshape(-1) for f in box.decode(audio=0)]
        x = np.concatenate(parts or [np.zeros(0)]).astype(np.float32) / 32768
        rate = 16000
    else:
        parts = []
        with sf.SoundFile(path) as f:
            rate = f.samplerate
            most = int(limit * rate) if limit else 1 << 40
            try:
                while sum(map(len, parts)) < most:
                    block = f.read(min(1 << 16, most), dtype="float32", always_2d=True)
                    if not len(block):
                        break
                    parts.append(block)
            except sf.LibsndfileError:
                pass
        x = np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)
        x = x[:, 0] if mono == "left" else x.mean(1)
    if rate != RATE and len(x):
        x = soxr.resample(x, rate, RATE, "HQ")
    return x.astype(np.float32), rate


def loud_rms(x: np.ndarray) -> float:
    """RMS of the 20 ms frames within 25 dB of the loudest."""
    n = 960
    if len(x) < n:
        return float(np.sqrt(np.mean(x * x) + 1e-20))
    e = np.square(x[: len(x) // n * n]).reshape(-1, n).mean(1)
    return float(np.sqrt(e[e > e.max() * 10**-2.5].mean() + 1e-20)) if e.max() > 0 else 0.0


def load_speech(item: dict):
    x, rate = decode(item["path"], "left" if item["key"].startswith("tuxpaint") else "mean")
    if item["key"].startswith("ktuberling") and rate < 44100 or len(x) < RATE // 4:
        return None
    x = x - x.mean()
    level = loud_rms(x)
    if level < 1e-4:
        return None
    x *= LEVEL / level
    ramp = np.linspace(0, 1, 240, dtype=np.float32)
    x[:240] *= ramp
    x[-240:] *= ramp[::-1]
    return np.clip(x * 32768, -32767, 32767).astype(np.int16)


def load_other(item: dict):
    x, _ = decode(item["path"], limit=90 if "music" in item["key"] else None)
    if len(x) < RATE // 2:
        return None
    level = loud_rms(x)
    if level < 1e-5:
        return None
    return np.clip(x * (LEVEL / level * 32768), -32767, 32767).astype(np.int16)


def build(kind: str, items: list[dict], load, pool, pauses: bool) -> None:
    split = read_split()
    seen, chosen = set(), []
    for it in items:
        digest = hashlib.sha256(Path(it["path"]).read_bytes()).hexdigest()
        if digest not in seen:
            seen.add(digest)
            chosen.append(it)
    chosen.sort(key=lambda it: (it["key"], it.get("set", ""), str(it["path"])))
    files = {p: open(CACHE / f"{kind}-{p}.i16.part", "wb") for p in PARTS}
    pieces = {p: [] for p in PARTS}
    # sources that came later draw their pauses apart, so that the held-out maps stay as they were
    first, later = np.random.default_rng(1), np.random.default_rng(2)
    for it, x in zip(chosen, pool.imap(load, chosen, chunksize=16)):
        part = split[kind, it["key"]]
        if x is None:
            continue
        f, rows = files[part], pieces[part]
        start = f.tell() // 2
        name = it["key"] + (f" @{it['set']}" if it.get("set") == "16" else "")
        if not rows or rows[-1]["key"] != name:
            rows.append(dict(key=name, start=start, length=0, files=[],
                             **{k: v for k, v in it.items() if k in ("lang", "category")}, bands=[]))
        f.write(x.tobytes())
        rows[-1]["files"].append([start, len(x), str(it["path"].name)])
        rows[-1]["bands"].append(it.get("band", RATE // 2))
        if pauses:
            rng = later if it["key"].startswith(repositories.KEYS) else first
            f.write(bytes(2 * int(rng.uniform(0.05, 0.5) * RATE)))
        rows[-1]["length"] = f.tell() // 2 - rows[-1]["start"]
    for p in PARTS:
        files[p].close()
        for r in pieces[p]:
            r["band"] = int(np.percentile(r.pop("bands"), 20))
        (CACHE / f"{kind}-{p}.json").write_text(json.dumps(pieces[p]))
        (CACHE / f"{kind}-{p}.i16.part").rename(CACHE / f"{kind}-{p}.i16")
        hours = sum(r["length"] for r in pieces[p]) / RATE / 3600
        print(f"{kind} {p}: {len(pieces[p])} keys, {hours:.2f} h", flush=True)


def shoebox(seed: int) -> np.ndarray:
    """A synthetic room `[48000]`: image sources (Allen and Berkley 1979) of a random box with
    more absorption above about 3 kHz, both ways by one geometry."""
    rng = np.random.default_rng(seed)
    size = rng.uniform([2.2, 2.0, 2.2], [9.0, 7.0, 3.6])
    t60 = float(np.exp(rng.uniform(np.log(0.12), np.log(0.9))))
    src, mic = rng.uniform(0.3, size - 0.3), rng.uniform(0.3, size - 0.3)
    if rng.random() < 0.5:
        step = rng.standard_normal(3)
        mic = np.clip(src + step / np.linalg.norm(step) * rng.uniform(0.2, 1.2), 0.2, size - 0.2)
    volume, area = size.prod(), 2 * (size[0] * size[1] + size[1] * size[2] + size[0] * size[2])
    alpha = min(0.95, 0.161 * volume / (area * t60))
    beta = np.sqrt(1 - alpha)
    beta_high = beta * rng.uniform(0.8, 0.97)
    reach = 343 * min(t60 * 0.9, ROOM_SECONDS * 0.95)
    axes, bounces = [], []
    for d in range(3):
        n = min(int(np.ceil(reach / (2 * size[d]))), 14)
        k = np.arange(-n, n + 1)
        axes.append(np.concatenate([2 * k * size[d] + src[d], 2 * k * size[d] - src[d]]) - mic[d])
        bounces.append(np.concatenate([np.abs(2 * k), np.abs(2 * k - 1)]))
    dist = np.sqrt(axes[0][:, None, None] ** 2 + axes[1][None, :, None] ** 2 + axes[2][None, None, :] ** 2).ravel()
    order = (bounces[0][:, None, None] + bounces[1][None, :, None] + bounces[2][None, None, :]).ravel()
    inside = dist < reach
    dist, order = dist[inside], order[inside]
    sign = np.where(order > 0, rng.choice([-1, 1], len(order), p=[0.15, 0.85]), 1)
    at = np.clip((dist / 343 * RATE + rng.uniform(-2, 2, len(dist)) * (order > 1)).astype(int), 0, RATE - 1)
    parts = [np.bincount(at, sign * b**order / dist, RATE) for b in (beta, beta_high)]
    f = np.fft.rfftfreq(RATE, 1 / RATE)
    tilt = 1 / (1 + (f / 3000) ** 4)
    return np.fft.irfft(np.fft.rfft(parts[0]) * tilt + np.fft.rfft(parts[1]) * (1 - tilt), RATE).astype(np.float32)


def room_spectra(h: np.ndarray) -> np.ndarray:
    """Spectra `[2, FFT/2+1]` complex64 of a whole room and of its early part; the direct sound
    is moved to time 0 and the early part has energy 1."""
    peak = int(np.abs(h).argmax())
    h = h[peak : peak + int(ROOM_SECONDS * RATE)].copy()
    h = np.pad(h, (0, int(ROOM_SECONDS * RATE) - len(h)))
    h *= np.minimum(1, np.linspace(20, 0, len(h)))
    a, b = (ms * RATE // 1000 for ms in EARLY_MS)
    fade = np.clip((b - np.arange(len(h))) / (b - a), 0, 1)
    early = h * fade
    scale = 1 / np.sqrt(np.square(early).sum() + 1e-20)
    return np.stack([np.fft.rfft(v * scale, FFT) for v in (h, early)]).astype(np.complex64)


SYNTHETIC = {"train": 200, "valid": 10, "test": 16}


def make_rooms(pool) -> None:
    """`rooms-<part>.npy` `[rooms, 2, FFT/2+1]` complex64."""
    split = read_split()
    for number, part in enumerate(PARTS):
        out = []
        for it in room_items():
            if split["room", it["key"]] == part:
                h, _ = decode(it["path"], "left")
                out.append(room_spectra(h))
        seeds = [1000 * (number + 1) + i for i in range(SYNTHETIC[part])]
        out += [room_spectra(h) for h in pool.imap(shoebox, seeds)]
        np.save(CACHE / f"rooms-{part}.npy", np.stack(out))
        print(f"rooms {part}: {len(out)}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--split", action="store_true", help="write data/split.tsv and stop")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    fetch_packages()
    if args.split:
        return write_split()
    with Pool(args.workers) as pool:
        jobs = (("speech", speech_items, load_speech, True), ("noise", noise_items, load_other, False),
                ("music", music_items, load_other, False))
        for kind, items, load, pauses in jobs:
            if not (CACHE / f"{kind}-test.i16").exists():
                build(kind, items(), load, pool, pauses)
        if not (CACHE / "rooms-test.npy").exists():
            make_rooms(pool)


if __name__ == "__main__":
    main()
