"""Instruments that play notes into sound: soundfonts, sampled drum kits, a small synthesiser.

Notes are rows of `Notes` arrays `[n, 4]`: start and length in seconds, MIDI pitch, velocity 0..1.
Everything gives `[samples, 2]` float32 at 48 kHz.
"""

import ctypes
import ctypes.util
import re
import xml.etree.ElementTree as ET
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile as sf

from ..denoise.frames import RATE


FONT_GAIN = 0.5
TAIL = 2.0
"""Seconds that a note may ring beyond its song's last bar."""
POLYPHONY = 256
MAX_HIT = 6
"""Seconds of a drum hit that are kept."""
DRUM_CHANNEL, DRUM_BANK = 9, 128


def room_for(seconds: float) -> int:
    return int((seconds + TAIL) * RATE)


class Soundfont:
    """One soundfont played by libfluidsynth (LGPL), dry: reverb and chorus are off, so parts
    rendered one after the other add up to the whole."""

    def __init__(self, path: Path):
        name = ctypes.util.find_library("fluidsynth") or "libfluidsynth.so.3"
        try:
            lib = self.lib = ctypes.CDLL(name)
        except OSError as e:
            raise RuntimeError("libfluidsynth is missing: apt-get install libfluidsynth3") from e
        void, text = ctypes.c_void_p, ctypes.c_char_p
        for f in ("new_fluid_settings", "new_fluid_synth"):
            getattr(lib, f).restype = void
        lib.fluid_settings_setnum.argtypes = [void, text, ctypes.c_double]
        lib.fluid_settings_setint.argtypes = [void, text, ctypes.c_int]
        lib.new_fluid_synth.argtypes = [void]
        lib.fluid_synth_sfload.argtypes = [void, text, ctypes.c_int]
        self.settings = lib.new_fluid_settings()
        lib.fluid_settings_setnum(self.settings, b"synth.sample-rate", float(RATE))
        lib.fluid_settings_setnum(self.settings, b"synth.gain", FONT_GAIN)
        for key, value in ((b"synth.reverb.active", 0), (b"synth.chorus.active", 0), (b"synth.cpu-cores", 1),
                           (b"synth.polyphony", POLYPHONY), (b"synth.dynamic-sample-loading", 1)):
            lib.fluid_settings_setint(self.settings, key, value)
        self.synth = void(lib.new_fluid_synth(self.settings))
        if lib.fluid_synth_sfload(self.synth, str(path).encode(), 1) < 0:
            raise RuntimeError(f"{path} is not a soundfont that libfluidsynth can read")

    def play(self, notes: np.ndarray, program: int, seconds: float, drums: bool = False) -> np.ndarray:
        """Notes by a General MIDI program, or by a kit on the drum channel."""
        lib, s = self.lib, self.synth
        channel = DRUM_CHANNEL if drums else 0
        lib.fluid_synth_system_reset(s)
        lib.fluid_synth_bank_select(s, channel, DRUM_BANK if drums else 0)
        lib.fluid_synth_program_change(s, channel, int(program))
        events = []
        for start, length, pitch, velocity in notes:
            k = int(np.clip(round(pitch), 0, 127))
            events.append((start, 1, k, int(np.clip(velocity * 127, 1, 127))))
            events.append((start + max(length, 0.02), 0, k, 0))
        events.sort(key=lambda e: (e[0], e[1]))
        total = room_for(seconds)
        out = np.zeros((total, 2), np.float32)
        at = 0
        for t, kind, a, b in events + [(total / RATE, 3, 0, 0)]:
            until = min(max(int(t * RATE), at), total)
            if until > at:
                # one call for both channels, interleaved
                where = out[at:].ctypes.data_as(ctypes.c_void_p)
                lib.fluid_synth_write_float(s, until - at, where, 0, 2, where, 1, 2)
                at = until
            if kind == 1:
                lib.fluid_synth_noteon(s, channel, a, b)
            elif kind == 0:
                lib.fluid_synth_noteoff(s, channel, a)
        return out


@lru_cache(maxsize=4)
def soundfont(path: Path) -> Soundfont:
    """A loaded font; a process keeps each it has used."""
    return Soundfont(path)


