"""Mutation: a changed point from a point, given uniform draws.

Each operator takes one uniform number per gene, u[..., n, d]: below `probability` the gene changes, and
u / probability, which is uniform again, decides how.
"""

from __future__ import annotations

import torch
from torch import Tensor

from moopt.kernels.variation import polynomial_mutation as polynomial_mutation


def integer_mutation(u: Tensor, x: Tensor, low: Tensor, high: Tensor, eta: float, probability: float) -> Tensor:
    """Polynomial mutation of integers that never leaves a chosen gene as it was.

    Rounding alone would undo nearly all polynomial mutations of integers, so one that rounds back moves one step
    on, the other way at a bound. u, x [..., n, d], x integral; low, high [d], low < high.
    """
    moved = torch.round(polynomial_mutation(u, x, low - 0.5, high + 0.5, eta, probability)).clamp(low, high)
    upward = torch.where(u < 0.5 * probability, x <= low, x < high)
    step = torch.where(upward, 1.0, -1.0).to(x.dtype)
    return torch.where((u < probability) & (moved == x), x + step, moved)


def reset_mutation(u: Tensor, x: Tensor, high: Tensor, probability: float) -> Tensor:
    """Another option, each equally likely: categories 0 .. high. u, x [..., n, d], x integral; high [d]."""
    other = torch.minimum((u / probability * high).floor(), high - 1.0)
    other = other + (other >= x)
    return torch.where((u < probability) & (high > 0), other, x)


def inversion_mutation(u: Tensor, x: Tensor, probability: float) -> Tensor:
    """Reverses a segment of a permutation with `probability`: x[..., n, k], u[..., n, 3]."""
    length = x.shape[-1]
    ends = (u[..., 1:] * (length + 1)).long().clamp(max=length)
    first, last = ends.amin(-1, keepdim=True), ends.amax(-1, keepdim=True) - 1
    position = torch.arange(length, device=x.device)
    inside = (position >= first) & (position <= last)
    source = torch.where(inside, first + last - position, position)
    return torch.where(u[..., :1] < probability, x.gather(-1, source), x)
