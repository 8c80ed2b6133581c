"""Programmes with known truth: talkers, finished music and noise that come and go, as power spectra.

A segment is a sum of three layers (voice, music, noise), each with its own timeline. Layers are costly to make
(rooms, transforms) and cheap to add, so each is used several times, with others, at other levels and through other
microphones. The truth of a frame says of each kind whether it is there (1), not there (0), or cannot be told (-1):
what lies far enough under the rest is not to be heard, and shall not be learned.
"""

import json
from dataclasses import dataclass

import numpy as np
import scipy.fft as fft
from scipy.ndimage import binary_closing, binary_opening, maximum_filter1d, uniform_filter1d

from ..common.place import CACHE
from ..denoise.frames import BINS, RATE, STANDARD
from ..denoise.mix import Mixer, Store
from ..denoise.prepare import FFT, LEVEL

KINDS = ("speech", "music", "noise")
HOP_S = STANDARD.hop_ms / 1000
SOUNDS_DB = (-34.0, -13.0)
"""Limits of the level, against loud speech, from which a talker's frame sounds. Within them it lies where it parts the
recording's quiet frames from its loud ones best: some recordings have a room behind the voice."""
VOICE_BINS = slice(4, 80)
"""200 Hz to 4 kHz, where that level is taken."""
EMPTY_DB = -60.0
"""Frames under this are gaps between recordings."""
GAP_S = 0.4
"""Shorter pauses belong to the speech around them."""
NEAR_S = 0.5
"""Time over which levels of the layers are compared."""
HEARD_DB = {"speech": (-4.0, -25.0), "music": (-20.0, -38.0), "noise": (-25.0, -40.0)}
"""A layer so far under the rest counts as heard, or as not there; between, it cannot be told."""
QUIET_DB = -45.0
"""Under LEVEL by more than this is not there."""


@dataclass(frozen=True)
class Recipe:
    """Shares of what is in a programme, and levels in dB against loud speech."""

    kinds: tuple = (
        (0.18, ("speech",)), (0.15, ("music",)), (0.14, ("noise",)), (0.17, ("speech", "music")),
        (0.16, ("speech", "noise")), (0.08, ("music", "noise")), (0.12, ("speech", "music", "noise")),
    )
    """Each with its share."""
    turns: float = 0.4
    """Of programmes with speech and music, those in which one begins where the other stops."""
    music_db: tuple = (-22.0, 4.0)
    noise_db: tuple = (-35.0, -2.0)
    floor_db: tuple = (-75.0, -45.0)
    room: float = 0.35
    speed: tuple = (0.85, 1.18)
    music_speed: tuple = (0.7, 1.4)
    colour_db: float = 4.5
    """Of music and noise, whose recordings are few: else their spectra are learned by heart."""
    second_talker: float = 0.15
    microphone: float = 0.7


class Sources(Store):
    """What `training.denoise.prepare` and `training.events.prepare` wrote for one part; finished songs in place of
    the music that the denoiser takes for noise."""

    def __init__(self, part: str, cache=CACHE):
        super().__init__(part, cache)
        self.audio["music"] = np.memmap(cache / f"events-music-{part}.i16", np.int16, "r")
        self.pieces["music"] = json.loads((cache / f"events-music-{part}.json").read_text())


@dataclass
class Layer:
    """`spectra` `[T, 481]` complex64, `sounds` `[T]`: its source sounds in this frame; `lang` of a talker."""

    spectra: np.ndarray
    sounds: np.ndarray
    lang: str = ""


@dataclass
class Segment:
    """`power` `[T, 481]` float32, `truth` `[T, 3]` int8 by `KINDS` (-1: cannot be told), `lang` of its talker."""

    power: np.ndarray
    truth: np.ndarray
    lang: str


def decibels(power: np.ndarray) -> np.ndarray:
    return 10 * np.log10(power + 1e-12)


def parting(level: np.ndarray) -> float:
    """The level that parts values into two groups with the least spread within them (Otsu, IEEE Trans. SMC 1979)."""
    if len(level) < 2:
        return 0.0
    x = np.sort(level)
    n, sums = np.arange(1, len(x)), np.cumsum(x)[:-1]
    between = np.square(sums / n - (x.sum() - sums) / (len(x) - n)) * n * (len(x) - n)
    at = int(between.argmax())
    return float(0.5 * (x[at] + x[at + 1]))


