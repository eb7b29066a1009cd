"""Numba versions, for the CPU, of `keepers`."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import numba  # noqa: TID253
import numpy as np
from torch import Tensor

from moopt.kernels.ranking.cpu import compared, least_runs, ranked
from moopt.kernels.shared.arrays import tensor
from moopt.kernels.shared.cpu_sorting import Flags, Floats, Ints, equal, sort
from moopt.kernels.shared.threads import in_parts
from moopt.kernels.thinning.cpu import thin_one
from moopt.kernels.thinning.reference import rounds

njit = numba.njit(cache=True, nogil=True)


def keepers(f: Tensor, violation: Tensor, capacity: int) -> tuple[Tensor, Tensor]:
    """`keepers`, from one sorting of the first front."""
    points, excess = compared(f, violation)
    shape = (len(points), min(points.shape[1], capacity))
    index, counts = np.zeros(shape, np.int64), np.zeros(shape, np.bool_)
    most = rounds(points.shape[1], capacity)

    def part(start: int, stop: int) -> None:
        runs = slice(start, stop)
        found = ranked(points[runs], excess[runs], min(1, points.shape[1]))
        _keepers_batch(points[runs], excess[runs], *found, capacity, most, index[runs], counts[runs])

    in_parts(part, len(points), least_runs(points))
    return tensor(index, *f.shape[:-2], shape[1]), tensor(counts, *f.shape[:-2], shape[1])


@njit
def _distinct(f: Floats, order: Ints) -> Ints:
    """The first of equal rows in lexicographic order."""
    n = 0
    for i in range(len(order)):
        if i == 0 or not equal(f, order[i], order[n - 1]):
            order[n] = order[i]
            n += 1
    return order[:n]


@njit
def _keepers_batch(
    f: Floats, violation: Floats, rank: Ints, order: Ints, feasible: Ints,
    capacity: int, most: int, index: Ints, counts: Flags,
) -> None:  # fmt: skip
    n, m = f.shape[1:]
    for b in range(len(f)):
        first, front = np.empty(n, np.int64), 0
        if feasible[b] > 0:
            for i in range(feasible[b]):
                first[front] = order[b, i]
                front += rank[b, order[b, i]] == 0
        else:
            for i in range(n):
                first[front] = i
                front += rank[b, i] == 0 and violation[b, i] < np.inf
            for i in range(front):
                for j in range(m):
                    if np.isnan(f[b, first[i], j]):
                        front = 0  # only the failed are left
            first = sort(f[b], first[:front], 0, m)
        distinct = _distinct(f[b], first[:front])
        alive = np.zeros(n, np.bool_)
        for i in range(len(distinct)):
            alive[distinct[i]] = True
        if len(distinct) > capacity:
            thin_one(f[b], alive, capacity, most)
        kept, rest = 0, min(len(distinct), capacity)
        for i in range(n):
            if alive[i]:
                index[b, kept], counts[b, kept] = i, True
                kept += 1
            elif rest < index.shape[1]:
                index[b, rest] = i
                rest += 1
