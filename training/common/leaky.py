"""Running means whose rate changes from step to step, in C where that is possible."""

import ctypes
from pathlib import Path

import numpy as np

from .native import compiled

_LIBRARY = False


def leaky_plain(rate: np.ndarray, aim: np.ndarray, state: np.ndarray) -> np.ndarray:
    """All states `[rows, steps, means, size]` of `state += rate * (aim - state)`; `rate` `[rows, steps, means]`,
    `aim` `[rows, steps, size]`, `state` `[rows, means, size]` is left as it ends."""
    out = np.empty((*rate.shape, aim.shape[-1]), np.float32)
    for t in range(rate.shape[1]):
        state += rate[:, t, :, None] * (aim[:, t, None] - state)
        out[:, t] = state
    return out


def leaky(rate: np.ndarray, aim: np.ndarray, state: np.ndarray) -> np.ndarray:
    """The same, faster; all arrays f32."""
    global _LIBRARY
    if _LIBRARY is False:
        _LIBRARY = compiled(Path(__file__).with_name("leaky.c"))
    if _LIBRARY is None:
        return leaky_plain(rate, aim, state)
    rate, aim = (np.ascontiguousarray(v, np.float32) for v in (rate, aim))
    if state.dtype != np.float32 or not state.flags.c_contiguous:
        raise ValueError("the state must be contiguous f32, since it is written to")
    out = np.empty((*rate.shape, aim.shape[-1]), np.float32)
    p = lambda v: v.ctypes.data_as(ctypes.c_void_p)  # noqa: E731
    sizes = [ctypes.c_int64(v) for v in (*rate.shape, aim.shape[-1])]
    _LIBRARY.leaky(*sizes, p(rate), p(aim), p(state), p(out))
    return out
