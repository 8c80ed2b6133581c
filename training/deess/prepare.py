"""Makes what the de-esser's mixer reads, once, beside the decoded audio in `training/cache`.

    python -m training.deess.prepare

- `deess-classes-<part>.u8`: classes of the recorded speech of `training.denoise.prepare`, one
  byte per 5 ms of its memory map (`labels.py`).
- `deess-synth-<part>.i16`, `.json`, `.u8`, `deess-phones-<part>.json`: synthetic speech, its pieces,
  classes and phonemes (`synth.py`). Held out by voice and by language.
- `deess-voices-train.*`: samples of neural voices with classes (`voices.py`).
- `deess-hits-<part>.i16`, `.json`: drum hits and loops; `deess-stems-<part>.*`: vocals with
  labels, and other stems.
"""

import json
import zlib
from multiprocessing import Pool

import numpy as np
import soxr

from ..denoise.prepare import CACHE, LEVEL, PARTS, SHARED, decode, index, loud_rms
from . import labels as lab
from . import voices
from .bands import RATE
from .synth import Espeak, Utterance, festival, flite, texts

HELD_LANGUAGES = {"test": {"it", "hu", "cs", "hi", "sl", "ca"}, "valid": {"fi", "eo", "sv", "id"}}
"""Languages that never train, of recorded and of synthetic speech."""
ESPEAK_TRAIN = ("af", "ar", "az", "be", "bg", "bn", "bs", "cy", "da", "de", "el", "en-us", "en", "es", "et", "eu", "fa", "fr",
                "ga", "gu", "hr", "is", "ka", "kk", "kn", "ko", "lt", "lv", "mk", "mr", "ms", "mt", "nb", "nl", "pa", "pl",
                "pt", "pt-br", "ro", "ru", "sk", "sq", "sr", "ta", "te", "tr", "uk", "vi")
LOCALE = {"en-us": "en", "pt-br": "pt_BR"}
"""Where the names of an espeak-ng voice come from if not from its own code."""
VARIANTS = {
    "test": ("m5", "f4", "Annie", "Michael", "klatt3", "steph", "quincy", "ed"),
    "valid": ("m2", "f2", "Andrea", "Denis", "linda", "david"),
    "train": ("", "m1", "m3", "m4", "m6", "m7", "m8", "f1", "f3", "f5", "klatt", "klatt2", "klatt4", "Alex", "Alicia", "Andy",
              "Diogo", "Gene", "Henrique", "Hugo", "Jacky", "Lee", "Marco", "Mario", "Mike", "Nguyen", "adam", "anika",
              "antonio", "aunty", "belinda", "benjamin", "boris", "caleb", "edward", "grandma", "grandpa", "gustave",
              "iven", "john", "kaukovalta", "marcelo", "max", "michel", "miguel", "norbert", "pablo", "paul", "pedro",
              "rob", "robert", "sandro", "shelby", "travis", "victor", "zac", "croak", "whisper", "whisperf"),
}
FLITE = {"train": ("slt", "kal", "kal16"), "valid": ("awb",), "test": ("rms",)}
FESTIVAL = {
    "train": (("kal_diphone", "en", "en", "latin-1"), ("msu_ru_nsh_clunits", "ru", "ru", "utf-8"),
              ("cmu_us_slt_arctic_hts", "en", "en", "latin-1")),
    "valid": (("hy_fi_mv_diphone", "fi", "fi", "latin-1"), ("suo_fi_lj_diphone", "fi", "fi", "latin-1"),
              ("ked_diphone", "en", "en", "latin-1")),
    "test": (("lp_diphone", "it", "it", "latin-1"), ("pc_diphone", "it", "it", "latin-1"),
             ("czech_machac", "cs", "cs", "iso-8859-2"), ("czech_dita", "cs", "cs", "iso-8859-2"),
             ("upc_ca_ona_hts", "ca", "ca", "latin-1")),
}
KNOWN_LANGUAGES = ("en-us", "de", "es", "pl")
"""Spoken by held-out voices too, beside the held-out languages."""
UTTERANCES = {"train": 11, "valid": 5, "test": 5}
"""Of each language or voice."""


