"""Our limiter beside others: overshoot over the ceiling, distortion, loudness, cost.

    python -m training.master.limiter                       # all, ours by target/release/xtask
    python -m training.master.limiter --engine PATH --quick # three pieces of music only
    python -m training.master.limiter --settings            # ours with other settings, too

Peers: x42's dpl (Debian x42-plugins), LSP's limiter (lsp-plugins-lv2), both by ffmpeg's lv2 filter, and
ffmpeg's alimiter. Plugins that are not installed (lv2ls of lilv-utils tells) are named and left out. Tables go to
training/runs/master/limiter.md and .json.

Every limiter gets the same files (float WAV) and gains, and the ceiling of CEILING dBTP.

overshoot   how far the output's true peak lies over the ceiling, in dB, read at 16 x: the whole signal
            is interpolated by zeros behind its spectrum in long overlapping blocks, which is the ideal
            low-pass, with no filter of its own between 0 and half the rate.
distortion  60 Hz + 3 kHz, driven 6 dB over the ceiling: what is left of the settled output without the
            two tones, against the output, in dB.
loudness    integrated loudness of the output less that of the driven input, in LU: what limiting costs.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile as sf

ROOT = Path(__file__).parents[2]
MUSIC = ROOT.parent / "shared" / "data" / "mastered"
OUT = Path(__file__).parents[1] / "runs" / "master"

CEILING = -1.0
"""dBTP."""
SECONDS = 10
"""Of each piece, from its middle."""
FACTOR = 16
BLOCK, MARGIN = 1 << 15, 1 << 11
"""Samples of a block of the 16 x reading, and of the overlap on both sides, which is not read."""


def db(x):
    return 20 * np.log10(np.maximum(x, 1e-12))


def peak16(x: np.ndarray) -> float:
    """Largest magnitude at 16 x; x is [samples, channels]."""
    size = BLOCK + 2 * MARGIN
    fade = np.ones(size)
    fade[: MARGIN // 2] = 0.5 - 0.5 * np.cos(np.pi * np.arange(MARGIN // 2) / (MARGIN // 2))
    fade[-(MARGIN // 2):] = fade[: MARGIN // 2][::-1]
    most = 0.0
    for channel in x.T.astype(np.float64):
        padded = np.pad(channel, (MARGIN, MARGIN + BLOCK))
        for start in range(0, len(channel), BLOCK):
            spectrum = np.fft.rfft(padded[start: start + size] * fade)
            spectrum[-1] /= 2  # the bin at half the rate is split in two
            fine = np.fft.irfft(spectrum, size * FACTOR) * FACTOR
            most = max(most, np.abs(fine[MARGIN * FACTOR: -MARGIN * FACTOR]).max())
    return most


def stress(rate: int, seed: int = 1) -> np.ndarray:
    """Sounds whose peaks lie between the samples: tones at fs/4 and 45 degrees, other tones and pairs of
    tones up to 0.45 fs, clipped noise without its top, edges; each in bursts that begin and end within a
    millisecond. Stereo, sample peak 0 dBFS."""
    rng = np.random.default_rng(seed)
    length = int(0.2 * rate)
    n = np.arange(length)
    edge = int(0.001 * rate)
    fade = np.minimum(1, np.minimum(n, n[::-1]) / edge)
    parts = []

    def low_passed(x, top):
        spectrum = np.fft.rfft(x)
        f = np.arange(len(spectrum)) / len(x)
        spectrum *= np.clip((top - f) / 0.02 + 0.5, 0, 1)
        return np.fft.irfft(spectrum, len(x))

    def add(x):
        parts.append(np.stack([x, np.roll(x, 7)], 1) * (fade / np.abs(x).max())[:, None])

    for phase in (45, 40, 50):
        add(np.sin(np.pi / 2 * n + np.deg2rad(phase)))
    for k in range(12):
        add(np.sin(2 * np.pi * rng.uniform(0.05, 0.45) * n + rng.uniform(0, 6)))
    for k in range(12):
        a, b = rng.uniform(0.1, 0.45, 2)
        add(np.sin(2 * np.pi * a * n) + np.sin(2 * np.pi * b * n + rng.uniform(0, 6)))
    for top in (0.25, 0.35, 0.44):
        for k in range(3):
            add(low_passed(np.sign(rng.normal(size=length)), top))
            add(low_passed(np.clip(rng.normal(size=length), -0.3, 0.3), top))
        add(low_passed(np.sign(np.sin(2 * np.pi * 0.11 * n + 1)), top))
    return np.concatenate([np.pad(p, ((0, length // 4), (0, 0))) for p in parts]).astype(np.float32)


def music(names) -> dict:
    out = {}
    for name in names:
        x, rate = sf.read(MUSIC / name, dtype="float32", always_2d=True)
        x = x[:, :2] if x.shape[1] > 1 else np.repeat(x, 2, 1)
        start = max(0, (len(x) - SECONDS * rate) // 2)
        x = x[start: start + SECONDS * rate].copy()
        fade = np.linspace(0, 1, rate // 100, dtype=np.float32)[:, None]
        x[: len(fade)] *= fade  # a cut is no music
        x[-len(fade):] *= fade[::-1]
        out[name] = (x, rate)
    return out


class Ours:
    def __init__(self, path: Path, settings: dict | None = None):
        self.path, self.settings = path, settings or {}

    def __call__(self, source, target, gain):
        values = {"drive": gain, "ceiling": CEILING} | self.settings
        sets = [a for k, v in values.items() for a in ("--set", f"{k}={v}")]
        return [str(self.path), "render", "limiter", source, "-o", target, "--overwrite", "--quiet", "--bits", "32f", *sets]


def ffmpeg(source, target, chain):
    return ["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", source, "-threads", "1", "-af", chain, "-c:a", "pcm_f32le", target]


def lv2(source, target, uri, controls):
    uri = uri.replace(":", "\\\\:")
    return ffmpeg(source, target, f"lv2=p={uri}:c=" + "|".join(f"{k}={v}" for k, v in controls.items()))


def linear(x):
    return 10 ** (x / 20)


DPL, LSP = "http://gareus.org/oss/lv2/dpl#stereo", "http://lsp-plug.in/plugins/lv2/limiter_stereo"


def dpl(source, target, gain):
    return lv2(source, target, DPL, {"gain": gain, "threshold": CEILING, "truepeak": 1})


def lsp(source, target, gain):
    """Half x8(2L), oversampled detection, is what its users take for mastering."""
    return lv2(source, target, LSP, {"g_in": linear(gain), "th": linear(CEILING), "boost": 0, "ovs": 9})


def alimiter(source, target, gain):
    return ffmpeg(source, target, f"alimiter=level_in={linear(gain)}:limit={linear(CEILING)}:level=0")


class Runner:
    """Runs limiters over files and counts their CPU time."""

    def __init__(self, folder: str):
        self.folder, self.cpu = folder, {}

    def __call__(self, name, system, x, rate, gain):
        source, target = f"{self.folder}/in.wav", f"{self.folder}/out.wav"
        sf.write(source, x, rate, subtype="FLOAT")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(system(source, target, gain), check=True, capture_output=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        used = self.cpu.setdefault(name, [0.0, 0.0])
        used[0] += spent
        used[1] += len(x) / rate
        y, _ = sf.read(target, dtype="float32", always_2d=True)
        return y


def distortion(run, name, system, rate, share) -> float:
    """Of 60 Hz and 3 kHz with amplitudes 1 to `share`, peak 6 dB over the ceiling; the gain is in the file."""
    n = np.arange(rate * 12)
    x = np.sin(2 * np.pi * 60 * n / rate) + share * np.sin(2 * np.pi * 3000 * n / rate)
    x = x / (1 + share) * 10 ** ((CEILING + 6) / 20)
    y = run(name, system, np.stack([x, x], 1).astype(np.float32), rate, 0)[:, 0].astype(np.float64)
    y = y[rate * 6: rate * 10]
    n = np.arange(len(y))
    tones = np.stack([f(2 * np.pi * hz * n / rate) for hz in (60, 3000) for f in (np.sin, np.cos)] + [np.ones(len(y))], 1)
    fit = tones @ np.linalg.lstsq(tones, y, rcond=None)[0]
    return float(10 * np.log10(np.sum((y - fit) ** 2) / np.sum(y**2)))


def loudness(x, rate) -> float:
    """By ffmpeg's ebur128, so that no meter of ours judges."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        sf.write(file.name, x, rate, subtype="FLOAT")
        text = subprocess.run(["ffmpeg", "-nostdin", "-hide_banner", "-i", file.name, "-af", "ebur128=framelog=verbose", "-f", "null", "-"],
                              capture_output=True, text=True, check=True).stderr
    return float(text[text.rindex("Integrated loudness:"):].split("I:")[1].split()[0])


