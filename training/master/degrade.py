"""Damage whose way back is known: tone, dynamics, width and level of finished music made worse.

Tone and width are linear and applied by one transform of the whole excerpt, without phase. Their effect on the
features of the Rust analysis is computed as well (`features.shift`), so that one analysed excerpt serves many times.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy import fft
from scipy.ndimage import maximum_filter1d, uniform_filter1d
from scipy.signal import lfilter

REGIONS_HZ = (178.0, 2828.0)
"""Where the three bands of width meet: edges of octaves, as in the analysis."""
BANDS_HZ = (150.0, 1000.0, 6000.0)
"""Where the four bands of dynamics meet."""
BLEND_OCTAVES = 1.0
"""Width goes from one region to the next over so many octaves."""
LOWEST_HZ, HIGHEST_HZ = 15.0, 22_000.0
STEP_SECONDS = 0.001
"""Grid on which gains of dynamics are computed."""
GAIN_MOST_DB = 12.0
"""The most that dynamics move a band either way."""


@dataclass
class Tone:
    """A curve: knots at octaves, a tilt, shelves and bells; in decibels."""

    knots: np.ndarray = field(default_factory=lambda: np.zeros(12))
    tilt: float = 0.0
    shelves: list = field(default_factory=list)
    bells: list = field(default_factory=list)

    def __call__(self, hz: np.ndarray) -> np.ndarray:
        """Gain in dB at frequencies."""
        octave = np.log2(np.clip(hz, LOWEST_HZ, HIGHEST_HZ) / 1000.0)
        at = np.clip(octave + 6.0, 0.0, len(self.knots) - 1.001)
        low = at.astype(int)
        part = 0.5 - 0.5 * np.cos(np.pi * (at - low))
        gain = self.knots[low] * (1 - part) + self.knots[low + 1] * part + self.tilt * octave
        for centre, db, steep in self.shelves:
            gain = gain + db / (1 + np.exp(-steep * np.log2(np.maximum(hz, 1.0) / centre)))
        for centre, db, q in self.bells:
            x = q * (hz / centre - centre / np.maximum(hz, 1.0))
            gain = gain + db / (1 + x * x)
        return gain


def draw_tone(rng: np.random.Generator) -> Tone:
    """A random curve."""
    strength = rng.choice([0.6, 1.3, 2.0], p=[0.2, 0.5, 0.3])
    tone = Tone(tilt=strength * rng.normal(0, 0.5))
    if rng.random() < 0.7:
        rough = rng.normal(0, 1, len(tone.knots))
        wide = uniform_filter1d(rng.normal(0, 1, len(tone.knots)), 3) * np.sqrt(3)
        tone.knots = strength * rng.uniform(0.5, 2.5) * (rough if rng.random() < 0.4 else wide)
    for low in (True, False):
        if rng.random() < 0.4:
            centre = np.exp(rng.uniform(*np.log([60, 400]))) if low else np.exp(rng.uniform(*np.log([1500, 9000])))
            tone.shelves.append((centre, strength * rng.normal(0, 3.5), (-1 if low else 1) * rng.uniform(1.5, 5)))
    for _ in range(rng.choice([0, 1, 2, 3], p=[0.35, 0.35, 0.2, 0.1])):
        centre = np.exp(rng.uniform(*np.log([50, 10_000])))
        tone.bells.append((centre, strength * rng.normal(1.0, 4.0), np.exp(rng.uniform(*np.log([0.7, 5])))))
    return tone


def draw_width(rng: np.random.Generator) -> np.ndarray:
    """Gains of the sides in three regions, dB."""
    common = rng.normal(-2.0, 4.5)
    return np.clip(common + rng.normal(0, 2.0, 3), -16.0, 9.0)


def width_curve(width: np.ndarray, hz: np.ndarray) -> np.ndarray:
    """Gain of the sides in dB at frequencies."""
    gain = np.full(np.shape(hz), float(width[0]))
    for edge, low, high in zip(REGIONS_HZ, width[:-1], width[1:]):
        at = np.clip(np.log2(np.maximum(hz, 1.0) / edge) / BLEND_OCTAVES + 0.5, 0, 1)
        gain = gain + (high - low) * (0.5 - 0.5 * np.cos(np.pi * at))
    return gain


@dataclass
class Band:
    """What is done to a band (or the whole): `amount` is the share of each decibel over (`kind` "down") or under
    ("up") the level's quantile `at` that is taken, or (negative) given; "both" works around it."""

    kind: str
    amount: float
    at: float
    seconds: float


def draw_band(rng: np.random.Generator) -> Band | None:
    kind = rng.choice(["", "down", "up", "wide"], p=[0.25, 0.35, 0.15, 0.25])
    seconds = float(np.exp(rng.uniform(*np.log([0.01, 0.15]))))
    if kind == "down":
        return Band("down", rng.uniform(0.15, 0.75), rng.uniform(0.2, 0.85), seconds)
    if kind == "up":
        return Band("up", rng.uniform(0.15, 0.6), rng.uniform(0.3, 0.8), seconds)
    if kind == "wide":
        return Band("both", -rng.uniform(0.1, 0.6), rng.uniform(0.4, 0.8), seconds)
    return None


@dataclass
class Dynamics:
    """Bands from low to high; with `whole` the first is applied to the whole. `limit`: dB driven into a limiter."""

    bands: list
    whole: bool = False
    limit: float = 0.0


def draw_dynamics(rng: np.random.Generator) -> Dynamics:
    whole = rng.random() < 0.3
    bands = [draw_band(rng) for _ in range(4)]
    if rng.random() < 0.4:  # alike in all bands, as one compressor with a side chain would be
        bands = [bands[0] and Band(bands[0].kind, bands[0].amount * rng.uniform(0.6, 1.4), bands[0].at, bands[0].seconds)
                 for _ in bands]
    return Dynamics(bands, whole, float(rng.uniform(2, 8)) if rng.random() < 0.2 else 0.0)


