"""The song generator: one command, the same songs for the same seed.

    python -m training.stems.generate --songs 200 --part train --seed 1     # goes on where it stopped
    python -m training.stems.generate --tracks --part train                 # finished music, as "rest"
    python -m training.stems.generate --speech 90 --part train              # minutes of speech, for dialogue

A song is drawn as: a score (General MIDI song, POP909 with a band, or made up in one of sixteen styles),
sounds for its parts, a producer's chain on each, a voice on its melody, and a mix. Seed, part and
number decide everything.
"""

import argparse
from functools import lru_cache

import numpy as np
import soundfile as sf

from ..denoise.frames import RATE
from ..denoise.mix import Store
from ..denoise.prepare import FFT, decode
from . import midi, produce, score, sing
from .bank import FOLDER, PEAK, Song, file_name, write_song
from .instruments import HITS, Kit, soundfont, synth
from .sources import PARTS, SHARED, drum_fonts, fonts, kit_folders, loose_hits, midi_songs, part_of, track_part, tracks

SECONDS = (40.0, 75.0)
ORIGINS = (("made up", 0.55), ("pop909", 0.25), ("midi", 0.20))
PROGRAMS = {
    "piano": (0, 1, 2, 3), "epiano": (4, 5, 7), "mallet": (8, 9, 10, 11, 12, 13, 108), "organ": (16, 17, 18, 19, 21),
    "nylon": (24,), "steel": (25,), "clean": (26, 27, 28), "distorted": (27, 29, 30), "strings": (48, 49, 44, 45, 50),
    "harp": (46,), "timpani": (47,), "choir": (52, 53), "brass": (56, 57, 61, 62), "horns": (60, 58), "reed": (64, 65, 66, 68, 70, 71),
    "flute": (72, 73, 74, 75), "lead": (80, 81, 84, 87), "pad": (88, 89, 90, 91, 94, 95), "pluck": (45, 105, 107), "effects": (98, 99),
}
BASS_PROGRAMS = {"picked": (33, 34, 35), "slap": (36, 37), "upright": (32,), "synth": (38, 39), "contrabass": (43,)}
SYNTHETIC = {"lead": 0.5, "pad": 0.5, "pluck": 0.5}
"""Share of these families that our own synthesiser plays."""
LEVELS_DB = {"vocals": (-4.5, 4.5), "drums": (2.0, 4.0), "bass": (-0.5, 4.0), "other": (-4.0, 4.5)}
"""Loud RMS of the stems in a mix against each other: mean and spread. Half-way to four real songs of one artist,
whose vocals lie lower and whose drums lie higher than a first guess had them (`compare.py`)."""


