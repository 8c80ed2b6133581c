"""The friction of many talkers: samples of neural voices, each trained on one person's recordings, labelled by analysis.

Such a voice keeps how its talker's sibilants stand to the vowels, which is what more talkers teach; its noise and its pauses are
not a recording's, so only the de-esser learns from it. They only train: nothing is decided or reported on them.
"""

import json

import numpy as np

from ..common.place import TRAINING
from ..denoise import repositories
from ..denoise.prepare import CACHE, LEVEL, decode, loud_rms
from . import labels as lab
from .bands import RATE

NAME = "deess-voices"
SAMPLES = CACHE / "x" / "mimic3-voices" / "samples"
BAND = 10_500
"""Hz; the voices speak at 22.05 kHz."""
LEFT_OUT = {
    "en_UK/apope_low", "sw/lanfrica_low", "ko_KO/kss_low",  # no free licence, or a doubtful one
    "de_DE/thorsten-emotion_low", "nl/nathalie_low", "nl/flemishguy_low",  # talkers of other sources or of another row
}
"""Voices that are not used."""
LEFT_OUT_TALKERS = {
    "en_US/vctk_low sample_p232", "en_US/vctk_low sample_p257",  # a published test set
    "en_US/cmu-arctic_low sample_awb", "en_US/cmu-arctic_low sample_rms",  # flite's voices that `prepare` holds out
}
"""Talkers that are held out."""


def items(skip: frozenset) -> list[tuple]:
    """(path, key, language) of each talker, but for the languages in `skip`."""
    out = []
    for path in sorted(SAMPLES.rglob("*.wav")):
        voice = "/".join(path.parts[-3:-1])
        lang, talker = voice[:2], f"{voice} {path.stem}"
        if voice not in LEFT_OUT and talker not in LEFT_OUT_TALKERS and lang not in skip:
            out.append((path, f"neural {talker}", lang))
    return out


def build(pool, skip: frozenset) -> None:
    """Writes `deess-voices-train.*` as `prepare` does for recordings."""
    target = CACHE / f"{NAME}-train.i16"
    if target.exists():
        return
    repositories.fetch(CACHE, TRAINING / "data" / "deess-sources.tsv", "samples")
    pieces, classes, at = [], [], 0
    part = target.with_suffix(".part")
    with open(part, "wb") as audio:
        rows = items(skip)
        for (_, key, lang), (x, c) in zip(rows, pool.imap(read, [r[0] for r in rows], chunksize=4)):
            if not len(x):
                continue
            x.tofile(audio)
            classes.append(c)
            pieces.append(dict(key=key, lang=lang, start=at, length=len(x), band=BAND, files=[[at, len(x)]]))
            at += len(x)
    np.concatenate(classes).tofile(CACHE / f"{NAME}-train.u8")
    (CACHE / f"{NAME}-train.json").write_text(json.dumps(pieces))
    part.rename(target)
    print(f"neural voices: {len(pieces)} talkers, {at / RATE / 60:.1f} min", flush=True)


def read(path) -> tuple[np.ndarray, np.ndarray]:
    """Samples at 48 kHz int16, whole frames, and their classes."""
    x, _ = decode(path)
    level = loud_rms(x) if len(x) else 0.0
    if level < 1e-4:
        return np.zeros(0, np.int16), np.zeros(0, np.uint8)
    x = x[: len(x) // lab.HOP * lab.HOP] * np.float32(LEVEL / level)
    return np.clip(x * 32768, -32767, 32767).astype(np.int16), lab.label(x, BAND)
