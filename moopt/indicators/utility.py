"""What a set is worth to decision makers whose weights are spread over the simplex.

Without `weights` both use the smallest Das-Dennis lattice of at least 500 vectors. Rows of f with NaN or
infinite values count for nothing; a set without any point scores inf.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

from moopt.core.checks import InputError
from moopt.indicators._sets import as_front, as_set, as_vector, best_of_set
from moopt.operators.directions import lattice_of
from moopt.selection.scalarising import tchebycheff, weighted_sum

N_WEIGHTS = 500  # 0.05 % off the exact R2 of 40 random points in two objectives


def r2(
    f: Any,
    ideal: Any,
    weights: Any = None,
    *,
    utility: Literal["tchebycheff", "weighted_sum"] = "tchebycheff",
) -> Tensor:
    """Mean over weights[k, m] of the least utility in f[..., n, m]: [...].

    Smaller is better. The unary R2 of Brockhoff, Wagner and Trautmann 2012: utility max_j w_j |f_j -
    ideal_j|, or the weighted sum of f - ideal. Objectives are not normalised. Raises ValueError for shapes
    that do not fit or an unknown utility.
    """
    f, w = _prepared(f, weights)
    z = as_vector("ideal", ideal, f)
    if utility == "tchebycheff":
        return _mean_best(f, w, lambda points, rows: tchebycheff(points, rows, z))
    if utility == "weighted_sum":
        return _mean_best(f - z[..., None, :], w, weighted_sum)
    raise InputError(f"utility: expected 'tchebycheff' or 'weighted_sum', got {utility!r}")


def expected_utility(f: Any, weights: Any = None, *, maximise: bool = False) -> Tensor:
    """Mean over weights[k, m] of the best weighted sum in f[..., n, m] (Zintgraf et al. 2015): [...].

    f is minimised, so the best is the least and smaller is better. With `maximise` f holds returns: the best
    is the greatest, greater is better, and a set without points scores -inf. Raises ValueError for shapes
    that do not fit.
    """
    f, w = _prepared(f, weights)
    return -_mean_best(-f, w, weighted_sum) if maximise else _mean_best(f, w, weighted_sum)


def _prepared(f: Any, weights: Any) -> tuple[Tensor, Tensor]:
    w = None if weights is None else as_front(weights, "weights")
    f = as_set(f, None if w is None else w.shape[-1])
    return f, (lattice_of(N_WEIGHTS, f.shape[-1]) if w is None else w).to(f.device)


def _mean_best(f: Tensor, w: Tensor, utility: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    counts = f.isfinite().all(-1)
    points = f.masked_fill(~counts[..., None], 0.0)

    def table(rows: Tensor) -> Tensor:
        return utility(points, rows).masked_fill(~counts[..., None], torch.inf).mT

    return best_of_set(table, w, f).mean(-1)
