"""Scores of one output against its target. Everything is scored at 16 kHz but the sibilants."""

import importlib.util
from pathlib import Path

import numpy as np
import onnxruntime as ort
import soxr
from pesq import pesq
from pystoi import stoi

from ..denoise.frames import RATE

FRAME = RATE // 50
_DNSMOS = None


def si_sdr(target: np.ndarray, output: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio in dB (Le Roux et al. 2019)."""
    t, y = target - target.mean(), output - output.mean()
    p = t * (t @ y) / (t @ t + 1e-20)
    return float(10 * np.log10((p @ p + 1e-20) / (np.sum((y - p) ** 2) + 1e-20)))


def dnsmos(x: np.ndarray) -> tuple[float, float, float]:
    """DNSMOS P.835 SIG, BAK, OVRL of a short 16 kHz clip, repeated to 9.01 s as its authors do."""
    global _DNSMOS
    if _DNSMOS is None:
        folder = Path(importlib.util.find_spec("speechmos").origin).parent
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        _DNSMOS = ort.InferenceSession(str(folder / "dnsmos_models" / "sig_bak_ovr.onnx"), options,
                                       providers=["CPUExecutionProvider"])
    n = 144160
    raw = _DNSMOS.run(None, {"input_1": np.resize(x, n).astype(np.float32)[None]})[0][0]
    curves = ((-0.08397278, 1.22083953, 0.0052439), (-0.13166888, 1.60915514, -0.39604546),
              (-0.06766283, 1.11546468, 0.04602535))
    return tuple(float(np.polyval(c, r)) for c, r in zip(curves, raw))


def frame_levels(x: np.ndarray, low: float = 0, high: float = 24000) -> np.ndarray:
    """Power of 20 ms frames in a band of Hz, `[frames]`."""
    f = x[: len(x) // FRAME * FRAME].reshape(-1, FRAME) * np.hanning(FRAME)
    s = np.abs(np.fft.rfft(f, axis=1)) ** 2
    return s[:, int(low / 50) : int(high / 50)].sum(1) + 1e-12


def details(target: np.ndarray, output: np.ndarray, mixture: np.ndarray) -> dict:
    """Levels in dB of the output against the target on sibilants (4.5 to 12 kHz) and on
    onsets (60 ms after 150 ms of pause), each as mean and lower tenth; of the output against
    the mixture in pauses; and of the output's speech frames against the target."""
    level = frame_levels(target)
    loud = np.sort(level)[-max(1, len(level) // 10) :].mean()
    out = {}

    def put(name, ratio_db):
        if len(ratio_db) >= 3:
            out[name] = float(ratio_db.mean())
            out[name + "_worst"] = float(np.sort(ratio_db)[: max(1, len(ratio_db) // 10)].mean())

    def db(a, b):
        return np.clip(10 * np.log10(a / b), -60, 30)

    high, low = frame_levels(target, 4000, 12000), frame_levels(target, 0, 3000)
    sib = (high > 1.5 * low) & (high > loud * 1e-3)
    a, b = (frame_levels(v, 4500, 12000) for v in (output, target))
    put("sibilants", db(a[sib], b[sib]))
    pause = level < loud * 1e-5
    y = frame_levels(output)
    start = [t for t in range(8, len(level) - 3) if level[t] > loud * 1e-3 and pause[t - 8 : t].all()]
    put("onsets", np.array([db(y[t : t + 3].sum(), level[t : t + 3].sum()) for t in start]))
    x = frame_levels(mixture)
    inside = pause & (x > 1e-9)
    if inside.sum() >= 5:
        out["pauses"] = float(db(y[inside].sum(), x[inside].sum()))
    talk = level > loud * 1e-2
    out["speech"] = float(db(y[talk].sum(), level[talk].sum()))
    return out


def score(target: np.ndarray, output: np.ndarray, mixture: np.ndarray, mos: bool = True) -> dict:
    """All scores of an output `[samples]` at 48 kHz; DNSMOS, the slowest by far, if `mos`."""
    t, y = (soxr.resample(v, RATE, 16000, "HQ") for v in (target, output))
    n = min(len(t), len(y))
    t, y = t[:n], y[:n]
    scale = 0.7 / max(np.abs(t).max(), 1e-6)  # PESQ and DNSMOS read levels; all get the same one
    try:
        p = float(pesq(16000, np.clip(t * scale, -1, 1), np.clip(y * scale, -1, 1), "wb"))
    except Exception:  # no utterance found in a silent output
        p = 1.0
    out = {"pesq": p, "stoi": float(stoi(t, y, 16000)), "si_sdr": si_sdr(t, y)}
    if mos:
        out |= dict(zip(("sig", "bak", "ovrl"), dnsmos(np.clip(y * scale, -1, 1))))
    return out | details(target, output, mixture)
