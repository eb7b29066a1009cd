"""Numba versions, for the CPU, of `thin` and `keepers`."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import numba  # noqa: TID253
import numpy as np
import torch
from torch import Tensor

from moopt.kernels.archive.reference import AT_ONCE
from moopt.kernels.ranking.cpu import compared, least_runs, ranked
from moopt.kernels.shared.arrays import array, tensor
from moopt.kernels.shared.cpu_sorting import Flags, Floats, Ints, equal, smallest, sort
from moopt.kernels.shared.threads import in_parts

njit = numba.njit(cache=True, nogil=True)


def thin(f: Tensor, valid: Tensor, capacity: int) -> Tensor:
    """`thin`, each objective sorted once for all rounds."""
    alive = array(valid, 1).copy()
    _thin_batch(array(f, 2, torch.float64), alive, capacity, f.dtype == torch.float32)
    return tensor(alive, *valid.shape)


def keepers(f: Tensor, violation: Tensor, capacity: int) -> tuple[Tensor, Tensor]:
    """`keepers`, from one sorting of the first front."""
    points, excess = compared(f, violation)
    shape = (len(points), min(points.shape[1], capacity))
    index, counts = np.zeros(shape, np.int64), np.zeros(shape, np.bool_)
    single = f.dtype == torch.float32

    def part(start: int, stop: int) -> None:
        runs = slice(start, stop)
        found = ranked(points[runs], excess[runs], min(1, points.shape[1]))
        _keepers_batch(points[runs], excess[runs], *found, capacity, single, index[runs], counts[runs])

    in_parts(part, len(points), least_runs(points))
    return tensor(index, *f.shape[:-2], shape[1]), tensor(counts, *f.shape[:-2], shape[1])


@njit
def _thin_one(f: Floats, distinct: Ints, alive: Flags, count: int, capacity: int, single: bool) -> None:
    """Leaves `capacity` of the `count` rows in `alive`.

    `distinct`: those that are neither copies nor NaN, in lexicographic order; the others have distance 0 and are
    nobody's neighbours.
    """
    n, m = f.shape
    at, value = np.empty((m, len(distinct)), np.int64), np.empty((m, len(distinct)))
    for j in range(m):
        at[j] = distinct if j == 0 else sort(f, distinct, j, j + 1)
        for i in range(len(distinct)):
            value[j, i] = f[at[j, i], j]
    left = len(distinct)
    crowding, work = np.empty(n), np.empty(n)
    surplus = count - capacity
    while surplus > 0:
        crowding[:] = 0.0
        for j in range(m):
            low, high = (value[j, 0], value[j, left - 1]) if left > 0 else (0.0, 0.0)
            if left == 1:
                crowding[at[j, 0]] = np.inf
            if low == high:
                continue
            crowding[at[j, 0]] = np.inf
            crowding[at[j, left - 1]] = np.inf
            for i in range(1, left - 1):
                gap = value[j, i + 1] - value[j, i - 1]
                if gap > 0.0:
                    crowding[at[j, i]] += 1.0 if gap == np.inf else gap / (high - low)
        count = 0
        for i in range(n):
            if alive[i]:
                if single:
                    crowding[i] = np.float64(np.float32(crowding[i]))
                work[count] = crowding[i]
                count += 1
        going = max((surplus + 1) // 2, min(surplus, capacity // AT_ONCE))
        surplus -= going
        limit = smallest(work[:count], going)
        for i in range(n):
            if alive[i] and crowding[i] < limit:
                alive[i] = False
                going -= 1
        for i in range(n - 1, -1, -1):
            if going > 0 and alive[i] and crowding[i] == limit:
                alive[i] = False
                going -= 1
        for j in range(m):
            kept = 0
            for i in range(left):
                if alive[at[j, i]]:
                    at[j, kept], value[j, kept] = at[j, i], value[j, i]
                    kept += 1
        left = kept


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
def _thin_batch(f: Floats, alive: Flags, capacity: int, single: bool) -> None:
    for b in range(len(f)):
        rows = np.empty(f.shape[1], np.int64)
        count, comparable = 0, 0
        for i in range(len(rows)):
            if alive[b, i]:
                count += 1
                rows[comparable] = i
                comparable += 1
                for j in range(f.shape[2]):
                    if np.isnan(f[b, i, j]):
                        comparable -= 1
                        break
        if count > capacity:
            distinct = _distinct(f[b], sort(f[b], rows[:comparable], 0, f.shape[2]))
            _thin_one(f[b], distinct, alive[b], count, capacity, single)


@njit
def _keepers_batch(
    f: Floats, violation: Floats, rank: Ints, order: Ints, feasible: Ints,
    capacity: int, single: bool, index: Ints, counts: Flags,
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
            _thin_one(f[b], distinct, alive, len(distinct), capacity, single)
        kept, rest = 0, min(len(distinct), capacity)
        for i in range(n):
            if alive[i]:
                index[b, kept], counts[b, kept] = i, True
                kept += 1
            elif rest < index.shape[1]:
                index[b, rest] = i
                rest += 1
