"""Mixtures on the fly: speech, rooms, noise, microphones, band limits, as spectra.

A mixer is a stream of segments drawn from one part of the split; the same part, mode, length
and seed give the same stream. Levels are not varied: the network takes the input's level out
exactly (see `net.py`), so speech is mixed at one level and the noise follows from the SNR.
"""

import json
from dataclasses import dataclass

import numpy as np
import scipy.fft as fft

from .frames import BIN_HZ, BINS, RATE, Mode, windows
from .prepare import CACHE, FFT, LEVEL


@dataclass(frozen=True)
class Recipe:
    """Shares and ranges of a mixture; shares are probabilities."""

    room: float = 0.45
    room_tail: tuple = (0.2, 1.0)
    speed: float = 0.6
    speed_range: tuple = (0.82, 1.22)
    clean: float = 0.10
    noise_only: float = 0.04
    snr_db: tuple = (-5.0, 22.0)
    second_noise: float = 0.20
    synthetic: float = 0.14
    music: float = 0.10
    babble: float = 0.05
    hum: float = 0.08
    hiss: float = 0.15
    clicks: float = 0.03
    microphone: float = 0.6
    band_limit: float = 0.4
    high_pass: float = 0.25
    late_start: float = 0.05


@dataclass
class Segment:
    """`mixture` and `target` `[frames, 481]` complex64; bins from `top` on carry no truth."""

    mixture: np.ndarray
    target: np.ndarray
    top: int


class Store:
    """Memory maps of one part: what `prepare.py` wrote."""

    def __init__(self, part: str, cache=CACHE):
        self.audio, self.pieces = {}, {}
        for kind in ("speech", "noise", "music"):
            self.audio[kind] = np.memmap(cache / f"{kind}-{part}.i16", np.int16, "r")
            self.pieces[kind] = json.loads((cache / f"{kind}-{part}.json").read_text())
        self.rooms = np.load(cache / f"rooms-{part}.npy", mmap_mode="r")


