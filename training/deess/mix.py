"""Mixtures with known truth: talkers whose sibilants were raised or lowered, as band powers.

A recording counts as natural. Its microphone, room, distance, compression and band are varied as
a whole; then the frames that the labels call sibilants are raised by a known curve. The target
of a frame is what that boost adds to each reduction band of what is heard, noise included:
where noise covers the sibilant, or the band is empty, there is little or nothing to take off.
A cut has the target 0: the sound is weaker than natural, and nothing is to be done.
"""

import json
from dataclasses import dataclass, field, replace

import numpy as np
import scipy.fft as fft

from ..denoise.prepare import CACHE, LEVEL
from . import labels as lab
from . import voices
from .bands import HOP_MS, MODES, RATE, centres, matrix, power, reduction_centres, samples, spectra

HOP = samples(HOP_MS, RATE)
BIN_TOP = 20_000.0


@dataclass(frozen=True)
class Recipe:
    """Shares (probabilities) and ranges of a mixture. `own` is that of recordings, of espeak-ng's and of others' voices;
    `own_too` that of plosives and of f that share their talker's curve; `hard` that of empty segments and of backgrounds
    that are cut where an earlier model took something."""

    mode: tuple = (0.6, 0.18, 0.22)
    synthetic: float = 0.47
    turns: float = 0.14
    untouched: float = 0.28
    cut: float = 0.07
    cut_db: tuple = (-6.0, 0.0)
    boost_db: tuple = (1.0, 15.0)
    clear_db: tuple = (4.0, 13.0)
    clear: float = 0.7
    own: tuple = (0.5, 0.8, 0.85)
    own_db: float = 3.5
    own_slope_db: float = 2.0
    own_bend_db: float = 3.0
    own_sh_db: float = 1.5
    own_too: tuple = (0.6, 0.75)
    breaths: float = 0.3
    breath_db: tuple = (-38.0, -14.0)
    breath_seconds: tuple = (0.14, 0.7)
    hard: tuple = (0.55, 0.3)
    low_hz: tuple = (3200.0, 7200.0)
    high_hz: tuple = (6500.0, 15_000.0)
    open_top: float = 0.2
    whole: float = 0.2
    whole_db: tuple = (9.0, 18.0)
    whistle: float = 0.07
    each_differs: float = 0.4
    each_db: float = 1.5
    speed: float = 0.55
    speed_range: tuple = (0.84, 1.19)
    microphone: float = 0.75
    tilt_db: float = 3.5
    dark: float = 0.25
    dark_hz: tuple = (2500.0, 6000.0)
    dark_db: tuple = (2.0, 14.0)
    room: float = 0.25
    compression: float = 0.3
    background: float = 0.4
    snr_db: tuple = (8.0, 45.0)
    empty: float = 0.13
    music_only: float = 0.25
    band_limit: float = 0.15
    clip: float = 0.05
    hiss: float = 0.5
    tones: float = 0.12
    late_start: float = 0.08

@dataclass
class Segment:
    """One mixture; T frames. `power` `[T, 40]`, `mode` `[3]`, `classes` `[T]` (255: unsure),
    `target` `[T, 12]` dB, `weight` `[T, 12]` (how much of the frame's sibilant band is in it),
    `whistle` `[T]`, `centre` `[T]` Hz, `width` `[T]` octaves, `sure` (1 for known phonemes, less
    for labels by analysis)."""

    power: np.ndarray
    mode: np.ndarray
    classes: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    whistle: np.ndarray
    centre: np.ndarray
    width: np.ndarray
    sure: np.ndarray
    parts: "Parts | None" = field(default=None, repr=False)


@dataclass
class Parts:
    """What a segment was summed of, so that it can be varied: powers of voice and of all else in the 40 bands (`[T, 40]`)
    and in the 12 (`[T, 12]`), and which of two talkers speaks (`[T]`). The voice is as it was recorded."""

    voice: np.ndarray
    voice_coarse: np.ndarray
    rest_coarse: np.ndarray
    who: np.ndarray


FIELDS = ("power", "mode", "classes", "target", "weight", "whistle", "centre", "width", "sure")


class Source:
    """A memory map with pieces, and classes if it has any."""

    def __init__(self, name: str, part: str, classes: str | None = None, cache=CACHE, skip=frozenset()):
        self.audio = np.memmap(cache / f"{name}-{part}.i16", np.int16, "r")
        self.pieces = [p for p in json.loads((cache / f"{name}-{part}.json").read_text()) if p.get("lang") not in skip]
        self.classes = np.memmap(cache / f"{classes}-{part}.u8", np.uint8, "r") if classes else None


