"""Songs from MIDI files: General MIDI songs as they are, POP909 with a band put under it.

A POP909 file (Wang et al. 2020) has the tracks MELODY, BRIDGE and PIANO; chords are heard from the
piano here, bar by bar, and `score.arrange` writes drums, bass and accompaniment for them.
"""

import numpy as np

from .score import STYLES, Part, Song, arrange, humanise, sections
from .sources import midi_file

PROGRAM_FAMILIES = (("piano", 6), ("epiano", 8), ("mallet", 16), ("organ", 24), ("nylon", 25), ("steel", 26), ("clean", 29),
                    ("distorted", 32), ("bass", 40), ("strings", 46), ("harp", 47), ("timpani", 48), ("strings", 52), ("choir", 55),
                    ("strings", 56), ("brass", 64), ("reed", 72), ("flute", 80), ("lead", 88), ("pad", 96), ("pad", 104),
                    ("nylon", 112), ("mallet", 120), ("effects", 128))
"""General MIDI families by their first program that is no longer of it."""
TRIADS = {"major": (0, 4, 7), "minor": (0, 3, 7), "dim": (0, 3, 6), "sus": (0, 5, 7)}


def family_of(program: int) -> str:
    return next(name for name, end in PROGRAM_FAMILIES if program < end)


def read(data: bytes) -> tuple[list, float]:
    """Notes of a file as dictionaries of (track name, channel, program) to `[n, 4]`, and beats a minute."""
    file = midi_file(data)
    tempos, notes = [(0, 500_000)], {}
    for track in file.tracks:
        t = 0
        for m in track:
            t += m.time
            if m.type == "set_tempo":
                tempos.append((t, m.tempo))
    tempos.sort(key=lambda v: v[0])
    ticks = np.array([v[0] for v in tempos], float)
    per = np.array([v[1] for v in tempos], float) / 1e6 / file.ticks_per_beat
    base = np.concatenate([[0], np.cumsum(np.diff(ticks) * per[:-1])])

    def seconds(tick):
        i = int(np.searchsorted(ticks, tick, side="right")) - 1
        return base[i] + (tick - ticks[i]) * per[i]

    for number, track in enumerate(file.tracks):
        t, program, held, name = 0, [0] * 16, {}, f"{number}"
        for m in track:
            t += m.time
            if m.type == "track_name" and m.name.strip():
                name = m.name.strip().upper()
            elif m.type == "program_change":
                program[m.channel] = m.program
            elif m.type == "note_on" and m.velocity:
                held[m.channel, m.note] = (t, m.velocity, program[m.channel])
            elif m.type in ("note_off", "note_on") and (m.channel, m.note) in held:
                start, velocity, prog = held.pop((m.channel, m.note))
                a, b = seconds(start), seconds(t)
                notes.setdefault((name, m.channel, prog), []).append((a, b - a, m.note, velocity / 127))
    beat = np.median([v[1] for v in tempos[1:]]) if len(tempos) > 1 else 500_000
    return {k: np.array(sorted(v)) for k, v in notes.items()}, 60e6 / beat


def excerpt(notes: dict, start: float, seconds: float) -> dict:
    """Notes that begin in a stretch, times from its start."""
    out = {}
    for k, v in notes.items():
        inside = v[(v[:, 0] >= start) & (v[:, 0] < start + seconds)].copy()
        if len(inside):
            inside[:, 0] -= start
            inside[:, 1] = np.minimum(inside[:, 1], seconds - inside[:, 0])
            out[k] = inside
    return out


def one_voice(notes: np.ndarray) -> np.ndarray:
    """The top line of some notes, without overlaps."""
    rows = []
    for n in notes[np.lexsort((-notes[:, 2], notes[:, 0]))]:
        if rows and n[0] < rows[-1][0] + 0.04:
            continue
        if rows:
            rows[-1][1] = min(rows[-1][1], n[0] - rows[-1][0])
        rows.append(n.copy())
    return np.array(rows)


def sounding(notes: dict, seconds: float) -> float:
    """Share of the stretch in which any note sounds."""
    on = np.zeros(int(seconds * 10) + 1, bool)
    for v in notes.values():
        for a, n, *_ in v:
            on[int(a * 10) : int((a + n) * 10) + 1] = True
    return float(on.mean())


