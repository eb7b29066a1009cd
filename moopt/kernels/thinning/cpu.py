"""Numba version, for the CPU, of `thin`."""
# mypy: disable-error-code="untyped-decorator,no-any-return"

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moopt.kernels.shared.arrays import array, tensor
from moopt.kernels.shared.compiled import entry, inner
from moopt.kernels.shared.cpu_sorting import Flags, Floats, Ints, lexsorted, smallest
from moopt.kernels.thinning import reference
from moopt.kernels.thinning.reference import AT_ONCE, BITS, CURVES, FINEST, FLAT, SHIFT, WINDOW

Marks = NDArray[np.int8]


def thin(f: Tensor, valid: Tensor, capacity: int) -> Tensor:
    """`thin`, the curves sorted once for all rounds."""
    alive = array(valid, 1).copy()
    points = array(f, 2, torch.float64)
    for b in (alive.sum(1) > capacity).nonzero()[0]:
        thin_one(points[b], alive[b], capacity)
    return tensor(alive, *valid.shape)


def thin_one(f: Floats, alive: Flags, capacity: int) -> None:
    """Leaves `capacity` of the rows in `alive`, which are more."""
    n, m = f.shape
    rows, y, end = np.empty(n, np.int64), np.empty((n, m)), np.zeros(n, np.bool_)
    count, surplus = _prepared(f, alive, capacity, rows, y, end)
    if not surplus:
        return
    rows, y, end, stays = rows[:count], y[:count], end[:count], np.ones(count, np.bool_)
    if m <= FLAT:
        curves = lexsorted(y[None])
    else:
        cells = y[:, :BITS]
        bits = min(FINEST, BITS // cells.shape[1])
        curves = lexsorted(np.stack([_place(cells, curve * SHIFT, bits) for curve in range(CURVES)])[..., None])
    surplus = _rounds(y, end, stays, curves, surplus, capacity, reference.rounds(n, capacity))
    alive[rows] = stays
    if surplus:
        ending = np.zeros(n, np.bool_)
        ending[rows[end]] = True
        for last in (False, True):
            left = (alive & (ending == last)).nonzero()[0]
            going = left[max(len(left) - surplus, 0) :]
            alive[going] = False
            surplus -= len(going)


@entry
def _prepared(
    f: Floats, alive: Flags, capacity: int, rows: Ints, y: Floats, end: Flags
) -> tuple[int, int]:  # fmt: skip
    """Rows that compare, their `unit_box` and `extremes` as in the reference: how many, and how many are too many.

    Those that do not compare go first, the last ones before the others.
    """
    n, m = f.shape
    count, surplus = 0, -capacity
    for i in range(n):
        surplus += alive[i]
        comparable = bool(alive[i])
        for j in range(m):
            comparable &= f[i, j] == f[i, j]
        if comparable:
            rows[count] = i
            count += 1
    at = count - 1
    for i in range(n - 1, -1, -1):
        if at >= 0 and rows[at] == i:
            at -= 1
        elif alive[i] and surplus > 0:
            alive[i] = False
            surplus -= 1
    for j in range(m):
        low, high, least, most = np.inf, -np.inf, 0, 0
        for k in range(count):
            value = f[rows[k], j]
            if np.isfinite(value):
                low, high = min(low, value), max(high, value)
        scale = 0.5 if np.isinf(high - low) else 1.0  # no overflow
        width = high * scale - low * scale
        for k in range(count):
            value = (f[rows[k], j] * scale - low * scale) / width if width > 0.0 else 0.0
            y[k, j] = 0.0 if value != value else min(max(value, -1.0), 2.0)
            if y[k, j] < y[least, j]:
                least = k
            if y[k, j] > y[most, j]:
                most = k
        if count:
            end[least] = end[most] = True
    return count, surplus


@entry
def _place(y: Floats, shift: float, bits: int) -> Floats:
    """`reference.place`, as numbers that sort: there are too few bits for double precision to round."""
    n, m = y.shape
    places = np.empty(n)
    for i in range(n):
        spread = 0
        for j in range(m):
            cell = int((y[i, j] + 1.0 + shift) / 4.0 * 2.0**bits)
            for bit in range(bits):
                spread |= (cell >> bit & 1) << (bit * m + j)
        places[i] = spread
    return places


@entry
def _rounds(
    y: Floats, end: Flags, alive: Flags, curves: Ints, surplus: int, capacity: int, most: int
) -> int:  # fmt: skip
    """Takes out of `alive` what is too much, round by round; returns how much is left of that."""
    n = len(y)
    left = n
    partner, square, going, path = np.empty(n, np.int64), np.empty(n), np.empty(n, np.int8), np.empty(n, np.int64)
    key, work, rows = np.empty(n), np.empty(n), np.empty(n, np.int64)
    for _ in range(most):
        if surplus == 0:
            break
        for k in range(left):
            i = curves[0, k]
            partner[i], square[i], going[i] = i, np.inf, -1
        for c in range(len(curves)):
            _look_along(y, curves[c, :left], partner, square)
        found = 0
        for k in range(left):
            i = curves[0, k]
            if _goes(i, partner, end, going, path):
                rows[found], key[found], work[found] = i, square[i], square[i]
                found += 1
        at_once = min(max(surplus - surplus // 4, min(surplus, capacity // AT_ONCE)), (found + 1) // 2)
        if found > at_once:
            _first_few(key[:found], work[:found], rows[:found], at_once, partner)
            found = at_once
        for k in range(found):
            alive[rows[k]] = False
        surplus -= found
        for c in range(len(curves)):
            kept = 0
            for k in range(left):
                curves[c, kept] = curves[c, k]
                kept += alive[curves[c, k]]
        left -= found
    return surplus


@inner
def _look_along(y: Floats, curve: Ints, partner: Ints, square: Floats) -> None:
    """Takes note of whoever is nearer along a curve; see `reference._closer`."""
    n, m = len(curve), y.shape[1]
    points, distance = np.empty((m, n)), np.empty(n)
    who, near = curve.copy(), np.full(n, np.inf)
    for k in range(n):
        for j in range(m):
            points[j, k] = y[curve[k], j]
    for step in range(1, min(WINDOW, n - 1) + 1):
        pairs = n - step
        distance[:pairs] = 0.0
        for j in range(m):
            for k in range(pairs):
                distance[k] += (points[j, k] - points[j, k + step]) * (points[j, k] - points[j, k + step])
        for k in range(pairs):
            if distance[k] <= near[k] and _is_closer(curve[k], distance[k], curve[k + step], near[k], who[k]):
                who[k], near[k] = curve[k + step], distance[k]
            h = k + step
            if distance[k] <= near[h] and _is_closer(curve[h], distance[k], curve[k], near[h], who[h]):
                who[h], near[h] = curve[k], distance[k]
    for k in range(n):
        i = curve[k]
        if who[k] != i and near[k] <= square[i] and _is_closer(i, near[k], who[k], square[i], partner[i]):
            partner[i], square[i] = who[k], near[k]


@inner
def _is_closer(row: int, distance: float, other: int, best: float, partner: int) -> bool:
    if distance < best or partner == row:
        return True
    low, least = min(row, other), min(row, partner)
    return distance == best and (low < least or (low == least and max(row, other) < max(row, partner)))


@inner
def _goes(i: int, partner: Ints, end: Flags, going: Marks, path: Ints) -> bool:
    """Whether a point goes, if all may; what is found on the way there is noted in `going` (-1: not known)."""
    steps = 0
    while going[i] < 0:
        other = partner[i]
        if end[i]:
            going[i] = 0
        elif partner[other] == i and not end[other]:
            going[i] = i > other
        else:
            path[steps] = i
            steps += 1
            i = other
    answer = going[i]
    while steps > 0:
        steps -= 1
        answer = 1 - answer
        going[path[steps]] = answer
    return bool(answer)


@inner
def _first_few(key: Floats, work: Floats, rows: Ints, n: int, partner: Ints) -> None:
    """Moves the `n` rows with the smallest keys to the front; of equal keys, those of the pair with smaller rows."""
    limit = smallest(work, n)
    ties, sure = 0, 0
    for k in range(len(rows)):  # of those that go, no two are of one pair
        if key[k] == limit:
            work[ties] = _pair(rows[k], partner)
            ties += 1
        sure += key[k] < limit
    last = smallest(work[:ties], n - sure)
    kept = 0
    for k in range(len(rows)):
        if key[k] < limit or (key[k] == limit and _pair(rows[k], partner) <= last):
            rows[kept] = rows[k]
            kept += 1


@inner
def _pair(row: int, partner: Ints) -> float:
    low, high = min(row, partner[row]), max(row, partner[row])
    return np.float64(low) * len(partner) + high
