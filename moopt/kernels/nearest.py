"""Distances to the nearest others, as a readable torch reference that runs on every device."""

from __future__ import annotations

import torch
from torch import Tensor

CELLS = 2**24  # distances held at a time


def nearest_distances(points: Tensor, k: int) -> Tensor:
    """Euclidean distances of points[..., n, m] to the k nearest others, ascending: [..., n, k].

    Infinite where there are fewer, and from a row with NaN, which is nobody's neighbour. Squares are added in the order
    of the columns.
    """
    n, number = points.shape[-2], torch.arange(points.shape[-2], device=points.device)
    found, kept = points.new_full((*points.shape[:-1], k), torch.inf), min(k, n - 1)
    if kept <= 0:
        return found
    piece = max(1, CELLS // max(1, n * points.shape[:-2].numel()))
    for start in range(0, n, piece):
        rows = slice(start, start + piece)
        square = torch.zeros((), dtype=points.dtype, device=points.device)
        for column in points.unbind(-1):
            offset = column[..., rows, None] - column[..., None, :]
            square = square + offset * offset
        square = square.masked_fill(square.isnan() | (number[rows, None] == number), torch.inf)
        found[..., rows, :kept] = square.topk(kept, largest=False).values.sqrt()
    return found
