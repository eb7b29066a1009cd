"""Sorting and searching inside Numba, and sorting called from Python.

After a change here, delete the callers' `__pycache__` (see `moopt.kernels`).
"""
# mypy: disable-error-code="untyped-decorator,assignment"

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from moopt.kernels.shared.compiled import entry, inner

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

RADIX_FROM = 70  # keys from which on radix sort is faster than insertion
DIGIT = 11  # bits; counts of one digit fill 16 KiB, half of the first-level cache
SWAPS = 4  # per key, as long as three more passes


@inner
def arrange(key: Floats, rows: Ints) -> None:
    """Sorts `key` in place, without NaN, and takes `rows` along; equal keys keep their order.

    Radix sort by digits of the bits, or insertion of few: `np.argsort` inside Numba takes many seconds to
    compile and carries nothing along.
    """
    n = len(key)
    if n < RADIX_FROM:
        for i in range(1, n):
            k, at, j = key[i], rows[i], i
            while j > 0 and key[j - 1] > k:
                key[j], rows[j] = key[j - 1], rows[j - 1]
                j -= 1
            key[j], rows[j] = k, at
        return
    # by the upper half of the bits, then by insertion where the lower half matters; by all bits if that is often
    other_key, other_rows = np.empty(n), np.empty(n, np.int64)
    mask = np.uint64((1 << DIGIT) - 1)
    bits, other_bits, moved, other_moved = key.view(np.uint64), other_key.view(np.uint64), rows, other_rows
    sign, all_ones = np.uint64(1) << np.uint64(63), ~np.uint64(0)
    count = np.empty(1 << DIGIT, np.int64)
    for i in range(n):
        b: Any = bits[i]
        if b == sign:  # -0.0 equals 0.0
            b = np.uint64(0)
        bits[i] = b ^ (all_ones if b >= sign else sign)  # unsigned integers ordered like the numbers
    half = 3 * DIGIT
    for low in (half, 0):
        for step in range(low, 64, DIGIT):
            shift = np.uint64(step)
            for digit in range(len(count)):
                count[digit] = 0
            for i in range(n):
                count[np.int64(bits[i] >> shift & mask)] += 1
            if count[np.int64(bits[0] >> shift & mask)] == n:
                continue
            total = 0
            for digit in range(len(count)):
                total += count[digit]
                count[digit] = total - count[digit]
            for i in range(n):
                digit = np.int64(bits[i] >> shift & mask)
                at = count[digit]
                other_bits[at], other_moved[at] = bits[i], moved[i]
                count[digit] = at + 1
            bits, other_bits, moved, other_moved = other_bits, bits, other_moved, moved
        swaps, i = 0, 1
        while i < n and swaps < SWAPS * n:
            b, row, j = bits[i], moved[i], i
            while j > 0 and bits[j - 1] > b:
                bits[j], moved[j] = bits[j - 1], moved[j - 1]
                j -= 1
            bits[j], moved[j] = b, row
            swaps += i - j
            i += 1
        if i >= n:
            break
    for i in range(n):
        b = bits[i] ^ (sign if bits[i] >= sign else all_ones)
        row = moved[i]
        bits[i] = b
        other_bits[i], other_moved[i] = b, row


@inner
def by(values: Floats, rows: Ints) -> Ints:
    """`rows` in the order of their values, without NaN; equal ones keep their order."""
    order, key = rows.copy(), np.empty(len(rows))
    for i in range(len(rows)):
        key[i] = values[rows[i]]
    arrange(key, order)
    return order


def lexsorted(keys: Floats, rows: Ints | None = None) -> Ints:
    """Rows of keys[b, n, k], without NaN, in lexicographic order: int64[b, n]; equal rows keep their order.

    `rows`: what their order is at first, which is changed. It costs nothing to sort by what is in order already.
    """
    if rows is None:
        rows = np.empty(keys.shape[:2], np.int64)
        rows[:] = np.arange(keys.shape[1])
    _lexsort(keys, rows)
    return rows


@entry
def _lexsort(keys: Floats, order: Ints) -> None:
    n = keys.shape[1]
    key = np.empty(n)
    for r in range(len(keys)):
        rows = order[r]
        bounds, runs = np.zeros(n + 2, np.int64), 1  # runs of equal values in one column are sorted by the next
        bounds[1] = n
        for j in range(keys.shape[2]):
            finer, count = np.empty(n + 2, np.int64), 0
            for b in range(runs):
                low, high = bounds[b], bounds[b + 1]
                ascending = True
                for i in range(low, high):
                    key[i] = keys[r, rows[i], j]
                    ascending &= i == low or key[i - 1] <= key[i]
                if not ascending:
                    arrange(key[low:high], rows[low:high])
                for i in range(low + 1, high + 1):
                    if i == high or key[i] != key[low]:
                        finer[count] = low
                        count += 1
                        low = i
            finer[count] = n
            if count == n:
                break
            bounds, runs = finer, count


@inner
def taken(p: Floats, rows: Ints) -> Floats:
    """Rows of f, by number."""
    taken = np.empty((len(rows), p.shape[1]))
    for i in range(len(rows)):
        for j in range(p.shape[1]):
            taken[i, j] = p[rows[i], j]
    return taken


@inner
def equal(f: Floats, a: int, b: int) -> bool:
    """Whether two rows of f are the same."""
    for j in range(f.shape[1]):
        if f[a, j] != f[b, j]:
            return False
    return True


@inner
def smallest(values: Floats, k: int) -> float:
    """The k-th smallest of `values`, from 1, which it moves around (Hoare 1961, "Algorithm 65: Find")."""
    low, high = 0, len(values) - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k - 1 <= j:
            high = j
        elif k - 1 >= i:
            low = i
        else:
            break
    found: float = values[k - 1]
    return found


@inner
def first_beyond(y: Floats, start: int, count: int, value: float) -> int:
    """The first of `count` ascending places from `start` whose y is greater than `value`."""
    while count > 0:
        half = count // 2
        beyond = y[start + half] > value
        start = start if beyond else start + half + 1
        count = half if beyond else count - half - 1
    return start
