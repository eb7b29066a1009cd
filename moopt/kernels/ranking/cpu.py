"""Numba versions, for the CPU, of `rank`, `crowding` and `survivors`."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from moopt.kernels.ranking.cpu_fronts import chains, stairs
from moopt.kernels.ranking.cpu_tries import trees
from moopt.kernels.shared.arrays import array, tensor
from moopt.kernels.shared.compiled import entry, inner
from moopt.kernels.shared.cpu_sorting import Floats, Ints, by, equal, lexsorted, taken
from moopt.kernels.shared.threads import in_parts

LEAST = 2**14  # points that are worth a thread: two milliseconds, as in `variation`


def rank(f: Tensor, violation: Tensor | None, n_keep: int) -> Tensor:
    """`rank` in O(n log n) for one or two objectives, by staircases for three and by a tree of each front
    above (Gustavsson and Syberfeldt 2018, ENS-NDT: O(m n^2) at worst)."""
    points, excess = compared(f, violation)
    return tensor(ranked(points, excess, n_keep).rank, *f.shape[:-1])


def crowding(f: Tensor, rank: Tensor | None) -> Tensor:
    """`crowding` in O(m n log n)."""
    points, fronts = compared(f, rank)
    return tensor(_crowded(points, fronts, fronts.shape[1]), *f.shape[:-1]).to(f.dtype)


def survivors(f: Tensor, violation: Tensor | None, n_keep: int) -> tuple[Tensor, Tensor, Tensor]:
    """`survivors`: ranks, then distances only of those fronts that have survivors."""
    points, excess = compared(f, violation)
    runs, back, single = len(points), (*f.shape[:-2], n_keep), f.dtype == torch.float32
    if not n_keep:
        return f.new_empty(back, dtype=torch.int64), f.new_empty(back, dtype=torch.int64), f.new_empty(back)
    least = least_runs(points)
    if runs < 2 * least:
        found = _best(points, excess, n_keep, single)
    else:
        whole = np.empty((runs, n_keep), np.int64), np.empty((runs, n_keep), np.int64), np.empty((runs, n_keep))

        def part(start: int, stop: int) -> None:
            some = _best(points[start:stop], excess[start:stop], n_keep, single)
            for all_runs, own in zip(whole, some, strict=True):
                all_runs[start:stop] = own

        in_parts(part, runs, least)
        found = whole
    index, ranks, distances = (tensor(a, *back) for a in found)
    return index, ranks, distances.to(f.dtype)


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
    runs, n, m = f.shape
    if _is_plain(f, violation):
        group, keys, feasible = np.zeros((runs, n)), f, np.full(runs, n)
    else:  # 0 feasible, inf failed
        group = np.where(np.isnan(violation) | np.isnan(f).any(2), np.inf, np.maximum(violation, 0.0))
        keys = np.concatenate((group[..., None], np.where(group[..., None] > 0.0, 0.0, f)), 2)
        feasible = n - np.count_nonzero(group, 1)
    rank, order = np.empty((runs, n), np.int64), lexsorted(keys)
    given = f, group, order, feasible, n_keep, rank
    if m <= 2:
        _rank_two(*given)
    elif m > 3 or not _rank_three(*given):
        _rank_many(*given)
    return Ranked(rank, order, feasible)


@entry
def _is_plain(f: Floats, violation: Floats) -> bool:
    """Whether all points are feasible."""
    plain = True
    for b in range(len(f)):
        for i in range(f.shape[1]):
            plain &= violation[b, i] <= 0.0
            for j in range(f.shape[2]):
                plain &= f[b, i, j] == f[b, i, j]
    return plain


# Apart, so that only what is needed is compiled: for two objectives it takes a second, for many six.


@entry
def _rank_two(f: Floats, group: Floats, order: Ints, feasible: Ints, n_keep: int, rank: Ints) -> None:
    for b in range(len(f)):
        found = chains(taken(f[b], order[b, : feasible[b]]), max(n_keep, 1))
        _finished(found, group[b], n_keep, order[b], rank[b])


@entry
def _rank_three(f: Floats, group: Floats, order: Ints, feasible: Ints, n_keep: int, rank: Ints) -> bool:
    for b in range(len(f)):
        found = stairs(taken(f[b], order[b, : feasible[b]]), max(n_keep, 1))
        if len(found) < feasible[b]:
            return False
        _finished(found, group[b], n_keep, order[b], rank[b])
    return True


@entry
def _rank_many(f: Floats, group: Floats, order: Ints, feasible: Ints, n_keep: int, rank: Ints) -> None:
    for b in range(len(f)):
        found = trees(taken(f[b], order[b, : feasible[b]]), max(n_keep, 1)) if feasible[b] > 0 else order[b, :0]
        _finished(found, group[b], n_keep, order[b], rank[b])


@inner
def _finished(found: Ints, group: Floats, n_keep: int, order: Ints, rank: Ints) -> None:
    """Ranks of all rows in their own order, from those `found` for the feasible ones."""
    n, feasible, fronts = len(order), len(found), 0
    for i in range(feasible):
        rank[order[i]] = found[i]
        fronts = max(fronts, found[i] + 1)
    for i in range(feasible, n):
        fronts += i == feasible or group[order[i]] > group[order[i - 1]]
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


def _best(f: Floats, violation: Floats, n_keep: int, single: bool) -> tuple[Ints, Ints, Floats]:
    """`survivors`; distances are rounded first if they are to be in `single` precision."""
    rank, order, feasible = ranked(f, violation, n_keep)
    n = rank.shape[1]
    keys, rows = np.empty((*rank.shape, 2)), np.empty(rank.shape, np.int64)
    if feasible.sum() == rank.size:
        (_crowding_two if f.shape[2] == 2 else _crowding_more)(f, rank, order, n_keep, keys, rows)
    else:
        fronts = rank.astype(float)
        keys[..., 0], keys[..., 1], rows = fronts, -_crowded(f, fronts, n_keep), lexsorted(fronts[..., None])
    if single:
        keys = keys.astype(np.float32).astype(float)
    index = np.ascontiguousarray(lexsorted(keys, rows)[:, :n_keep])
    at = index if len(index) == 1 else index + n * np.arange(len(index))[:, None]
    return index, rank.take(at), 0.0 - keys.reshape(-1, 2)[:, 1].take(at)


def _crowded(f: Floats, rank: Floats, n_keep: int) -> Floats:
    """Crowding distances [b, n] of those fronts, numbered by rank[b, n], that have one of the first n_keep points."""
    front = np.where(np.isnan(f).any(2), np.inf, rank)  # who is left out comes last
    order = lexsorted(np.concatenate((front[..., None], np.nan_to_num(f, nan=0.0, posinf=np.inf, neginf=-np.inf)), 2))
    out = np.zeros(front.shape)
    _crowding_batch(f, front, order, n_keep, out)
    return out


@entry
def _crowding_batch(f: Floats, front: Floats, order: Ints, n_keep: int, out: Floats) -> None:
    n, m = f.shape[1:]
    for b in range(len(f)):
        start = 0
        for i in range(1, n + 1):
            if i == n or front[b, order[b, i]] != front[b, order[b, start]]:
                if start < n_keep and front[b, order[b, start]] < np.inf:
                    distinct = _distinct(f[b], order[b, start:i])
                    for j in range(m):
                        _add_gaps(f[b, :, j], by(f[b, :, j], distinct), out[b])
                start = i


@entry
def _crowding_two(f: Floats, rank: Ints, order: Ints, n_keep: int, keys: Floats, rows: Ints) -> None:
    """What `survivors` go by, and all rows in the order of their ranks. Of two objectives in fronts without dominance
    the second falls where the first rises."""
    n = f.shape[1]
    crowding, back = np.empty(n), np.empty(n, np.int64)
    for b in range(len(f)):
        crowding[:] = 0.0
        grouped, starts = _grouped(rank[b], order[b])
        r = 0
        while starts[r] < min(n, n_keep):
            distinct = _distinct(f[b], grouped[starts[r] : starts[r + 1]])
            k = len(distinct)
            for i in range(k):
                back[i] = distinct[k - 1 - i]
            _add_gaps(f[b, :, 0], distinct, crowding)
            _add_gaps(f[b, :, 1], back[:k], crowding)
            r += 1
        _written(rank[b], crowding, keys[b], rows[b])


@entry
def _crowding_more(f: Floats, rank: Ints, order: Ints, n_keep: int, keys: Floats, rows: Ints) -> None:
    n, m = f.shape[1:]
    crowding = np.empty(n)
    for b in range(len(f)):
        crowding[:] = 0.0
        grouped, starts = _grouped(rank[b], order[b])
        r = 0
        while starts[r] < min(n, n_keep):
            distinct = _distinct(f[b], grouped[starts[r] : starts[r + 1]])
            _add_gaps(f[b, :, 0], distinct, crowding)
            for j in range(1, m):
                _add_gaps(f[b, :, j], by(f[b, :, j], distinct), crowding)
            r += 1
        _written(rank[b], crowding, keys[b], rows[b])


@inner
def _grouped(rank: Ints, order: Ints) -> tuple[Ints, Ints]:
    """Rows by rank, each front in the given order, and where fronts start."""
    n = len(rank)
    starts, rows = np.zeros(n + 2, np.int64), np.empty(n, np.int64)
    for i in range(n):
        starts[rank[i] + 2] += 1
    for r in range(2, n + 2):
        starts[r] += starts[r - 1]
    for i in range(n):
        r = rank[order[i]] + 1
        rows[starts[r]] = order[i]
        starts[r] += 1
    return rows, starts


@inner
def _written(rank: Ints, crowding: Floats, keys: Floats, rows: Ints) -> None:
    found, _ = _grouped(rank, np.arange(len(rank)))
    for i in range(len(rank)):
        keys[i, 0], keys[i, 1], rows[i] = rank[i], -crowding[i], found[i]


@inner
def _distinct(f: Floats, rows: Ints) -> Ints:
    """The first of equal rows, which follow one another. Copies take no part in distances, so that one of them keeps
    the distance that it would have alone."""
    kept, n = rows.copy(), 0
    for i in range(len(rows)):
        if i == 0 or not equal(f, rows[i], kept[n - 1]):
            kept[n] = rows[i]
            n += 1
    return kept[:n]


@inner
def _add_gaps(value: Floats, rows: Ints, out: Floats) -> None:
    """Adds to `out` what one objective gives to the distances of the rows of a front, sorted by it."""
    n = len(rows)
    low, high = value[rows[0]], value[rows[n - 1]]
    if low == high and n > 1:
        return
    out[rows[0]] = np.inf
    out[rows[n - 1]] = np.inf
    for i in range(1, n - 1):
        before, after = value[rows[i - 1]], value[rows[i + 1]]
        if after > before:
            out[rows[i]] += 1.0 if after - before == np.inf else (after - before) / (high - low)
