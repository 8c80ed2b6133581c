"""A GRU over time whose rows are frequency steps: fused in C on a CPU, plain elsewhere."""

import ctypes
from pathlib import Path

import torch

from .native import compiled

_SOURCE = Path(__file__).with_name("gru.c")
_LIBRARY = False
MOST_UNITS = 128
"""Of the fused kernel, which takes multiples of 16."""


def _library():
    """The compiled kernel, or None."""
    global _LIBRARY
    if _LIBRARY is False:
        _LIBRARY = compiled(_SOURCE)
    return _LIBRARY


def _p(t: torch.Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(t.data_ptr())


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(ctx, gx, wh, bn, h0):
        rows, frames, _ = gx.shape
        size = wh.shape[0]
        gx, wh, bn, h0 = (t.detach().contiguous() for t in (gx, wh, bn, h0))
        h = torch.empty(rows, frames, size)
        keep = torch.empty(rows, frames, 4 * size)
        _library().gru_forward(*map(ctypes.c_int64, (rows, frames, size)), *map(_p, (gx, wh, bn, h0, h, keep)))
        ctx.save_for_backward(wh, h0, h, keep)
        return h

    @staticmethod
    def backward(ctx, dh):
        wh, h0, h, keep = ctx.saved_tensors
        rows, frames, size = h.shape
        dh = dh.contiguous()
        dgx = torch.empty(rows, frames, 3 * size)
        dq = torch.empty(rows, frames, size)
        _library().gru_backward(*map(ctypes.c_int64, (rows, frames, size)), *map(_p, (wh, h0, h, keep, dh, dgx, dq)))
        before = torch.cat([h0[:, None], h[:, :-1]], 1).reshape(-1, size).t()
        flat, dq = dgx.view(-1, 3 * size), dq.view(-1, size)
        return dgx, torch.cat([before @ flat[:, : 2 * size], before @ dq], 1), dq.sum(0), None


def gru_plain(gx, wh, bn, h0):
    """The same sums, frame by frame: `gx` `[rows, frames, 3H]`, `wh` `[H, 3H]`, `bn` `[H]`,
    `h0` `[rows, H]`; returns `[rows, frames, H]`."""
    size = wh.shape[0]
    h, out = h0, []
    for g in gx.unbind(1):
        a = h @ wh
        r, z = torch.sigmoid(g[:, : 2 * size] + a[:, : 2 * size]).chunk(2, 1)
        n = torch.tanh(g[:, 2 * size :] + r * (a[:, 2 * size :] + bn))
        h = n + z * (h - n)
        out.append(h)
    return torch.stack(out, 1)


def gru_sequence(gx, wh, bn, h0=None):
    """A GRU through all frames; fused where that is possible."""
    if h0 is None:
        h0 = gx.new_zeros(gx.shape[0], wh.shape[0])
    if gx.is_cuda or wh.shape[0] % 16 or wh.shape[0] > MOST_UNITS or not _library():
        return gru_plain(gx, wh, bn, h0)
    return _Fused.apply(gx, wh, bn, h0)
