"""Songs as notes: styles, drum patterns, bass lines, accompaniments, melodies.

A `Song` has a beat, a chord for every bar and parts; `compose` makes one up in a style, and
`arrange` puts drums, bass and accompaniment of a style under given chords and a given melody
(POP909 has melodies, chords and a piano, but neither drums nor bass).
Patterns are strings of sixteenths: X accented, x plain, o soft, "." nothing.
"""

from dataclasses import dataclass, field

import numpy as np

KICK, STICK, SNARE, CLAP, CLOSED, OPEN, CRASH, RIDE, SHAKER, COWBELL = 36, 37, 38, 39, 42, 46, 49, 51, 70, 56
TOMS = (41, 45, 48)
LOUD = {"X": 0.95, "x": 0.72, "o": 0.38}


@dataclass
class Part:
    """One instrument: `stem` it belongs to, `family` of sounds, notes `[n, 4]` (start s, length s, pitch, velocity)."""

    stem: str
    family: str
    notes: np.ndarray
    program: int | None = None
    role: str = ""


@dataclass
class Song:
    """`style`, seconds, beats a minute, chords as (start s, end s, root, third, fifth) and parts; `melody` is
    `[n, 4]` for a voice."""

    style: str
    seconds: float
    bpm: float
    chords: list
    parts: list = field(default_factory=list)
    melody: np.ndarray | None = None


@dataclass(frozen=True)
class Style:
    """What a style is made of; `kits` and families name sounds in `generate.py`."""

    bpm: tuple
    drums: tuple
    bass: tuple
    comp: tuple
    kits: tuple
    bass_sounds: tuple
    swing: float = 0.0
    tight_ms: float = 7.0
    pump: float = 0.0
    voice: tuple = ("sung",)


ROCK = ({"k": "X.....x.X.......", "s": "....X.......X...", "h": "x.x.x.x.x.x.x.x."},
        {"k": "X..x..x.X..x....", "s": "....X.......X..o", "h": "X.x.X.x.X.x.X.x."},
        {"k": "X.x...x.X.x...x.", "s": "....X.......X...", "r": "x.x.x.x.x.x.x.x."},
        {"k": "x.....x.x.x.....", "s": "X.......X.......", "h": "x...x...x...x..."})
METAL = ({"k": "xxxxxxxxxxxxxxxx", "s": "....X.......X...", "r": "X...X...X...X..."},
         {"k": "X.xxX.xxX.xxX.xx", "s": "....X.......X...", "h": "X...X...X...X..."},
         {"k": "x.x.x.x.x.x.x.x.", "s": "..x...x...x...x.", "r": "x.x.x.x.x.x.x.x."})
FUNK = ({"k": "X..x..x...x..x..", "s": "....X..o.o..X..o", "h": "xxxxxxxxxxxxxxXx"},
        {"k": "X.x....x..x.....", "s": "....X.oo.o.oX.o.", "h": "x.xxx.xxx.xxx.xx", "o": ".......x........"})
HOUSE = ({"k": "X...X...X...X...", "c": "....x.......x...", "o": "..x...x...x...x.", "h": "x.x.x.x.x.x.x.x."},
         {"k": "X...X...X...X..x", "s": "....X.......X...", "h": "xoxoxoxoxoxoxoxo"},
         {"k": "X...X...X...X...", "o": "..X...X...X...X.", "p": "x..x..x.x..x..x."})
BREAKS = ({"k": "X.x.......xx....", "s": "....X..o.o..X..o", "h": "x.x.x.x.x.x.x.x."},
          {"k": "X.........X.....", "s": "....X.......X..x", "h": "xxxxxxxxxxxxxxxx"},
          {"k": "X..x......x.....", "s": "....X..x....X...", "r": "x.x.x.x.x.x.x.x."})
HIPHOP = ({"k": "X......x..X.....", "s": "....X.......X...", "h": "x.x.x.x.x.x.x.x."},
          {"k": "X..x...x..x.....", "c": "....X.......X...", "h": "x.xox.x.x.xox.xx"},
          {"k": "X.......X.x....x", "s": "........X.......", "h": "xxxxxxxoxxxxooox"},
          {"k": "X.....x....x....", "c": "........X.......", "h": "x.x.x.xxx.x.xxxx"})
REGGAE = ({"k": "........X.......", "t": "........x.......", "h": "x.x.x.x.x.x.x.x."},
          {"k": "X...X...X...X...", "t": "....x...x.......", "h": "..x...x...x...x."})
