"""De-essers that others make, through ffmpeg: its own, Calf's (LV2) and TAP's (LADSPA).

Debian 12: `apt-get install ffmpeg calf-plugins tap-plugins`. Settings as a user would choose for speech at
-20 dBFS; all work by level.
"""

import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import scipy.fft as fft
import soundfile as sf

from ..bands import RATE

_CALF = r"lv2=p=http\\\://calf.sourceforge.net/plugins/Deesser:c="
FILTERS = {
    "ffmpeg deesser": "deesser=i=0.5",
    "Calf wide": _CALF + "mode=0|threshold=0.06",
    "Calf split": _CALF + "mode=1|threshold=0.06",
    "TAP": "ladspa=f=tap_deesser:p=tap_deesser:c=c0=-20|c1=6000",
}


class Peer:
    """Mono audio at 48 kHz through an ffmpeg filter, aligned with its input."""

    def __init__(self, chain: str):
        self.chain = chain

    def __call__(self, x: np.ndarray) -> np.ndarray:
        with tempfile.TemporaryDirectory() as d:
            a, b = Path(d) / "a.wav", Path(d) / "b.wav"
            stereo = "lv2" in self.chain
            sf.write(a, np.stack([x, x], 1) if stereo else x, RATE, subtype="FLOAT")
            env = os.environ | {"LADSPA_PATH": "/usr/lib/ladspa", "LV2_PATH": "/usr/lib/lv2"}
            done = subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", a, "-af", self.chain, "-c:a", "pcm_f32le", b], env=env,
                                  capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"ffmpeg {self.chain}: {done.stderr.strip()}")
            y, _ = sf.read(b)
        y = y[:, 0] if y.ndim > 1 else y
        return aligned(x, np.pad(y, (0, max(0, len(x) - len(y))))[: len(x)])


def aligned(x: np.ndarray, y: np.ndarray, most: int = 2048) -> np.ndarray:
    """`y` moved by whole samples to where it fits `x` best."""
    m = fft.next_fast_len(2 * len(x), True)
    c = fft.irfft(fft.rfft(y, m) * np.conj(fft.rfft(x, m)), m)
    lag = int(np.argmax(np.concatenate([c[-most:], c[:most]]))) - most
    return np.roll(y, -lag)
