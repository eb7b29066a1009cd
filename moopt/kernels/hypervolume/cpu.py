"""Numba versions, for the CPU, of `volume` and `contributions`.

After a change of `sweep`, delete the callers' `__pycache__` (see `moopt.kernels`).
"""
# mypy: disable-error-code="untyped-decorator,no-untyped-def"

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from moopt.kernels.shared.arrays import array, tensor
from moopt.kernels.shared.compiled import entry, inner
from moopt.kernels.shared.cpu_bits import highest
from moopt.kernels.shared.cpu_sorting import Floats, Ints, lexsorted
from moopt.kernels.shared.threads import in_parts

LEAST = 2**14  # points that are worth a thread: a millisecond


def volume(f: Tensor, reference: Tensor) -> Tensor:
    """`volume` in O(n log n)."""
    out = np.zeros(math.prod(f.shape[:-2]))
    _in_sets(_areas if f.shape[-1] == 2 else _volumes, f, reference, out)
    return tensor(out, *f.shape[:-2])


def contributions(f: Tensor, reference: Tensor) -> Tensor:
    """`contributions` in O(n log n)."""
    out = np.zeros((math.prod(f.shape[:-2]), f.shape[-2]))
    _in_sets(_strips if f.shape[-1] == 2 else _sweeps, f, reference, out)
    return tensor(out, *f.shape[:-1])


