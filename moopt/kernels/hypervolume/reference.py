"""Exact hypervolume and contributions to it, as readable torch references that run on every device."""

from __future__ import annotations

import torch
from torch import Tensor

from moopt.kernels.kernel import Kernel

CELLS = 2**22  # points of columns held at a time


def _volume(f: Tensor, reference: Tensor) -> Tensor:
    """Volume that the points f[..., n, m] dominate together, up to reference[..., m]: float64[...], m = 2 or 3.

    Points that are not better than the reference point in every objective, such as rows with NaN, take no part; one
    that is, with -inf, makes the volume infinite.
    """
    f, reference = f.double(), reference.double().expand(*f.shape[:-2], f.shape[-1])
    better = (f < reference[..., None, :]).all(-1, keepdim=True)
    endless = (better & (f == -torch.inf)).flatten(-2).any(-1)
    f = torch.where(better & ~endless[..., None, None], f, reference[..., None, :])
    x, *others = torch.take_along_dim(f, f[..., -1:].argsort(-2), -2).flip(-1).unbind(-1)
    width, ceiling = _steps(x, reference[..., -1:]), reference[..., :1]
    if len(others) == 1:
        value = (width * (ceiling - others[0].cummin(-1).values)).sum(-1)
    else:
        y, z = others
        left, order = y.sort(-1)
        depth = _steps(left, reference[..., 1:2])
        value = f.new_zeros(f.shape[:-2])
        for i in range(x.shape[-1]):  # a slab between two heights: those points that are not above it
            below = torch.where(order <= i, torch.take_along_dim(z, order, -1), ceiling)
            value = value + width[..., i] * (depth * (ceiling - below.cummin(-1).values)).sum(-1)
    return value.masked_fill(endless, torch.inf)


def _contributions(f: Tensor, reference: Tensor) -> Tensor:
    """Volume that each point of f[..., n, m] dominates alone, up to reference[..., m]: float64[..., n], m = 2 or 3.

    Copies and dominated points have 0 but lessen others. Points that are not better than the reference point in every
    objective, such as rows with NaN, take no part.
    """
    f = f.double()
    reference = reference.double().expand(*f.shape[:-2], f.shape[-1])
    better = (f < reference[..., None, :]).all(-1, keepdim=True)
    f = torch.where(better, f, reference[..., None, :])
    value = torch.zeros(f.shape[:-1], dtype=torch.float64, device=f.device)
    return (_strips if f.shape[-1] == 2 else _columns)(f, reference, value) if f.shape[-2] else value


def _strips(f: Tensor, reference: Tensor, value: Tensor) -> Tensor:
    """Up to the next x, what lies between the lowest and second lowest y so far belongs to the lowest."""
    order = f[..., 0].argsort(-1)
    x, y = torch.take_along_dim(f, order[..., None], -2).unbind(-1)
    lowest, second, owner = _two_lowest(y, reference[..., 1:])
    strip = _steps(x, reference[..., :1]) * (second - lowest)
    return value.scatter_add(-1, order.gather(-1, owner), strip)


def _columns(f: Tensor, reference: Tensor, value: Tensor) -> Tensor:
    """Each x up to the next bounds a column, in which all points not above that x rise with z as in `_strips`."""
    order = f[..., 2].argsort(-1)
    x, y, z = torch.take_along_dim(f, order[..., None], -2).unbind(-1)
    height = _steps(z, reference[..., 2:])
    left = x.sort(-1).values
    width = _steps(left, reference[..., :1])
    ceiling = reference[..., None, 1:2]
    for part in range(0, x.shape[-1], size := max(1, CELLS // max(1, x.numel()))):
        inside = x[..., None, :] <= left[..., part : part + size, None]
        lowest, second, owner = _two_lowest(torch.where(inside, y[..., None, :], ceiling), ceiling)
        boxes = width[..., part : part + size, None] * height[..., None, :] * (second - lowest)
        value = value.scatter_add(-1, order.gather(-1, owner.flatten(-2)), boxes.flatten(-2))
    return value


def _steps(ascending: Tensor, end: Tensor) -> Tensor:
    """From each value to the next, and from the last to end[..., 1]."""
    return torch.cat((ascending[..., 1:], end), -1) - ascending


def _two_lowest(y: Tensor, ceiling: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Lowest and second lowest of y[..., :i + 1] and ceiling[..., 1], and the place of the lowest."""
    lowest, owner = y.cummin(-1)
    displaced = torch.cat((ceiling.expand_as(y[..., :1]), torch.maximum(y[..., 1:], lowest[..., :-1])), -1)
    return lowest, displaced.cummin(-1).values, owner


volume = Kernel(
    _volume,
    "(Tensor f, Tensor reference) -> Tensor",
    lambda f, reference: f.new_empty(f.shape[:-2], dtype=torch.float64),
    cpu="cpu",
)
contributions = Kernel(
    _contributions,
    "(Tensor f, Tensor reference) -> Tensor",
    lambda f, reference: f.new_empty(f.shape[:-1], dtype=torch.float64),
    cpu="cpu",
    cuda="cuda",
)
