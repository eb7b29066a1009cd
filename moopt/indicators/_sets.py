"""What the indicators share: their public door and a walk over blocks of a pairwise table."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from moopt.core.checks import InputError
from moopt.selection._points import as_points, as_tensor

CELLS = 2**21  # numbers of a pairwise table held at a time: 16 MB


def as_set(f: Any, m: int | None = None) -> Tensor:
    """f[..., n, m] in float64; an empty list is an empty set."""
    points = as_tensor("f", f)
    if points.shape == (0,):
        points = points.reshape(0, 1 if m is None else m)
    points = as_points("f", points).detach().double()
    if m is not None and points.shape[-1] != m:
        raise InputError(f"f: expected {m} objectives as in the reference, got points {list(points.shape)}")
    return points


def as_front(front: Any, name: str = "front") -> Tensor:
    """A reference set [..., k, m] in float64: finite, at least one point."""
    points = as_points(name, front).detach().double()
    if points.shape[-2] == 0 or not bool(points.isfinite().all()):
        raise InputError(f"{name}: expected at least one point and finite values, got {list(points.shape)}")
    return points


def as_vector(name: str, value: Any, f: Tensor) -> Tensor:
    """A finite point [..., m] in float64 on the device of f; one number stands for all objectives."""
    point = as_tensor(name, value).detach().double().to(f.device)
    if point.ndim == 0:
        point = point.expand(f.shape[-1])
    if point.shape[-1] != f.shape[-1] or not bool(point.isfinite().all()):
        raise InputError(f"{name}: expected {f.shape[-1]} finite objectives, got {point.tolist()}")
    return point


def best_of_set(table: Callable[[Tensor], Tensor], rows: Tensor, others: Tensor) -> Tensor:
    """The least value in each row of a table [..., k, n] of rows[..., k, m] against others[..., n, m].

    `table` maps a block of rows to their part of the table. Without others, a row has the value inf: [...,
    k].
    """
    batch, n = np.broadcast_shapes(rows.shape[:-2], others.shape[:-2]), others.shape[-2]
    rows = rows.expand(*batch, *rows.shape[-2:])
    best = rows.new_full(rows.shape[:-1], torch.inf)
    size = max(1, CELLS // max(1, n * math.prod(batch)))
    for start in range(0, rows.shape[-2] if n else 0, size):
        best[..., start : start + size] = table(rows[..., start : start + size, :]).amin(-1)
    return best