LATIN = ({"k": "X..x....X..x....", "t": "x..x..x...x.x...", "p": "xoxxxoxxxoxxxoxx"},
         {"k": "x..xx..xx..xx..x", "t": "..x..x..x..x..x.", "h": "xxxxxxxxxxxxxxxx"})
JAZZ = ({"k": "o...o...o...o...", "t": "........o.......", "r": "X...x..xX...x..x", "h": "....x.......x..."},
        {"k": "x.........o.....", "s": "...o......o..o..", "r": "x...x..xx...x..x"})
BALLAD = ({"k": "X.......x.x.....", "s": "....X.......X...", "h": "x.x.x.x.x.x.x.x."},
          {"k": "X.........x.....", "t": "........x.......", "h": "x...x...x...x..."})
FOLK = ({"k": "x.......x.......", "p": "x.xxx.xxx.xxx.xx"}, {"k": "X...x...X...x...", "t": "..x...x...x...x."}, {})
ORCHESTRAL = ({}, {"k": "X.......X.......", "T": "x..............x"}, {"T": "X.....x.X.......", "C": "X..............."})

STYLES = {
    "rock": Style((95, 150), ROCK, ("eighths", "roots", "walk8"), ("power", "strum", "organ"), ("acoustic",), ("picked",)),
    "metal": Style((110, 180), METAL, ("eighths", "gallop"), ("power", "power"), ("acoustic",), ("picked",)),
    "funk": Style((92, 118), FUNK, ("funk", "octaves"), ("scratch", "stabs", "keys"), ("acoustic",), ("slap", "picked")),
    "disco": Style((108, 126), HOUSE, ("octaves", "funk"), ("scratch", "pads", "stabs"), ("acoustic", "machine"), ("picked", "synth"), 0, 4, 0.2),
    "house": Style((118, 132), HOUSE, ("offbeat", "octaves", "roots"), ("stabs", "pads", "arp"), ("machine",), ("synth",), 0, 1, 0.6),
    "breaks": Style((120, 174), BREAKS, ("long", "funk"), ("pads", "arp", "stabs"), ("machine", "acoustic"), ("synth", "sub"), 0, 2, 0.3),
    "synthpop": Style((98, 132), ROCK + HOUSE[:2], ("eighths", "octaves"), ("arp", "pads", "stabs"), ("machine",), ("synth",), 0, 2, 0.2),
    "hiphop": Style((72, 98), HIPHOP, ("long", "roots", "funk"), ("keys", "pads", "arp"), ("machine", "acoustic"), ("sub", "picked"), 0.12, 5, 0.2, ("rap", "sung")),
    "trap": Style((64, 76), HIPHOP[2:], ("long",), ("pads", "arp", "keys"), ("machine",), ("sub",), 0, 1, 0.3, ("rap", "sung")),
    "reggae": Style((68, 92), REGGAE, ("reggae",), ("skank", "organ"), ("acoustic",), ("picked",), 0.1, 7),
    "latin": Style((88, 116), LATIN, ("tumbao", "octaves"), ("montuno", "strum"), ("acoustic",), ("upright", "picked")),
    "jazz": Style((84, 170), JAZZ, ("walk",), ("keys", "comp"), ("acoustic",), ("upright",), 0.3, 10),
    "ballad": Style((60, 84), BALLAD, ("long", "roots"), ("arp", "pads", "keys", "strum"), ("acoustic",), ("picked", "upright")),
    "pop": Style((84, 126), ROCK + HOUSE[:1], ("eighths", "roots", "octaves"), ("keys", "strum", "pads", "arp"), ("acoustic", "machine"), ("picked", "synth"), 0, 5, 0.1),
    "folk": Style((76, 130), FOLK, ("two", "roots"), ("strum", "finger", "keys"), ("acoustic",), ("upright", "picked"), 0.04, 10),
    "orchestral": Style((60, 120), ORCHESTRAL, ("bowed",), ("orchestra", "orchestra", "orchestra", "finger"), ("orchestral",), ("contrabass",), 0, 18, 0.0, ("sung", "none")),
}
KEYS = {"k": KICK, "s": SNARE, "t": STICK, "c": CLAP, "h": CLOSED, "o": OPEN, "r": RIDE, "p": SHAKER, "T": TOMS[0], "C": CRASH}
PROGRESSIONS = ((0, 5, 3, 4), (0, 4, 5, 3), (5, 3, 0, 4), (0, 3, 4, 4), (0, 5, 1, 4), (0, 3, 0, 4), (1, 4, 0, 0),
                (0, 6, 5, 4), (0, 2, 3, 4), (5, 4, 3, 4), (0, 0, 3, 3), (0, 6, 3, 0))
