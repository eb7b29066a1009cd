"""Scalarising functions: m objectives become one number, smaller is better, for each of k weight vectors.

All take f[..., n, m] and weights[..., k, m] to [..., n, k]: every point under every weight vector, leading
dimensions broadcast. To pair point i with its own weights, give each an axis of one: f[n, 1, m] and
weights[n, k, m] make [n, 1, k]. A NaN stays NaN. All raise ValueError where the numbers of objectives differ.
"""

from __future__ import annotations

from torch import Tensor

from moopt.core.checks import InputError
from moopt.kernels.shared import scalarising as kernel
from moopt.kernels.shared.scalarising import FUNCTIONS as FUNCTIONS


def weighted_sum(f: Tensor, weights: Tensor) -> Tensor:
    """sum_j w_j f_j: [..., n, k]."""
    _check(f, weights)
    return kernel.weighted_sum(f, weights)


def tchebycheff(f: Tensor, weights: Tensor, ideal: Tensor) -> Tensor:
    """max_j w_j |f_j - ideal_j|: [..., n, k], with ideal[..., m] (Zhang and Li 2007, section II-B)."""
    _check(f, weights, ideal)
    return kernel.tchebycheff(f, weights, ideal)


def pbi(f: Tensor, weights: Tensor, ideal: Tensor, theta: float = 5.0) -> Tensor:
    """Penalty-based boundary intersection, d1 + theta d2: [..., n, k] (Zhang and Li 2007, section II-C and
    its theta of 5). d1 is the length of f - ideal along the weight vector, d2 the distance from it."""
    _check(f, weights, ideal)
    return kernel.pbi(f, weights, ideal, theta)


def _check(f: Tensor, weights: Tensor, ideal: Tensor | None = None) -> None:
    m = f.shape[-1]
    for name, given in (("weights", weights), ("ideal", ideal)):
        if given is not None and given.shape[-1] != m:
            raise InputError(f"{name}: expected {m} objectives like f {list(f.shape)}, got {list(given.shape)}")
