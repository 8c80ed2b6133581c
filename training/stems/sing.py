"""Singing from speech: syllables of real talkers moved to a melody's pitches and lengths.

WORLD (Morise, Yokomori and Ozawa 2016, by `pyworld`) takes speech apart into pitch, envelope and
noise. A syllable is a voiced stretch with the consonant before it. For a note the consonant keeps
its length, the vowel is stretched about its middle, and the pitch becomes the note's, with glides,
vibrato that sets in late on long notes, and drift. Envelopes stay, so the voice keeps its formants.
"""

from dataclasses import dataclass

import numpy as np

from ..denoise.frames import RATE


FRAME_MS = 5.0
PITCH_RANGE = (65.0, 600.0)
MIN_VOWEL, MAX_VOWEL = 8, 80
"""Frames of a voiced stretch that make a syllable."""
MAX_CONSONANT = 24
REACH = (0.85, 2.1)
"""A voice sings from and to these multiples of its own median pitch."""
RELEASE = 0.06
STEADY = 0.5
"""Frames of a vowel count as steady while their power is this share of the loudest's, at least."""


@dataclass
class Voice:
    """A talker taken apart: `f0` `[n]` Hz, `envelope` and `noise` `[n, bins]`, syllables as
    (first frame, first voiced frame, last frame), median pitch in Hz."""

    f0: np.ndarray
    envelope: np.ndarray
    noise: np.ndarray
    syllables: list
    median: float
    sound: np.ndarray


def take_apart(x: np.ndarray) -> Voice | None:
    """A `Voice` of speech `[samples]` at 48 kHz; nothing where too little of it is voiced."""
    import pyworld

    x = x.astype(np.float64)
    f0, t = pyworld.dio(x, RATE, f0_floor=PITCH_RANGE[0], f0_ceil=PITCH_RANGE[1], frame_period=FRAME_MS, speed=4)
    f0 = pyworld.stonemask(x, f0, t, RATE)
    on = f0 > 0
    if on.sum() < 4 * MIN_VOWEL:
        return None
    edges = np.flatnonzero(np.diff(np.concatenate([[0], on.astype(int), [0]])))
    hop = int(RATE * FRAME_MS / 1000)
    level = np.sqrt(np.convolve(np.square(x), np.ones(hop) / hop, "same")[::hop][: len(f0)] + 1e-12)
    loud = np.percentile(level[: len(on)][on[: len(level)]], 70)
    syllables, before = [], 0
    for a, b in zip(edges[::2], edges[1::2]):
        if b - a >= MIN_VOWEL and level[a:b].max() > 0.3 * loud:
            first = max(a - MAX_CONSONANT, before)
            # a consonant begins where the sound does
            while first < a and level[first] < 0.02 * loud:
                first += 1
            syllables.append((first, a, min(b, a + MAX_VOWEL)))
        before = b
    if len(syllables) < 3:
        return None
    envelope = pyworld.cheaptrick(x, f0, t, RATE)
    noise = pyworld.d4c(x, f0, t, RATE)
    return Voice(f0, envelope, noise, syllables, float(np.median(f0[on])), x.astype(np.float32))


def octave(melody: np.ndarray, voice: Voice) -> np.ndarray:
    """The melody moved by octaves into the voice's reach."""
    out = melody.copy()
    hz = 440 * 2 ** ((np.median(melody[:, 2]) - 69) / 12)
    want = voice.median * np.sqrt(REACH[0] * REACH[1])
    out[:, 2] += 12 * np.round(np.log2(want / hz))
    return out


def pitch_line(rng, melody: np.ndarray, frames: int, style: dict) -> np.ndarray:
    """Pitch in semitones for every frame: notes with glides, vibrato and drift."""
    t = np.arange(frames) * FRAME_MS / 1000
    line = np.full(frames, melody[0, 2], float)
    for start, length, pitch, _ in melody:
        line[t >= start - style["glide"] / 2] = pitch
    width = max(3, int(style["glide"] * 1000 / FRAME_MS))
    window = np.hanning(width + 2)
    line = np.convolve(np.pad(line, width, "edge"), window / window.sum(), "same")[width:-width]
    phase = 2 * np.pi * np.cumsum(style["rate"] * (1 + 0.05 * rng.standard_normal(frames))) * FRAME_MS / 1000
    depth = np.zeros(frames)
    for start, length, _, _ in melody:
        if length > 0.35:
            inside = (t > start) & (t < start + length)
            depth[inside] = style["depth"] * np.clip((t[inside] - start - 0.2) / 0.3, 0, 1)
    knots = np.arange(0, t[-1] + 1, 0.25)
    drift = np.interp(t, knots, rng.standard_normal(len(knots)) * style["drift"])
    return line + depth * np.sin(phase) + drift