class Mixer:
    """Draws segments of `seconds` from `store` (anything with `audio`, `pieces`, `rooms`)."""

    def __init__(self, store, mode: Mode, seconds: float, seed: int, recipe: Recipe = Recipe()):
        self.store, self.mode, self.recipe = store, mode, recipe
        self.rng = np.random.default_rng(seed)
        w, _ = windows(mode)
        self.hop = RATE * mode.hop_ms // 1000
        self.window = (w * 2 / w.sum()).astype(np.float32)
        self.frames = int(seconds * 1000) // mode.hop_ms
        self.need = (self.frames - 1) * self.hop + len(w)
        speech = [p for p in store.pieces["speech"] if p["length"] >= 4 * RATE]
        weight = np.array([min(p["length"] / RATE, 900.0) for p in speech]) ** 0.6
        self.talkers, self.talker_p = speech, weight / weight.sum()
        noise = {}
        for p in store.pieces["noise"]:
            noise.setdefault(p["category"], []).append(p)
        self.noises = list(noise.values())
        weight = np.array([sum(p["length"] for p in ps) for ps in self.noises]) ** 0.5
        self.noise_p = weight / weight.sum()
        self.hz = np.arange(BINS) * BIN_HZ

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def cut(self, kind: str, piece: dict, n: int) -> np.ndarray:
        """`n` samples float32 from anywhere in a piece, repeated where it is too short."""
        a, m = piece["start"], piece["length"]
        if m > n:
            at = a + int(self.rng.integers(m - n))
            return self.store.audio[kind][at : at + n].astype(np.float32) / 32768
        x = self.store.audio[kind][a : a + m].astype(np.float32) / 32768
        return np.resize(np.concatenate([x, x[::-1]]), n)

    def spectra(self, x: np.ndarray) -> np.ndarray:
        """Spectra `[frames, 481]` of the last `need` samples."""
        frames = np.lib.stride_tricks.sliding_window_view(x[-self.need :], len(self.window))[:: self.hop]
        return fft.rfft(frames * self.window, axis=1)

    def curve(self, spread_db: float, knots: int = 7) -> np.ndarray:
        """A smooth random response `[481]`, linear gain."""
        at = np.log([30, 24000])
        points = np.linspace(at[0], at[1], knots)
        db = self.rng.normal(0, spread_db, knots)
        return (10 ** (np.interp(np.log(self.hz + 30), points, db) / 20)).astype(np.float32)

    def voice(self):
        """Reverberant voice and target, `[FFT]` each, and the talker's piece."""
        if FFT - self.need < RATE // 2:
            raise ValueError(f"segments of {self.frames} frames leave no history in a transform of {FFT / RATE} s")
        rng, r = self.rng, self.recipe
        piece = self.talkers[rng.choice(len(self.talkers), p=self.talker_p)]
        speed = rng.uniform(*r.speed_range) if self.chance(r.speed) else 1.0
        n = int(round(FFT * speed / 960)) * 960
        x = self.cut("speech", piece, n)
        room = self.chance(r.room)
        if n == FFT and not room:
            return x, x, piece, speed
        s = fft.rfft(x)
        k = FFT // 2 + 1
        full = np.zeros(k, np.complex64)
        full[: min(k, len(s))] = s[:k] * (FFT / n)
        if not room:
            x = fft.irfft(full, FFT)
            return x, x, piece, speed
        whole, early = self.store.rooms[rng.integers(len(self.store.rooms))]
        target = fft.irfft(full * early, FFT)
        rest = fft.irfft(full * (whole - early), FFT)
        return target + np.float32(rng.uniform(*r.room_tail)) * rest, target, piece, speed

    def recording(self) -> np.ndarray:
        rng = self.rng
        group = self.noises[rng.choice(len(self.noises), p=self.noise_p)]
        piece = group[rng.integers(len(group))]
        n = self.need
        if self.chance(0.5):
            f = rng.uniform(0.7, 1.4)
            x = self.cut("noise", piece, int(n * f) + 2)
            at = np.arange(n, dtype=np.float32) * np.float32(f)
            i = at.astype(np.int32)
            x = x[i] + (at - i) * (x[i + 1] - x[i])
        else:
            x = self.cut("noise", piece, n)
        return x[::-1] if self.chance(0.3) else x

    def stationary(self) -> np.ndarray:
        """Coloured noise spectra `[frames, 481]`: white noise with a tilt and slow changes."""
        x = self.spectra(self.rng.standard_normal(self.need, np.float32) * np.float32(0.05))
        tilt = (self.hz + 100) ** np.float32(-self.rng.uniform(0, 1.2))
        x *= (tilt / tilt.max()).astype(np.float32) * self.curve(4)
        if self.chance(0.4):
            t = np.arange(self.frames) * self.mode.hop_ms / 1000
            depth, rate = self.rng.uniform(0, 8), np.exp(self.rng.uniform(np.log(0.3), np.log(8)))
            x *= (10 ** (depth * np.sin(2 * np.pi * rate * t + self.rng.uniform(0, 6)) / 20))[:, None].astype(np.float32)
        return x

    def babble(self) -> np.ndarray:
        x = np.zeros(self.need, np.float32)
        for _ in range(int(self.rng.integers(4, 9))):
            piece = self.talkers[self.rng.integers(len(self.talkers))]
            x += self.cut("speech", piece, self.need) * np.float32(self.rng.uniform(0.4, 1))
        return x

    def noise(self) -> np.ndarray:
        """Noise spectra `[frames, 481]`, any level."""
        rng, r = self.rng, self.recipe
        kind = rng.random()
        if kind < r.synthetic:
            x = self.stationary()
        elif kind < r.synthetic + r.music and self.store.pieces["music"]:
            pieces = self.store.pieces["music"]
            x = self.spectra(self.cut("music", pieces[rng.integers(len(pieces))], self.need))
        elif kind < r.synthetic + r.music + r.babble:
            x = self.spectra(self.babble())
        else:
            y = self.recording()
            if self.chance(r.second_noise):
                y = y + self.recording() * np.float32(10 ** (rng.uniform(-10, 10) / 20))
            x = self.spectra(y)
        return x * self.curve(3) if self.chance(0.7) else x

    def small_noises(self) -> np.ndarray | None:
        """Hum, hiss and clicks `[need]` relative to speech at LEVEL, or None."""
        rng, r, n = self.rng, self.recipe, self.need
        x = None
        if self.chance(r.hum):
            base = rng.choice([50, 60]) * (1 + rng.normal(0, 0.002))
            t = np.arange(n, dtype=np.float32) / RATE
            x = np.zeros(n, np.float32)
            fall = rng.uniform(0.5, 2)
            for k in range(1, int(rng.integers(3, 14))):
                x += np.sin(2 * np.pi * np.float32(base * k) * t + np.float32(rng.uniform(0, 6.28))) * np.float32(
                    rng.uniform(0.2, 1) / k**fall)
            x *= np.float32(LEVEL * 10 ** (-rng.uniform(5, 35) / 20))
        if self.chance(r.hiss):
            h = rng.standard_normal(n, np.float32) * np.float32(LEVEL * 10 ** (-rng.uniform(15, 45) / 20))
            x = h if x is None else x + h
        if self.chance(r.clicks):
            x = np.zeros(n, np.float32) if x is None else x
            for at in rng.integers(0, n - 200, int(rng.integers(1, 12))):
                m = int(rng.integers(2, 150))
                x[at : at + m] += rng.standard_normal(m, np.float32) * np.float32(LEVEL * rng.uniform(0.3, 4)) * np.exp(
                    -np.arange(m, dtype=np.float32) * (4 / m))
        return x

    def limits(self) -> np.ndarray | None:
        """A band limit `[481]` that falls on voice and noise alike, or None."""
        rng, g = self.rng, None
        if self.chance(self.recipe.band_limit):
            top = rng.choice([3500, 4000, 5500, 7000, 8000, 11000, 13000, 16000],
                             p=[0.15, 0.1, 0.08, 0.15, 0.25, 0.1, 0.07, 0.1]) * rng.uniform(0.94, 1.04)
            g = np.clip((top + rng.uniform(50, 600) - self.hz) / 500, 10 ** (-rng.uniform(50, 90) / 20), 1)
        if self.chance(self.recipe.high_pass):
            h = 1 / (1 + (np.exp(rng.uniform(np.log(50), np.log(250))) / np.maximum(self.hz, 1)) ** 4)
            g = h if g is None else g * h
        return None if g is None else g.astype(np.float32)

    def segment(self) -> Segment:
        rng, r = self.rng, self.recipe
        kind = rng.random()
        voice, target, piece, speed = self.voice()
        same = voice is target
        s = self.spectra(target)
        v = s if same else self.spectra(voice)
        if self.chance(r.microphone):
            mic = self.curve(2.5)
            s = s * mic
            v = s if same else v * mic
        power = float(np.square(np.abs(v)).mean())
        full = (LEVEL**2) * 3e-3  # about the mean power of LEVEL's loud speech in a bin
        scale = 1.0 if power < full * 1e-3 else float(np.clip(np.sqrt(full / power), 0.3, 3))
        s = s * np.float32(scale)
        v = s if same else v * np.float32(scale)
        if kind < r.noise_only:
            s, v = np.zeros_like(s), np.zeros_like(s)
        x = v
        if kind > r.clean:
            noise = self.noise()
            have = float(np.square(np.abs(noise)).mean()) + 1e-20
            snr = rng.uniform(*r.snr_db)
            x = x + noise * np.float32(np.sqrt(full / have) * 10 ** (-snr / 20))
            small = self.small_noises()
            if small is not None:
                x = x + self.spectra(small)
        elif self.chance(0.3):
            x = x + self.spectra(rng.standard_normal(self.need, np.float32) * np.float32(LEVEL * 10 ** (-rng.uniform(40, 70) / 20)))
        g = self.limits()
        if g is not None:
            x, s = x * g, s * g
        if self.chance(r.late_start):
            n = int(rng.integers(self.frames // 3))
            x, s = x.copy(), s.copy()
            x[:n], s[:n] = 0, 0
        top = BINS if kind < r.noise_only else min(BINS, int(piece["band"] * speed / BIN_HZ))
        return Segment(x.astype(np.complex64), s.astype(np.complex64), top)

    def batch(self, count: int):
        """`count` segments stacked: mixture and target `[count, frames, 481]`, tops `[count]`."""
        got = [self.segment() for _ in range(count)]
        return (np.stack([g.mixture for g in got]), np.stack([g.target for g in got]),
                np.array([g.top for g in got]))
