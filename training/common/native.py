"""Small kernels in C, compiled once into `training/cache`."""

import ctypes
import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

FLAGS = ["-O3", "-mavx2", "-mfma", "-funroll-loops", "-shared", "-fPIC"]


LOOSE = ["-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math"]
"""For sums whose order does not matter: what a compiler needs to make vectors of them."""


def compiled(source: Path, *flags: str) -> ctypes.CDLL | None:
    """The library of `source`, compiled with `flags` besides the usual, or None where it cannot be had (no AVX2, no compiler)."""
    import torch

    if "AVX" not in torch.backends.cpu.get_cpu_capability():
        return None
    tag = hashlib.sha256(source.read_bytes() + " ".join(flags).encode()).hexdigest()[:12]
    out = Path(__file__).parents[1] / "cache" / f"{source.stem}-{tag}.so"
    try:
        if not out.exists():
            out.parent.mkdir(exist_ok=True)
            handle, name = tempfile.mkstemp(dir=out.parent, suffix=".so")
            os.close(handle)
            subprocess.run(["gcc", *FLAGS, *flags, "-o", name, str(source)], check=True)
            os.replace(name, out)
        return ctypes.CDLL(str(out))
    except (OSError, subprocess.CalledProcessError):
        return None
