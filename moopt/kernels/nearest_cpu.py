"""Distances to the nearest others on the CPU, by the tree of `association_cpu`; imported by `dispatch` on first use."""

from __future__ import annotations

import torch
from torch import Tensor

from moopt.kernels.association_cpu import neighbours


def nearest_distances(points: Tensor, k: int) -> Tensor:
    """`nearest.nearest_distances`; in float32 equal to a rounding, because the tree compares in float64."""
    points = points.detach()
    found, kept = points.new_full((*points.shape[:-1], k), torch.inf), min(k, points.shape[-2] - 1)
    if kept <= 0 or not found.numel():
        return found
    usable = torch.isfinite(points).all(-1, keepdim=True)
    exact = points.double().masked_fill(~usable, 0.0)
    low, high = exact.amin(-2, keepdim=True), exact.amax(-2, keepdim=True)
    aside = high + points.shape[-1] * (high - low).amax(-1, keepdim=True) + 1.0  # farther from all than they are
    nearest = neighbours(torch.where(usable, exact, aside), kept + 1)[..., 1:]
    square = torch.zeros((), dtype=points.dtype)
    for column in points.unbind(-1):
        offset = column[..., None] - column.gather(-1, nearest.flatten(-2)).view(nearest.shape)
        square = square + offset * offset
    found[..., :kept] = square.nan_to_num(torch.inf, torch.inf).sqrt().sort(-1).values
    return found