HITS = {
    "kick": (r"kick|bass ?drum|drum bass|\bbd\b", (35, 36)),
    "snare": (r"snare(?!.*(rim|stick))|\bsn\b|\bsd\b", (38, 40)),
    "stick": (r"stick|rim", (37,)),
    "clap": (r"clap", (39,)),
    "closed": (r"closed|hat.*(close|tight|\bcl\b)|\bhh ?c|hihat ?c|^hat$", (42, 44)),
    "open": (r"open|hat.*(loose|\bop\b)|\bhh ?o", (46,)),
    "tom low": (r"\btom ?(lo|floor|hi[34]|[34]\b)|floor|low tom", (41, 43, 45)),
    "tom high": (r"\btom", (47, 48, 50)),
    "crash": (r"crash|splash|china", (49, 52, 55, 57)),
    "ride": (r"ride", (51, 53, 59)),
    "perc": (r"cowbell|tamb|shaker|conga|bongo|perc|clave|maraca|cabasa|tabla", tuple(k for k in range(54, 82) if k not in (55, 57, 59))),
}
"""Kinds of hits: what they are called in kits' files, and their General MIDI keys."""


def hit_kind(name: str) -> str | None:
    name = name.lower().replace("_", " ")
    return next((kind for kind, (pattern, _) in HITS.items() if re.search(pattern, name)), None)


def key_kind(key: int) -> str:
    return next((kind for kind, (_, keys) in HITS.items() if key in keys), "perc")


def read_hit(path: Path) -> np.ndarray | None:
    """`[n, 2]` at 48 kHz, or nothing where a file cannot be read."""
    import soxr

    try:
        x, rate = sf.read(path, dtype="float32", always_2d=True)
    except sf.LibsndfileError:
        return None
    x = np.repeat(x, 2, 1)[:, :2] if x.shape[1] == 1 else x[:, :2]
    return soxr.resample(x, rate, RATE) if rate != RATE and len(x) else x


class Kit:
    """Drum hits by kind, each a list of (lowest velocity, sound)."""

    def __init__(self, name: str, hits: dict):
        self.name, self.hits = name, hits

    @classmethod
    def hydrogen(cls, folder: Path) -> "Kit":
        """A Hydrogen drum kit: the first instrument of each kind, all its velocity layers."""
        text = re.sub(r'\s(xmlns(:\w+)?|\w+:\w+)="[^"]*"', "", (folder / "drumkit.xml").read_text(errors="replace"))
        try:
            root = ET.fromstring(text)
        except ET.ParseError as e:
            raise ValueError(f"{folder / 'drumkit.xml'} is damaged ({e}): unpack its package anew") from e
        hits = {}
        for node in root.iter("instrument"):
            kind = hit_kind(node.findtext("name") or "")
            if kind is None or kind in hits:
                continue
            layers = [(float(l.findtext("min") or 0), l.findtext("filename")) for l in node.iter("layer")]
            layers = layers or [(0.0, node.findtext("filename"))]
            sounds = [(low, read_hit(folder / f)) for low, f in layers if f]
            sounds = [(low, x) for low, x in sounds if x is not None and len(x)]
            if sounds:
                hits[kind] = sorted(sounds, key=lambda v: v[0])
        return cls(folder.name, hits)

    @classmethod
    def loose(cls, name: str, files: list[Path], rng) -> "Kit":
        """A kit drawn from loose samples, one per kind, by their names."""
        found = {}
        for f in files:
            kind = hit_kind(f.stem)
            if kind:
                found.setdefault(kind, []).append(f)
        hits = {}
        for kind, those in found.items():
            x = read_hit(those[int(rng.integers(len(those)))])
            if x is not None and len(x):
                hits[kind] = [(0.0, x)]
        return cls(name, hits)

    def whole(self) -> bool:
        """Whether it is a drum set; hand drums and bells alone are none."""
        return {"kick", "snare"} <= set(self.hits) and not {"closed", "open", "ride"}.isdisjoint(self.hits)

    def sound(self, kind: str, velocity: float) -> np.ndarray | None:
        near = {"stick": "snare", "clap": "snare", "open": "closed", "tom low": "tom high", "tom high": "tom low",
                "crash": "ride", "ride": "closed", "perc": "stick", "closed": "ride"}
        tried = set()
        while kind not in self.hits:
            tried.add(kind)
            kind = near.get(kind)
            if kind is None or kind in tried:
                return None
        layers = [x for low, x in self.hits[kind] if low <= velocity]
        return layers[-1] if layers else self.hits[kind][0][1]

    def play(self, notes: np.ndarray, seconds: float, rng) -> np.ndarray:
        """Notes' pitches are General MIDI drum keys; a closed hat chokes an open one."""
        out = np.zeros((room_for(seconds), 2), np.float32)
        notes = notes[np.argsort(notes[:, 0])]
        kinds = [key_kind(int(k)) for k in notes[:, 2]]
        tune, tuned = {k: 2 ** rng.uniform(-0.15, 0.15) for k in HITS}, {}
        for i, (start, _, _, velocity) in enumerate(notes):
            x = self.sound(kinds[i], velocity)
            if x is None:
                continue
            which = (kinds[i], id(x))
            if which not in tuned:
                at = np.arange(0, min(len(x) - 1, MAX_HIT * RATE), tune[kinds[i]])
                tuned[which] = np.stack([np.interp(at, np.arange(len(x)), x[:, c]) for c in (0, 1)], 1).astype(np.float32)
            x = tuned[which] * np.float32(velocity**1.6)
            if kinds[i] == "open":
                after = [notes[j, 0] for j in range(i + 1, min(i + 12, len(notes))) if kinds[j] == "closed"]
                if after:
                    n = int((after[0] - start) * RATE) + 1
                    x = x[: n + 960].copy()
                    x[n:] *= np.linspace(1, 0, len(x[n:]))[:, None]
            a = max(int(start * RATE), 0)
            b = min(a + len(x), len(out))
            if b > a:
                out[a:b] += x[: b - a]
        return out


