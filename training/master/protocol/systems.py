"""What is measured: nothing, matchering 2, and our renderer with and without a reference. Each gives its output and
the CPU seconds that it took."""

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile as sf

from ..features import ROOT

MATCHERING = """
import sys, matchering as mg
import warnings; warnings.simplefilter("ignore")
target, reference, out, rate = sys.argv[1:]
mg.process(target=target, reference=reference, results=[mg.Result(out, subtype="FLOAT", use_limiter=True)],
           config=mg.Config(internal_sample_rate=int(rate), fft_size=4096, allow_equality=True))
"""


def run(command: list) -> float:
    """Runs a command and returns its CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, cwd=ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command[:4]))}: {done.stderr.strip()[-500:]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def result(path: Path) -> np.ndarray:
    return sf.read(path, dtype="float32", always_2d=True)[0].T


def nothing(given: Path, reference: Path, rate: int, folder: Path):
    return result(given), 0.0


def matchering(given: Path, reference: Path, rate: int, folder: Path):
    """matchering 2.0.6, its own limiter on, 32-bit floats out."""
    out = folder / "matchering.wav"
    seconds = run([sys.executable, "-c", MATCHERING, given, reference, out, rate])
    return result(out), seconds


class Ours:
    """`xtask render master` with options; `{reference}` stands for the reference's file."""

    def __init__(self, xtask: Path, *options: str):
        self.xtask, self.options = xtask.resolve(), options

    def __call__(self, given: Path, reference: Path, rate: int, folder: Path, **values):
        out = folder / "ours.wav"
        options = [o.format(reference=reference, **values) for o in self.options]
        seconds = run([self.xtask, "render", "master", given, "-o", out, "--bits", "32f", "--quiet", "-j", "1", "--overwrite", *options])
        return result(out), seconds
