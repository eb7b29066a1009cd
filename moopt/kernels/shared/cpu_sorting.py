"""Sorting and searching inside Numba. After a change here, delete the callers' `__pycache__` (see `moopt.kernels`)."""
# mypy: disable-error-code="untyped-decorator,assignment"

from __future__ import annotations

from typing import Any

import numba  # noqa: TID253
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

RADIX_FROM = 70  # keys from which on radix sort is faster than merging
RUN = 8  # keys sorted by insertion before merging
DIGIT = 11  # bits; counts of one digit fill 16 KiB, half of the first-level cache
SWAPS = 4  # per key, as long as three more passes

njit = numba.njit(cache=True, nogil=True)


@njit
def arrange(key: Floats, rows: Ints) -> None:
    """Sorts `key` in place, without NaN, and takes `rows` along; equal keys keep their order.

    Radix sort by digits of the bits, or insertion and merging of few: `np.argsort` inside Numba takes many seconds to
    compile and carries nothing along.
    """
    n = len(key)
    other_key, other_rows = np.empty(n), np.empty(n, np.int64)
    if n >= RADIX_FROM:
        _radix(key, rows, other_key, other_rows)
        return
    for low in range(0, n, RUN):
        for i in range(low + 1, min(low + RUN, n)):
            k, row, j = key[i], rows[i], i
            while j > low and key[j - 1] > k:
                key[j], rows[j] = key[j - 1], rows[j - 1]
                j -= 1
            key[j], rows[j] = k, row
    width = RUN
    while width < n:
        for low in range(0, n, 2 * width):
            middle, high = min(low + width, n), min(low + 2 * width, n)
            a, b = low, middle
            for i in range(low, high):
                if b == high or (a < middle and key[a] <= key[b]):
                    other_key[i], other_rows[i] = key[a], rows[a]
                    a += 1
                else:
                    other_key[i], other_rows[i] = key[b], rows[b]
                    b += 1
        for i in range(n):
            key[i], rows[i] = other_key[i], other_rows[i]
        width *= 2


@njit
def _radix(key: Floats, rows: Ints, other_key: Floats, other_rows: Ints) -> None:
    """Sorts by the upper half of the bits and inserts where the lower half matters; sorts by all if that is often."""
    n = len(key)
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
        for shift in range(low, 64, DIGIT):
            if _pass(bits, moved, other_bits, other_moved, count, np.uint64(shift)):
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


@njit
def _pass(bits: Any, rows: Ints, to_bits: Any, to_rows: Ints, count: Ints, shift: Any) -> bool:
    """Sorts by one digit into other arrays, or does nothing where all have the same."""
    n, mask = len(bits), np.uint64((1 << DIGIT) - 1)
    for digit in range(len(count)):
        count[digit] = 0
    for i in range(n):
        count[np.int64(bits[i] >> shift & mask)] += 1
    if count[np.int64(bits[0] >> shift & mask)] == n:
        return False
    total = 0
    for digit in range(len(count)):
        total += count[digit]
        count[digit] = total - count[digit]
    for i in range(n):
        digit = np.int64(bits[i] >> shift & mask)
        at = count[digit]
        to_bits[at], to_rows[at] = bits[i], rows[i]
        count[digit] = at + 1
    return True


@njit
def sort(f: Floats, rows: Ints, start: int, stop: int) -> Ints:
    """`rows` in the lexicographic order of columns start .. stop - 1 of f; equal rows keep their order."""
    n = len(rows)
    order, key = rows.copy(), np.empty(n)
    for i in range(n):
        key[i] = f[rows[i], start]
    arrange(key, order)
    bounds = np.empty(2, np.int64)  # runs of equal values in one column are sorted by the next
    bounds[0], bounds[1] = 0, n
    for j in range(start + 1, stop):
        finer = np.empty(n + 1, np.int64)
        runs = 0
        for b in range(len(bounds) - 1):
            low, high = bounds[b], bounds[b + 1]
            for i in range(low + 1, high + 1):
                if i == high or f[order[i], j - 1] != f[order[low], j - 1]:
                    if i - low > 1:
                        for c in range(low, i):
                            key[c] = f[order[c], j]
                        arrange(key[low:i], order[low:i])
                    finer[runs] = low
                    runs += 1
                    low = i
        finer[runs] = n
        if runs == n:
            break
        bounds = finer[: runs + 1]
    return order


@njit
def equal(f: Floats, a: int, b: int) -> bool:
    """Whether two rows of f are the same."""
    for j in range(f.shape[1]):
        if f[a, j] != f[b, j]:
            return False
    return True


@njit
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


@njit
def first_beyond(y: Floats, start: int, count: int, value: float) -> int:
    """The first of `count` ascending places from `start` whose y is greater than `value`."""
    while count > 0:
        half = count // 2
        beyond = y[start + half] > value
        start = start if beyond else start + half + 1
        count = half if beyond else count - half - 1
    return start
