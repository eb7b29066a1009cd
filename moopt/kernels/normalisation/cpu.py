"""Numba version, for the CPU, of `normalise`: the same arithmetic in one pass, in place of a hundred calls."""
# mypy: disable-error-code="untyped-decorator,no-untyped-def"

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from moopt.kernels.normalisation import reference
from moopt.kernels.normalisation.reference import FLAT, OFF_AXIS
from moopt.kernels.shared.compiled import entry, inner


def normalise(
    f: Tensor, among: Tensor, front: Tensor, ideal: Tensor, extremes: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """`normalise` for float32 and float64."""
    exact = (torch.float32, torch.float64)
    if f.dtype not in exact or ideal.dtype != f.dtype or extremes.dtype != f.dtype:
        return reference.normalise.reference(f, among, front, ideal, extremes)
    n, m = f.shape[-2:]
    runs, out = f.shape[:-2].numel(), (f.new_empty(f.shape), torch.empty_like(ideal), torch.empty_like(extremes))
    shapes = (runs, n, m), (runs, n), (runs, n), (runs, m), (runs, m, m)
    points, some, first, low, kept = (
        t.detach().reshape(shape).contiguous().numpy()
        for t, shape in zip((f, among, front, ideal, extremes), shapes, strict=True)
    )
    scaled, lower, corners = (t.view(shape).numpy() for t, shape in zip(out, (shapes[0], *shapes[3:]), strict=True))
    one, off_axis, flat = (points.dtype.type(value) for value in (1.0, OFF_AXIS, FLAT))
    _normalise(points, some, first, low, kept, one, off_axis, flat, scaled, lower, corners)
    return out


@inner
def _extreme_points(f, front, origin, kept, one, off_axis, out):
    """Row i of `out` is the first of the rows of `kept` and f[front] with the least Tchebycheff distance to axis i."""
    m = f.shape[1]
    for i in range(m):
        least, at = np.inf, 0
        for row in range(m + len(f)):
            if row >= m and not front[row - m]:
                continue
            value = one - one
            for j in range(m):
                x = kept[row, j] if row < m else f[row - m, j]
                value = max(value, abs(x - origin[j]) * (one if i == j else off_axis))
            if value < least:
                least, at = value, row
        for j in range(m):
            out[i, j] = kept[at, j] if at < m else f[at - m, j]


@inner
def _hyperplane(table):
    """Solves in place for the last column, by Gauss and Jordan with partial pivoting."""
    m = len(table)
    for j in range(m):
        pivot, greatest = j, -1.0
        for i in range(j, m):
            size = abs(table[i, j])
            if np.isnan(size):
                pivot = i
                break
            if size > greatest:
                pivot, greatest = i, size
        for c in range(m + 1):
            table[j, c], table[pivot, c] = table[pivot, c], table[j, c]
        divisor = table[j, j]
        for c in range(m + 1):
            table[j, c] /= divisor
        for i in range(m):
            factor = table[i, j]
            if i != j:
                for c in range(m + 1):
                    table[i, c] -= factor * table[j, c]


@inner
def _intercepts(extremes, origin, nadir, worst, one, flat, width):
    m = len(width)
    table = np.empty((m, m + 1), extremes.dtype)
    for i in range(m):
        for j in range(m):
            table[i, j] = extremes[i, j] - origin[j]
        table[i, m] = one
    _hyperplane(table)
    usable = True
    for j in range(m):
        width[j] = one / table[j, m]
        usable &= np.isfinite(width[j]) and width[j] > flat * (worst[j] - origin[j])
    for j in range(m):
        span = worst[j] - origin[j]
        w = min(width[j], span) if usable else nadir[j] - origin[j]
        w = w if w > flat * span else span
        width[j] = w if np.isfinite(w) and w > 0 else one


@entry
def _normalise(f, among, front, ideal, kept, one, off_axis, flat, out, new_ideal, extremes):
    n, m = f.shape[1:]
    nadir, worst, origin, width = np.empty(m, f.dtype), np.empty(m, f.dtype), np.empty(m, f.dtype), np.empty(m, f.dtype)
    for r in range(len(f)):
        for j in range(m):
            nadir[j], worst[j], new_ideal[r, j] = -np.inf, -np.inf, ideal[r, j]
        for i in range(n):
            if among[r, i]:
                for j in range(m):
                    new_ideal[r, j], worst[j] = min(new_ideal[r, j], f[r, i, j]), max(worst[j], f[r, i, j])
            if front[r, i]:
                for j in range(m):
                    nadir[j] = max(nadir[j], f[r, i, j])
        for j in range(m):
            origin[j] = new_ideal[r, j] if np.isfinite(new_ideal[r, j]) else one - one
        _extreme_points(f[r], front[r], origin, kept[r], one, off_axis, extremes[r])
        _intercepts(extremes[r], origin, nadir, worst, one, flat, width)
        for i in range(n):
            for j in range(m):
                out[r, i, j] = (f[r, i, j] - origin[j]) / width[j] if among[r, i] else one - one
