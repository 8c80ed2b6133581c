"""The protocol's material: speech with known phonemes, recorded speech with labels by analysis."""

import json
from dataclasses import dataclass, field

import numpy as np
import scipy.fft as fft

from ...denoise.prepare import CACHE
from .. import labels as lab
from ..bands import RATE

BOOST_DB = 9.0
BOOST_HZ = (5000.0, 10_000.0)
EDGE_OCTAVES = 0.05
RAMP_MS = 5.0
LEVEL_DB = -20.0
"""RMS of the loud frames, dBFS: that of a voice track. Peers have absolute thresholds."""
TKFH = ("t", "k", "f", "h")


@dataclass
class Utterance:
    """`natural` `[samples]` at 48 kHz; `sounds` are (start, end, class, is a vowel, letters) in frames of 5 ms."""

    name: str
    group: str
    natural: np.ndarray
    sounds: list
    boosted: np.ndarray = field(default=None)

    def sibilants(self):
        return [s for s in self.sounds if s[2] in lab.SIBILANTS]

    def vowels(self):
        return [s for s in self.sounds if s[3]]

    def others(self):
        return [s for s in self.sounds if s[4] in TKFH]

    def raise_sibilants(self, gain_db: float = BOOST_DB) -> "Utterance":
        mask = np.zeros(len(self.natural), np.float32)
        for a, b, *_ in self.sibilants():
            mask[int(a * lab.HOP) : int(b * lab.HOP)] = 1
        n = int(RAMP_MS * RATE / 1000)
        hann = np.hanning(n + 2)[1:-1]
        mask = np.convolve(mask, hann / hann.sum(), "same")
        self.boosted = self.natural + mask * (10 ** (gain_db / 20) - 1) * in_band(self.natural)
        return self


def in_band(x: np.ndarray) -> np.ndarray:
    """The part of `x` in the boosted band, zero phase."""
    m = fft.next_fast_len(len(x) + RATE // 10, True)
    f = np.arange(m // 2 + 1) * RATE / m
    low, high = (np.log2(np.maximum(f, 1) / h) / EDGE_OCTAVES for h in BOOST_HZ)
    shape = np.clip(low + 0.5, 0, 1) * np.clip(0.5 - high, 0, 1)
    return fft.irfft(fft.rfft(x, m) * shape, m)[: len(x)]


def scaled(x: np.ndarray) -> np.ndarray:
    from ...denoise.prepare import LEVEL

    return x * np.float32(10 ** (LEVEL_DB / 20) / LEVEL)


def synthetic(part: str, seconds: float = 14.0, each: int = 1) -> list[Utterance]:
    """`each` utterances of every second held-out espeak-ng voice in a language, one more of the other synthesisers'
    voices: at least 4 s and at most `seconds`."""
    audio = np.memmap(CACHE / f"deess-synth-{part}.i16", np.int16, "r")
    phones = json.loads((CACHE / f"deess-phones-{part}.json").read_text())
    out = []
    pieces = json.loads((CACHE / f"deess-synth-{part}.json").read_text())
    espeak = [p for p in pieces if p["key"].startswith("espeak")]
    for p in espeak[::2] + [p for p in pieces if not p["key"].startswith("espeak")]:
        most = each + 1 if "espeak" not in p["key"] else each
        for start, length in p["files"][:most]:
            n = min(length, int(seconds * RATE))
            x = scaled(audio[start : start + n].astype(np.float32) / 32768)
            end = n / lab.HOP
            sounds = [tuple(s) for s in phones[str(start)] if s[1] < end - 2]
            if sum(s[2] in lab.SIBILANTS for s in sounds) >= 3 and n >= 4 * RATE:
                out.append(Utterance(f"{p['key']} @{start}", f"{p['key'].split()[0]} {p['lang']}", x, sounds))
    return out


def recorded(part: str, seconds: float = 12.0, each: int = 2) -> list[Utterance]:
    """Stretches of recorded held-out talkers with full band; sounds are the runs of the labels by analysis, and
    a `vowel` is a run of voiced loud frames far from any friction."""
    audio = np.memmap(CACHE / f"speech-{part}.i16", np.int16, "r")
    classes = np.memmap(CACHE / f"deess-classes-{part}.u8", np.uint8, "r")
    out = []
    for p in json.loads((CACHE / f"speech-{part}.json").read_text()):
        if p["band"] < 12_000 or p["length"] < (each + 1) * seconds * RATE:
            continue
        for k in range(each):
            at = (p["start"] + int(p["length"] * (k + 0.3) / each)) // lab.HOP
            n = int(seconds * 200)
            x = scaled(np.asarray(audio[at * lab.HOP : (at + n) * lab.HOP]).astype(np.float32) / 32768)
            c = np.asarray(classes[at : at + n])
            sounds = [(a, b, int(k), False, "t" if k == lab.PLOSIVE else "f" if k == lab.F else "")
                      for k in range(1, 6) for a, b in lab.runs(c == k)]
            m = lab.measures(x, p["band"])
            loud = m["all"] > m["all"].max() - 22
            free = np.convolve((c != lab.NONE).astype(float), np.ones(9), "same") < 0.5
            sounds += [(a, b, lab.NONE, True, "") for a, b in lab.runs(loud & free & (m["low"] > m["high"] + 10)) if b - a > 6]
            if sum(s[2] in lab.SIBILANTS for s in sounds) >= 4:
                out.append(Utterance(f"{p['key']} @{at}", p["lang"], x, sounds))
    return out
