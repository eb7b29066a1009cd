"""Ranks of lexicographically sorted points inside Numba, for `selection_cpu`.

Numba's cache notices a change of the file that holds a function, not of the files that it calls: after a change
here, delete `__pycache__`.
"""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import Any

import numba  # noqa: TID253
import numpy as np

from moopt.kernels.sorting_cpu import Floats, Ints, equal, sort

BUCKET = 8  # points in a leaf; 8 was the fastest of 4, 8, 16, 32 for 3 to 10 objectives
STAIR = 4096  # steps; moving as many takes about as long as a search in a tree of a million points
SAMPLE = 8  # values that estimate a median; exact medians cost more than they save

NODE = np.dtype(
    [
        ("below", np.int64),  # child with coordinates < split value, -1 while empty
        ("above", np.int64),  # child with coordinates >= split value, -1 while empty
        ("place", np.int64),  # index into the split values that all fronts share
        ("count", np.int64),  # points in this leaf, -1 for an inner node
        ("first", np.int64),  # first point of the leaf's linked list, -1 ends it
        ("lowest", np.float64),  # smallest last objective in the subtree
    ]
)

njit = numba.njit(cache=True, nogil=True)


@njit
def chains(p: Floats) -> Ints:
    """Ranks of lexsorted points with one or two objectives: a point follows the last front whose lowest last
    objective is not above its own."""
    n, m = p.shape
    rank = np.empty(n, np.int64)
    lowest = np.empty(n)
    fronts = 0
    for i in range(n):
        if i > 0 and equal(p, i - 1, i):
            rank[i] = rank[i - 1]
            continue
        low, high = 0, fronts
        while low < high:
            middle = (low + high) // 2
            if lowest[middle] <= p[i, m - 1]:
                low = middle + 1
            else:
                high = middle
        fronts = max(fronts, low + 1)
        lowest[low] = p[i, m - 1]
        rank[i] = low
    return rank


