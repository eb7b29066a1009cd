"""Distances to the nearest others on the CPU: all pairs on vector registers, or by the tree of
`directions`."""
# mypy: disable-error-code="untyped-decorator,no-untyped-def"

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from moopt.kernels.directions.cpu import neighbours
from moopt.kernels.shared.arrays import array, tensor
from moopt.kernels.shared.compiled import entry, inner

FORMS = {"squares": 0, "worse": 1, "worst": 2}

# without NaN the compiler may take the least of several at once, which gives the same number


def closest(rows: Tensor, others: Tensor, form: str) -> Tensor:
    """`closest`, in float64."""
    batch = torch.broadcast_shapes(rows.shape[:-2], others.shape[:-2])
    columns = array(others.expand(*batch, *others.shape[-2:]).mT, 2, torch.float64)
    out = np.empty((math.prod(batch), rows.shape[-2]))
    _closest(array(rows.expand(*batch, *rows.shape[-2:]), 2, torch.float64), columns, FORMS[form], out)
    return tensor(out, *batch, rows.shape[-2]).to(rows.dtype)


@entry
def _closest(rows, columns, form, out):
    total = np.empty(columns.shape[2])
    for b in range(len(rows)):
        for i in range(rows.shape[1]):
            for j in range(rows.shape[2]):
                _add(total, rows[b, i, j], columns[b, j], form, j == 0)
            best = np.inf
            for q in range(len(total)):
                best = min(best, total[q])
            out[b, i] = best


@inner
def _add(total, value, column, form, first):
    """What one objective adds to the distances of a row from all others."""
    if form == 2:
        for q in range(len(total)):
            step = value - column[q]
            total[q] = step if first else max(total[q], step)
    elif form == 1:
        for q in range(len(total)):
            step = max(value - column[q], 0.0)
            total[q] = (0.0 if first else total[q]) + step * step
    else:
        for q in range(len(total)):
            step = value - column[q]
            total[q] = (0.0 if first else total[q]) + step * step


def nearest_distances(points: Tensor, k: int) -> Tensor:
    """`nearest_distances`; in float32 equal to a rounding, because the tree compares in float64."""
    points = points.detach()
    found, kept = points.new_full((*points.shape[:-1], k), torch.inf), min(k, points.shape[-2] - 1)
    if kept <= 0 or not found.numel():
        return found
    usable = torch.isfinite(points).all(-1, keepdim=True)
    exact = points.double().masked_fill(~usable, 0.0)
    low, high = exact.amin(-2, keepdim=True), exact.amax(-2, keepdim=True)
    aside = high + 2.0 * (high - low).amax(-1, keepdim=True) + 1.0  # farther from all than they are, rounded or not
    nearest = neighbours(torch.where(usable, exact, aside), kept + 1)[..., 1:]
    square = torch.zeros((), dtype=points.dtype)
    for column in points.unbind(-1):
        offset = column[..., None] - column.gather(-1, nearest.flatten(-2)).view(nearest.shape)
        square = square + offset * offset
    found[..., :kept] = square.nan_to_num(torch.inf, torch.inf).sqrt().sort(-1).values
    return found
