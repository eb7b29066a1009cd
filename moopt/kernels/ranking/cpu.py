"""Numba versions, for the CPU, of `rank`, `crowding` and `survivors`."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import NamedTuple

import numba  # noqa: TID253
import numpy as np
import torch
from torch import Tensor

from moopt.kernels.ranking.cpu_fronts import chains, stairs
from moopt.kernels.ranking.cpu_tries import trees
from moopt.kernels.shared.arrays import array, tensor
from moopt.kernels.shared.cpu_sorting import Floats, Ints, arrange, equal, sort
from moopt.kernels.shared.threads import in_parts

LEAST = 2**14  # points that are worth a thread: two milliseconds, as in `variation`

njit = numba.njit(cache=True, nogil=True)


def rank(f: Tensor, violation: Tensor | None, n_keep: int) -> Tensor:
    """`rank` in O(n log n) for one or two objectives, by staircases for three and by a tree of each front
    above (Gustavsson and Syberfeldt 2018, ENS-NDT: O(m n^2) at worst)."""
    points, excess = compared(f, violation)
    return tensor(ranked(points, excess, n_keep).rank, *f.shape[:-1])


def crowding(f: Tensor, rank: Tensor | None) -> Tensor:
    """`crowding` in O(m n log n)."""
    points, fronts = compared(f, rank)
    out = np.zeros(fronts.shape)
    _crowding_batch(points, fronts[..., None], out)
    return tensor(out, *f.shape[:-1]).to(f.dtype)


def survivors(f: Tensor, violation: Tensor | None, n_keep: int) -> tuple[Tensor, Tensor, Tensor]:
    """`survivors`: ranks, then distances only of those fronts that have survivors, from one sorting."""
    points, excess = compared(f, violation)
    shape = (len(points), n_keep)
    index, ranks, distances = np.empty(shape, np.int64), np.empty(shape, np.int64), np.empty(shape)
    if n_keep:
        single = f.dtype == torch.float32

        def part(start: int, stop: int) -> None:
            runs = slice(start, stop)
            found = ranked(points[runs], excess[runs], n_keep)
            _survivors_batch(points[runs], *found, n_keep, single, index[runs], ranks[runs], distances[runs])

        in_parts(part, len(points), least_runs(points))
    back = (*f.shape[:-2], n_keep)
    found = tensor(distances, *back)
    return tensor(index, *back), tensor(ranks, *back), found if f.dtype == torch.float64 else found.to(f.dtype)


def compared(f: Tensor, key: Tensor | None) -> tuple[Floats, Floats]:
    """f[b, n, m] and key[b, n], zeros where there is none, in float64, which keeps the order of every precision."""
    points = array(f, 2, torch.float64)
    return points, np.zeros(points.shape[:2]) if key is None else array(key, 1, torch.float64)


def least_runs(points: Floats) -> int:
    """How many sets of points are worth a thread."""
    n: int = points.shape[1]
    return LEAST // max(1, n) + 1


class Ranked(NamedTuple):
    """Rows of each set [b, n]: their rank; and all rows in order, the feasible ones lexicographically, the others by
    violation. `feasible`: number of the former, int64[b]."""

    rank: Ints
    order: Ints
    feasible: Ints


def ranked(f: Floats, violation: Floats, n_keep: int) -> Ranked:
    """`rank` with the order that it is found from."""
    n, m = f.shape[1:]
    found = Ranked(np.empty((len(f), n), np.int64), np.empty((len(f), n), np.int64), np.empty(len(f), np.int64))
    if m > 3 or not _rank_few(f, violation, n_keep, *found):  # apart: tries take five seconds to compile
        _rank_many(f, violation, n_keep, *found)
    return found


@njit
def _rank_few(f: Floats, violation: Floats, n_keep: int, rank: Ints, order: Ints, feasible: Ints) -> bool:
    for b in range(len(f)):
        feasible[b], p, group = _arranged(f[b], violation[b], order[b])
        if feasible[b] > 0:
            found = chains(p, max(n_keep, 1)) if f.shape[2] <= 2 else stairs(p, max(n_keep, 1))
            if len(found) == 0:
                return False
        else:
            found = order[b, :0]
        _finished(found, group, n_keep, order[b], rank[b])
    return True


@njit
def _rank_many(f: Floats, violation: Floats, n_keep: int, rank: Ints, order: Ints, feasible: Ints) -> None:
    for b in range(len(f)):
        feasible[b], p, group = _arranged(f[b], violation[b], order[b])
        found = trees(p, max(n_keep, 1)) if feasible[b] > 0 else order[b, :0]
        _finished(found, group, n_keep, order[b], rank[b])


@njit
def _arranged(f: Floats, violation: Floats, order: Ints) -> tuple[int, Floats, Floats]:
    """Writes all rows in order; returns the number of feasible ones, these in order, and the violation of each row: 0
    feasible, inf failed."""
    n, m = f.shape
    group = np.zeros((n, 1))
    rows, rest = np.empty(n, np.int64), np.empty(n, np.int64)
    feasible = 0
    for i in range(n):
        group[i, 0] = np.inf if np.isnan(violation[i]) else max(violation[i], 0.0)
        for j in range(m):
            if np.isnan(f[i, j]):
                group[i, 0] = np.inf
        if group[i, 0] == 0.0:
            rows[feasible] = i
            feasible += 1
        else:
            rest[i - feasible] = i
    order[:feasible] = sort(f, rows[:feasible], 0, m)
    if feasible < n:
        order[feasible:] = sort(group, rest[: n - feasible], 0, 1)
    p = np.empty((feasible, m))
    for i in range(feasible):
        for j in range(m):
            p[i, j] = f[order[i], j]
    return feasible, p, group


@njit
def _finished(found: Ints, group: Floats, n_keep: int, order: Ints, rank: Ints) -> None:
    """Ranks of all rows in their own order, from those `found` for the feasible ones."""
    n, feasible, fronts = len(order), len(found), 0
    for i in range(feasible):
        rank[order[i]] = found[i]
        fronts = max(fronts, found[i] + 1)
    for i in range(feasible, n):
        fronts += i == feasible or group[order[i], 0] > group[order[i - 1], 0]
        rank[order[i]] = fronts - 1
    if n_keep < n:
        sizes = np.zeros(fronts, np.int64)
        for i in range(n):
            sizes[rank[i]] += 1
        limit, whole = 0, 0
        while whole < n_keep:
            whole += sizes[limit]
            limit += 1
        for i in range(n):
            rank[i] = min(rank[i], limit)


@njit
def _crowding_front(f: Floats, order: Ints, mutual: bool, out: Floats) -> None:
    """Adds the distances of one lexicographically sorted front to `out`, which holds zeros at its rows.

    `mutual`: no point dominates another, so that of two objectives the second falls where the first rises. Moves
    copies in `order` out of the way.
    """
    n = 0  # copies take no part, so that one of them keeps the distance that it would have alone
    for i in range(len(order)):
        if i == 0 or not equal(f, order[i], order[n - 1]):
            order[n] = order[i]
            n += 1
    if n == 1:
        out[order[0]] = np.inf
        return
    distinct = order[:n]
    for j in range(f.shape[1]):
        if j == 0:
            at = distinct
        elif mutual and f.shape[1] == 2:
            at = distinct[::-1].copy()
        else:
            at = sort(f, distinct, j, j + 1)
        low, high = f[at[0], j], f[at[n - 1], j]
        if low == high:
            continue
        out[at[0]] = np.inf
        out[at[n - 1]] = np.inf
        for i in range(1, n - 1):
            before, after = f[at[i - 1], j], f[at[i + 1], j]
            if after > before:
                out[at[i]] += 1.0 if after - before == np.inf else (after - before) / (high - low)


@njit
def _without_nan(f: Floats, rows: Ints) -> Ints:
    kept = np.empty(len(rows), np.int64)
    n = 0
    for i in range(len(rows)):
        kept[n] = rows[i]
        n += 1
        for j in range(f.shape[1]):
            if np.isnan(f[rows[i], j]):
                n -= 1
                break
    return kept[:n]


@njit
def _crowding_batch(f: Floats, rank: Floats, out: Floats) -> None:
    n, m = f.shape[1:]
    for b in range(len(f)):
        order = sort(rank[b], np.arange(n), 0, 1)
        start = 0
        for i in range(1, n + 1):
            if i == n or rank[b, order[i], 0] != rank[b, order[start], 0]:
                rows = _without_nan(f[b], order[start:i])
                if len(rows) > 0:
                    _crowding_front(f[b], sort(f[b], rows, 0, m), False, out[b])
                start = i


@njit
def _survivors_one(
    f: Floats, rank: Ints, sorted_rows: Ints, n_keep: int, single: bool, index: Ints, ranks: Ints, distances: Floats
) -> None:
    n, m = f.shape
    starts = np.zeros(rank.max() + 2, np.int64)  # of the fronts
    for i in range(n):
        starts[rank[i] + 1] += 1
    for r in range(1, len(starts)):
        starts[r] += starts[r - 1]
    members, filled = np.empty(n, np.int64), starts.copy()  # each front in the given order
    for i in range(n):
        members[filled[rank[i]]] = i
        filled[rank[i]] += 1
    arranged, filled = np.empty(n, np.int64), starts.copy()  # each feasible front in lexicographic order
    for i in range(len(sorted_rows)):
        r = rank[sorted_rows[i]]
        arranged[filled[r]] = sorted_rows[i]
        filled[r] += 1
    crowding, key = np.zeros(n), np.empty(n)
    for r in range(len(starts) - 1):
        start, stop = starts[r], starts[r + 1]
        if start >= n_keep:
            break
        if stop <= len(sorted_rows):  # feasible fronts come first
            _crowding_front(f, arranged[start:stop], True, crowding)
        else:
            rows = _without_nan(f, members[start:stop])
            if len(rows) > 0:
                _crowding_front(f, sort(f, rows, 0, m), False, crowding)
        for i in range(start, stop):
            distance = crowding[members[i]]
            key[i] = -np.float64(np.float32(distance)) if single else -distance
        arrange(key[start:stop], members[start:stop])
        for i in range(start, min(stop, n_keep)):
            index[i], ranks[i], distances[i] = members[i], r, -key[i]


@njit
def _survivors_batch(
    f: Floats, rank: Ints, order: Ints, feasible: Ints, n_keep: int, single: bool,
    index: Ints, ranks: Ints, distances: Floats,
) -> None:  # fmt: skip
    for b in range(len(f)):
        sorted_rows = order[b, : feasible[b]]
        _survivors_one(f[b], rank[b], sorted_rows, n_keep, single, index[b], ranks[b], distances[b])