def whole_song(rng, data: bytes, seconds: float) -> Song | None:
    """A stretch of a General MIDI song with its own drums, bass and instruments; sometimes its lead is
    sung in place of played."""
    notes, bpm = read(data)
    end = max((v[-1, 0] for v in notes.values()), default=0)
    part = excerpt(notes, rng.uniform(0, max(end - seconds, 0.01)), seconds)
    if sounding(part, seconds) < 0.6:
        return None
    song, leads = Song("midi", seconds, bpm, []), []
    for (_, channel, program), v in part.items():
        family = family_of(program)
        if channel == 9:
            song.parts.append(Part("drums", str(rng.choice(["acoustic", "acoustic", "machine"])), v, role="kit"))
        elif family == "bass":
            song.parts.append(Part("bass", "gm", v, program))
        else:
            song.parts.append(Part("other", family, v, program))
            line = one_voice(v)
            # a lead plays alone, in the middle, and not too fast
            if len(line) > 0.8 * len(v) and len(line) > 12 and 55 < np.median(line[:, 2]) < 84 and len(line) / seconds < 5:
                leads.append(len(song.parts) - 1)
    if leads and rng.random() < 0.7:
        song.melody = one_voice(song.parts.pop(int(rng.choice(leads))).notes)
    return song if song.parts else None


def hear_chords(notes: np.ndarray, bars: list) -> list:
    """The triad of each bar that covers most of the piano's sound; the lowest note counts most."""
    out = []
    for a, b in zip(bars[:-1], bars[1:]):
        inside = notes[(notes[:, 0] >= a - 0.05) & (notes[:, 0] < b - 0.05)]
        chroma = np.zeros(12)
        for _, n, p, v in inside:
            chroma[int(p) % 12] += n * v
        if len(inside):
            chroma[int(inside[:, 2].min()) % 12] *= 1.6
        best = max(((chroma[[(r + i) % 12 for i in t]].sum() + 0.3 * chroma[r], r, t) for r in range(12) for t in TRIADS.values()),
                   key=lambda v: v[0])
        if not chroma.any() and out:
            best = (0, out[-1][2] % 12, tuple(i - out[-1][2] for i in out[-1][2:]))
        _, r, t = best
        out.append((a, b, 48 + r, 48 + r + t[1], 48 + r + t[2]))
    return out


def pop_song(rng, data: bytes, seconds: float) -> Song | None:
    """A stretch of a POP909 song: its melody for the voice, often its piano, and a band in a random style
    at its tempo."""
    notes, bpm = read(data)
    tracks = {}
    for (name, _, _), v in notes.items():
        tracks[name] = np.concatenate([tracks[name], v]) if name in tracks else v
    if "PIANO" not in tracks or "MELODY" not in tracks:
        return None
    bar = 240 / bpm
    end = tracks["PIANO"][-1, 0]
    start = bar * int(rng.uniform(0, max(end - seconds, 1)) / bar)
    tracks = excerpt(tracks, start, seconds)
    if "PIANO" not in tracks or len(tracks.get("MELODY", ())) < 8:
        return None
    bars = list(np.arange(0, seconds + bar, bar))
    chords = hear_chords(tracks["PIANO"], bars)
    near = [k for k, s in STYLES.items() if any(s.bpm[0] * 0.9 <= b <= s.bpm[1] * 1.1 for b in (bpm, bpm / 2, bpm * 2)) and k != "orchestral"]
    step = bar / 16
    extra = []
    if rng.random() < 0.6:
        family = str(rng.choice(["piano", "piano", "epiano", "nylon", "harp", "pad"]))
        extra.append(Part("other", family, tracks["PIANO"], role="keys"))
    if "BRIDGE" in tracks and rng.random() < 0.6:
        extra.append(Part("other", str(rng.choice(["strings", "flute", "lead", "mallet"])), humanise(rng, tracks["BRIDGE"], 6), role="lead"))
    return arrange(rng, str(rng.choice(near or ["pop"])), sections(rng, bars[:-1]), chords, step, seconds, one_voice(tracks["MELODY"]), extra)
