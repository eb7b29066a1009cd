"""What is near what among many directions, as a readable torch reference that runs on every device.

Matrices of points by directions are made in pieces of `CELLS` entries.
"""

from __future__ import annotations

import torch
from torch import Tensor

from moopt.kernels.kernel import Kernel, int64_like
from moopt.kernels.shared.arithmetic import length, sum_of_products

CELLS = 2**22  # entries of a matrix held at a time


def _nearest_direction(f: Tensor, unit: Tensor) -> tuple[Tensor, Tensor]:
    """Number int64[..., n] of the direction along which f[..., n, m] reaches farthest, and how far: [..., n].

    The greatest of sum_j f_j unit_j, added in the order of the objectives, over unit[..., k, m], k >= 1; the first
    among equals. Leading dimensions broadcast. Meant for finite f and vectors of length 1, but exact for any length.
    """
    piece = max(1, CELLS // max(1, torch.broadcast_shapes(f.shape[:-2], unit.shape[:-2]).numel() * f.shape[-2]))
    along, niche = sum_of_products(f, unit[..., :piece, :]).max(-1)
    for start in range(piece, unit.shape[-2], piece):
        value, index = sum_of_products(f, unit[..., start : start + piece, :]).max(-1)
        niche = torch.where(value > along, index + start, niche)
        along = torch.maximum(along, value)
    return niche, along


def _associate(f: Tensor, unit: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What `nearest_direction` gives, and the distance of each point from its direction: [..., n]."""
    niche, along = nearest_direction(f, unit)
    nearest = torch.take_along_dim(unit.expand(*niche.shape[:-1], *unit.shape[-2:]), niche[..., None], -2)
    return niche, along, length(f - along[..., None] * nearest)


def _neighbours(points: Tensor, size: int) -> Tensor:
    """The `size` nearest of points[..., k, m] to each of them, itself first: int64[..., k, size], 1 <= size <= k.

    By Euclidean distance, whose square is added in the order of the columns in float64; the first among equals.
    """
    columns, k = points.double().unbind(-1), points.shape[-2]
    number = torch.arange(k, device=points.device)
    piece, found = max(1, CELLS // max(1, points.shape[:-1].numel())), []
    for start in range(0, k, piece):
        rows = number[start : start + piece, None]
        square = torch.zeros((), dtype=torch.float64, device=points.device)
        for column in columns:
            gap = column[..., start : start + piece, None] - column[..., None, :]
            square = square + gap * gap
        found.append(square.masked_fill(rows == number, -1.0).argsort(dim=-1, stable=True)[..., :size])
    return torch.cat(found, -2)


nearest_direction = Kernel(
    _nearest_direction,
    "(Tensor f, Tensor unit) -> (Tensor, Tensor)",
    lambda f, unit: (int64_like(f, *f.shape[:-1]), f.new_empty(f.shape[:-1])),
    cpu="cpu",
    cuda="cuda",
    broadcast=(1,),
)
associate = Kernel(
    _associate,
    "(Tensor f, Tensor unit) -> (Tensor, Tensor, Tensor)",
    lambda f, unit: (int64_like(f, *f.shape[:-1]), f.new_empty(f.shape[:-1]), f.new_empty(f.shape[:-1])),
    cpu="cpu",
    broadcast=(1,),
)
neighbours = Kernel(
    _neighbours,
    "(Tensor points, int size) -> Tensor",
    lambda points, size: int64_like(points, *points.shape[:-1], size),
    cpu="cpu",
)
