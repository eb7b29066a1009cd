"""Scalarising functions: m objectives become one number, smaller is better, for each of k weight vectors.

All take f[..., n, m] and weights[..., k, m] to [..., n, k]: every point under every weight vector, leading
dimensions broadcast. To pair point i with its own weights, give each an axis of one: f[n, 1, m] and
weights[n, k, m] make [n, 1, k]. One objective is added at a time, so that nothing of shape [n, k, m] is ever
held. A NaN stays NaN.
"""

from __future__ import annotations

import torch
from torch import Tensor

from moopt.kernels.shared.arithmetic import length, sum_of_products

FUNCTIONS = ("tchebycheff", "weighted_sum", "pbi")


def weighted_sum(f: Tensor, weights: Tensor) -> Tensor:
    """sum_j w_j f_j: [..., n, k]."""
    return sum_of_products(f, weights)


def tchebycheff(f: Tensor, weights: Tensor, ideal: Tensor) -> Tensor:
    """max_j w_j |f_j - ideal_j|: [..., n, k], with ideal[..., m] (Zhang and Li 2007, section II-B)."""
    distance = (f - ideal[..., None, :]).abs()
    value = distance[..., :, None, 0] * weights[..., None, :, 0]
    for j in range(1, f.shape[-1]):
        value = torch.maximum(value, distance[..., :, None, j] * weights[..., None, :, j])
    return value


def pbi(f: Tensor, weights: Tensor, ideal: Tensor, theta: float = 5.0) -> Tensor:
    """Penalty-based boundary intersection, d1 + theta d2: [..., n, k] (Zhang and Li 2007, section II-C and
    its theta of 5). d1 is the length of f - ideal along the weight vector, d2 the distance from it."""
    offset = f - ideal[..., None, :]
    unit = weights / length(weights)[..., None]
    along = sum_of_products(offset, unit)
    squares = torch.zeros_like(along)
    for j in range(f.shape[-1]):
        squares = squares + (offset[..., :, None, j] - along * unit[..., None, :, j]).square()
    return along.abs() + theta * squares.sqrt()
