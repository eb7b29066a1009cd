"""Numba versions, for the CPU, of `bits` and `uniform`.

After a change of `block_of`, delete the callers' `__pycache__` (see `moopt.kernels`).
"""

# Words are kept in 64 bits and masked: Numba widens mixed 32-bit arithmetic anyway, and the compiler narrows it again.
from __future__ import annotations

import numba
import numpy as np
import torch
from torch import Tensor

from moopt.kernels.philox import reference as philox
from moopt.kernels.shared.arrays import array
from moopt.kernels.shared.compiled import entry

U64 = np.uint64
M0, M1 = U64(philox.MULTIPLIER[0]), U64(philox.MULTIPLIER[1])
W0, W1 = U64(philox.WEYL[0]), U64(philox.WEYL[1])
ROUNDS = philox.ROUNDS
LOW, SHIFT = U64(philox.LOW), U64(32)


def bits(keys: Tensor, stream: int, n: int) -> Tensor:
    """`bits`."""
    out = torch.empty((*keys.shape, n), dtype=torch.int64)
    fill_bits(array(keys, 0), U64(stream), array(out, 1))
    return out


def uniform(keys: Tensor, stream: int, n: int, dtype: torch.dtype) -> Tensor:
    """`uniform`."""
    if dtype not in (torch.float32, torch.float64):
        return philox.uniform.reference(keys, stream, n, dtype)
    out = torch.empty((*keys.shape, n), dtype=dtype)
    (fill_double if dtype == torch.float64 else fill_single)(array(keys, 0), U64(stream), array(out, 1))
    return out


@numba.njit(inline="always")
def block_of(index, stream, key):  # type: ignore[no-untyped-def]
    c0, c1, c2, c3 = index & LOW, index >> SHIFT, stream & LOW, stream >> SHIFT
    k0, k1 = key & LOW, key >> SHIFT
    for _ in range(ROUNDS):
        p0, p1 = M0 * c0, M1 * c2
        c0, c1, c2, c3 = (p1 >> SHIFT) ^ c1 ^ k0, p1 & LOW, (p0 >> SHIFT) ^ c3 ^ k1, p0 & LOW
        k0, k1 = (k0 + W0) & LOW, (k1 + W1) & LOW
    return c0, c1, c2, c3


@numba.njit(inline="always")
def _double(word):  # type: ignore[no-untyped-def]
    return (np.float64(word) + 0.5) * 2.0**-32


@numba.njit(inline="always")
def _single(word):  # type: ignore[no-untyped-def]
    return (np.float32(word >> U64(9)) + np.float32(0.5)) * np.float32(2.0**-23)


@numba.njit(inline="always")
def _fill(keys, stream, out, convert):  # type: ignore[no-untyped-def]
    runs, n = out.shape
    for run in range(runs):
        key = U64(keys[run])
        for j in range(0, n, 4):
            w0, w1, w2, w3 = block_of(U64(j // 4), stream, key)
            out[run, j] = convert(w0)
            if j + 3 < n:
                out[run, j + 1], out[run, j + 2], out[run, j + 3] = convert(w1), convert(w2), convert(w3)
            elif j + 1 < n:
                out[run, j + 1] = convert(w1)
                if j + 2 < n:
                    out[run, j + 2] = convert(w2)


@entry
def fill_bits(keys, stream, out):  # type: ignore[no-untyped-def]
    """Writes words 0 .. n-1 of a stream under each key: keys int64[r], out int64[r, n]."""
    _fill(keys, stream, out, np.int64)


@entry
def fill_double(keys, stream, out):  # type: ignore[no-untyped-def]
    """Like `fill_bits`, uniforms in float64."""
    _fill(keys, stream, out, _double)


@entry
def fill_single(keys, stream, out):  # type: ignore[no-untyped-def]
    """Like `fill_bits`, uniforms in float32."""
    _fill(keys, stream, out, _single)
