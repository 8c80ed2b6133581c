"""A GRU over time whose rows are frequency steps: fused in C on a CPU, plain elsewhere."""

import ctypes
import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

import torch

_SOURCE = Path(__file__).with_name("gru.c")
_LIBRARY = None


def _library():
    """The compiled kernel, or False where it cannot be had (no AVX2, no compiler)."""
    global _LIBRARY
    if _LIBRARY is None:
        _LIBRARY = False
        if "AVX2" in torch.backends.cpu.get_cpu_capability() or "AVX512" in torch.backends.cpu.get_cpu_capability():
            tag = hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:12]
            out = Path(__file__).parents[1] / "cache" / f"gru-{tag}.so"
            try:
                if not out.exists():
                    out.parent.mkdir(exist_ok=True)
                    handle, name = tempfile.mkstemp(dir=out.parent, suffix=".so")
                    os.close(handle)
                    flags = ["-O3", "-mavx2", "-mfma", "-funroll-loops", "-shared", "-fPIC"]
                    subprocess.run(["gcc", *flags, "-o", name, str(_SOURCE)], check=True)
                    os.replace(name, out)
                _LIBRARY = ctypes.CDLL(str(out))
            except (OSError, subprocess.CalledProcessError):
                pass
    return _LIBRARY


def _p(t: torch.Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(t.data_ptr())


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(ctx, gx, wh, bn, h0):
        rows, frames, _ = gx.shape
        gx, wh, bn, h0 = (t.detach().contiguous() for t in (gx, wh, bn, h0))
        h = torch.empty(rows, frames, 32)
        keep = torch.empty(rows, frames, 128)
        n, t = ctypes.c_int64(rows), ctypes.c_int64(frames)
        _library().gru_forward(n, t, _p(gx), _p(wh), _p(bn), _p(h0), _p(h), _p(keep))
        ctx.save_for_backward(wh, h0, h, keep)
        return h

    @staticmethod
    def backward(ctx, dh):
        wh, h0, h, keep = ctx.saved_tensors
        rows, frames, _ = h.shape
        dh, wt = dh.contiguous(), wh.t().contiguous()
        dgx = torch.empty(rows, frames, 96)
        dgh = torch.empty(rows, frames, 96)
        n, t = ctypes.c_int64(rows), ctypes.c_int64(frames)
        _library().gru_backward(n, t, _p(wt), _p(h0), _p(h), _p(keep), _p(dh), _p(dgx), _p(dgh))
        before = torch.cat([h0[:, None], h[:, :-1]], 1)
        dwh = before.reshape(-1, 32).t() @ dgh.reshape(-1, 96)
        return dgx, dwh, dgh[..., 64:].sum((0, 1)), None


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
    if gx.is_cuda or wh.shape[0] != 32 or not _library():
        return gru_plain(gx, wh, bn, h0)
    return _Fused.apply(gx, wh, bn, h0)