@njit
def _splits(p: Floats, depth: int) -> tuple[Ints, Floats]:
    """Halves the points again and again: a full binary tree in heap order, whose node s splits axis[s] at
    split[s].

    The first objective sorts the points and the last one bounds the subtrees; the others take turns where
    they vary.
    """
    n, m = p.shape
    axis, split = np.empty((1 << depth) - 1, np.int64), np.empty((1 << depth) - 1)
    rows, moved, sample = np.arange(n), np.empty(n, np.int64), np.empty(SAMPLE, np.int64)
    bounds = np.zeros(2, np.int64)
    bounds[1] = n
    first = 0
    while first < len(axis):
        finer = np.zeros(2 * len(bounds) - 1, np.int64)
        for k in range(len(bounds) - 1):
            s, start, stop = first + k, bounds[k], bounds[k + 1]
            middle = start
            axis[s], split[s] = 1, np.inf
            if stop > start:
                j = 0 if s == 0 else axis[(s - 1) // 2]
                size = min(stop - start, SAMPLE)
                for i in range(size):
                    sample[i] = rows[start + i * ((stop - start) // size)]
                for _ in range(m - 2):
                    j = 1 if j >= m - 2 else j + 1
                    ordered = sort(p, sample[:size], j, j + 1)
                    if p[ordered[0], j] < p[ordered[size - 1], j]:
                        break
                i = size // 2
                while i < size - 1 and p[ordered[i], j] == p[ordered[0], j]:
                    i += 1
                axis[s], split[s] = j, p[ordered[i], j]
                above = 0
                for i in range(start, stop):
                    if p[rows[i], j] < split[s]:
                        rows[middle] = rows[i]
                        middle += 1
                    else:
                        moved[above] = rows[i]
                        above += 1
                for i in range(above):
                    rows[middle + i] = moved[i]
            finer[2 * k + 1] = middle
            finer[2 * k + 2] = stop
        first += len(bounds) - 1
        bounds = finer
    return axis, split


@njit
def _make_leaf(node: Any, place: int) -> None:
    node.below = -1
    node.above = -1
    node.place = place
    node.count = 0
    node.first = -1
    node.lowest = np.inf


@njit
def _dominated(
    p: Floats, i: int, root: int, nodes: Any, after: Ints, split: Floats, axis: Ints, stack: Ints
) -> bool:
    """Whether a point of the tree is <= p[i] in every objective but the first, by which all are sorted."""
    m = p.shape[1]
    last = p[i, m - 1]
    stack[0] = root
    top = 0
    while top >= 0:
        node = nodes[stack[top]]
        top -= 1
        if node.lowest > last:
            continue
        if node.count >= 0:
            q = node.first
            while q >= 0:
                j = m - 1
                while j > 0 and p[q, j] <= p[i, j]:
                    j -= 1
                if j == 0:
                    return True
                q = after[q]
        else:
            above = p[i, axis[node.place]] >= split[node.place]
            if above and node.above >= 0:
                top += 1
                stack[top] = node.above
            if node.below >= 0:
                if m == 3 and above and nodes[node.below].lowest <= last:
                    return True
                top += 1
                stack[top] = node.below
    return False


@njit
def _child(nodes: Any, used: int, parent: int, above: bool) -> int:
    """The child of an inner node on one side: the next free node, made a leaf, while there is none."""
    child: int = nodes[parent].above if above else nodes[parent].below
    if child < 0:
        child = used
        if above:
            nodes[parent].above = child
        else:
            nodes[parent].below = child
        _make_leaf(nodes[child], 2 * nodes[parent].place + (2 if above else 1))
    return child


@njit
def _add(leaf: Any, point: int, last_objective: float, after: Ints) -> None:
    after[point] = leaf.first
    leaf.first = point
    leaf.count += 1
    leaf.lowest = min(leaf.lowest, last_objective)


@njit
def _insert(
    p: Floats, i: int, root: int, nodes: Any, used: int, after: Ints, split: Floats, axis: Ints
) -> int:
    """Puts p[i] into the tree and divides its leaf when that is full; returns the number of nodes in use."""
    last = p.shape[1] - 1
    at = root
    while nodes[at].count < 0:
        nodes[at].lowest = min(nodes[at].lowest, p[i, last])
        place = nodes[at].place
        at = _child(nodes, used, at, p[i, axis[place]] >= split[place])
        used = max(used, at + 1)
    _add(nodes[at], i, p[i, last], after)
    place = nodes[at].place
    if nodes[at].count > BUCKET and place < len(split):
        nodes[at].count = -1
        q = nodes[at].first
        while q >= 0:
            following = after[q]
            child = _child(nodes, used, at, p[q, axis[place]] >= split[place])
            used = max(used, child + 1)
            _add(nodes[child], q, p[q, last], after)
            q = following
    return used


@njit
def trees(p: Floats, n_keep: int) -> Ints:
    """Ranks of lexsorted points with three or more objectives.

    Binary search over the fronts (Zhang et al. 2015, ENS-BS) finds the first that does not dominate the
    point. Once fronts 0 .. limit hold n_keep >= 1 points, all that follows them is only known to be in some
    later front.
    """
    n, m = p.shape
    depth = 0
    while (BUCKET << depth) < n:
        depth += 1
    axis, split = _splits(p, depth)
    # A root per front and two nodes per division; a level has no more divisions than n / BUCKET.
    nodes = np.empty(n + 2 * (n // BUCKET + 1) * depth, NODE)
    used = 0
    roots = np.empty(n, np.int64)
    after = np.empty(n, np.int64)
    stack = np.empty(depth + 2, np.int64)
    sizes = np.zeros(n, np.int64)
    rank = np.empty(n, np.int64)
    fronts, ranked, limit = 0, 0, n
    for i in range(n):
        if i > 0 and equal(p, i - 1, i):
            r = rank[i - 1]
        else:
            r, high = 0, min(fronts, limit + 1)
            while r < high:
                middle = (r + high) // 2
                if _dominated(p, i, roots[middle], nodes, after, split, axis, stack):
                    r = middle + 1
                else:
                    high = middle
            if r <= limit:
                if r == fronts:
                    roots[r] = used
                    _make_leaf(nodes[used], 0)
                    used += 1
                    fronts += 1
                used = _insert(p, i, roots[r], nodes, used, after, split, axis)
        rank[i] = r
        if r <= limit:
            sizes[r] += 1
            ranked += 1
            if ranked >= n_keep:
                limit = min(limit, fronts - 1)
                while ranked - sizes[limit] >= n_keep:
                    ranked -= int(sizes[limit])
                    limit -= 1
    return rank


@njit
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
                at = _first_beyond(y, begin[middle], steps[middle], py)
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
                at = _first_beyond(y, first, steps[r], py)
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
                    for j in range(end, low, -1):
                        y[j], z[j] = y[j - 1], z[j - 1]
                    steps[r] += 1
                else:
                    for j in range(at, end):
                        y[low + 1 + j - at], z[low + 1 + j - at] = y[j], z[j]
                    steps[r] -= at - low - 1
                y[low], z[low] = py, pz
        rank[i] = r
        if r <= limit:
            sizes[r] += 1
            ranked += 1
            if ranked >= n_keep:
                limit = min(limit, fronts - 1)
                while ranked - sizes[limit] >= n_keep:
                    ranked -= int(sizes[limit])
                    limit -= 1
    return rank


@njit
def _first_beyond(y: Floats, start: int, count: int, value: float) -> int:
    """The first of `count` ascending places from `start` whose y is greater than `value`."""
    while count > 0:
        half = count // 2
        beyond = y[start + half] > value
        start = start if beyond else start + half + 1
        count = half if beyond else count - half - 1
    return start
