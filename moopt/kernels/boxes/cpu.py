"""Numba version, for the CPU, of `boxes`."""
# mypy: disable-error-code="untyped-decorator,no-untyped-def"

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from moopt.kernels.shared.arrays import array, tensor
from moopt.kernels.shared.compiled import entry, inner


def boxes(f: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """`boxes`, where a point costs a comparison with each local upper bound and little else."""
    m = f.shape[-1]
    points, corners = array(f, 2, torch.float64), array(reference.expand(*f.shape[:-2], m), 1, torch.float64)
    found = [_boxes(points[b], corners[b]) for b in range(len(points))]
    most = max(len(lower) for lower, _ in found)
    low, high = np.empty((2, len(found), most, m))
    for b, (lower, upper) in enumerate(found):
        low[b, : len(lower)], high[b, : len(upper)] = lower, upper
        low[b, len(lower) :], high[b, len(upper) :] = corners[b], corners[b]
    shape = (*f.shape[:-2], most, m)
    return tensor(low, *shape), tensor(high, *shape)


@entry
def _boxes(points, reference):
    m = len(reference)
    bounds, _ = _local_upper_bounds(points, reference)
    for j in range(m - 1, -1, -1):
        bounds = bounds[np.argsort(bounds[:, j], kind="mergesort")]
    mirrored, by = _local_upper_bounds(-bounds, np.full(m, np.inf))
    lower, upper = np.empty((len(mirrored), m)), np.empty((len(mirrored), m))
    count = 0
    for i in range(len(mirrored)):
        filled = True
        for j in range(m):
            start, stop = by[i, 0, j], mirrored[i, j]
            for k in range(1, j):
                start = max(start, by[i, k, j])
            if j == 0:
                stop = np.inf
            lower[count, j], upper[count, j] = -stop, -start
            filled &= start < stop
        count += filled
    return lower[:count], upper[:count]


@inner
def _local_upper_bounds(points, reference):
    m = len(reference)
    bounds, by = np.empty((64, m)), np.empty((64, m, m))
    bounds[0], by[0] = reference, -np.inf
    for j in range(m):
        by[0, j, j] = reference[j]
    count = 1
    parent, parents_by = np.empty(m), np.empty((m, m))
    for z in points:
        if not _below(z, reference):
            continue
        i, last = 0, count
        while i < last:
            if not _below(z, bounds[i]):
                i += 1
                continue
            parent[:], parents_by[:] = bounds[i], by[i]
            # the hole goes to the last bound that this point has not met, and that one's place to the last of all
            last, count = last - 1, count - 1
            bounds[i], by[i] = bounds[last], by[last]
            bounds[last], by[last] = bounds[count], by[count]
            for j in range(m):
                floor = -np.inf
                for k in range(m):
                    if k != j:
                        floor = max(floor, parents_by[k, j])
                if z[j] >= floor:
                    if count == len(bounds):
                        bounds, by = _doubled(bounds), _doubled(by)
                    bounds[count], by[count] = parent, parents_by
                    bounds[count, j], by[count, j] = z[j], z
                    count += 1
    return bounds[:count], by[:count]


@inner
def _below(z, bound):
    for j in range(len(z)):
        if not z[j] < bound[j]:
            return False
    return True


@inner
def _doubled(a):
    longer = np.empty((2 * len(a), *a.shape[1:]))
    longer[: len(a)] = a
    return longer
