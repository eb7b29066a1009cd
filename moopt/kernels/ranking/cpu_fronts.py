"""Ranks of lexicographically sorted points of up to three objectives inside Numba.

After a change here, delete the callers' `__pycache__` (see `moopt.kernels`).
"""
# mypy: disable-error-code="untyped-decorator,operator,assignment"

from __future__ import annotations

import numpy as np

from moopt.kernels.shared.compiled import inner
from moopt.kernels.shared.cpu_sorting import Floats, Ints, equal, first_beyond

STAIR = 4096  # steps; to move half of them takes a microsecond, as long as a search in a trie of 300,000 points



@inner
def chains(p: Floats, n_keep: int) -> Ints:
    """Ranks of lexsorted points with one or two objectives: a point follows the last front whose lowest last
    objective is not above its own. Once fronts 0 .. limit hold n_keep >= 1 points, all that follows them is only known
    to be in some later front."""
    n, m = p.shape
    rank, lowest, sizes = np.empty(n, np.int64), np.empty(n), np.zeros(n, np.int64)
    fronts, ranked, limit = 0, 0, n
    for i in range(n):
        if i > 0 and equal(p, i - 1, i):
            low = rank[i - 1]
        else:
            low, high = 0, min(fronts, limit + 1)
            while low < high:
                middle = (low + high) // 2
                if lowest[middle] <= p[i, m - 1]:
                    low = middle + 1
                else:
                    high = middle
            if low <= limit:
                fronts = max(fronts, low + 1)
                lowest[low] = p[i, m - 1]
        rank[i] = low
        if low <= limit:
            ranked, limit = count_in(low, fronts, n_keep, sizes, ranked, limit)
    return rank


@inner
def stairs(p: Floats, n_keep: int) -> Ints:
    """What `trees` finds, for three objectives: sorted by the first, a front dominates a point if and only if its
    staircase does, those points of the front that no other one bounds in the second and third objective.

    One binary search over fronts, one on each staircase. No ranks at all where a staircase grows beyond STAIR steps:
    to insert a step takes time in proportion to them.
    """
    n = len(p)
    y, z = np.empty(4 * n + 4), np.empty(4 * n + 4)  # staircases double their room, which adds up to 4 n at most
    used = 0
    begin, steps, room = np.empty(n, np.int64), np.zeros(n, np.int64), np.empty(n, np.int64)
    sizes, rank = np.zeros(n, np.int64), np.empty(n, np.int64)
    fronts, ranked, limit = 0, 0, n
    for i in range(n):
        if i > 0 and equal(p, i - 1, i):
            r = rank[i - 1]
        else:
            py, pz = p[i, 1], p[i, 2]
            r, high = 0, min(fronts, limit + 1)
            while r < high:
                middle = (r + high) // 2
                at = first_beyond(y, begin[middle], steps[middle], py)
                if at > begin[middle] and z[at - 1] <= pz:
                    r = middle + 1
                else:
                    high = middle
            if r <= limit:
                if r == fronts:
                    begin[r], room[r] = used, 4
                    used += 4
                    fronts += 1
                first, end = begin[r], begin[r] + steps[r]
                at = first_beyond(y, first, steps[r], py)
                low = at - 1 if at > first and y[at - 1] == py else at  # that step is higher than the new one
                while at < end and z[at] >= pz:
                    at += 1
                if at == low:
                    if steps[r] == STAIR:
                        return rank[:0]
                    if steps[r] == room[r]:
                        for j in range(steps[r]):
                            y[used + j], z[used + j] = y[first + j], z[first + j]
                        begin[r], low, end = used, low + used - first, end + used - first
                        room[r] *= 2
                        used += room[r]
                    _up(y[low : end + 1])
                    _up(z[low : end + 1])
                    steps[r] += 1
                elif at > low + 1:
                    _down(y[low + 1 : end], at - low - 1)
                    _down(z[low + 1 : end], at - low - 1)
                    steps[r] -= at - low - 1
                y[low], z[low] = py, pz
        rank[i] = r
        if r <= limit:
            ranked, limit = count_in(r, fronts, n_keep, sizes, ranked, limit)
    return rank


@inner
def count_in(r: int, fronts: int, n_keep: int, sizes: Ints, ranked: int, limit: int) -> tuple[int, int]:
    """Adds a point of front r to the `ranked` ones in fronts 0 .. limit; the limit falls once these hold n_keep."""
    sizes[r] += 1
    ranked += 1
    if ranked >= n_keep:
        limit = min(limit, fronts - 1)
        while ranked - sizes[limit] >= n_keep:
            ranked -= sizes[limit]
            limit -= 1
    return ranked, limit


@inner
def _up(a: Floats) -> None:
    """Moves all but the last one place up. The indices are seen to be positive here, so that it runs on vectors."""
    for i in range(len(a) - 1, 0, -1):
        a[i] = a[i - 1]


@inner
def _down(a: Floats, by: int) -> None:
    for i in range(len(a) - by):
        a[i] = a[i + by]