def wave(kind: str, harmonics: int) -> np.ndarray:
    """One period `[2048]` of a wave with so many harmonics."""
    k = np.arange(1, max(harmonics, 1) + 1)
    a = {"saw": 1 / k, "square": (k % 2) / k, "triangle": (k % 2) / k**2, "sine": 1.0 * (k == 1)}[kind]
    t = np.arange(2048) / 2048
    y = np.zeros(2048)
    for n, g in zip(k[a > 0], a[a > 0]):
        y += g * np.sin(2 * np.pi * n * t)
    return y / np.abs(y).max()


_WAVES: dict = {}


def synth(notes: np.ndarray, seconds: float, rng, kind: str = "saw", voices: int = 1, detune: float = 0.0,
          cutoff: tuple = (800.0, 6000.0), attack: float = 0.005, decay: float = 0.3, sustain: float = 0.6,
          release: float = 0.08, glide: float = 0.0) -> np.ndarray:
    """A subtractive voice by additive waves: each note fades from a bright wave (`cutoff[1]` Hz)
    to a dark one (`cutoff[0]`), `voices` of them apart by `detune` semitones and spread over
    the stereo image; `glide` seconds from the pitch before."""
    out = np.zeros((room_for(seconds), 2), np.float32)
    before = None
    for start, length, pitch, velocity in notes[np.argsort(notes[:, 0])]:
        n = int((length + 4 * release) * RATE)
        a = int(start * RATE)
        n = min(n, len(out) - a)
        if n < 64 or a < 0:
            continue
        t = np.arange(n) / RATE
        held = length
        env = np.minimum(t / attack, 1) * (sustain + (1 - sustain) * np.exp(-t / decay))
        env *= np.exp(-np.maximum(t - held, 0) / release)
        env[-64:] *= np.linspace(1, 0, 64)
        bright = np.exp(-t / decay)
        cents = np.zeros(n)
        if glide and before is not None:
            cents = (before - pitch) * np.exp(-t / glide)
        before = pitch
        f0 = 440 * 2 ** ((pitch - 69) / 12)
        tables = []
        for limit in cutoff:
            key = (kind, int(min(limit, 20000) / f0))
            if key not in _WAVES:
                _WAVES[key] = wave(*key)
            tables.append(_WAVES[key])
        for v in range(voices):
            off = detune * ((2 * v / (voices - 1) - 1) if voices > 1 else 0)
            phase = rng.random() + np.cumsum(f0 * 2 ** ((cents + off) / 12)) / RATE
            at = (phase % 1 * 2048).astype(int)
            y = (tables[0][at] * (1 - bright) + tables[1][at] * bright) * env * velocity / voices**0.5
            pan = 0.5 + (0.45 * (2 * v / (voices - 1) - 1) if voices > 1 else 0)
            out[a : a + n, 0] += y * np.cos(pan * np.pi / 2)
            out[a : a + n, 1] += y * np.sin(pan * np.pi / 2)
    return out