def systems(engine: Path, settings: bool) -> dict:
    out = {"Plainsong": Ours(engine)}
    if settings:
        out |= {"Plainsong, 1.5 ms": Ours(engine, {"lookahead": 1.5}), "Plainsong, 5 ms": Ours(engine, {"lookahead": 5}),
                "Plainsong, release 10 ms": Ours(engine, {"release": 10})}
    have = subprocess.run(["lv2ls"], capture_output=True, text=True).stdout.split() if shutil.which("lv2ls") else []
    for name, system, there in (("x42 dpl", dpl, DPL in have), ("LSP, half x8", lsp, LSP in have), ("ffmpeg alimiter", alimiter, True)):
        if there:
            out[name] = system
        else:
            print(f"{name} left out: not installed")
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--engine", type=Path, default=ROOT / "target/release/xtask")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--settings", action="store_true", help="ours with other settings, too")
    args = parser.parse_args()
    names = sorted(p.name for p in MUSIC.glob("*.ogg"))
    if not names:
        raise SystemExit(f"no music in {MUSIC}; put mastered pieces (.ogg) there")
    pieces = music(names[::7] if args.quick else names)
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        run = Runner(folder)
        for name, system in systems(args.engine, args.settings).items():
            row = rows[name] = {}
            for gain in (6, 12):
                over, lost = [], []
                for x, rate in pieces.values():
                    y = run(name, system, x, rate, gain)
                    over.append(float(db(peak16(y)) - CEILING))
                    if gain == 6:
                        lost.append(loudness(y, rate) - loudness(x, rate) - gain)
                row[f"music +{gain}"], row[f"mean +{gain}"] = max(over), float(np.mean(over))
                if lost:
                    row["loudness"] = float(np.mean(lost))
            for rate in (44100, 48000, 96000):
                x = stress(rate)
                row[f"stress {rate}"] = max(float(db(peak16(run(name, system, x, rate, gain))) - CEILING) for gain in (0, 6))
            for share in (1.0, 0.25):
                row[f"distortion {share}"] = distortion(run, name, system, 48000, share)
            spent, seconds = run.cpu[name]
            row["cpu"] = spent / seconds
            print(name, {k: round(v, 4) for k, v in row.items()}, flush=True)
    head = {"music +6": "music +6 dB", "music +12": "music +12 dB", "stress 44100": "stress 44.1 kHz", "stress 48000": "stress 48 kHz",
            "stress 96000": "stress 96 kHz", "distortion 1.0": "60 Hz + 3 kHz, 1:1", "distortion 0.25": "4:1", "loudness": "loudness",
            "cpu": "CPU"}
    lines = [["", *head.values()], ["---"] * (len(head) + 1)]
    lines += [[name] + [f"{row[k]:.3f}" if k == "cpu" else f"{row[k]:+.2f}" if k == "loudness" or "dist" not in k else f"{row[k]:.1f}" for k in head]
              for name, row in rows.items()]
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "limiter.md").write_text(text)
    (OUT / "limiter.json").write_text(json.dumps(rows, indent=1))
    print(text)


if __name__ == "__main__":
    main()