HARD_SOURCES = {"noise": "noise", "music": "music", "hits": "deess-hits", "other": "deess-other"}
"""Fields of a store and the files behind them in which `hard.py` looks."""


class Store:
    """All sources of one part of the split; training leaves the held-out languages out. `both` adds the talkers and
    voices of `valid`, for a last run after all decisions."""

    def __init__(self, part: str, cache=CACHE, held=None, both: bool = False):
        from .prepare import HELD_LANGUAGES

        skip = frozenset().union(*HELD_LANGUAGES.values()) if part == "train" else frozenset()
        if both:
            skip = frozenset(HELD_LANGUAGES["test"])
        skip = skip if held is None else held
        self.speech = [Source("speech", part, "deess-classes", cache, skip)]
        self.synth = [Source("deess-synth", part, "deess-synth", cache)]
        if part == "train":
            self.speech.append(Source(voices.NAME, part, voices.NAME, cache))
        if both:
            self.speech.append(Source("speech", "valid", "deess-classes", cache, skip))
            self.synth.append(Source("deess-synth", "valid", "deess-synth", cache))
        self.vocals = Source("deess-vocals", part, "deess-vocals", cache)
        for name, file in HARD_SOURCES.items():
            setattr(self, name, Source(file, part, None, cache))
        self.rooms = np.load(cache / f"rooms-{part}.npy", mmap_mode="r")
        hard = cache / f"deess-hard-{part}.json"
        self.hard = hard_events(json.loads(hard.read_text()), vars(self)) if hard.exists() else []


def hard_events(rows: list, sources: dict) -> list[tuple]:
    """(source, piece, samples) of each piece in the rows of `hard.py` that there still is."""
    out = {}
    for name, key, at, _ in rows:
        piece = next((p for p in sources[name].pieces if p["key"] == key and p["start"] <= at < p["start"] + p["length"]), None)
        if piece:
            out.setdefault((name, piece["start"]), (sources[name], piece, []))[2].append(at)
    return list(out.values())


def weights_by_length(pieces: list, most: float, exponent: float) -> np.ndarray:
    w = np.array([min(p["length"] / RATE, most) for p in pieces]) ** exponent
    return w / w.sum()