class Studio:
    """Instruments, voices and rooms of one part of the split."""

    def __init__(self, part: str):
        self.part, self.store = part, Store(part)
        self.fonts, self.drum_fonts = fonts(), drum_fonts()
        self.kits = [p for p in kit_folders() if part_of("kit", p.name) == part]
        self.scores = {}
        for key in midi_songs():
            if part_of("score", key) == part:
                self.scores.setdefault("pop909" if key.startswith("pop909") else "midi", []).append(key)
        self.talkers = [p for p in self.store.pieces["speech"] if p["band"] >= 11000 and p["length"] > 8 * RATE]

    def font(self, rng):
        return soundfont(self.fonts[int(rng.random() < 0.4) % len(self.fonts)])

    @lru_cache(maxsize=64)  # noqa: B019
    def kit(self, number: int) -> Kit:
        return Kit.hydrogen(self.kits[number])

    def room(self, rng) -> np.ndarray:
        """A room or hall `[n, 2]`: two of the recorded or simulated rooms as left and right, or
        artificial decay."""
        if rng.random() < 0.4:
            i = int(rng.integers(len(self.store.rooms)))
            h = np.fft.irfft(self.store.rooms[i, 0], FFT)[:RATE].astype(np.float32)
            other = np.roll(h, int(rng.integers(20, 200))) * rng.uniform(0.7, 1)
            return np.stack([h, other.astype(np.float32)], 1) / np.sqrt(np.square(h).sum() + 1e-12)
        return produce.reverb_tail(rng, float(np.exp(rng.uniform(np.log(0.25), np.log(3.0)))))

    # -------------------------------------------------------------- the stems

    def drums(self, rng, song, part) -> np.ndarray:
        notes, seconds, family = part.notes, song.seconds, part.family
        choice = rng.random()
        loose = loose_hits()
        if family == "orchestral":
            x = self.font(rng).play(notes, 48, seconds, drums=True)
        elif family == "machine" and choice < 0.45 and loose:
            source = str(rng.choice(list(loose)))
            x = Kit.loose(source, loose[source], rng).play(notes, seconds, rng)
        elif choice < 0.6 and self.kits:
            kit = self.kit(int(rng.integers(len(self.kits))))
            x = kit.play(notes, seconds, rng) if kit.whole() else np.zeros((0, 2), np.float32)
        elif choice < 0.8 and self.drum_fonts and family != "machine":
            font = soundfont(self.drum_fonts[int(rng.integers(len(self.drum_fonts)))])
            x = font.play(notes, 0, seconds)
        else:
            program = int(rng.choice([0, 8, 16, 32, 40] if family != "machine" else [24, 25, 25, 8]))
            x = self.font(rng).play(notes, program, seconds, drums=True)
        if not len(x) or produce.rms(x) < 1e-6:
            x = self.font(rng).play(notes, 0, seconds, drums=True)
        if rng.random() < 0.6:
            x = produce.random_eq(rng, x, 3)
        # close microphones are made brighter and freed from rumble: bare samples have 4 to 10 dB less
        # between 500 Hz and 4 kHz than finished drums
        x = produce.filtered(x, produce.shelf_or_bell("highpass", rng.uniform(28, 55), 0, 0.7), produce.shelf_or_bell("high", rng.uniform(400, 900), rng.uniform(0, 8)))
        x = produce.filtered(x, produce.shelf_or_bell("low", rng.uniform(70, 120), rng.uniform(0, 5)))
        if rng.random() < 0.6:
            # parallel compression: a crushed copy under the kit
            crushed = produce.compress(rng, x, 2.5)
            x = x + crushed * np.float32(produce.rms(x) / (produce.rms(crushed) + 1e-9) * rng.uniform(0, 0.8))
        if rng.random() < 0.25:
            x = produce.amplifier(rng, x, rng.uniform(-6, 9), cabinet=False)
        if family == "acoustic" or rng.random() < 0.3:
            x = produce.reverb(x, self.room(rng), rng.uniform(-24, -9))
        return produce.width(x, rng.uniform(0.4, 1.5))

    def bass(self, rng, song, part) -> np.ndarray:
        family, seconds = part.family, song.seconds
        if family == "sub":
            x = synth(part.notes, seconds, rng, "sine", cutoff=(200, 400), decay=rng.uniform(0.5, 2), sustain=0.7, glide=rng.choice([0, 0.06]))
            x = produce.amplifier(rng, x, rng.uniform(-4, 8), cabinet=False)
        elif family == "synth" and rng.random() < 0.7:
            low = rng.uniform(120, 500)
            x = synth(part.notes, seconds, rng, str(rng.choice(["saw", "square", "triangle"])), voices=int(rng.choice([1, 1, 2])), detune=0.08,
                      cutoff=(low, low * rng.uniform(2, 12)), decay=rng.uniform(0.05, 0.4), sustain=rng.uniform(0.4, 0.9))
            x = produce.width(x, rng.uniform(0, 0.4))
        else:
            program = part.program if part.program is not None else int(rng.choice(BASS_PROGRAMS.get(family, (33,))))
            x = self.font(rng).play(part.notes, program, seconds)
            if rng.random() < 0.5 and family not in ("upright", "contrabass"):
                x = 0.6 * x + 0.5 * produce.amplifier(rng, x, rng.uniform(-6, 12))
            # strings and fingers: what sampled basses lack above 2 kHz
            x = produce.filtered(x, produce.shelf_or_bell("high", 1200, rng.uniform(-2, 8)))
            x = produce.width(x, rng.uniform(0, 0.2) if family != "contrabass" else 1.0)
        x = produce.random_eq(rng, x, 2.5)
        x = produce.compress(rng, x, 1.5)
        if family == "contrabass" or rng.random() < 0.1:
            x = produce.reverb(x, self.room(rng), rng.uniform(-20, -8))
        return x

    def other(self, rng, song, part, beat: float) -> np.ndarray:
        family, seconds = part.family, song.seconds
        if rng.random() < SYNTHETIC.get(family, 0):
            dark = np.exp(rng.uniform(np.log(300), np.log(3000)))
            pad = family == "pad"
            x = synth(part.notes, seconds, rng, str(rng.choice(["saw", "saw", "square", "triangle"])), voices=int(rng.choice([1, 3, 5])),
                      detune=rng.uniform(0.05, 0.25), cutoff=(dark, dark * rng.uniform(1.5, 6)), attack=rng.uniform(0.1, 0.6) if pad else 0.004,
                      decay=1.5 if pad else rng.uniform(0.1, 0.5), sustain=0.8 if pad else rng.uniform(0, 0.6), release=0.4 if pad else 0.1)
        else:
            program = part.program if part.program is not None else int(rng.choice(PROGRAMS.get(family, (0,))))
            x = self.font(rng).play(part.notes, program, seconds)
        if family == "distorted":
            x = produce.amplifier(rng, x, rng.uniform(8, 26))
            x = produce.haas(rng, x) if rng.random() < 0.6 else x
        elif family == "clean" and rng.random() < 0.6:
            x = produce.amplifier(rng, x, rng.uniform(-8, 8))
            x = produce.haas(rng, x) if rng.random() < 0.3 else x
        if rng.random() < 0.25:
            x = produce.chorus(rng, x)
        x = produce.random_eq(rng, x, 3)
        if rng.random() < 0.5:
            x = produce.compress(rng, x)
        if rng.random() < 0.3:
            x = produce.echo(rng, x, beat)
        if rng.random() < 0.7:
            x = produce.reverb(x, self.room(rng), rng.uniform(-22, -4))
        x = produce.width(x, rng.uniform(0.4, 1.5))
        return produce.pan(x, float(np.clip(rng.normal(0, 0.4), -0.95, 0.95)))

    def voice(self, rng):
        """A talker's half minute, taken apart."""
        for _ in range(6):
            piece = self.talkers[int(rng.integers(len(self.talkers)))]
            n = min(piece["length"], 24 * RATE)
            a = piece["start"] + int(rng.integers(piece["length"] - n + 1))
            found = sing.take_apart(self.store.audio["speech"][a : a + n].astype(np.float32) / 32768)
            if found:
                return found
        return None

    def vocals(self, rng, song, beat: float) -> np.ndarray | None:
        """Lead, doubles and harmonies on the song's melody."""
        kinds = score.STYLES[song.style].voice if song.style in score.STYLES else ("sung",)
        how = str(rng.choice(kinds))
        voice = self.voice(rng) if how != "none" and song.melody is not None and len(song.melody) > 5 else None
        if voice is None:
            return None
        melody = sing.octave(song.melody, voice)
        melody = score.humanise(rng, melody, 14)
        n = int(song.seconds * RATE)
        mono = np.zeros(n, np.float32)
        if how == "rap":
            mono = sing.rap(rng, voice, melody, song.seconds)
            takes = [(mono, 0.0, 0.0)]
        else:
            style = sing.manner(rng)
            order = [int(v) for v in rng.integers(0, len(voice.syllables), 1 + len(melody))]
            takes = [(sing.sing(rng, voice, melody, song.seconds, order, style), 0.0, 0.0)]
            if rng.random() < 0.4:
                for side in (-1, 1):
                    again = sing.sing(rng, voice, score.humanise(rng, melody, 18), song.seconds, order, style | {"drift": style["drift"] + 0.06})
                    takes.append((again, side * rng.uniform(0.3, 0.9), rng.uniform(-12, -5)))
            if rng.random() < 0.35 and song.chords:
                line = melody.copy()
                for m in line:
                    chord = next((c for c in song.chords if c[0] <= m[0] < c[1]), song.chords[-1])
                    above = [c + 12 * o for c in chord[2:] for o in range(-3, 5) if 2.5 < c + 12 * o - m[2] < 9]
                    m[2] = min(above) if above else m[2] + 4
                if rng.random() < 0.5:
                    line[:, 2] -= 12
                quiet = line[rng.random(len(line)) < rng.uniform(0.4, 1)]
                if len(quiet) > 3:
                    takes.append((sing.sing(rng, voice, quiet, song.seconds, order, style | {"formant": style["formant"] * 1.04}),
                                  rng.uniform(-0.8, 0.8), rng.uniform(-12, -4)))
        out = np.zeros((n, 2), np.float32)
        for x, place, gain_db in takes:
            y = np.zeros((n, 1), np.float32)
            y[: min(n, len(x)), 0] = x[:n]
            y = np.repeat(y, 2, 1)
            y = produce.filtered(y, produce.shelf_or_bell("highpass", rng.uniform(70, 140), 0, 0.7))
            y = produce.compress(rng, y, 1.5)
            out += produce.pan(y, place) * np.float32(produce.db(gain_db) / (produce.loud_rms(y) + 1e-9))
        # a singer close to a microphone is thinned and brightened in a mix: 6 dB less at 250 Hz, 3 more above 2 kHz
        out = produce.filtered(out, produce.shelf_or_bell("low", rng.uniform(250, 400), rng.uniform(-7, 0)), produce.shelf_or_bell("high", rng.uniform(1500, 3000), rng.uniform(0, 6)))
        out = produce.random_eq(rng, out, 2.5)
        if rng.random() < 0.1:
            out = produce.amplifier(rng, out, rng.uniform(0, 8), cabinet=rng.random() < 0.4)
        if rng.random() < 0.4:
            out = produce.echo(rng, out, beat)
        if rng.random() < 0.85:
            out = produce.reverb(out, self.room(rng), rng.uniform(-24, -7))
        return out if produce.rms(out) > 1e-6 else None

    # -------------------------------------------------------------- the song

    def score(self, rng) -> score.Song:
        seconds = float(rng.uniform(*SECONDS))
        draw = rng.random()
        for origin, share in ORIGINS:
            draw -= share
            if draw < 0:
                break
        if origin != "made up" and origin in self.scores:
            keys = self.scores[origin]
            for _ in range(4):
                data = midi_songs()[keys[int(rng.integers(len(keys)))]]
                song = (midi.pop_song if origin == "pop909" else midi.whole_song)(rng, data, seconds)
                if song:
                    return song
        return score.compose(rng, str(rng.choice(list(score.STYLES))), seconds)

    def song(self, key: str, seed: list[int]) -> Song:
        """The finished song of a seed."""
        rng = np.random.default_rng(seed)
        plan = self.score(rng)
        beat = 60 / plan.bpm
        n = int(plan.seconds * RATE)
        stems = {k: np.zeros((n, 2), np.float32) for k in ("vocals", "drums", "bass", "other")}
        kicks = np.array([])
        for part in plan.parts:
            if not len(part.notes):
                continue
            if part.stem == "drums":
                x = self.drums(rng, plan, part)
                kicks = part.notes[np.isin(part.notes[:, 2], HITS["kick"][1]), 0]
            elif part.stem == "bass":
                x = self.bass(rng, plan, part)
            else:
                x = self.other(rng, plan, part, beat)
            x = x[:n]
            stems[part.stem][: len(x)] += x * np.float32(produce.db(rng.normal(0, 3)) / (produce.loud_rms(x) + 1e-9))
        voice = self.vocals(rng, plan, beat) if rng.random() < 0.95 else None
        if voice is not None:
            stems["vocals"] = voice
        pump = score.STYLES[plan.style].pump if plan.style in score.STYLES else 0
        if pump and len(kicks):
            depth = pump * rng.uniform(0.3, 1.2)
            for k in ("bass", "other"):
                stems[k] = produce.duck(stems[k], kicks, min(depth, 0.95))
        for k, x in stems.items():
            level = produce.loud_rms(x)
            if level > 1e-7:
                stems[k] = x * np.float32(produce.db(rng.normal(*LEVELS_DB[k])) / level)
        stems = produce.master(rng, stems)
        peak = max(np.abs(v).max() for v in stems.values())
        stems = {k: v * np.float32(min(1, PEAK / peak)) for k, v in stems.items()}
        return Song(f"{key} {plan.style}", "generated", "full", stems)