def ascii_only(text: str) -> str:
    import unicodedata

    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def synth_jobs(part: str) -> list[tuple]:
    """(engine, key, language, arguments) of each utterance, in a fixed order."""
    out, rng = [], np.random.default_rng(zlib.crc32(part.encode()))
    languages = ESPEAK_TRAIN if part == "train" else (*sorted(HELD_LANGUAGES[part]), *KNOWN_LANGUAGES)
    for lang in languages:
        for text in texts(LOCALE.get(lang, lang), UTTERANCES[part], 1):
            variant = str(rng.choice(VARIANTS[part]))
            voice = lang + ("+" + variant if variant else "")
            out.append(("espeak", f"espeak {voice}", lang[:2], (voice, text, int(rng.integers(130, 210)),
                                                               int(rng.integers(25, 75)), int(rng.integers(30, 80)))))
    for voice in FLITE[part]:
        for text in texts("en", UTTERANCES[part] * 2, 2):
            out.append(("flite", f"flite {voice}", "en", (voice, ascii_only(text), float(rng.uniform(0.85, 1.25)))))
    for voice, lang, locale, encoding in FESTIVAL[part]:
        for text in texts(locale, UTTERANCES[part], 3, words=12):
            if encoding != "utf-8":
                text = text.encode(encoding, "ignore").decode(encoding)
            out.append(("festival", f"festival {voice}", lang, (voice, text, encoding)))
    return out


_ESPEAK = None


def speak(job: tuple):
    """Audio at 48 kHz int16, classes, phonemes (start and end in frames of 5 ms) and band of one job, or None."""
    global _ESPEAK
    engine, key, _, arguments = job
    try:
        if engine == "espeak":
            _ESPEAK = _ESPEAK or Espeak()
            u = _ESPEAK(*arguments)
        else:
            u = {"flite": flite, "festival": festival}[engine](*arguments)
    except Exception as e:  # a voice that refuses a text: the rest goes on
        print(f"{key}: {e}", flush=True)
        return None
    if len(u.audio) < u.rate or not u.phones:
        return None
    return finish(u)


