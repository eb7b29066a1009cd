"""Numba version, for the CPU, of `thin`."""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import numba  # noqa: TID253
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moopt.kernels.shared.arrays import array, tensor
from moopt.kernels.shared.cpu_sorting import Flags, Floats, Ints, arrange, smallest
from moopt.kernels.thinning.reference import AT_ONCE, BITS, CURVES, FINEST, FLAT, SHIFT, WINDOW, rounds

njit = numba.njit(cache=True, nogil=True)
Marks = NDArray[np.int8]


def thin(f: Tensor, valid: Tensor, capacity: int) -> Tensor:
    """`thin`, the curves sorted once for all rounds."""
    alive = array(valid, 1).copy()
    _thin_batch(array(f, 2, torch.float64), alive, capacity, rounds(f.shape[-2], capacity))
    return tensor(alive, *valid.shape)


@njit
def _thin_batch(f: Floats, alive: Flags, capacity: int, most: int) -> None:
    for b in range(len(f)):
        thin_one(f[b], alive[b], capacity, most)


@njit
def thin_one(f: Floats, alive: Flags, capacity: int, most: int) -> None:
    """Leaves at most `capacity` of the rows in `alive`, after at most so many rounds."""
    n, m = f.shape
    comparable, surplus = np.zeros(n, np.bool_), -capacity
    for i in range(n):
        surplus += alive[i]
        comparable[i] = alive[i] and not np.isnan(f[i]).any()
    for i in range(n - 1, -1, -1):  # points that cannot be compared go first
        if surplus > 0 and alive[i] and not comparable[i]:
            alive[i] = False
            surplus -= 1
    if surplus <= 0:
        return
    rows = comparable.nonzero()[0]
    y = _unit_box(f, rows)
    end, stays = np.zeros(len(rows), np.bool_), np.ones(len(rows), np.bool_)
    for j in range(m):
        end[np.argmin(y[:, j])] = True
        end[np.argmax(y[:, j])] = True
    surplus = _rounds(y, end, stays, surplus, capacity, most)
    for i in range(len(rows)):
        alive[rows[i]] = stays[i]
    ending = np.zeros(n, np.bool_)
    ending[rows[end]] = True
    for last in (False, True):
        for i in range(n - 1, -1, -1):
            if surplus > 0 and alive[i] and ending[i] == last:
                alive[i] = False
                surplus -= 1


@njit
def _unit_box(f: Floats, rows: Ints) -> Floats:
    y = np.zeros((len(rows), f.shape[1]))
    for j in range(f.shape[1]):
        low, high = np.inf, -np.inf
        for i in rows:
            if np.isfinite(f[i, j]):
                low, high = min(low, f[i, j]), max(high, f[i, j])
        scale = 0.5 if high - low == np.inf else 1.0
        width = high * scale - low * scale
        if width > 0:
            for k in range(len(rows)):
                y[k, j] = min(max((f[rows[k], j] * scale - low * scale) / width, -1.0), 2.0)
    return y


@njit
def _curve(y: Floats, shift: float) -> Ints:
    """Rows in the order of the shifted curve."""
    n, m = len(y), min(y.shape[1], BITS)
    bits = min(FINEST, BITS // m)
    key, order = np.empty(n), np.arange(n)
    for i in range(n):
        code = np.int64(0)
        for j in range(m):
            cell = np.int64((y[i, j] + 1.0 + shift) / 4.0 * 2.0**bits)
            for bit in range(bits):
                code |= (cell >> bit & 1) << (bit * m + j)
        key[i] = code
    arrange(key, order)
    return order


@njit
def _rounds(y: Floats, end: Flags, alive: Flags, surplus: int, capacity: int, most: int) -> int:
    """Takes out of `alive` what is too much, round by round; returns how much is left of that."""
    n, m = y.shape
    curves = np.empty((1 if m <= FLAT else CURVES, n), np.int64)
    for c in range(len(curves)):
        curves[c] = _by_first(y) if m <= FLAT else _curve(y, c * SHIFT)
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


@njit
def _by_first(y: Floats) -> Ints:
    order = np.arange(len(y))
    for j in range(y.shape[1] - 1, -1, -1):
        arrange(y[:, j][order], order)
    return order


@njit
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


@njit
def _is_closer(row: int, distance: float, other: int, best: float, partner: int) -> bool:
    if distance < best or partner == row:
        return True
    low, least = min(row, other), min(row, partner)
    return distance == best and (low < least or (low == least and max(row, other) < max(row, partner)))


@njit
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


@njit
def _first_few(key: Floats, work: Floats, rows: Ints, n: int, partner: Ints) -> None:
    """Moves the `n` rows with the smallest keys to the front; of equal keys, those of the pair with smaller rows."""
    limit = smallest(work, n)
    sure, ties = 0, 0
    pair, tied = np.empty(len(rows)), np.empty(len(rows), np.int64)
    for k in range(len(rows)):
        i = rows[k]
        if key[k] < limit:
            rows[sure] = i
            sure += 1
        elif key[k] == limit:
            pair[ties] = np.float64(min(i, partner[i])) * len(partner) + max(i, partner[i])
            tied[ties] = i
            ties += 1
    arrange(pair[:ties], tied[:ties])
    rows[sure:n] = tied[: n - sure]
