"""Figures of one processed utterance."""

from dataclasses import dataclass

import numpy as np
import scipy.fft as fft
import scipy.signal as sig

from .. import labels as lab
from ..bands import RATE
from .speech import Utterance, in_band

QUIET_DB = -45.0
"""Sibilants whose band lies this far under the utterance's loudest are not heard and not scored."""
TOUCHED_DB = 0.5
RECALLED = 0.5
VOWEL_FRAME = 480


def db(p) -> float:
    return float(10 * np.log10(p + 1e-20))


def span(s) -> slice:
    return slice(int(s[0] * lab.HOP), int(s[1] * lab.HOP))


def sdr(x: np.ndarray, y: np.ndarray) -> float:
    """Of `y` against `x`, dB, at most 100."""
    return min(100.0, db(np.square(x).sum()) - db(np.square(x - y).sum()))


def log_spectral_distance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of frames of 10 ms that lie wholly in `x`, dB each: the RMS over bins up to 12 kHz."""
    n = len(x) // VOWEL_FRAME
    if n == 0:
        return np.zeros(0)
    w = np.hanning(VOWEL_FRAME)
    a, b = (np.abs(fft.rfft(v[: n * VOWEL_FRAME].reshape(n, -1) * w, axis=1))[:, 1:121] for v in (x, y))
    floor = 1e-4 * a.max(1, keepdims=True) + 1e-9
    return np.sqrt(np.square(20 * np.log10((a + floor) / (b + floor))).mean(1))


@dataclass
class Known:
    """What does not depend on the output: bands of the natural and of the boosted speech."""

    natural: np.ndarray
    boosted: np.ndarray
    high: np.ndarray


_HIGH = sig.butter(4, 2000, "high", fs=RATE, output="sos")


def known(u: Utterance) -> Known:
    """Computed once for each utterance and kept with it."""
    if not hasattr(u, "known"):
        u.known = Known(in_band(u.natural), in_band(u.boosted), sig.sosfiltfilt(_HIGH, u.boosted))
    return u.known


def boosted_figures(u: Utterance, y: np.ndarray, scale: float = 1.0) -> dict[str, list]:
    """Lists of figures of `y`, the output for `u.boosted * scale`."""
    y, k = y / scale, known(u)
    a, b, c = k.natural, k.boosted, in_band(y)
    heard = [db(np.square(a[span(s)]).mean()) for s in u.sibilants()]
    loudest = max(heard) if heard else 0.0
    out = {"error": [], "reduction": [], "sdr": [sdr(u.natural, y)], "vowel": [], "tkfh": []}
    for s, level in zip(u.sibilants(), heard):
        if level < loudest + QUIET_DB:
            continue
        wanted = db(np.square(b[span(s)]).sum()) - db(np.square(a[span(s)]).sum())
        got = db(np.square(b[span(s)]).sum()) - db(np.square(c[span(s)]).sum())
        out["error"].append(abs(got - wanted))
        out["reduction"].append(got)
    for s in u.vowels():
        out["vowel"] += list(log_spectral_distance(u.boosted[span(s)], y[span(s)]))
    after = sig.sosfiltfilt(_HIGH, y)
    for s in u.others():
        part = slice(int((s[0] + 1) * lab.HOP), int((s[1] - 1) * lab.HOP))
        if s[1] - s[0] >= 4 and np.square(k.high[part]).mean() > 1e-5 * np.square(u.boosted).mean():
            out["tkfh"].append(db(np.square(after[part]).sum()) - db(np.square(k.high[part]).sum()))
    return out


def heard_figures(u: Utterance, classes: np.ndarray, reductions: np.ndarray) -> dict[str, list]:
    """Recall of sibilants and what falls on vowels, of decisions by hop."""
    p = classes[:, lab.S] + classes[:, lab.SH]
    out = {"recall": [], "hops": [], "touched": [], "false": []}
    energy = np.square(in_band(u.natural))
    for s in u.sibilants():
        a, b = int(np.ceil(s[0])), int(s[1])
        if b - a < 3:
            continue
        e = energy[a * lab.HOP : b * lab.HOP].reshape(-1, lab.HOP).mean(1)
        sounding = e > e.max() * 0.05
        if e.max() < 1e-9:
            continue
        got = p[a:b][sounding] > 0.5
        out["recall"].append(float(got.mean() >= RECALLED))
        out["hops"] += list(got.astype(float))
    for s in u.vowels():
        a, b = int(np.ceil(s[0])), int(s[1])
        out["touched"] += list((reductions[a:b].max(1) > TOUCHED_DB).astype(float))
        out["false"] += list((p[a:b] > 0.5).astype(float))
    return out


def merge(rows: list[dict]) -> dict[str, list]:
    out = {}
    for r in rows:
        for k, v in r.items():
            out.setdefault(k, []).extend(v)
    return out