def make_songs(part: str, count: int, seed: int, workers_share: tuple[int, int] = (0, 1)) -> None:
    studio = None
    first, step = workers_share
    for number in range(first, count, step):
        key = f"made {part} {seed}-{number:05d}"
        if any((FOLDER / part).glob(file_name(key) + "_*.json")):
            continue
        studio = studio or Studio(part)
        print(write_song(studio.song(key, [PARTS.index(part), seed, number]), part), flush=True)


def make_tracks(part: str, seconds: float = 90.0, most: int = 3) -> None:
    """Up to `most` stretches of each finished track, spread over it, as "rest"."""
    for key, path in tracks():
        if track_part(key) != part:
            continue
        try:
            length = sf.info(path).duration
        except sf.LibsndfileError:
            continue
        count = int(min(most, max(1, length // seconds)))
        for i in range(count):
            name = f"track {key} {i}"
            if (FOLDER / part / f"{file_name(name)}.json").exists():
                continue
            x = read_stretch(path, (length - min(length, seconds)) * (i + 0.5) / count, seconds)
            # jingles of less than a second are no music to learn from
            if x is not None and len(x) >= RATE and produce.rms(x) > 1e-4:
                x /= max(1.0, np.abs(x).max() / PEAK)
                print(write_song(Song(name, "track", "rest", {"other": x}), part), flush=True)


def read_stretch(path, start: float, seconds: float) -> np.ndarray | None:
    import soxr

    try:
        with sf.SoundFile(path) as f:
            f.seek(int(start * f.samplerate))
            x = f.read(int(seconds * f.samplerate), dtype="float32", always_2d=True)
            rate = f.samplerate
    except sf.LibsndfileError:
        return None
    x = np.repeat(x, 2, 1)[:, :2] if x.shape[1] == 1 else x[:, :2]
    return soxr.resample(x, rate, RATE) if rate != RATE else x


def make_speech(part: str, minutes: float, seconds: float = 60.0) -> None:
    """Speech for dialogue: a minute at a time, talkers in turn, half of it in a room."""
    studio = Studio(part)
    talkers = [p for p in studio.store.pieces["speech"] if p["band"] >= 7000 and p["length"] > 4 * RATE]
    for number in range(int(minutes * 60 / seconds)):
        key = f"speech {part} {number:04d}"
        if (FOLDER / part / f"{file_name(key)}.json").exists():
            continue
        rng = np.random.default_rng([PARTS.index(part), 77, number])
        piece = talkers[number % len(talkers)]
        n = min(int(seconds * RATE), piece["length"])
        a = piece["start"] + int(rng.integers(piece["length"] - n + 1))
        x = np.repeat(studio.store.audio["speech"][a : a + n].astype(np.float32)[:, None] / 32768, 2, 1)
        if rng.random() < 0.5:
            h = studio.room(rng)[:, :1].repeat(2, 1)
            x = produce.reverb(x, h, rng.uniform(-20, -6))
        x = produce.random_eq(rng, x, 2)
        x = produce.compress(rng, x) if rng.random() < 0.6 else x
        x *= np.float32(0.5 / np.abs(x).max())
        print(write_song(Song(key, "speech", "voice", {"voice": x}), part), flush=True)


def make_vocobox(part: str) -> None:
    """Recorded sung notes and vowels of one singer, end to end, as vocals without a song. Takes of one
    recording stay together; every tenth minute is held out."""
    files = sorted((SHARED / "music" / "vocals" / "vocobox").glob("*"))
    rows = []
    for p in files:
        x, _ = decode(p)
        rows.append(x / (np.abs(x).max() + 1e-9) * 0.5)
    x = np.concatenate(rows) if rows else np.zeros(0, np.float32)
    n = len(x) // 10
    stretch = {"train": x[: 8 * n], "valid": x[8 * n : 9 * n], "test": x[9 * n :]}[part]
    if len(stretch) > RATE:
        x = np.repeat(stretch[:, None], 2, 1)
        print(write_song(Song(f"vocobox {part}", "notes", "full", {"vocals": x}), part), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=int, default=0)
    parser.add_argument("--tracks", action="store_true")
    parser.add_argument("--speech", type=float, default=0, metavar="MINUTES")
    parser.add_argument("--notes", action="store_true", help="the recorded sung notes")
    parser.add_argument("--part", choices=PARTS, default="train")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=int, nargs=2, default=(0, 1), metavar=("I", "N"), help="songs I, I+N, I+2N ... only, for N processes")
    args = parser.parse_args()
    if args.songs:
        make_songs(args.part, args.songs, args.seed, tuple(args.share))
    if args.tracks:
        make_tracks(args.part)
    if args.speech:
        make_speech(args.part, args.speech)
    if args.notes:
        make_vocobox(args.part)


if __name__ == "__main__":
    main()
