"""How far a set must be moved until it weakly dominates a front (Zitzler et al. 2003, "Performance assessment
of multiobjective optimizers")."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from moopt.core.checks import InputError
from moopt.indicators._sets import as_front, as_set, best_of_set
from moopt.kernels.distances import closest


def epsilon_additive(f: Any, front: Any) -> Tensor:
    """max over z in front[..., k, m] of the min over f[..., n, m] of max_j (f_j - z_j): [...].

    Smaller is better, negative if f is better than the front everywhere. Rows with NaN count for nothing, a
    set without points scores inf. Raises ValueError for an empty or infinite front.
    """
    return _epsilon(as_front(front), f, multiplicative=False)


def epsilon_multiplicative(f: Any, front: Any) -> Tensor:
    """max over z in front[..., k, m] of the min over f[..., n, m] of max_j (f_j / z_j): [...].

    Smaller is better, 1 is equal. Raises ValueError if f or the front holds objectives <= 0. Rows with NaN
    count for nothing, a set without points scores inf.
    """
    z = as_front(front)
    if bool((z <= 0).any()) or bool((as_set(f, z.shape[-1]) <= 0).any()):
        raise InputError("epsilon_multiplicative: expected positive objectives in f and front, got some <= 0")
    return _epsilon(z, f, multiplicative=True)


def _epsilon(z: Tensor, f: Any, multiplicative: bool) -> Tensor:
    f = as_set(f, z.shape[-1])
    f = f.masked_fill(f.isnan().any(-1, keepdim=True), torch.inf)
    z = z.to(f.device)
    if not multiplicative:
        return closest(-z, -f, "worst").amax(-1)

    def table(rows: Tensor) -> Tensor:
        worst = torch.full((), -torch.inf, dtype=f.dtype, device=f.device)
        for a, b in zip(f[..., None, :, :].unbind(-1), rows[..., :, None, :].unbind(-1), strict=True):
            worst = torch.maximum(worst, a / b)
        return worst

    return best_of_set(table, z, f).amax(-1)
