"""Numba version, for the CPU, of `tournament`."""
# mypy: disable-error-code="untyped-decorator,no-untyped-def"

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from moopt.kernels.shared.arrays import array, tensor
from moopt.kernels.shared.compiled import entry
from moopt.kernels.tournament import reference


def tournament(u: Tensor, keys: Sequence[Tensor]) -> Tensor:
    """`tournament` for a floating key after none or an integer one, such as distance after rank."""
    exact = (torch.float32, torch.float64)
    if len(keys) == 1:
        keys = (torch.zeros_like(keys[0], dtype=torch.int64), keys[0])
    if len(keys) != 2 or keys[0].dtype != torch.int64 or keys[1].dtype not in exact or u.dtype not in exact:
        return reference.tournament.reference(u, keys)
    draws, first, second = array(u, 2), array(keys[0], 1), array(keys[1], 1)
    out = np.empty(draws.shape[:2], np.int64)
    if not _tournament(draws, first, second, draws.dtype.type(first.shape[1]), out):
        raise IndexError("u: expected draws from 0 to 1, got others")
    return tensor(out, *u.shape[:-1])


@entry
def _tournament(u, first_key, second_key, scale, out):
    last = first_key.shape[1] - 1
    for r in range(len(out)):
        for i in range(out.shape[1]):
            a, b = min(np.int64(u[r, i, 0] * scale), last), min(np.int64(u[r, i, 1] * scale), last)
            if min(a, b) < 0:
                return False
            p, q = second_key[r, a], second_key[r, b]
            p, q = np.inf if np.isnan(p) else p, np.inf if np.isnan(q) else q
            better = first_key[r, b] < first_key[r, a] or (first_key[r, b] == first_key[r, a] and q < p)
            out[r, i] = b if better else a
    return True
