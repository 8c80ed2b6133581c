"""Features of the Rust analysis, what the model sees of them, and how tone and width move them.

Features come from `xtask analyse` only. `shift` says what equalising and widening do to those that the model sees;
`python -m training.master.prepare --check` measures how far that agrees with the analysis of really changed audio.
"""

import json
import subprocess
from functools import cache
from pathlib import Path

import numpy as np

from .degrade import width_curve

ROOT = Path(__file__).parents[2]
XTASK = ROOT / "target" / "release" / "xtask"
THIRDS = ("25", "31.5", "40", "50", "63", "80", "100", "125", "160", "200", "250", "315", "400", "500", "630", "800", "1k",
          "1.25k", "1.6k", "2k", "2.5k", "3.15k", "4k", "5k", "6.3k", "8k", "10k", "12.5k", "16k", "20k")
THIRD_HZ = 1000.0 * 2.0 ** ((np.arange(30) - 16) / 3)
OCTAVES = ("31.5", "63", "125", "250", "500", "1k", "2k", "4k", "8k", "16k")
LEVELS = ("mean", "p10", "p25", "p50", "p75", "p90", "p97")
WIDTHS = ("side-to-mid", "side-to-mid-p50", "side-to-mid-p90")
REGIONS = ("low", "mid", "high")
BANDS = ("low", "low-mid", "high-mid", "high")
FLOOR_DB = -100.0
MOVES = [f"tone.{hz:.0f}" if hz >= 100 else f"tone.{hz:.1f}" for hz in THIRD_HZ] + [f"width.{r}" for r in REGIONS] + [f"dynamics.{b.replace('-', '')}" for b in BANDS]
TONES, WIDES, DYNAMICS = slice(0, 30), slice(30, 33), slice(33, 37)
CENTRAL = slice(4, 27)
"""Thirds from 63 Hz to 10 kHz: a curve of tone is told without its mean over these."""
MONO_DB = -35.0
"""With less of sides than this there is no width to learn from."""
UNHEARD_DB = -62.0
"""Thirds under this level, relative to the whole, teach no tone."""


@cache
def table(xtask: Path = XTASK) -> tuple[str, ...]:
    """Names of the features in their order."""
    done = subprocess.run([str(xtask), "analyse", "--list"], capture_output=True, text=True, check=True)
    return tuple(line.split("\t")[0] for line in done.stdout.splitlines())


def analyse(paths: list, xtask: Path = XTASK, start: float = 0.0, seconds: float | None = None) -> np.ndarray:
    """Features `[files, N]` of sound files."""
    names = table(xtask)
    command = [str(xtask), "analyse", "--json", "--allow-truncated", "--from", str(start)]
    command += [] if seconds is None else ["--length", str(seconds)]
    done = subprocess.run([*command, *map(str, paths)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"analyse: {done.stderr.strip()}")
    found = [json.loads(line)["features"] for line in done.stdout.splitlines()]
    return np.array([[f[n] for n in names] for f in found], np.float32)


class Places:
    """Where the features that are used lie in the vector."""

    def __init__(self, names: tuple[str, ...]):
        at = {n: i for i, n in enumerate(names)}
        self.size = len(names)
        self.levels = np.array([[at[f"third.{t}.{v}"] for v in LEVELS] for t in THIRDS])
        self.mean = self.levels[:, 0]
        self.widths = np.array([[at[f"width.{o}.{v}"] for v in WIDTHS] for o in OCTAVES])
        self.regions = np.array([at[f"region.{r}.side-to-mid"] for r in REGIONS])
        self.above = np.array([at[f"dynamics.{b}.above-p50"] for b in BANDS])
        self.limit = at["limit.highest"]
        shape = [i for n, i in at.items() if n.startswith("dynamics.") or n.startswith("band.") and not n.endswith(".level")]
        self.seen = np.array(sorted([*self.levels.ravel(), *self.widths.ravel(), *self.regions, *shape]))
        """What the model sees: what `shift` can follow, and what tone and width hardly change."""


OCTAVE_HZ = THIRD_HZ[1::3]
SUB = 5
"""Points of a third at which curves are read."""
FINE_HZ = (THIRD_HZ[:, None] * 2.0 ** ((np.arange(SUB) - SUB // 2) / (3 * SUB))[None]).ravel()


def at_thirds(curve) -> np.ndarray:
    """A curve of decibels over hertz at the thirds: the mean of the power in each."""
    return 10 * np.log10((10 ** (curve(FINE_HZ) / 10)).reshape(30, SUB).mean(1))


def at_octaves(width: np.ndarray) -> np.ndarray:
    """Gains of the sides by region as gains by octave."""
    return width_curve(width, FINE_HZ).reshape(10, 3 * SUB).mean(1)


def shift(features: np.ndarray, places: Places, tone: np.ndarray, width: np.ndarray, octaves: np.ndarray) -> np.ndarray:
    """Features `[rows, N]` after gains `tone` `[rows, 30]` and gains of the sides `width` `[rows, 3]`, which are
    `octaves` `[rows, 10]` by octave. Only those in `places.seen` are moved."""
    f = features.copy()
    # Wider or narrower: the power of a third grows with its sides.
    ratio = 10 ** (f[:, places.widths[:, 0]] / 10)
    wider = 10 * np.log10((1 + ratio * 10 ** (octaves / 10)) / (1 + ratio))
    gain = tone + np.repeat(wider, 3, 1)
    mean = f[:, places.mean]
    power = 10 ** (mean / 10)
    whole = 10 * np.log10((power * 10 ** (gain / 10)).sum(1) / power.sum(1))
    gain = gain - whole[:, None]
    levels = f[:, places.levels]
    f[:, places.levels] = np.where(levels > FLOOR_DB + 0.1, np.maximum(levels + gain[:, :, None], FLOOR_DB), levels)
    f[:, places.widths] = np.clip(f[:, places.widths] + octaves[:, :, None], -60, 60)
    f[:, places.regions] = np.clip(f[:, places.regions] + width, -60, 60)
    return f


def targets(original: np.ndarray, given: np.ndarray, levels: np.ndarray, width: np.ndarray,
            places: Places) -> tuple[np.ndarray, np.ndarray]:
    """The way back `[rows, 37]` from `given` features to those of the `original`, and which entries may be learned.

    `width` `[rows, 3]`: the gains of the sides in `given`; `levels` `[rows, 30]`: its thirds with the width taken back.
    Thirds over the original's own limit (a codec's) and those that are hardly there are not learned, nor the width of
    what is mono."""
    heard = original[:, places.mean] > UNHEARD_DB
    heard &= (THIRD_HZ * 2 ** (1 / 6))[None] < 2 ** original[:, places.limit, None]
    tone = original[:, places.mean] - levels
    central = np.zeros(30, bool)
    central[CENTRAL] = True
    use = heard & central
    middle = (tone * use).sum(1) / np.maximum(use.sum(1), 1)
    tone = np.where(heard, tone - middle[:, None], 0)
    wide = original[:, places.regions] > MONO_DB
    above = original[:, places.above] - given[:, places.above]
    known = np.concatenate([heard, wide, np.ones_like(above, bool)], 1)
    return np.concatenate([tone, np.where(wide, -width, 0), above], 1).astype(np.float32), known
