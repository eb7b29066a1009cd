"""Distances to the nearest others, as readable torch references that run on every device."""

from __future__ import annotations

import torch
from torch import Tensor

from moopt.kernels.kernel import Kernel

CELLS = 2**24  # distances held at a time


def _closest(rows: Tensor, others: Tensor, form: str) -> Tensor:
    """How close each of rows[..., k, m] is to the nearest of others[..., n, m]: [..., k], infinite without others.

    `form`, of the differences row - other in each objective: "squares", their sum of squares; "worse", that of the
    positive ones; "worst", the greatest. No NaN is expected.
    """
    batch, n = torch.broadcast_shapes(rows.shape[:-2], others.shape[:-2]), others.shape[-2]
    found = rows.new_full((*batch, rows.shape[-2]), torch.inf)
    piece = max(1, CELLS // max(1, n * batch.numel()))
    for start in range(0, rows.shape[-2] if n else 0, piece):
        part = slice(start, start + piece)
        total = None
        for a, b in zip(rows.unbind(-1), others.unbind(-1), strict=True):
            value = a[..., part, None] - b[..., None, :]
            if form != "worst":
                value = value.clamp_min(0) if form == "worse" else value
                value = value * value
            total = value if total is None else torch.maximum(total, value) if form == "worst" else total + value
        if total is not None:
            found[..., part] = total.amin(-1)
    return found


def _nearest_distances(points: Tensor, k: int) -> Tensor:
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


nearest_distances = Kernel(
    _nearest_distances,
    "(Tensor points, int k) -> Tensor",
    lambda points, k: points.new_empty(*points.shape[:-1], k),
    cpu="cpu",
    cuda="cuda",
)
closest = Kernel(
    _closest,
    "(Tensor rows, Tensor others, str form) -> Tensor",
    lambda rows, others, form: rows.new_empty(
        (*torch.broadcast_shapes(rows.shape[:-2], others.shape[:-2]), rows.shape[-2])
    ),
    cpu="cpu",  # on a GPU the blocks of the reference fill it
)
