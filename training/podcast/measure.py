"""What the podcast chain does to real speech and real music, by `cargo xtask render podcast`.

    python -m training.podcast.measure --speech DIR --music DIR [--out DIR] [--set id=value ...]

Speech: for each of some talkers sentences are joined with pauses, at levels from -38 to -10 LUFS, and as a
conversation of two talkers 15 LU apart. Told: loudness of the result, of each talker's turns, gain in pauses.
Music: each file alone through the chain at its defaults; told: SDR of the output to the input, which the
renderer has aligned.
"""

import argparse
import csv
import os
import subprocess
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import resample_poly, sosfilt

ROOT = Path(__file__).resolve().parents[2]
RATE = 48_000
# Sentences of a talker, and the pauses between them in seconds.
SECONDS = 30.0
PAUSE = 0.7


def k_weighted(sound: np.ndarray) -> np.ndarray:
    """Sound through the filters of BS.1770 (coefficients of the standard for 48 kHz)."""
    sos = [
        [1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585],
        [1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621],
    ]
    return sosfilt(np.array(sos), sound)


def loudness(sound: np.ndarray) -> float:
    """Integrated loudness of a mono sound in LUFS (BS.1770-5)."""
    power = k_weighted(sound) ** 2
    step, block = RATE // 10, 4 * RATE // 10
    blocks = np.array([power[at : at + block].mean() for at in range(0, len(power) - block + 1, step)])
    level = lambda p: -0.691 + 10 * np.log10(np.maximum(p, 1e-12))
    blocks = blocks[level(blocks) > -70]
    if not len(blocks):
        return -np.inf
    blocks = blocks[level(blocks) > level(blocks.mean()) - 10]
    return float(level(blocks.mean()))


def read(path: Path) -> np.ndarray:
    """A file at 48 kHz, `[sample, channel]`; what a damaged end leaves is kept."""
    with soundfile.SoundFile(path) as file:
        rate, parts = file.samplerate, []
        try:
            while len(part := file.read(RATE, dtype="float32", always_2d=True)):
                parts.append(part)
        except soundfile.LibsndfileError:
            pass
    sound = np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)
    return sound if rate == RATE else resample_poly(sound, RATE // np.gcd(rate, RATE), rate // np.gcd(rate, RATE)).astype(np.float32)


def render(sound: np.ndarray, out: Path, sets: list[str]) -> np.ndarray:
    """The chain's output, aligned with the input."""
    before, after = out / "in.wav", out / "out.wav"
    soundfile.write(before, sound, RATE, subtype="FLOAT")
    # The level is kept: what is told is the chain's own.
    command = [os.environ.get("PLAINSONG_XTASK", str(ROOT / "target/release/xtask")), "render", "podcast", str(before), "-o", str(after), "--loudness", "keep"]
    command += ["--bits", "32f", "--overwrite", "--quiet"]
    subprocess.run(command + [part for text in sets for part in ("--set", text)], check=True, stdout=subprocess.DEVNULL)
    return soundfile.read(after, dtype="float32", always_2d=True)[0]


def talkers(folder: Path, count: int) -> list[tuple[str, np.ndarray]]:
    """Talkers with the most sound in long files, their sentences joined with pauses."""
    rows = list(csv.DictReader((folder / "INDEX.tsv").open(), delimiter="\t"))
    by: dict[str, list[dict]] = {}
    for row in rows:
        if float(row["dur_s"]) >= 3.0 and (folder / row["file"]).exists():
            by.setdefault(row["speaker"], []).append(row)
    best = sorted(by, key=lambda name: -sum(float(row["dur_s"]) for row in by[name]))[:count]
    joined = []
    for name in best:
        parts, total = [], 0.0
        for row in by[name]:
            parts += [read(folder / row["file"]).mean(axis=1), np.zeros(int(PAUSE * RATE), np.float32)]
            total += float(row["dur_s"])
            if total > SECONDS:
                break
        joined.append((name, np.concatenate(parts)))
    return joined


def speech(args: argparse.Namespace) -> None:
    voices = talkers(args.speech, args.talkers)
    errors = []
    print("talker | LUFS in | LUFS out | after 5 s")
    for index, (name, voice) in enumerate(voices):
        wanted = [-38, -30, -24, -16, -10][index % 5]
        sound = voice * 10 ** ((wanted - loudness(voice)) / 20)
        done = render(sound[:, None], args.out, args.set)[:, 0]
        late = loudness(done[5 * RATE :])
        errors.append(late - args.target)
        print(f"{name} | {wanted} | {loudness(done):.1f} | {late:.1f}")
    errors = np.array(errors)
    print(f"after 5 s: mean {errors.mean():+.2f} LU, furthest {errors[np.argmax(np.abs(errors))]:+.2f} LU from {args.target}")
    print("conversation, turns of 8 s, 15 LU apart: LUFS of each turn from its third second on")
    for (first, a), (second, b) in zip(voices[::2], voices[1::2]):
        a = a * 10 ** ((-20 - loudness(a)) / 20)
        b = b * 10 ** ((-35 - loudness(b)) / 20)
        turn = 8 * RATE
        turns = [part[at : at + turn] for at in range(0, 3 * turn, turn) for part in (a, b)]
        done = render(np.concatenate(turns)[:, None], args.out, args.set)[:, 0]
        each = [loudness(done[n * turn + 3 * RATE : (n + 1) * turn]) for n in range(len(turns))]
        print(f"{first}, {second}: " + " ".join(f"{value:.1f}" for value in each))


def music(args: argparse.Namespace) -> None:
    sources = [(path.stem, [path]) for path in sorted(args.music.glob("mastered/*.ogg"))]
    sources += [(path.name, sorted(path.glob("*.opus"))) for path in sorted(args.music.glob("music/multitrack/*")) if path.is_dir()]
    all_ = []
    for name, files in sources[: args.songs]:
        stems = [read(file) for file in files]
        length = min(len(stem) for stem in stems)
        sound = sum(stem[:length] for stem in stems)[: int(args.seconds * RATE)]
        peak = np.abs(sound).max()
        if peak > 0.89:
            # A master over the ceiling is limited, as it must be: that is not what is measured.
            sound = sound * (0.89 / peak)
        done = render(sound, args.out, args.set)
        sdr = lambda x, y: 10 * np.log10((x**2).sum() / max(((x - y) ** 2).sum(), 1e-12))
        seconds = [sdr(sound[at : at + RATE], done[at : at + RATE]) for at in range(0, len(sound) - RATE, RATE)]
        all_.append(sdr(sound, done))
        print(f"{name}: SDR {all_[-1]:.1f} dB, seconds under 20 dB: {sum(value < 20 for value in seconds)} of {len(seconds)}, first {seconds[0]:.1f}")
    print(f"{len(all_)} programmes: least {min(all_):.1f} dB, median {np.median(all_):.1f} dB, under 20 dB: {sum(value < 20 for value in all_)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", type=Path)
    parser.add_argument("--music", type=Path, help="holds mastered/ and music/multitrack/")
    parser.add_argument("--out", type=Path, default=ROOT / "target/podcast")
    parser.add_argument("--talkers", type=int, default=10)
    parser.add_argument("--songs", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--target", type=float, default=-16.0)
    parser.add_argument("--set", action="append", default=[], metavar="ID=VALUE")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.speech:
        speech(args)
    if args.music:
        music(args)


if __name__ == "__main__":
    main()