def band_gain(x: np.ndarray, rate: int, band: Band) -> np.ndarray:
    """Gain `[n]` for `x` `[2, n]`."""
    step = max(1, int(rate * STEP_SECONDS))
    steps = x.shape[1] // step
    power = np.square(x[:, : steps * step]).reshape(2, steps, step).mean((0, 2)).astype(np.float64)
    pole = np.exp(-step / rate / band.seconds)
    power = lfilter([1 - pole], [1, -pole], power)
    level = 10 * np.log10(power + 1e-12)
    heard = level[level > level.max() - 50]
    over = level - np.quantile(heard, band.at)
    if band.kind == "down":
        over = np.maximum(over, 0)
    elif band.kind == "up":
        over = np.minimum(over, 0)
    gain = np.clip(-band.amount * over, -GAIN_MOST_DB, GAIN_MOST_DB)
    gain = uniform_filter1d(gain, 5)
    return np.interp(np.arange(x.shape[1]), (np.arange(steps) + 0.5) * step, 10 ** (gain / 20)).astype(np.float32)


def splits(hz: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shares `[4, bins]` of the bands, summing to one; edges lie near the usual ones."""
    lower = np.ones((1, len(hz)))
    out, rest = [], lower
    for edge in BANDS_HZ:
        edge *= np.exp(rng.normal(0, 0.25))
        at = np.clip(np.log2(np.maximum(hz, 1.0) / edge) + 0.5, 0, 1)
        high = np.sin(0.5 * np.pi * at)[None] ** 2
        out.append(rest * (1 - high))
        rest = rest * high
    return np.concatenate([*out, rest]).astype(np.float32)


def apply_dynamics(x: np.ndarray, rate: int, dynamics: Dynamics, rng: np.random.Generator) -> np.ndarray:
    """`x` `[2, n]` with its dynamics changed; every band keeps its power."""

    def shaped(part, band):
        if band is None:
            return part
        y = part * band_gain(part, rate, band)
        return y * np.sqrt(np.mean(part * part) / (np.mean(y * y) + 1e-20))

    if dynamics.whole:
        y = shaped(x, dynamics.bands[0])
    elif any(dynamics.bands):
        size = fft.next_fast_len(x.shape[1], real=True)
        spectrum = fft.rfft(x, size)
        shares = splits(np.arange(spectrum.shape[1]) * rate / size, rng)
        y = np.zeros_like(x)
        for share, band in zip(shares, dynamics.bands):
            y += shaped(fft.irfft(spectrum * share, size)[:, : x.shape[1]], band)
    else:
        y = x
    if dynamics.limit > 0:
        y = limited(y, rate, dynamics.limit)
    return y.astype(np.float32)


def limited(x: np.ndarray, rate: int, drive_db: float) -> np.ndarray:
    """Peaks brought down by up to `drive_db` under the highest, with about 5 ms of look-ahead and a release of 40 ms."""
    ceiling = np.abs(x).max() * 10 ** (-drive_db / 20)
    peak = maximum_filter1d(np.abs(x).max(0), 2 * int(0.0025 * rate) + 1)
    need = np.minimum(1.0, ceiling / np.maximum(peak, 1e-9))
    gain = uniform_filter1d(need, int(0.005 * rate))
    pole = np.exp(-1 / (0.04 * rate))
    slow = 1 - lfilter([1 - pole], [1, -pole], 1 - gain)
    return x * np.minimum(gain, slow).astype(np.float32)


def apply_linear(x: np.ndarray, rate: int, tone: Tone | None, width: np.ndarray | None, level_db: float = 0.0) -> np.ndarray:
    """`x` `[2, n]` equalised, its sides made wider or narrower, and turned up or down."""
    size = fft.next_fast_len(x.shape[1] + rate // 4, real=True)
    middle = fft.rfft(0.5 * (x[0] + x[1]), size)
    sides = fft.rfft(0.5 * (x[0] - x[1]), size)
    hz = np.arange(len(middle)) * rate / size
    gain = np.full(len(hz), 10 ** (level_db / 20))
    # The curve is smooth, so it is computed on a grid of frequencies and interpolated.
    grid = np.geomspace(LOWEST_HZ, rate / 2, 400)
    if tone is not None:
        gain = gain * 10 ** (np.interp(hz, grid, tone(grid)) / 20)
    side_gain = gain
    if width is not None:
        side_gain = gain * 10 ** (np.interp(hz, grid, width_curve(width, grid)) / 20)
    m = fft.irfft(middle * gain.astype(np.float32), size)[: x.shape[1]]
    s = fft.irfft(sides * side_gain.astype(np.float32), size)[: x.shape[1]]
    return np.stack([m + s, m - s]).astype(np.float32)


@dataclass
class Damage:
    """All that is done to a song; `None` where a stage is left out."""

    tone: Tone | None
    dynamics: Dynamics | None
    width: np.ndarray | None
    level_db: float

    def __call__(self, x: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
        y = x if self.dynamics is None else apply_dynamics(x, rate, self.dynamics, rng)
        return apply_linear(y, rate, self.tone, self.width, self.level_db)


def draw_damage(rng: np.random.Generator) -> Damage:
    """What the protocol does to a held-out song: tone nearly always, the rest often."""
    return Damage(draw_tone(rng) if rng.random() < 0.9 else None,
                  draw_dynamics(rng) if rng.random() < 0.7 else None,
                  draw_width(rng) if rng.random() < 0.8 else None,
                  float(rng.uniform(-18, 0)))