class Mixer:
    """A stream of segments of `seconds`; the same store, length, seed and recipe give the same stream."""

    def __init__(self, store, seconds: float, seed: int, recipe: Recipe = Recipe()):
        self.store, self.recipe = store, recipe
        self.rng = np.random.default_rng(seed)
        self.frames = int(seconds * 1000) // HOP_MS
        self.length = self.frames * HOP
        self.speech = [(s, p) for s in store.speech for p in s.pieces if p["length"] >= 3 * RATE]
        self.speech_p = weights_by_length([p for _, p in self.speech], 600, 0.6)
        self.synth = [(s, p) for s in store.synth for p in s.pieces]
        # a few voices of other synthesisers stand beside hundreds of espeak-ng's
        few = np.array([5.0 if p["key"].startswith(("flite", "festival")) else 1.0 for _, p in self.synth])
        self.synth_p = few * weights_by_length([p for _, p in self.synth], 120, 0.7)
        self.synth_p /= self.synth_p.sum()
        self.vocal_p = weights_by_length(store.vocals.pieces, 120, 1.0)
        self.noise_p = weights_by_length(store.noise.pieces, 60, 0.5)
        self.fine = matrix().astype(np.float32)
        self.coarse = matrix(at=reduction_centres()).astype(np.float32)
        self.hz = np.arange(self.fine.shape[0]) * (RATE / 2 / (self.fine.shape[0] - 1))
        self.at = reduction_centres()

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def between(self, r: tuple) -> float:
        return float(self.rng.uniform(*r))

    # --- sources ------------------------------------------------------------------------

    def cut(self, source, piece: dict, n: int):
        """`n` samples float32 and their frames' classes, from anywhere in a piece, repeated where it is short."""
        start, most = piece["start"] // HOP, piece["length"] // HOP
        want = -(-n // HOP)
        at = start + (int(self.rng.integers(most - want)) if most > want else 0)
        have = min(want, most)
        x = source.audio[at * HOP : (at + have) * HOP].astype(np.float32) / 32768
        c = np.zeros(have, np.uint8) if source.classes is None else np.array(source.classes[at : at + have])
        if have < want:
            times = -(-want // max(have, 1))
            x, c = np.tile(x, times), np.tile(c, times)
        return x[:n], c[:want]

    def talker(self, mode: int):
        """`[length]` natural voice, classes `[frames]`, and how sure they are."""
        r, s, n, kind = self.recipe, self.store, self.length, 0
        if mode > 0 and self.chance(0.35):
            source, piece, sure = s.vocals, s.vocals.pieces[self.rng.choice(len(s.vocals.pieces), p=self.vocal_p)], 0.5
        elif self.chance(r.synthetic):
            (source, piece), sure = self.synth[self.rng.choice(len(self.synth), p=self.synth_p)], 1.0
            kind = 2 if piece["key"].startswith(("flite", "festival")) else 1
        else:
            (source, piece), sure = self.speech[self.rng.choice(len(self.speech), p=self.speech_p)], 0.5
        speed = self.between(r.speed_range) if self.chance(r.speed) else 1.0
        m = fft.next_fast_len(int(round(n * speed / HOP)), True) * HOP if speed != 1 else n
        speed = m / n
        x, c = self.cut(source, piece, m)
        room = self.chance(r.room)
        full = None
        if m != n or room or self.chance(r.microphone):
            spec = fft.rfft(x)
            full = np.zeros(n // 2 + 1, np.complex64)
            k = min(len(full), len(spec))
            full[:k] = spec[:k] * np.float32(n / m)
            c = c[np.minimum((np.arange(self.frames) * (m / n)).astype(int), len(c) - 1)]
            if room:
                full = self.reverberate(full)
            full *= self.curve(np.arange(len(full)) * np.float32(RATE / n))
            x = fft.irfft(full, n)
        if self.chance(r.own[kind]):
            x = self.own_friction(x, c)
        if self.chance(r.breaths):
            x, c = self.breathe(x, c)
        return x, c, sure, piece["band"] / speed

    def own_friction(self, x: np.ndarray, c: np.ndarray) -> np.ndarray:
        """Another talker's natural friction: its level and, smoothly, its spectrum. That is no excess. There are few
        voices; without this their own spectra would be learned by heart, and no other voice's excess be found. What
        tells a boost is that t, k and f, which mostly share the talker's curve, lack it, and that its edges are steeper."""
        f = np.arange(len(x) // 2 + 1) * np.float32(RATE / len(x))
        coarse = np.geomspace(500, 24_000, 400)
        spec, out = fft.rfft(x), x
        for group, db in self.own_curves(coarse):
            m = _box(np.repeat(np.isin(c, group).astype(np.float32), HOP), 193)
            if m.any():
                out = out + m * fft.irfft(spec * np.interp(f, coarse, 10 ** (db / 20) - 1, left=0.0).astype(np.float32), len(x))
        return out

    def own_curves(self, hz: np.ndarray) -> list[tuple]:
        """Groups of classes and their curves in dB."""
        r, rng = self.recipe, self.rng
        at = np.geomspace(1500, 20_000, 6)
        rise = np.clip((hz - 1200) / 1500, 0, 1)
        common = rng.normal(0, r.own_db) + rng.normal(0, r.own_slope_db) * np.log2(np.maximum(hz, 1000) / 5000)
        common = common + np.interp(np.log(np.maximum(hz, 1)), np.log(at), rng.normal(0, r.own_bend_db, 6))
        kinds = [lab.S, *(k for k, p in zip((lab.PLOSIVE, lab.F), r.own_too) if self.chance(p))]
        return [(g, np.clip(db, -18, 14) * rise) for g, db in ((kinds, common), ([lab.SH], common + rng.normal(0, r.own_sh_db)))]

    def breathe(self, x: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`x` with breaths in its pauses, and the classes with them. A breath is turbulence through the open tract: wide,
        with humps of the formants, falling above 3 to 6 kHz, and rising and falling over its length."""
        r, rng = self.recipe, self.rng
        level = 10 * np.log10(np.square(x).reshape(-1, HOP).mean(1) + 1e-10)
        loud = np.percentile(level, 90)
        quiet = _box((level < loud - 32).astype(np.float32), 3) > 0.99
        pauses = [(a, b) for a, b in lab.runs(quiet & (c == lab.NONE)) if b - a >= 28]
        if not pauses:
            return x, c
        x, c = x.copy(), c.copy()
        formants = np.array([600, 1700, 2700, 3900, 5200]) * self.between((0.85, 1.2))
        humps, widths, fall = rng.uniform(2, 12, 5), rng.uniform(0.12, 0.35, 5), self.between((5, 14))
        knee, base, usual = self.between((2500, 7000)), self.between((300, 900)), self.between(r.breath_db)
        for a, b in pauses:
            if not self.chance(0.7):
                continue
            n = min(b - a - 4, int(self.between(r.breath_seconds) * 200))
            at = a + 2 + int(rng.integers(b - a - 3 - n))
            size = n * HOP
            hz = np.maximum(np.arange(size // 2 + 1) * np.float32(RATE / size), 1.0)
            octave = np.log2(hz[:, None] / formants)
            db = (humps * np.exp(-0.5 * (octave / widths) ** 2)).sum(1) - fall * np.log2(np.maximum(hz / knee, 1))
            db = db - 12 * np.log2(np.maximum(base / hz, 1))
            sound = fft.irfft(fft.rfft(rng.standard_normal(size, np.float32)) * (10 ** (db / 20)).astype(np.float32), size)
            peak = self.between((0.3, 0.85))
            t = (np.arange(size) + 0.5) / size
            shape = np.sin(np.pi / 2 * np.minimum(t / peak, (1 - t) / (1 - peak))) ** self.between((0.7, 2.0))
            sound = sound * shape.astype(np.float32)
            gain = 10 ** ((loud + usual + rng.normal(0, 3)) / 20) / (np.sqrt(np.mean(sound**2)) + 1e-9)
            x[at * HOP : (at + n) * HOP] += sound * np.float32(gain)
            heard = shape.reshape(-1, HOP).mean(1)
            c[at : at + n] = np.where(heard > 0.3, lab.BREATH, np.where(heard > 0.1, lab.UNSURE, c[at : at + n]))
        return x, c

    def reverberate(self, full: np.ndarray) -> np.ndarray:
        whole, early = self.store.rooms[self.rng.integers(len(self.store.rooms))]
        h = fft.irfft(early + np.float32(self.between((0.15, 0.9))) * (whole - early))[: RATE]
        return full * fft.rfft(h, 2 * (len(full) - 1))

    def curve(self, hz: np.ndarray) -> np.ndarray:
        """A microphone: a smooth random response and a tilt, linear gain."""
        at = np.geomspace(60, 24_000, 7)
        db = self.rng.normal(0, 1.6, 7) + self.rng.normal(0, self.recipe.tilt_db) * np.linspace(-1, 1, 7)
        coarse = np.geomspace(20, 24_000, 256)
        gain = 10 ** ((np.interp(np.log(coarse), np.log(at), db) - self.dark(coarse)) / 20)
        return np.interp(hz, coarse, gain).astype(np.float32)

    def dark(self, hz: np.ndarray) -> np.ndarray:
        """Loss in dB of a dull microphone or of one beside the mouth: so many dB an octave from a corner on; mostly none."""
        if not self.chance(self.recipe.dark):
            return np.zeros(len(hz))
        return self.between(self.recipe.dark_db) * np.log2(np.maximum(hz / self.between(self.recipe.dark_hz), 1))

    # --- the known boost ----------------------------------------------------------------

    def shape(self):
        """A function of frequency in Hz that gives the boost in dB, its largest value, and whether it is a whistle."""
        r, rng = self.recipe, self.rng
        u = rng.random()
        if u < r.untouched:
            return None, 0.0, False
        if u < r.untouched + r.cut:
            gain = self.between(r.cut_db)
        else:
            gain = self.between(r.clear_db if self.chance(r.clear) else r.boost_db)
        if gain > 0 and self.chance(r.whistle):
            mid, half, gain = np.exp(self.between((np.log(4500), np.log(11_000)))), self.between((0.03, 0.09)), gain + 8
            return lambda f: gain * np.exp(-0.5 * (np.log2(np.maximum(f, 1) / mid) / half) ** 2), gain, True
        if gain > 0 and self.chance(r.whole):
            # all of the s, without an edge: only its level tells
            gain, low = self.between(r.whole_db), self.between((2000, 3600))
            return lambda f: gain * np.clip(np.log2(np.maximum(f, 1) / low) / 0.8 + 0.5, 0, 1), gain, False
        low, high = self.between(r.low_hz), self.between(r.high_hz)
        high = 30_000.0 if self.chance(r.open_top) else max(high, low * 1.35)
        soft = np.exp(self.between((np.log(0.02), np.log(0.6))))

        def curve(f):
            f = np.log2(np.maximum(f, 1))
            rise = np.clip((f - np.log2(low)) / soft + 0.5, 0, 1)
            fall = np.clip((np.log2(high) - f) / soft + 0.5, 0, 1)
            return gain * np.minimum(rise * rise * (3 - 2 * rise), fall * fall * (3 - 2 * fall))

        return curve, gain, False

    def which(self) -> tuple:
        """Classes that a boost falls on."""
        u = self.rng.random()
        return ((lab.S, lab.SH) if u < 0.76 else (lab.S,) if u < 0.84 else (lab.SH,) if u < 0.9 else
                (lab.S, lab.SH, lab.F) if u < 0.96 else (lab.S, lab.SH, lab.BREATH))

    def boost(self, x: np.ndarray, c: np.ndarray):
        """`x` with its sibilants raised; the amplitude added by frame `[frames]` as a share of
        the shape's, gains minus one by reduction band `[12]`, and whether it is a whistle."""
        shape, gain, whistle = self.shape()
        n = len(x)
        if shape is None:
            return x, np.zeros(self.frames, np.float32), np.zeros(len(self.at), np.float32), False
        chosen = np.isin(c, self.which())
        amount = chosen.astype(np.float32)
        if self.chance(self.recipe.each_differs):
            for a, b in lab.runs(chosen):
                g = gain + self.rng.normal(0, self.recipe.each_db) * (gain > 0)
                amount[a:b] = (10 ** (g / 20) - 1) / (10 ** (gain / 20) - 1) if abs(gain) > 0.2 else 1.0
        ramp = int(self.between((1.0, 10.0)) * RATE / 1000) | 1
        m = np.repeat(amount, HOP)
        kernel = np.ones(ramp, np.float32) / ramp
        m = np.convolve(m, kernel, "same") if ramp < 64 else _box(m, ramp)
        f = np.arange(n // 2 + 1) * np.float32(RATE / n)
        coarse = np.geomspace(500, 24_000, 1500)
        more = np.interp(f, coarse, 10 ** (shape(coarse) / 20) - 1, left=0.0).astype(np.float32)
        y = x + m * fft.irfft(fft.rfft(x) * more, n)
        bins = (10 ** (shape(self.hz) / 20)) ** 2
        band = np.sqrt(bins @ self.coarse) - 1
        return y, m.reshape(-1, HOP).mean(1), band.astype(np.float32), whistle and gain > 0

    # --- what lies behind ---------------------------------------------------------------

    def drums(self) -> np.ndarray:
        """A pattern of hits: a hi-hat or cymbal is never far."""
        s, n, rng = self.store.hits, self.length, self.rng
        long = [p for p in s.pieces if p["long"]]
        if long and self.chance(0.3):
            return self.cut(s, long[rng.integers(len(long))], n)[0]
        short = [p for p in s.pieces if not p["long"]]
        beat = int(RATE * 60 / self.between((70, 170)))
        x = np.zeros(n + 4 * RATE, np.float32)
        for _ in range(int(rng.integers(2, 6))):
            p = short[rng.integers(len(short))]
            hit = s.audio[p["start"] : p["start"] + min(p["length"], 3 * RATE)].astype(np.float32) / 32768
            step = beat // int(rng.choice([1, 2, 4], p=[0.4, 0.35, 0.25]))
            level = np.float32(10 ** (rng.uniform(-14, 0) / 20))
            for at in range(int(rng.integers(step)), n, step):
                if rng.random() < 0.8:
                    x[at : at + len(hit)] += hit * level * np.float32(rng.uniform(0.6, 1))
        return x[:n]

    def music(self) -> np.ndarray:
        s, rng = self.store, self.rng
        u = rng.random()
        if u < 0.4:
            return self.drums()
        if u < 0.85:
            x = self.cut(s.music, s.music.pieces[rng.integers(len(s.music.pieces))], self.length)[0]
        else:
            x = self.cut(s.other, s.other.pieces[rng.integers(len(s.other.pieces))], self.length)[0]
        return x + self.drums() * np.float32(self.between((0.2, 1))) if self.chance(0.3) else x

    def tones(self) -> np.ndarray:
        """One to four lines, steady, pulsed or sliding: a whistle of a device, a beep, feedback. None is a sibilant."""
        rng, n = self.rng, self.length
        t, x = np.arange(n, dtype=np.float32) / RATE, np.zeros(n, np.float32)
        for _ in range(int(rng.integers(1, 5))):
            hz = np.exp(self.between((np.log(800), np.log(14_000))))
            slide = hz * (self.between((-0.5, 0.5)) if self.chance(0.3) else 0) * t / t[-1]
            line = np.sin(2 * np.pi * np.cumsum((hz + slide) / RATE) + rng.uniform(0, 6.3))
            if self.chance(0.5):
                rate, share = np.exp(self.between((np.log(0.3), np.log(8)))), self.between((0.1, 0.9))
                line *= np.convolve((t * rate) % 1 < share, np.ones(241) / 241, "same")
            x += line.astype(np.float32) * np.float32(LEVEL * 10 ** (rng.uniform(-10, 0) / 20))
        return x

    def noise(self) -> np.ndarray:
        s, rng = self.store.noise, self.rng
        if self.chance(self.recipe.tones):
            return self.tones()
        if self.chance(0.15):
            return rng.standard_normal(self.length, np.float32) * np.float32(LEVEL)
        return self.cut(s, s.pieces[rng.choice(len(s.pieces), p=self.noise_p)], self.length)[0]

    def event(self) -> np.ndarray:
        """A stretch that holds an event which an earlier model took for a sibilant."""
        source, piece, samples = self.store.hard[self.rng.integers(len(self.store.hard))]
        start, n = piece["start"], self.length
        end = start + piece["length"]
        if piece["length"] <= n:
            x = np.tile(source.audio[start:end], -(-n // piece["length"]))[:n]
            return np.roll(x, int(self.rng.integers(n))).astype(np.float32) / 32768
        at = int(np.clip(samples[self.rng.integers(len(samples))] - self.rng.integers(n), start, end - n))
        return source.audio[at : at + n].astype(np.float32) / 32768

    # --- one segment --------------------------------------------------------------------

    def voice(self, mode: int):
        """One talker, or two in turn, boosted: samples, classes, sureness, target gain by frame and band, whistle, who speaks."""
        x, c, sure, band = self.talker(mode)
        x, m, g, w = self.boost(x, c)
        gain = 1 + m[:, None] * g
        whistle = (m > 0.5) & w
        sure, turn = np.full(self.frames, sure, np.float32), np.zeros(self.frames, bool)
        if self.chance(self.recipe.turns):
            x2, c2, s2, _ = self.talker(mode)
            x2, m2, g2, w2 = self.boost(x2, c2)
            x2 = x2 * np.float32(10 ** (self.rng.uniform(-6, 6) / 20))
            at = 0
            while at < self.frames:
                at += int(self.rng.uniform(1.5, 6) * 200)
                to = at + int(self.rng.uniform(1.5, 6) * 200)
                turn[at:to], at = True, to
            x = np.where(np.repeat(turn, HOP), x2, x)
            c, gain = np.where(turn, c2, c), np.where(turn[:, None], 1 + m2[:, None] * g2, gain)
            whistle, sure = np.where(turn, (m2 > 0.5) & w2, whistle), np.where(turn, np.float32(s2), sure)
        return x, c, sure, gain.astype(np.float32), whistle, turn

    def segment(self) -> Segment:
        rng, r, n = self.rng, self.recipe, self.length
        mode = int(rng.choice(3, p=r.mode))
        empty = self.chance(r.empty if mode == 0 else r.music_only)
        behind = empty or self.chance(r.background if mode == 0 else 0.75)
        if empty:
            x, c = np.zeros(n, np.float32), np.zeros(self.frames, np.uint8)
            sure, gain, whistle = np.ones(self.frames, np.float32), np.ones((self.frames, len(self.at)), np.float32), np.zeros(self.frames, bool)
            who = whistle
        else:
            x, c, sure, gain, whistle, who = self.voice(mode)
        d = None
        if behind:
            if self.store.hard and self.chance(r.hard[0 if empty else 1]):
                d = self.event()
            else:
                d = self.music() if (mode > 0 and self.chance(0.85)) or (mode == 0 and self.chance(0.2)) else self.noise()
            have = float(np.sqrt(np.mean(d * d))) + 1e-9
            snr = 0.0 if empty else self.between(r.snr_db) if mode == 0 else self.between((-2, 25) if mode == 1 else (-8, 14))
            d = d * np.float32(0.5 * LEVEL / have * 10 ** (-snr / 20))
        if self.chance(r.hiss):
            h = rng.standard_normal(n, np.float32) * np.float32(LEVEL * 10 ** (-rng.uniform(38, 75) / 20))
            d = h if d is None else d + h
        if not empty and self.chance(r.clip):
            most = np.abs(x).max() * np.float32(10 ** (-rng.uniform(1, 12) / 20))
            x = np.clip(x, -most, most)
        sx, sd = spectra(x), None if d is None else spectra(d)
        v = power(sx)
        b, both = (None, v) if sd is None else (power(sd), power(sx + sd))
        if self.chance(r.band_limit):
            top = rng.choice([3600, 4000, 5500, 7000, 8000, 11_000, 15_000], p=[0.15, 0.15, 0.1, 0.15, 0.25, 0.1, 0.1])
            limit = np.clip((top + 300 - self.hz) / 300, 1e-5, 1).astype(np.float32) ** 2
            v, both, b = v * limit, both * limit, None if b is None else b * limit
        if self.chance(r.compression):
            squash = self.compression(both)
            v, both, b = v * squash, both * squash, None if b is None else b * squash
        vb = v @ self.coarse
        bb = (0 if b is None else b @ self.coarse) + np.float32(1e-12)
        target = 10 * np.log10((vb + bb) / (vb / (gain * gain) + bb))
        c = c.copy()
        target = np.where(gain > 1, np.maximum(target, 0), 0)
        # a labelled sound that lies under the background is not there
        high = (self.hz > 2500) & (self.hz < 16_000)
        hv, hb = v[:, high].sum(1), (0 if b is None else b[:, high].sum(1)) + 1e-12
        friction = (c > 0) & (c < 255)
        c[friction & (hv < 0.1 * hb)] = 0
        c[friction & (hv >= 0.1 * hb) & (hv < 0.7 * hb)] = lab.UNSURE
        fine, voice = both @ self.fine, v @ self.fine
        if self.chance(r.late_start):
            k = int(rng.integers(self.frames // 3))
            fine[:k], voice[:k], vb[:k], c[:k], target[:k], whistle = 0, 0, 0, 0, 0, np.where(np.arange(self.frames) < k, False, whistle)
        level = np.float32(10 ** (rng.uniform(-30, 15) / 10))
        parts = Parts(*(np.asarray(p * level, np.float32) for p in (voice, vb, bb)), who)
        return Segment(fine.astype(np.float32) * level, np.eye(len(MODES), dtype=np.float32)[mode], c, target.astype(np.float32),
                       *self.place(vb, bb), whistle, *self.middle(vb), sure, parts)

    def place(self, vb: np.ndarray, bb: np.ndarray) -> tuple[np.ndarray]:
        """Each reduction band's share of what is heard, `[T, 12]`."""
        return (((vb + bb) / ((vb + bb).sum(1, keepdims=True) + 1e-20)).astype(np.float32),)

    def middle(self, vb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Centre in Hz and width in octaves of the voice's friction, `[T]` each."""
        share = vb / (vb.sum(1, keepdims=True) + 1e-12)
        lo = np.log2(self.at)
        mid = (share * lo).sum(1)
        spread = 2 * np.sqrt(np.maximum((share * lo**2).sum(1) - mid**2, 0))
        return (2**mid).astype(np.float32), spread.astype(np.float32)

    def vary(self, s: Segment) -> Segment:
        """A segment of the same recording with another boost, another talker's friction and another microphone, all
        put on the bands' powers, which costs next to nothing. The recording's own must have none of the first two."""
        r, p, n = self.recipe, s.parts, self.frames
        fine, coarse = (np.ones((n, k)) for k in (p.voice.shape[1], len(self.at)))
        own = np.ones_like(coarse)
        whistle = np.zeros(n, bool)
        squared = lambda amplitude, hz, matrix: (1 + amplitude[:, None] * np.sqrt((10 ** (hz / 10)) @ matrix) - amplitude[:, None]) ** 2  # noqa: E731
        seen = lambda a: 0.6 * a + 0.4 * np.concatenate([a[:1], a[:-1]])  # noqa: E731
        for talker in (False, True) if p.who.any() else (False,):
            mine = (p.who == talker) & (s.classes != lab.UNSURE)
            if self.chance(0.8):
                for group, db in self.own_curves(self.hz):
                    a = (mine & np.isin(s.classes, group)).astype(float)
                    fine *= squared(seen(a), db, self.fine)
                    own *= squared(a, db, self.coarse)
            shape, gain, narrow = self.shape()
            if shape is None:
                continue
            amount = (mine & np.isin(s.classes, self.which())).astype(float)
            if self.chance(r.each_differs):
                for a, b in lab.runs(amount > 0):
                    g = gain + self.rng.normal(0, r.each_db) * (gain > 0)
                    amount[a:b] = (10 ** (g / 20) - 1) / (10 ** (gain / 20) - 1) if abs(gain) > 0.2 else 1.0
            db = shape(self.hz)
            fine *= squared(seen(amount), db, self.fine)
            coarse *= squared(amount, db, self.coarse)
            whistle |= (amount > 0.5) & (narrow and gain > 0)
        power_ = np.maximum(s.power + p.voice * (fine - 1), 0.02 * s.power)
        natural, vb, bb = p.voice_coarse * own, p.voice_coarse * own * coarse, p.rest_coarse
        target = np.where(coarse > 1, np.maximum(10 * np.log10((vb + bb + 1e-20) / (natural + bb + 1e-20)), 0), 0)
        dark = 10 ** (-self.dark(centres()) / 10)
        return replace(s, power=(power_ * dark).astype(np.float32), target=target.astype(np.float32), weight=self.place(vb, bb)[0], whistle=whistle,
                       centre=self.middle(vb)[0], width=self.middle(vb)[1])

    def compression(self, p: np.ndarray) -> np.ndarray:
        """Gains of power `[frames, 1]` of a compressor that sees the whole band."""
        level = 10 * np.log10(p.sum(1) + 1e-12)
        threshold = level.max() - self.between((6, 24))
        want = -np.maximum(level - threshold, 0) * (1 - 1 / self.between((1.5, 6)))
        attack, release = (np.exp(-5 / self.between(t)) for t in ((1, 30), (40, 400)))
        out, g = np.empty(len(want)), 0.0
        for i, w in enumerate(want):
            k = attack if w < g else release
            g = w + k * (g - w)
            out[i] = g
        return (10 ** (out / 10)).astype(np.float32)[:, None]

    def batch(self, count: int) -> dict[str, np.ndarray]:
        """`count` segments stacked, by the fields' names."""
        got = [self.segment() for _ in range(count)]
        return stacked(got)


def stacked(segments: list[Segment]) -> dict[str, np.ndarray]:
    """Segments as one batch, by the fields' names."""
    return {k: np.stack([getattr(s, k) for s in segments]) for k in FIELDS}


class Pool:
    """Segments that are used more than once: mixing costs more than a step of the net.

    Every second batch has one fresh segment; all others come from the last `size`. Segments are mixed as they were
    recorded, and each use gets a boost, a talker's friction and a microphone of its own (`Mixer.vary`).
    """

    FRESH = 0.5

    def __init__(self, mixer: Mixer, size: int = 700):
        self.varied = Mixer(mixer.store, mixer.frames * HOP_MS / 1000, int(mixer.rng.integers(1 << 31)), mixer.recipe)
        mixer.recipe = replace(mixer.recipe, untouched=1.0, own=(0.0, 0.0, 0.0))
        self.mixer = mixer
        self.size, self.kept, self.next = size, [], 0

    def batch(self, count: int) -> dict[str, np.ndarray]:
        rng = self.mixer.rng
        fresh = 1 if len(self.kept) < self.size // 8 else int(rng.random() < self.FRESH)
        for _ in range(fresh):
            s = self.mixer.segment()
            if len(self.kept) < self.size:
                self.kept.append(s)
            else:
                self.kept[self.next] = s
                self.next = (self.next + 1) % self.size
        chosen = [self.kept[-1 if k == 0 and fresh else rng.integers(len(self.kept))] for k in range(count)]
        out = stacked([self.varied.vary(s) for s in chosen])
        at = np.linspace(0, 1, out["power"].shape[-1])
        for i in range(count):
            db = np.interp(at, np.linspace(0, 1, 6), rng.normal(0, 1.5, 6)) + rng.normal(0, 3) * (at - 0.5)
            out["power"][i] *= (10 ** (db / 10)).astype(np.float32)
        return out


def _box(x: np.ndarray, n: int) -> np.ndarray:
    """Running mean of `n` (odd) samples, same length."""
    s = np.cumsum(np.concatenate([np.zeros(n // 2 + 1), x.astype(np.float64), np.zeros(n // 2)]))
    return ((s[n:] - s[:-n]) / n).astype(np.float32)