MODES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 3, 5, 7, 9, 10), (0, 2, 4, 5, 7, 9, 10))


def pattern_notes(row: dict, start: float, step: float, swing: float) -> list:
    out = []
    for key, text in row.items():
        for i, ch in enumerate(text):
            if ch != ".":
                out.append([start + (i + swing * (i % 2)) * step, step, KEYS[key], LOUD[ch]])
    return out


def mutate(rng, row: dict, amount: float = 0.06) -> dict:
    """The pattern with a few steps softened, dropped or added."""
    out = {}
    for key, text in row.items():
        chars = list(text)
        for i in range(len(chars)):
            if rng.random() < amount:
                chars[i] = "." if chars[i] != "." else ("o" if key in "sk" else "x")
        out[key] = "".join(chars)
    return out


def drum_part(rng, style: Style, bars: list, step: float) -> np.ndarray:
    """`bars`: (start s, section, intensity 0..1); a section keeps its pattern, ends with a fill and
    often starts with a crash."""
    notes, rows = [], {}
    for b, (start, section, level) in enumerate(bars):
        if section not in rows:
            rows[section] = mutate(rng, style.drums[int(rng.integers(len(style.drums)))])
        row = mutate(rng, rows[section], 0.02)
        if level < 0.25:
            continue
        if level < 0.5:
            row = {k: v for k, v in row.items() if k not in "sc"}
        last = b + 1 == len(bars) or bars[b + 1][1] != section
        new = b == 0 or bars[b - 1][1] != section
        got = pattern_notes(row, start, step, style.swing)
        if last and row and rng.random() < 0.7:
            n = int(rng.choice([4, 8]))
            got = [g for g in got if g[0] < start + (16 - n) * step]
            for i in range(16 - n, 16):
                if rng.random() < 0.75:
                    key = [SNARE, *TOMS[::-1]][min(3, (i - 16 + n) * 4 // n)] if rng.random() < 0.8 else KICK
                    got.append([start + i * step, step, key, 0.5 + 0.4 * i / 16])
        if new and row and rng.random() < 0.6:
            got.append([start, 2.0, CRASH, 0.85])
        notes += got
    return np.array(notes or np.zeros((0, 4)))


def bass_part(rng, kind: str, chords: list, step: float, swing: float) -> np.ndarray:
    notes = []
    for start, end, root, third, fifth in chords:
        n = max(1, int(round((end - start) / step)))
        low = 28 + (root - 28) % 12
        rest = {
            "eighths": [(i, 2, 0) for i in range(0, n, 2)],
            "gallop": [(i + j, 1, 0) for i in range(0, n, 4) for j in (0, 2, 3)],
            "roots": [(0, 6, 0), (6, 2, 0), (8, 8, 0 if rng.random() < 0.6 else fifth - root)],
            "walk8": [(i, 2, int(rng.choice([0, 0, third - root, fifth - root, 12]))) for i in range(0, n, 2)],
            "walk": [(i, 4, int(rng.choice([0, third - root, fifth - root, 9, 10, 12]))) if i else (0, 4, 0) for i in range(0, n, 4)],
            "octaves": [(i, 2, 12 * (i // 2 % 2)) for i in range(0, n, 2)],
            "offbeat": [(i, 2, 0) for i in range(2, n, 4)],
            "long": [(0, min(n, 14), 0)] + ([(14, 2, int(rng.choice([0, 7, 12, -5])))] if n >= 16 and rng.random() < 0.5 else []),
            "funk": [(i, int(rng.choice([1, 1, 2])), int(rng.choice([0, 0, 0, 12, 10, fifth - root]))) for i in range(n) if i == 0 or rng.random() < 0.38],
            "reggae": [(0, 3, 0), (3, 3, fifth - root), (6, 4, 0), (10, 2, third - root), (12, 4, 0)],
            "tumbao": [(3, 3, 0), (6, 6, fifth - root), (12, 4, 12)],
            "two": [(0, 7, 0), (8, 7, (fifth - root) % 12 - 12 if low > 33 else fifth - root)],
            "bowed": [(0, n, 0)],
        }[kind]
        for i, length, up in rest:
            if i < n:
                length = min(length, n - i)
                at = start + (i + swing * (i % 2)) * step
                notes.append([at, length * step * rng.uniform(0.8, 0.98), low + up, rng.uniform(0.65, 0.95)])
    return np.array(notes)


COMP_FAMILIES = {
    "power": ("distorted",), "strum": ("steel", "nylon", "clean"), "organ": ("organ",), "scratch": ("clean",),
    "stabs": ("brass", "lead", "piano", "organ"), "keys": ("piano", "epiano"), "pads": ("pad", "strings", "organ"),
    "arp": ("lead", "piano", "mallet", "clean", "pluck"), "skank": ("clean", "organ"), "montuno": ("piano",),
    "comp": ("clean", "piano"), "finger": ("nylon", "steel", "harp"), "orchestra": ("strings", "brass", "reed", "flute", "harp", "horns"),
}


def comp_part(rng, kind: str, chords: list, step: float, swing: float) -> np.ndarray:
    """An accompaniment of a kind over the chords."""
    notes, base = [], 48 + int(rng.integers(0, 13))
    shape = [i for i in range(16) if rng.random() < 0.35] or [0, 6]
    order = rng.permutation(4)
    for start, end, root, third, fifth in chords:
        n = max(1, int(round((end - start) / step)))
        tones = sorted(base + (t - base) % 12 for t in (root, third, fifth))
        put = lambda i, length, pitch, v: notes.append(  # noqa: E731, B023
            [start + (i + swing * (i % 2)) * step, length * step, pitch, v * rng.uniform(0.85, 1.1)])
        if kind == "power":
            low = 40 + (root - 40) % 12
            hits = [(i, 2) for i in range(0, n, 2)] if rng.random() < 0.6 else [(0, n)]
            for i, length in hits:
                for p in (low, low + 7, low + 12):
                    put(i, length * 0.95, p, 0.85)
        elif kind in ("strum", "scratch", "skank"):
            beats = {"strum": [0, 4, 6, 10, 12, 14], "scratch": shape, "skank": [2, 6, 10, 14]}[kind]
            for i in beats:
                if i < n and rng.random() < 0.9:
                    v, length = rng.uniform(0.5, 0.9), (0.6 if kind != "strum" else 3)
                    for j, p in enumerate(tones + [tones[0] + 12, tones[1] + 12]):
                        notes.append([start + (i + swing * (i % 2)) * step + j * 0.008, length * step, p, v])
        elif kind in ("arp", "finger"):
            ring = tones + [tones[0] + 12]
            for i in range(0, n, 1 if kind == "arp" and step > 0.11 else 2):
                put(i, 2.2, ring[order[(i // 2) % 4]] + (12 if kind == "arp" else 0), 0.7)
        elif kind in ("montuno", "comp", "stabs", "keys"):
            for i in ([0, 3, 6, 8, 10, 13] if kind == "montuno" else shape if kind != "keys" else [0, 8]):
                if i < n:
                    for p in tones:
                        put(i, 1.2 if kind != "keys" else 7.5, p + (12 if kind == "montuno" else 0), 0.7)
        elif kind == "orchestra":
            if rng.random() < 0.5:
                for p in tones:
                    put(0, n, p + int(rng.choice([-12, 0, 12])), rng.uniform(0.4, 0.8))
            else:
                for i in range(0, n, int(rng.choice([1, 2, 4]))):
                    put(i, 2, int(rng.choice(tones)) + 12, rng.uniform(0.4, 0.8))
        else:
            for p in tones:
                put(0, n * 0.98, p, 0.6)
    return np.array(notes)


def melody_part(rng, scale: list, bars: list, chords: list, step: float) -> np.ndarray:
    """A singable line: steps in the scale, chord tones on strong beats, phrases of two bars with
    rests between, a motif that comes back."""
    notes, at = [], 7
    rhythms = ([0, 4, 6, 8, 12], [0, 2, 4, 8, 10, 14], [2, 4, 6, 8, 12], [0, 3, 6, 8, 11, 14], [0, 8], [4, 6, 8, 10, 12, 14])
    motif = [int(v) for v in rng.integers(-2, 3, 12)]
    rhythm = [rhythms[int(rng.integers(len(rhythms)))] for _ in range(2)]
    for b, (start, _, level) in enumerate(bars):
        if level < 0.4 or (b % 4 == 3 and rng.random() < 0.5):
            continue
        places = rhythm[b % 2] if rng.random() < 0.7 else rhythms[int(rng.integers(len(rhythms)))]
        chord = next((c for c in chords if c[0] <= start + 1e-6 < c[1]), chords[0])
        for j, i in enumerate(places):
            at = int(np.clip(at + motif[(j + 3 * (b % 2)) % 12], 1, 13))
            pitch = scale[at % 7] + 12 * (at // 7)
            if i % 8 == 0:
                near = [c + 12 * o for c in chord[2:] for o in range(-3, 6)]
                pitch = min(near, key=lambda v: abs(v - pitch))
            until = places[j + 1] if j + 1 < len(places) else 16
            length = (until - i) * step * rng.uniform(0.75, 1.0)
            notes.append([start + i * step, length, pitch, rng.uniform(0.6, 0.95)])
    return np.array(notes or np.zeros((0, 4)))


def humanise(rng, notes: np.ndarray, tight_ms: float) -> np.ndarray:
    """Slow drift and jitter in time, jitter in velocity."""
    if not len(notes):
        return notes
    out = notes.astype(float).copy()
    drift = np.interp(out[:, 0], np.arange(0, 400, 4), rng.standard_normal(100) * tight_ms * 0.5e-3)
    out[:, 0] = np.maximum(0, out[:, 0] + drift + rng.standard_normal(len(out)) * tight_ms * 0.7e-3)
    out[:, 3] = np.clip(out[:, 3] * (1 + 0.08 * rng.standard_normal(len(out))), 0.05, 1)
    return out


def sections(rng, starts: list) -> list:
    """Bars with section names and intensities: intro, verse, chorus, break."""
    names, out = ["a", "a", "b", "a", "b", "c", "b", "b"], []
    length = int(rng.choice([4, 8]))
    first = int(rng.integers(3))
    levels = {"a": rng.uniform(0.5, 0.8), "b": 1.0, "c": rng.uniform(0.1, 0.6)}
    for i, s in enumerate(starts):
        name = names[(i // length + first) % len(names)]
        out.append((s, f"{name}{i // length}", levels[name]))
    return out


def arrange(rng, name: str, bars: list, chords: list, step: float, seconds: float, melody=None, extra=()) -> Song:
    """A style's drums, bass and accompaniments over the chords."""
    style = STYLES[name]
    song = Song(name, seconds, 15 / step, chords, list(extra), melody)
    if rng.random() < 0.97 and any(style.drums):
        song.parts.append(Part("drums", str(rng.choice(style.kits)), drum_part(rng, style, bars, step), role="kit"))
    if rng.random() < 0.95:
        kind = str(rng.choice(style.bass))
        song.parts.append(Part("bass", str(rng.choice(style.bass_sounds)), bass_part(rng, kind, chords, step, style.swing), role=kind))
    for kind in rng.permutation(style.comp)[: int(rng.integers(1, 4))]:
        kind = str(kind)
        family = str(rng.choice(COMP_FAMILIES[kind]))
        notes = comp_part(rng, kind, chords, step, style.swing)
        # an accompaniment may pause for a section
        quiet = {s for _, s, _ in bars if rng.random() < 0.15}
        keep = [n for n in notes if next((s for t, s, _ in reversed(bars) if t <= n[0] + 1e-3), "") not in quiet]
        if keep:
            song.parts.append(Part("other", family, np.array(keep), role=kind))
    for part in song.parts:
        part.notes = humanise(rng, part.notes, style.tight_ms)
    return song


def compose(rng, name: str, seconds: float) -> Song:
    """A song of a style, made up."""
    style = STYLES[name]
    bpm = rng.uniform(*style.bpm)
    step = 15 / bpm
    mode = MODES[int(rng.integers(len(MODES)))]
    key = int(rng.integers(12))
    bars = sections(rng, list(np.arange(0, seconds, 16 * step)))
    rows = [PROGRESSIONS[int(rng.integers(len(PROGRESSIONS)))] for _ in range(2)]
    chords = []
    for b, (start, section, _) in enumerate(bars):
        degree = rows["ab".find(section[0]) if section[0] in "ab" else 0][b % 4]
        tone = lambda n: key + 48 + mode[n % 7] + 12 * (n // 7)  # noqa: E731
        chords.append((start, start + 16 * step, tone(degree), tone(degree + 2), tone(degree + 4)))
    scale = [key + 48 + m for m in mode]
    song = arrange(rng, name, bars, chords, step, seconds, melody_part(rng, scale, bars, chords, step))
    if rng.random() < 0.1 and len(song.melody):
        lead = song.melody.copy()
        lead[:, 2] += 12
        song.parts.append(Part("other", str(rng.choice(["lead", "distorted", "reed", "flute", "brass"])), humanise(rng, lead, 8), role="lead"))
        song.melody = None
    return song
