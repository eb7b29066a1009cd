"""Numba versions, for the CPU, of the torch references `dominance.rank` and `crowding.crowding`.

Imported by `dispatch` on first use. All compiled functions stand in this one file because Numba's cache
notices a change of the file that holds a function, not of the files that it calls.
"""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from typing import Any

import numba  # noqa: TID253
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BUCKET = 8  # points in a leaf; 8 was the fastest of 4, 8, 16, 32 for 3 to 10 objectives
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


def rank(f: Tensor, violation: Tensor | None, n_keep: int) -> Tensor:
    """`dominance.rank` in O(n log n) for one or two objectives and by a tree of each front above (Gustavsson
    and Syberfeldt 2018, ENS-NDT: about n log^2 n on three objectives, O(m n^2) at worst)."""
    points = _batch_of_rows(f, 2)
    excess = np.zeros(points.shape[:2]) if violation is None else _batch_of_rows(violation, 1)
    out = np.empty(points.shape[:2], np.int64)
    _rank_batch(points, excess, n_keep, out)
    return torch.from_numpy(out).view(f.shape[:-1])


def crowding(f: Tensor, rank: Tensor | None) -> Tensor:
    """`crowding.crowding` in O(m n log n)."""
    points = _batch_of_rows(f, 2)
    out = np.zeros(points.shape[:2])
    fronts = np.zeros(points.shape[:2]) if rank is None else _batch_of_rows(rank, 1)
    _crowding_batch(points, fronts[..., None], out)
    return torch.from_numpy(out).view(f.shape[:-1]).to(f.dtype)


def _batch_of_rows(t: Tensor, row_dims: int) -> Floats:
    """`t` in float64, which keeps the order, with one batch axis before its last `row_dims` axes."""
    t = t.detach().to(torch.float64).contiguous()
    return t.view(t.shape[: t.ndim - row_dims].numel(), *t.shape[t.ndim - row_dims :]).numpy()


@njit
def _sort(f: Floats, rows: Ints, start: int, stop: int) -> Ints:
    """`rows` in the lexicographic order of columns start .. stop - 1 of f; equal rows keep their order.

    A merge sort that carries the first column along: `np.argsort` inside Numba takes many seconds to compile.
    """
    n = len(rows)
    order, merged = rows.copy(), np.empty(n, np.int64)
    key, merged_key = np.empty(n), np.empty(n)
    for i in range(n):
        key[i] = f[rows[i], start]
    width = 1
    while width < n:
        for low in range(0, n, 2 * width):
            middle, high = min(low + width, n), min(low + 2 * width, n)
            a, b = low, middle
            for i in range(low, high):
                if a < middle and b < high:
                    second = key[b] < key[a]
                    if key[b] == key[a]:
                        j = start + 1
                        while j < stop and f[order[b], j] == f[order[a], j]:
                            j += 1
                        second = j < stop and f[order[b], j] < f[order[a], j]
                else:
                    second = a == middle
                if second:
                    merged[i], merged_key[i] = order[b], key[b]
                    b += 1
                else:
                    merged[i], merged_key[i] = order[a], key[a]
                    a += 1
        order, merged, key, merged_key = merged, order, merged_key, key
        width *= 2
    return order


@njit
def _equal(f: Floats, a: int, b: int) -> bool:
    for j in range(f.shape[1]):
        if f[a, j] != f[b, j]:
            return False
    return True


@njit
def _chains(p: Floats) -> Ints:
    """Ranks of lexsorted points with one or two objectives: a point follows the last front whose lowest last
    objective is not above its own."""
    n, m = p.shape
    rank = np.empty(n, np.int64)
    lowest = np.empty(n)
    fronts = 0
    for i in range(n):
        if i > 0 and _equal(p, i - 1, i):
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
                    ordered = _sort(p, sample[:size], j, j + 1)
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
def _trees(p: Floats, n_keep: int) -> Ints:
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
        if i > 0 and _equal(p, i - 1, i):
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
def _rank_one(f: Floats, violation: Floats, n_keep: int, rank: Ints) -> None:
    n, m = f.shape
    group = np.zeros((n, 1))  # 0 feasible, the violation of an infeasible row, inf for a failed one
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
    fronts = 0
    if feasible > 0:
        order = _sort(f, rows[:feasible], 0, m)
        p = np.empty((feasible, m))
        for i in range(feasible):
            for j in range(m):
                p[i, j] = f[order[i], j]
        found = _chains(p) if m <= 2 else _trees(p, max(n_keep, 1))
        for i in range(feasible):
            rank[order[i]] = found[i]
            fronts = max(fronts, found[i] + 1)
    rest = _sort(group, rest[: n - feasible], 0, 1)
    for i in range(len(rest)):
        fronts += i == 0 or group[rest[i], 0] > group[rest[i - 1], 0]
        rank[rest[i]] = fronts - 1
    if n_keep < n:
        sizes = np.zeros(fronts, np.int64)
        for i in range(n):
            sizes[rank[i]] += 1
        limit, ranked = 0, 0
        while ranked < n_keep:
            ranked += sizes[limit]
            limit += 1
        for i in range(n):
            rank[i] = min(rank[i], limit)


@njit
def _rank_batch(f: Floats, violation: Floats, n_keep: int, rank: Ints) -> None:
    for b in range(len(f)):
        _rank_one(f[b], violation[b], n_keep, rank[b])


@njit
def _crowding_front(f: Floats, rows: Ints, out: Floats) -> None:
    """Adds the distances of one front to `out`, which holds zeros at its rows."""
    order = _sort(f, rows, 0, f.shape[1])
    n = 0  # copies take no part, so that one of them keeps the distance that it would have alone
    for i in range(len(order)):
        if i == 0 or not _equal(f, order[i], order[i - 1]):
            order[n] = order[i]
            n += 1
    if n == 1:
        out[order[0]] = np.inf
        return
    distinct = order[:n]
    for j in range(f.shape[1]):
        at = distinct if j == 0 else _sort(f, distinct, j, j + 1)
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
def _crowding_batch(f: Floats, rank: Floats, out: Floats) -> None:
    n, m = f.shape[1:]
    rows = np.empty(n, np.int64)
    for b in range(len(f)):
        order = _sort(rank[b], np.arange(n), 0, 1)
        count = 0
        for i in range(n):
            rows[count] = order[i]
            count += 1
            for j in range(m):
                if np.isnan(f[b, order[i], j]):
                    count -= 1
                    break
            if count > 0 and (i == n - 1 or rank[b, order[i], 0] != rank[b, order[i + 1], 0]):
                _crowding_front(f[b], rows[:count], out[b])
                count = 0
