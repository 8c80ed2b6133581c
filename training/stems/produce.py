"""From dry parts to a record: equalisers, amplifiers, compressors, rooms, width, bus and limiter.

Sounds are `[samples, 2]` float32 at 48 kHz. Whatever acts on the whole mix (bus compressor, limiter,
its equaliser) is one time-varying gain or one linear filter, put on every stem alike, so stems go on
adding up to the mix.
"""

import numpy as np
from scipy.signal import fftconvolve, lfilter, sosfilt

from ..denoise.frames import RATE


ENVELOPE_HOP = 48
"""Samples (1 ms) between gains of compressors and limiters."""
CEILING = 0.98


def db(x: float) -> float:
    return float(10 ** (x / 20))


def rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(x)) + 1e-20))


def loud_rms(x: np.ndarray) -> float:
    """RMS of the 100 ms frames within 20 dB of the loudest (what a listener takes as level)."""
    n = RATE // 10
    if len(x) < n:
        return rms(x)
    e = np.square(x[: len(x) // n * n]).reshape(-1, n * x.shape[1]).mean(1)
    return float(np.sqrt(e[e >= e.max() * 0.01].mean() + 1e-20))


def shelf_or_bell(kind: str, hz: float, gain_db: float, q: float = 0.8) -> np.ndarray:
    """A second-order section (R. Bristow-Johnson, Audio EQ Cookbook)."""
    a, w = 10 ** (gain_db / 40), 2 * np.pi * min(hz, 0.45 * RATE) / RATE
    c, alpha = np.cos(w), np.sin(w) / (2 * q)
    if kind == "bell":
        b, d = [1 + alpha * a, -2 * c, 1 - alpha * a], [1 + alpha / a, -2 * c, 1 - alpha / a]
    elif kind in ("low", "high"):
        s = 1 if kind == "low" else -1
        r = 2 * np.sqrt(a) * alpha
        b = [a * ((a + 1) - s * (a - 1) * c + r), s * 2 * a * ((a - 1) - s * (a + 1) * c), a * ((a + 1) - s * (a - 1) * c - r)]
        d = [(a + 1) + s * (a - 1) * c + r, -s * 2 * ((a - 1) + s * (a + 1) * c), (a + 1) + s * (a - 1) * c - r]
    else:
        s = 1 if kind == "lowpass" else -1
        b, d = [(1 - s * c) / 2, s * (1 - s * c), (1 - s * c) / 2], [1 + alpha, -2 * c, 1 - alpha]
    return np.array([*b, *d]) / d[0]


def filtered(x: np.ndarray, *sections) -> np.ndarray:
    return sosfilt(np.array(sections), x, axis=0).astype(np.float32) if sections else x


def random_eq(rng, x: np.ndarray, strength: float = 4.0) -> np.ndarray:
    """Two bells and two shelves of some dB."""
    hz = np.exp(rng.uniform(np.log(150), np.log(8000), 2))
    return filtered(x, shelf_or_bell("low", rng.uniform(80, 300), rng.normal(0, strength)),
                    shelf_or_bell("high", rng.uniform(3000, 9000), rng.normal(0, strength)),
                    *[shelf_or_bell("bell", h, rng.normal(0, strength), rng.uniform(0.5, 2)) for h in hz])


def amplifier(rng, x: np.ndarray, drive_db: float, cabinet: bool = True) -> np.ndarray:
    """Gain into a soft, slightly lopsided curve, then a loudspeaker's band."""
    x = filtered(x, shelf_or_bell("highpass", 90, 0, 0.7), shelf_or_bell("bell", rng.uniform(600, 1200), rng.uniform(0, 6)))
    y = np.tanh(x / (rms(x) * 3 + 1e-9) * db(drive_db) + 0.15) - np.tanh(0.15)
    if cabinet:
        y = filtered(y, shelf_or_bell("lowpass", rng.uniform(3800, 5500), 0, 0.9), shelf_or_bell("lowpass", 6500, 0, 0.7),
                     shelf_or_bell("bell", rng.uniform(1800, 3200), rng.uniform(2, 6), 1), shelf_or_bell("highpass", 75, 0, 0.8))
    return (y * (rms(x) / rms(y))).astype(np.float32)


def envelope(x: np.ndarray, attack_ms: float, release_ms: float) -> np.ndarray:
    """Level `[n / 48]`: peak of each ms, smoothed; fast up, slow down."""
    n = len(x) // ENVELOPE_HOP
    e = np.abs(x[: n * ENVELOPE_HOP]).reshape(n, -1).max(1)
    out, level = np.empty(n), 0.0
    up, down = np.exp(-1 / max(attack_ms, 0.5)), np.exp(-1 / release_ms)
    for i, v in enumerate(e):
        k = up if v > level else down
        level = v + (level - v) * k
        out[i] = level
    return out


def spread(gain: np.ndarray, n: int) -> np.ndarray:
    """Gains a ms apart to `[n, 1]` float32."""
    at = (np.arange(n) / ENVELOPE_HOP).astype(np.float32)
    return np.interp(at, np.arange(len(gain)), gain).astype(np.float32)[:, None]


def compressor_gain(x: np.ndarray, above_db: float, ratio: float, attack_ms: float, release_ms: float) -> np.ndarray:
    """Gain `[n, 1]` of a compressor whose threshold is `above_db` over the sound's loud RMS."""
    e = envelope(x, attack_ms, release_ms)
    over = np.maximum(20 * np.log10(np.maximum(e, 1e-9) / (loud_rms(x) * db(above_db) + 1e-9)), 0)
    return spread(10 ** (-over * (1 - 1 / ratio) / 20), len(x))


def compress(rng, x: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """A random compressor; levels are kept by who mixes."""
    return x * compressor_gain(x, rng.uniform(0, 8) / strength, 1 + strength * rng.uniform(0.5, 4), rng.uniform(2, 30), rng.uniform(50, 300))


def limiter_gain(x: np.ndarray, ceiling: float = CEILING, release_ms: float = 80.0) -> np.ndarray:
    """Gain `[n, 1]` of a look-ahead limiter: never more than `ceiling`."""
    n = -(-len(x) // ENVELOPE_HOP)
    peak = np.zeros(n * ENVELOPE_HOP, np.float32)
    peak[: len(x)] = np.abs(x).max(1)
    need = np.minimum(1, ceiling / np.maximum(peak.reshape(n, -1).max(1), 1e-9))
    wide = np.array([need[max(0, i - 3) : i + 4].min() for i in range(n)])
    out, g, k = np.empty(n), 1.0, np.exp(-1 / release_ms)
    for i, v in enumerate(wide):
        g = v if v < g else v + (g - v) * k
        out[i] = g
    smooth = np.convolve(np.pad(out, 2, "edge"), np.ones(3) / 3, "same")[2:-2]
    return spread(np.minimum(smooth, wide), len(x))


def pan(x: np.ndarray, place: float) -> np.ndarray:
    """Balance of a stereo sound, -1 left to 1 right, at constant power."""
    a = (place + 1) * np.pi / 4
    return x * (np.array([np.cos(a), np.sin(a)]) * np.sqrt(2)).astype(np.float32)


def width(x: np.ndarray, amount: float) -> np.ndarray:
    """The side signal times `amount`; 0 is mono."""
    mid, side = x.mean(1), (x[:, 0] - x[:, 1]) / 2 * amount
    return np.stack([mid + side, mid - side], 1).astype(np.float32)


def haas(rng, x: np.ndarray) -> np.ndarray:
    """Two takes: each side late by up to 18 ms and filtered a little apart."""
    n = int(rng.uniform(0.003, 0.018) * RATE)
    mono = x.mean(1, keepdims=True)
    late = np.concatenate([np.zeros((n, 1), np.float32), mono[:-n]])
    y = np.concatenate([mono, random_eq(rng, late, 1.5)], 1)
    return y[:, ::-1] if rng.random() < 0.5 else y


def chorus(rng, x: np.ndarray) -> np.ndarray:
    t = np.arange(len(x))
    out = x.copy()
    for c in (0, 1):
        d = (rng.uniform(6, 14) + rng.uniform(1, 4) * np.sin(2 * np.pi * rng.uniform(0.2, 1.2) * t / RATE + c * 1.7)) * RATE / 1000
        out[:, c] = 0.7 * x[:, c] + 0.6 * np.interp(t - d, t, x[:, c])
    return out


def reverb_tail(rng, seconds: float) -> np.ndarray:
    """An artificial hall `[n, 2]`: decaying noise, apart in both channels, highs faster, after a short
    pre-delay; unit energy."""
    n = int(seconds * 1.2 * RATE)
    t = np.arange(n) / RATE
    h = np.zeros((n, 2))
    for low, high, part in ((0.01, 0.03, 1.0), (0.03, 0.2, 0.75), (0.2, 0.9, 0.45)):
        noise = rng.standard_normal((n, 2))
        a = np.exp(-2 * np.pi * low * RATE / 2 / RATE)
        b = np.exp(-2 * np.pi * high * RATE / 2 / RATE)
        noise = lfilter([1 - b], [1, -b], noise, axis=0) - lfilter([1 - a], [1, -a], noise, axis=0)
        h += noise * np.exp(-6.9 * t / (seconds * part))[:, None]
    pre = int(rng.uniform(0.0, 0.04) * RATE)
    h = np.concatenate([np.zeros((pre, 2)), h])
    return (h / np.sqrt(np.square(h).sum() / 2)).astype(np.float32)


def reverb(x: np.ndarray, h: np.ndarray, wet_db: float) -> np.ndarray:
    wet = fftconvolve(x, h, axes=0)[: len(x)].astype(np.float32)
    return x + wet * np.float32(db(wet_db) * rms(x) / (rms(wet) + 1e-9))


def echo(rng, x: np.ndarray, beat: float) -> np.ndarray:
    """A delay in time with the song, from side to side, darker at each return."""
    n = int(beat * float(rng.choice([0.5, 0.75, 1.0])) * RATE)
    out, tap, gain = x.copy(), x.mean(1, keepdims=True), db(rng.uniform(-18, -8))
    for i in range(4):
        tap = filtered(np.concatenate([np.zeros((n, 1), np.float32), tap[:-n]]), shelf_or_bell("lowpass", 5000 / (1 + i), 0, 0.7))
        out += pan(np.repeat(tap, 2, 1), 0.7 if i % 2 else -0.7) * np.float32(gain)
        gain *= 0.5
    return out


def duck(x: np.ndarray, hits: np.ndarray, depth: float, seconds: float = 0.22) -> np.ndarray:
    """Gain pulled down at each hit (s) and let go: the pump of electronic music."""
    gain = np.ones(len(x) // ENVELOPE_HOP + 1)
    m = int(seconds * 1000)
    curve = 1 - depth * np.exp(-np.arange(m) / (m * 0.35))
    for t in hits:
        a = int(t * 1000)
        b = min(a + m, len(gain))
        if 0 <= a < b:
            gain[a:b] = np.minimum(gain[a:b], curve[: b - a])
    return x * spread(gain, len(x))


def master(rng, stems: dict) -> dict:
    """Bus compressor, tone, loudness and limiter on all stems alike; returns stems that add up to the
    finished mix."""
    names = list(stems)
    mix = sum(stems.values())
    sections = [shelf_or_bell("low", rng.uniform(60, 200), rng.normal(0, 1.5)), shelf_or_bell("high", rng.uniform(4000, 10000), rng.normal(0.5, 2)),
                shelf_or_bell("highpass", rng.uniform(18, 35), 0, 0.7)]
    gain = compressor_gain(mix, rng.uniform(0, 8), rng.uniform(1.2, 3), rng.uniform(5, 30), rng.uniform(80, 300)) if rng.random() < 0.8 else 1
    stems = {k: filtered(v * gain, *sections) for k, v in stems.items()}
    mix = sum(stems.values())
    loud = db(rng.uniform(-21, -8.5)) / loud_rms(mix)
    stems = {k: v * np.float32(loud) for k, v in stems.items()}
    final = limiter_gain(sum(stems.values()))
    return {k: (stems[k] * final).astype(np.float32) for k in names}