def _in_sets(function: Callable[..., None], f: Tensor, reference: Tensor, out: Floats) -> None:
    """Calls `function` with points, reference points, how many points are better than these, their rows by the first
    and by the last objective, and `out`, all with one batch axis."""
    n, m = f.shape[-2:]
    points, corners = array(f, 2, torch.float64), array(reference.expand(*f.shape[:-2], m), 1, torch.float64)

    def part(start: int, stop: int) -> None:
        some, corner = points[start:stop], corners[start:stop]
        sides = 1 if m == 2 else 2  # two objectives need the order of the first
        keys, better = np.empty((sides, len(some), n)), np.zeros(len(some), np.int64)
        _keys(some, corner, keys, better)
        orders = lexsorted(keys.reshape(sides * len(some), n, 1)).reshape(keys.shape)
        function(some, corner, better, orders[0], orders[-1], out[start:stop])

    in_parts(part, len(out), LEAST // max(n, 1) + 1)


@entry
def _keys(f: Floats, reference: Floats, keys: Floats, better: Ints) -> None:
    """The first and, if asked for, the last objective of points better than the reference; infinite for the others."""
    m = f.shape[2]
    for b in range(len(f)):
        for i in range(f.shape[1]):
            counts = True
            for j in range(m):
                counts &= f[b, i, j] < reference[b, j]
            better[b] += counts
            for side in range(len(keys)):
                keys[side, b, i] = f[b, i, side * (m - 1)] if counts else np.inf


@entry
def _areas(f: Floats, reference: Floats, count: Ints, by_x: Ints, _: Ints, out: Floats) -> None:
    for b in range(len(f)):
        lowest = reference[b, 1]
        for k in range(count[b]):
            i = by_x[b, k]
            if f[b, i, 0] == -np.inf or f[b, i, 1] == -np.inf:
                out[b] = np.inf
                break
            if f[b, i, 1] < lowest:
                out[b] += (reference[b, 0] - f[b, i, 0]) * (lowest - f[b, i, 1])
                lowest = f[b, i, 1]


@entry
def _volumes(f: Floats, reference: Floats, count: Ints, by_x: Ints, by_z: Ints, out: Floats) -> None:
    for b in range(len(f)):
        endless = False
        for k in range(count[b]):
            for j in range(f.shape[2]):
                endless |= f[b, by_x[b, k], j] == -np.inf
        out[b] = np.inf if endless else _volume(f[b], by_x[b, : count[b]], by_z[b, : count[b]], reference[b])


@inner
def _volume(f: Floats, by_x: Ints, by_z: Ints, reference: Floats) -> float:
    """Volume of the points `by_x`, the same as `by_z`. A plane rises in z and keeps the area of the staircase of the
    points below it (Beume et al. 2009, "On the Complexity of Computing the Hypervolume Indicator", section III)."""
    n = len(by_x)
    place, after = np.empty(len(f), np.int64), np.empty(n + 2, np.int64)  # 1 .. n by x; 0 and n + 1 close the staircase
    x, y = np.empty(n + 2), np.empty(n + 2)
    for i in range(n):
        place[by_x[i]] = i + 1
        x[i + 1], y[i + 1] = f[by_x[i], 0], f[by_x[i], 1]
    x[n + 1], y[0], y[n + 1], after[0] = reference[0], reference[1], -np.inf, n + 1
    members, start = _no_members(n + 2)
    _add(members, start, 0)
    value, area, level = 0.0, 0.0, 0.0
    for row in by_z:
        p, z = place[row], f[row, 2]
        before, height = _last_below(members, start, p), y[p]
        if y[before] <= height:
            continue
        value += area * (z - level)
        level = z
        q, left, ceiling = after[before], x[p], y[before]
        while y[q] >= height:
            area += (x[q] - left) * (ceiling - height)
            left, ceiling = x[q], y[q]
            _take(members, start, q)
            q = after[q]
        area += (x[q] - left) * (ceiling - height)
        after[before], after[p] = p, q
        _add(members, start, p)
    whole: float = value + area * (reference[2] - level)
    return whole


@entry
def _strips(f: Floats, reference: Floats, count: Ints, by_x: Ints, _: Ints, out: Floats) -> None:
    """Up to the next x, what lies between the lowest and second lowest y so far belongs to the lowest."""
    for b in range(len(f)):
        lowest, second, owner = reference[b, 1], reference[b, 1], 0
        for k in range(count[b]):
            i = by_x[b, k]
            x, y = f[b, i, 0], f[b, i, 1]
            if y < lowest:
                lowest, second, owner = y, lowest, i
            else:
                second = min(second, y)
            following = f[b, by_x[b, k + 1], 0] if k + 1 < count[b] else reference[b, 0]
            out[b, owner] += (following - x) * (second - lowest)


@entry
def _sweeps(f: Floats, reference: Floats, count: Ints, by_x: Ints, by_z: Ints, out: Floats) -> None:
    for b in range(len(f)):
        sweep(f[b], by_x[b, : count[b]], by_z[b, : count[b]], reference[b], out[b])


@inner
def sweep(f: Floats, by_x: Ints, by_z: Ints, reference: Floats, out: Floats) -> None:
    """Contributions of the points `by_x`, the same as `by_z`, all better than the reference point.

    A plane rises in z. What a point alone dominates of the plane ends where the next points of the staircase begin,
    and at those points above it that nothing else dominates in the plane; points above two others never matter.

    Both kinds of points, each point of the staircase (its own owner) followed by those above it, form one list
    ascending in x. Point and next point bound a strip in x, which reaches from the owner's y up to `top` and exists
    since z = `born`. When a new point ends strips or parts of them, their volume goes to the owner: sums of positive
    terms, in which nothing cancels. A point is put into the list once, may become one above another once and is taken
    out once, so there are O(n) strips. Guerreiro and Fonseca (2018), "Computing and Updating Hypervolume Contributions
    in Up to Four Dimensions", IEEE Transactions on Evolutionary Computation 22(3), update areas in a sweep of this
    kind, for points that do not dominate each other.
    """
    n = len(by_x)
    place = np.empty(len(f), np.int64)  # 1 .. n by x; 0 and n + 1 close the staircase
    x, y, volume = np.zeros(n + 2), np.empty(n + 2), np.zeros(n + 2)
    for i in range(n):
        place[by_x[i]] = i + 1
        x[i + 1], y[i + 1] = f[by_x[i], 0], f[by_x[i], 1]
    x[n + 1], y[0], y[n + 1] = reference[0], reference[1], -np.inf
    owner, after = np.zeros(n + 2, np.int64), np.empty(n + 2, np.int64)
    top, born = np.empty(n + 2), np.zeros(n + 2)
    owner[n + 1], after[0], top[0] = n + 1, n + 1, reference[1]
    members, start = _no_members(n + 2)
    _add(members, start, 0)
    for row in by_z:
        p, z = place[row], f[row, 2]
        height = y[p]
        before = _last_below(members, start, p)
        below = owner[before]
        if top[before] <= height:  # it has two below
            continue
        q = after[before]
        volume[below] += (x[q] - x[p]) * (top[before] - y[below]) * (z - born[before])
        after[before] = p
        last = p
        if y[below] <= height:
            owner[p], top[p] = below, height
        else:
            owner[p], top[p] = p, y[below]
            while y[owner[q]] >= height:
                volume[owner[q]] += (x[after[q]] - x[q]) * (top[q] - y[owner[q]]) * (z - born[q])
                if owner[q] == q:
                    after[last] = q
                    last, owner[q], top[q], born[q] = q, p, y[q], z
                else:
                    _take(members, start, q)
                q = after[q]
            after[last] = q
            last, below = q, q
            if q <= n:
                volume[q] += (x[after[q]] - x[q]) * (top[q] - y[q]) * (z - born[q])
                top[q], born[q] = height, z
                q = after[q]
        while owner[q] == below and q != below and y[q] >= height:  # what is left of the owner's strips ends below p
            volume[below] += (x[after[q]] - x[q]) * (y[q] - y[below]) * (z - born[q])
            _take(members, start, q)
            q = after[q]
        after[last], born[p] = q, z
        _add(members, start, p)
    q = after[0]
    while q <= n:
        volume[owner[q]] += (x[after[q]] - x[q]) * (top[q] - y[owner[q]]) * (reference[2] - born[q])
        q = after[q]
    for i in range(n):
        out[by_x[i]] = volume[i + 1]


# A set of whole numbers: a bit for each, then a bit for each word that is not empty, and so on up to a single word.


@inner
def _no_members(n: int):
    """The empty set of numbers below n: its words, and where each level starts."""
    start = np.zeros(12, np.int64)  # 64^11 > 2^63
    level, size = 0, n
    while size > 1 or level == 0:
        size = (size + 63) >> 6
        start[level + 1] = start[level] + size
        level += 1
    return np.zeros(start[level], np.uint64), start[:level]


@inner
def _add(words, start, i):
    for first in start:
        words[first + (i >> 6)] |= np.uint64(1) << np.uint64(i & 63)
        i >>= 6


@inner
def _take(words, start, i):
    for first in start:
        words[first + (i >> 6)] &= ~(np.uint64(1) << np.uint64(i & 63))
        if words[first + (i >> 6)]:
            break
        i >>= 6


@inner
def _last_below(words, start, i):
    """The greatest member below i; there is one."""
    level = 0
    bits = words[i >> 6] & ((np.uint64(1) << np.uint64(i & 63)) - np.uint64(1))
    while not bits:
        i >>= 6
        level += 1
        bits = words[start[level] + (i >> 6)] & ((np.uint64(1) << np.uint64(i & 63)) - np.uint64(1))
    i = (i >> 6 << 6) + highest(bits)
    while level:
        level -= 1
        i = (i << 6) + highest(words[start[level] + i])
    return i