class Programmes(Mixer):
    """Draws segments of `seconds`. With `reuse` > 1 a layer serves about that many segments."""

    def __init__(self, store: Sources, seconds: float, seed: int, reuse: float = 1.0, kept: int = 60, recipe: Recipe = Recipe()):
        super().__init__(store, STANDARD, seconds, seed)
        self.programme, self.reuse, self.kept = recipe, reuse, kept
        self.shelf = {kind: [] for kind in KINDS}
        self.songs = [p for p in store.pieces["music"] if p["length"] > 6 * RATE]

    # -- layers ------------------------------------------------------------------------------------------

    def faster(self, kind: str, piece: dict, n: int, low: float, high: float) -> np.ndarray:
        """`n` samples of a piece at another speed (and pitch)."""
        f = self.rng.uniform(low, high)
        x = self.cut(kind, piece, int(n * f) + 2)
        at = np.arange(n, dtype=np.float64) * f
        i = at.astype(np.int64)
        return x[i] + (at - i).astype(np.float32) * (x[i + 1] - x[i])

    def stretches(self, on: tuple, off: tuple, whole: float) -> np.ndarray:
        """Which samples `[need]` belong to a source that comes and goes; with chance `whole` all do."""
        gate = np.ones(self.need, bool)
        if self.chance(whole):
            return gate
        at, state = -int(self.rng.uniform(0, on[1]) * RATE), self.chance(0.6)
        while at < self.need:
            length = int(self.rng.uniform(*(on if state else off)) * RATE)
            if not state:
                gate[max(at, 0) : max(at + length, 0)] = False
            at, state = at + length, not state
        return gate

    def in_room(self, x: np.ndarray) -> np.ndarray:
        whole, early = self.store.rooms[self.rng.integers(len(self.store.rooms))]
        part = np.float32(self.rng.uniform(0.3, 1.0))
        h = fft.irfft(early + part * (whole - early), FFT)[:RATE]
        n = fft.next_fast_len(len(x) + RATE, real=True)
        return fft.irfft(fft.rfft(x, n) * fft.rfft(h, n), n)[: len(x)].astype(np.float32)

    def speech_layer(self) -> Layer:
        """One talker, or two in turn, with pauses; what sounds is read off the dry voice."""
        x = np.zeros(self.need, np.float32)
        piece = self.talkers[self.rng.choice(len(self.talkers), p=self.talker_p)]
        voice = self.faster("speech", piece, self.need, *self.programme.speed)
        gate = self.stretches((1.0, 9.0), (0.4, 6.0), 0.35)
        x[gate] = voice[gate]
        if self.chance(self.programme.second_talker):
            other = self.talkers[self.rng.choice(len(self.talkers), p=self.talker_p)]
            if other.get("lang") == piece.get("lang"):
                voice = self.faster("speech", other, self.need, *self.programme.speed)
                x[~gate] = voice[~gate] * np.float32(10 ** (self.rng.uniform(-6, 3) / 20))
        level = decibels(np.square(np.abs(self.spectra(x)[:, VOICE_BINS])).sum(1)) - 20 * np.log10(LEVEL)
        sounds = binary_opening(level > np.clip(parting(level[level > EMPTY_DB]), *SOUNDS_DB), np.ones(3))
        pad = int(GAP_S / HOP_S)
        sounds = binary_closing(np.pad(sounds, pad), np.ones(pad))[pad:-pad]
        if self.chance(self.programme.room):
            x = self.in_room(x)
        return Layer(self.spectra(x).astype(np.complex64), sounds, piece.get("lang", ""))

    def music_layer(self) -> Layer:
        piece = self.songs[self.rng.integers(len(self.songs))]
        x = self.faster("music", piece, self.need, *self.programme.music_speed)
        gate = self.stretches((2.0, 12.0), (1.0, 8.0), 0.55).astype(np.float32)
        fade = max(1, int(self.rng.choice([0.003, 0.05, 0.8]) * RATE))
        x = x * uniform_filter1d(gate, fade)
        spectra = self.spectra(x).astype(np.complex64)
        if self.chance(0.7):
            spectra *= self.curve(self.programme.colour_db)
        return Layer(spectra, self.spans(spectra))

    def noise_layer(self) -> Layer:
        if self.chance(0.25):
            spectra = self.stationary()
        else:
            x = self.recording()
            if self.chance(0.4):
                x = x + self.recording() * np.float32(10 ** (self.rng.uniform(-12, 12) / 20))
            if self.chance(0.3):
                x = x * self.stretches((1.0, 8.0), (1.0, 6.0), 0.0)
            spectra = self.spectra(x)
        small = self.small_noises()
        if small is not None:
            spectra = spectra + self.spectra(small)
        spectra = (spectra * self.curve(self.programme.colour_db)).astype(np.complex64)
        loud = np.square(np.abs(spectra)).mean(1)
        spectra *= np.float32(LEVEL / np.sqrt(np.percentile(loud, 90) * BINS + 1e-12))
        return Layer(spectra, self.spans(spectra))

    def spans(self, spectra: np.ndarray) -> np.ndarray:
        """Frames with this layer not far under its own loud ones, short rests in it included."""
        level = decibels(np.square(np.abs(spectra)).sum(1))
        top = np.percentile(level, 90)
        return maximum_filter1d((level > top + QUIET_DB).astype(np.uint8), 1 + int(NEAR_S / HOP_S)).astype(bool)

    def layer(self, kind: str) -> Layer:
        """A layer, fresh or from the shelf."""
        shelf = self.shelf[kind]
        if not shelf or len(shelf) < self.kept and self.chance(0.5) or self.chance(1 / self.reuse):
            fresh = getattr(self, f"{kind}_layer")()
            if len(shelf) < self.kept:
                shelf.append(fresh)
            else:
                shelf[self.rng.integers(self.kept)] = fresh
            return fresh
        return shelf[self.rng.integers(len(shelf))]

    # -- programmes --------------------------------------------------------------------------------------

    def programme_segment(self) -> Segment:
        rng, r = self.rng, self.programme
        shares = np.array([share for share, _ in r.kinds])
        names = r.kinds[rng.choice(len(shares), p=shares / shares.sum())][1]
        layers = {name: self.layer(name) for name in names}
        gains = {"speech": 0.0, "music": rng.uniform(*r.music_db), "noise": rng.uniform(*r.noise_db)}
        if "speech" not in names:
            gains["music"] = 0.0
        if "speech" not in names and "music" not in names:
            gains["noise"] = 0.0
        gate = dict.fromkeys(names, np.ones(self.frames, np.float32))
        if {"speech", "music"} <= set(names) and self.chance(r.turns):
            at = np.sort(rng.integers(0, self.frames, int(rng.integers(1, 3))))
            turn = (np.searchsorted(at, np.arange(self.frames), side="right") + self.chance(0.5)) % 2
            gate["speech"], gate["music"] = turn.astype(np.float32), 1 - turn.astype(np.float32)
            gains["music"] = rng.uniform(-8, 8)
        total = np.zeros((self.frames, BINS), np.complex64)
        powers = {}
        for name, layer in layers.items():
            part = layer.spectra * (gate[name] * np.float32(10 ** (gains[name] / 20)))[:, None]
            total += part
            powers[name] = np.square(np.abs(part)).sum(1)
        floor = LEVEL * 10 ** (rng.uniform(*r.floor_db) / 20)
        noise = rng.standard_normal((self.frames, BINS, 2), np.float32).view(np.complex64)[..., 0]
        total += noise * np.float32(floor / np.sqrt(2 * BINS))
        response = self.curve(2.5) if self.chance(r.microphone) else np.ones(BINS, np.float32)
        limits = self.limits()
        if limits is not None:
            response = response * limits
        power = np.square(np.abs(total)) * np.square(response * np.float32(10 ** (rng.uniform(-30, 10) / 20)))
        return Segment(power.astype(np.float32), self.truth(layers, gate, powers), layers["speech"].lang if "speech" in layers else "")

    def truth(self, layers: dict, gate: dict, powers: dict) -> np.ndarray:
        """Truth `[T, 3]` from which layer sounds and how far it lies under the others."""
        near = 1 + int(NEAR_S / HOP_S)
        smooth = {name: np.maximum(uniform_filter1d(p, near), 0) + 1e-12 for name, p in powers.items()}
        out = np.zeros((self.frames, len(KINDS)), np.int8)
        for i, name in enumerate(KINDS):
            if name not in layers:
                continue
            rest = sum((p for other, p in smooth.items() if other != name), np.zeros(self.frames)) + 1e-12
            under = 10 * np.log10(smooth[name] / rest)
            heard, gone = HEARD_DB[name]
            sounds = layers[name].sounds & (gate[name] > 0)
            out[:, i] = np.where(~sounds | (under < gone), 0, np.where(under < heard, -1, 1))
        return out

    def programmes(self, count: int):
        """`count` segments stacked: power `[count, T, 481]`, truth `[count, T, 3]`."""
        got = [self.programme_segment() for _ in range(count)]
        return np.stack([g.power for g in got]), np.stack([g.truth for g in got])