def finish(u: Utterance):
    x = soxr.resample(u.audio, u.rate, RATE, "HQ").astype(np.float32)
    x = x - x.mean()
    x = x[: len(x) // lab.HOP * lab.HOP] * np.float32(LEVEL / max(loud_rms(x), 1e-5))
    band = u.rate / 2 * 0.97
    phones = [(a * 200, b * 200, c, v, n) for a, b, c, v, n in u.classes()]
    return (np.clip(x * 32768, -32767, 32767).astype(np.int16), from_phonemes(x, band, phones), phones, band)


def from_phonemes(x: np.ndarray, band: float, phones: list) -> np.ndarray:
    """Classes `[frames]` where the phonemes stand and sound."""
    m = lab.measures(x, band)
    n = len(m["all"])
    out = np.full(n, lab.NONE, np.uint8)
    loud = m["all"][m["all"] > m["all"].max() - 25].mean() + 3 if n else 0
    for start, end, kind, _, _ in phones:
        a, b = int(round(start)), min(n, int(round(end)))
        if kind == lab.NONE or a >= b:
            continue
        if kind == lab.PLOSIVE:
            out[a:b] = np.where(m["all"][a:b] - loud > lab.CLOSURE_DB, lab.PLOSIVE, lab.NONE)
            continue
        high = m["high"][a:b]
        sounds = (high > high.max() - lab.GROW_FALL_DB) & (high - loud > lab.FRICTION_DB)
        out[a:b] = np.where(sounds, kind, np.where(high - loud > lab.FRICTION_DB, lab.UNSURE, lab.NONE))
    return out


def build_synth(pool) -> None:
    for part in PARTS:
        if (CACHE / f"deess-synth-{part}.i16").exists():
            continue
        jobs = sorted(synth_jobs(part), key=lambda j: j[1])
        pieces, phones, at = [], {}, 0
        with open(CACHE / f"deess-synth-{part}.i16.part", "wb") as audio, open(CACHE / f"deess-synth-{part}.u8", "wb") as classes:
            for (engine, key, lang, _), got in zip(jobs, pool.imap(speak, jobs, chunksize=4)):
                if got is None:
                    continue
                x, c, p, band = got
                if not pieces or pieces[-1]["key"] != key:
                    pieces.append(dict(key=key, lang=lang, start=at, length=0, band=int(band), files=[]))
                pause = np.zeros(60 * lab.HOP, np.int16)
                audio.write(x.tobytes() + pause.tobytes())
                classes.write(c.tobytes() + bytes(60))
                pieces[-1]["files"].append([at, len(x)])
                phones[str(at)] = [(round(a, 2), round(b, 2), int(k), bool(v), n) for a, b, k, v, n in p]
                at += len(x) + len(pause)
                pieces[-1]["length"] = at - pieces[-1]["start"]
        (CACHE / f"deess-synth-{part}.json").write_text(json.dumps(pieces))
        (CACHE / f"deess-phones-{part}.json").write_text(json.dumps(phones))
        (CACHE / f"deess-synth-{part}.i16.part").rename(CACHE / f"deess-synth-{part}.i16")
        print(f"synthetic {part}: {len(pieces)} voices, {at / RATE / 60:.1f} min", flush=True)


def _piece(part: str, i: int) -> np.ndarray:
    audio = np.memmap(CACHE / f"speech-{part}.i16", np.int16, "r")
    return lab.by_files(json.loads((CACHE / f"speech-{part}.json").read_text())[i], audio)


def build_labels(pool) -> None:
    for part in PARTS:
        out = CACHE / f"deess-classes-{part}.u8"
        if out.exists():
            continue
        pieces = json.loads((CACHE / f"speech-{part}.json").read_text())
        total = max(p["start"] + p["length"] for p in pieces) // lab.HOP + 1
        classes = np.zeros(total, np.uint8)
        for p, got in zip(pieces, pool.starmap(_piece, [(part, i) for i in range(len(pieces))], chunksize=1)):
            at = p["start"] // lab.HOP
            got = got[: total - at]
            classes[at : at + len(got)] = np.where(got != lab.NONE, got, classes[at : at + len(got)])
        classes.tofile(out)
        share = np.bincount(classes, minlength=256)[[0, 1, 2, 3, 4, 5, 255]] / total
        print(f"labels {part}: none s sh f breath plosive unsure {np.round(share * 100, 1)} %", flush=True)


def stem_part(name: str) -> str:
    return {"Rubidium": "valid", "Francium": "test"}.get(name, "train")


def build_stems() -> None:
    """Drum hits, vocals with labels and other stems of ../shared/data/music."""
    if (CACHE / "deess-hits-test.i16").exists():
        return
    rows = index(SHARED / "music" / "INDEX.tsv")
    out = {(k, p): ([], []) for k in ("hits", "vocals", "other") for p in PARTS}
    for r in rows:
        stem, path = r["stem"], SHARED / "music" / r["file"]
        if path.suffix not in (".wav", ".ogg", ".opus", ".flac", ".mp3", ".aif", ".aiff") or stem == "midi":
            continue
        name = r["file"].split("/")[-2] if r["file"].startswith("multitrack") else path.stem.split("_")[0]
        drawn = zlib.crc32(path.stem.encode()) % 100
        part = stem_part(name.split("_")[0]) if stem == "vocals" or r["file"].startswith("multitrack") else (
            "test" if drawn < 15 else "valid" if drawn < 22 else "train")
        x, _ = decode(path)
        level = loud_rms(x) if len(x) else 0
        if level < 1e-4:
            continue
        kind = "vocals" if stem == "vocals" else "hits" if stem == "drums" else "other"
        x = x[: len(x) // lab.HOP * lab.HOP] * np.float32(LEVEL / level)
        if len(x) == 0:
            continue
        audio, pieces = out[kind, part]
        start = sum(map(len, audio))
        audio.append(np.clip(x * 32768, -32767, 32767).astype(np.int16))
        pieces.append(dict(key=f"{stem} {r['file']}", start=start, length=len(x), lang="", files=[[start, len(x)]],
                           band=11_000 if kind == "vocals" else 20_000,
                           long=len(x) > 3 * RATE))
    for (kind, part), (audio, pieces) in out.items():
        x = np.concatenate(audio or [np.zeros(RATE, np.int16)])
        (CACHE / f"deess-{kind}-{part}.json").write_text(json.dumps(pieces))
        if kind == "vocals":
            c = [lab.label(a.astype(np.float32) / 32768, 11_000) if "vocobox" not in p["key"] else np.zeros(len(a) // lab.HOP, np.uint8)
                 for a, p in zip(audio, pieces)]
            np.concatenate(c or [np.zeros(200, np.uint8)]).tofile(CACHE / f"deess-{kind}-{part}.u8")
        x.tofile(CACHE / f"deess-{kind}-{part}.i16")
        print(f"{kind} {part}: {len(pieces)} pieces, {len(x) / RATE / 60:.1f} min", flush=True)


def main():
    with Pool(2) as pool:
        build_synth(pool)
        build_labels(pool)
        voices.build(pool, frozenset().union(*HELD_LANGUAGES.values()))
    build_stems()


if __name__ == "__main__":
    main()