def stretched(power: np.ndarray, n: int) -> np.ndarray:
    """Which frame of a voiced stretch of `power` `[have]` each of `n` frames takes. The ends keep their
    pace; a long note rests on the steady frames about the loudest, read to and fro at half pace, so that
    no onset comes twice."""
    have = len(power)
    if n < 1.5 * have:
        edge = min(have // 3, n // 3)
        middle = np.linspace(edge, have - edge - 1, n - 2 * edge)
        return np.concatenate([np.arange(edge), middle, have - edge + np.arange(edge)])
    inside = slice(have // 4, have - have // 4)
    top = inside.start + int(np.argmax(power[inside]))
    a = b = top
    while a > inside.start and power[a - 1] > STEADY * power[top]:
        a -= 1
    while b < inside.stop - 1 and power[b + 1] > STEADY * power[top]:
        b += 1
    m = n - have
    turn = max(b - a, 1)
    hold = np.minimum(a + np.abs((np.arange(m) * 0.5 + turn + top - a) % (2 * turn) - turn), b)
    return np.concatenate([np.arange(top), hold, np.linspace(hold[-1], have - 1, have - top)])


def sing(rng, voice: Voice, melody: np.ndarray, seconds: float, order: list | None = None, style: dict | None = None) -> np.ndarray:
    """`[samples]` float32: the voice on the melody `[n, 4]`. `order` are syllables' indices by
    note (so that a double sings the same words)."""
    import pyworld

    style = style or manner(rng)
    frames = int(seconds * 1000 / FRAME_MS) + 1
    line = pitch_line(rng, melody, frames, style)
    bins = voice.envelope.shape[1]
    f0 = np.zeros(frames)
    envelope = np.full((frames, bins), 1e-12)
    noise = np.ones((frames, bins))
    for i, (start, length, _, velocity) in enumerate(melody):
        first, vowel, last = voice.syllables[(order[i] if order else i) % len(voice.syllables)]
        consonant = vowel - first
        at = int(start * 1000 / FRAME_MS) - consonant
        stop = min(int((start + length + RELEASE) * 1000 / FRAME_MS), frames)
        until = int(melody[i + 1, 0] * 1000 / FRAME_MS) if i + 1 < len(melody) else stop
        stop = min(stop, max(until, at + consonant + 4))
        n = stop - at - consonant
        if n < 4 or at + consonant >= frames:
            continue
        path = np.concatenate([np.arange(consonant), consonant + stretched(voice.envelope[vowel:last].sum(1), n)])
        source = np.clip(first + np.round(path).astype(int), 0, len(voice.f0) - 1)
        target = at + np.arange(len(source))
        ok = (target >= 0) & (target < frames)
        source, target = source[ok], target[ok]
        gain = velocity**1.5 * np.ones(len(source))
        fall = min(len(gain), int(RELEASE * 1000 / FRAME_MS))
        gain[len(gain) - fall :] *= np.linspace(1, 0.02, fall)
        envelope[target] = voice.envelope[source] * gain[:, None] ** 2
        noise[target] = voice.noise[source]
        voiced = target >= at + consonant
        f0[target[~voiced]] = 0
        f0[target[voiced]] = 440 * 2 ** ((line[target[voiced]] - 69) / 12)
    shift = style["formant"]
    if abs(shift - 1) > 0.01:
        where = np.clip(np.arange(bins) / shift, 0, bins - 1)
        low = where.astype(int)
        part = where - low
        for a in (envelope, noise):
            a[:] = a[:, low] * (1 - part) + a[:, np.minimum(low + 1, bins - 1)] * part
    y = pyworld.synthesize(f0, np.ascontiguousarray(envelope), np.ascontiguousarray(np.clip(noise, 1e-3, 1)), RATE, FRAME_MS)
    return y[: int(seconds * RATE)].astype(np.float32)


def manner(rng) -> dict:
    """A way to sing: glide in s, vibrato in Hz and semitones, drift in semitones, formant shift."""
    return {"glide": rng.uniform(0.03, 0.12), "rate": rng.uniform(4.8, 6.4), "depth": rng.uniform(0.05, 0.55),
            "drift": rng.uniform(0.02, 0.15), "formant": float(np.clip(rng.normal(1, 0.05), 0.86, 1.16))}


def rap(rng, voice: Voice, melody: np.ndarray, seconds: float) -> np.ndarray:
    """`[samples]`: syllables as they were spoken, placed on the melody's rhythm."""
    hop = int(RATE * FRAME_MS / 1000)
    out = np.zeros(int(seconds * RATE) + RATE, np.float32)
    k = int(rng.integers(len(voice.syllables)))
    for start, length, _, velocity in melody:
        first, vowel, last = voice.syllables[k % len(voice.syllables)]
        k += 1
        n = min((last - first) * hop, int((length + (vowel - first) * FRAME_MS / 1000 + 0.1) * RATE))
        x = voice.sound[first * hop : first * hop + n].copy()
        a = int(start * RATE) - (vowel - first) * hop
        if a < 0 or len(x) < 480 or a + len(x) > len(out):
            continue
        x[:120] *= np.linspace(0, 1, 120)
        x[-240:] *= np.linspace(1, 0, 240)
        out[a : a + len(x)] += x * np.float32(velocity)
    return out[: int(seconds * RATE)]
