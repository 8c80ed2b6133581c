"""What the Python hosts' tests share: the bundle, the renderer, generated sound."""

import os
import subprocess
from pathlib import Path

import numpy as np
import soundfile

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
NAME = "Plainsong Denoise"

# The engine's names, as hosts show them.
PARAMETERS = [
    "Amount",
    "Limit",
    "Strength",
    "Release",
    "Low",
    "Mid",
    "High",
    "Low latency",
    "Stereo link",
    "Listen",
    "Output",
    "Bypass",
]


def bundle() -> str:
    """Path of the VST3 bundle."""
    path = TARGET / "bundled" / f"{NAME}.vst3"
    assert path.exists(), f"{path} is missing: run `cargo xtask bundle denoise --release`"
    return str(path)


def renderer() -> str:
    """Path of the renderer."""
    path = TARGET / "release" / "xtask"
    assert path.exists(), f"{path} is missing: run `cargo build --release -p xtask`"
    return str(path)


def sound(rate: int, seconds: float = 2.0, channels: int = 2, seed: int = 1) -> np.ndarray:
    """Something like a voice with noise behind it, `[channel, sample]`, single precision."""
    random = np.random.default_rng(seed)
    length = int(rate * seconds)
    time = np.arange(length) / rate
    pitch = 130 + 25 * np.sin(2 * np.pi * 0.7 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    voice = sum(np.sin(k * phase) * np.exp(-(((130 * k - 600) / 900) ** 2)) for k in range(1, 25))
    syllables = np.clip(np.sin(2 * np.pi * 3.1 * time) * 3, 0, 1) * (np.sin(2 * np.pi * 0.4 * time) > -0.5)
    out = []
    for channel in range(channels):
        noise = 0.01 * random.standard_normal(length)
        out.append(0.05 * (1 - 0.1 * channel) * voice * syllables + noise)
    return np.asarray(out, dtype=np.float32)


def render(audio: np.ndarray, rate: int, folder: Path, *settings: str) -> np.ndarray:
    """What `xtask render denoise` makes of the sound: as long as the input and not late."""
    source, result = folder / "in.wav", folder / "out.wav"
    soundfile.write(source, audio.T, rate, subtype="FLOAT")
    command = [renderer(), "render", "denoise", str(source), "-o", str(result), "--bits", "32f", "--overwrite", "--quiet"]
    for setting in settings:
        command += ["--set", setting]
    subprocess.run(command, check=True)
    out, out_rate = soundfile.read(result, dtype="float32", always_2d=True)
    assert out_rate == rate
    return np.ascontiguousarray(out.T)


def apart(a: np.ndarray, b: np.ndarray) -> float:
    """Largest difference in dBFS; minus infinity when equal, plus infinity for another shape."""
    if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return np.inf
    most = np.abs(a.astype(np.float64) - b.astype(np.float64)).max(initial=0.0)
    return 20 * np.log10(most) if most > 0 else -np.inf
