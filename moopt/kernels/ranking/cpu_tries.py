"""Ranks of lexicographically sorted points of many objectives inside Numba.

After a change here, delete the callers' `__pycache__` (see `moopt.kernels`).
"""
# mypy: disable-error-code="untyped-decorator,operator,assignment,no-any-return"

from __future__ import annotations

from typing import Any

import numpy as np

from moopt.kernels.ranking.cpu_fronts import count_in
from moopt.kernels.shared.compiled import inner
from moopt.kernels.shared.cpu_sorting import Floats, Ints, equal, taken

FEW = 800  # points; `pairs` is faster than a trie up to 500 of 15 objectives, 1,000 of 10, 2,000 of 4
MANY = 400  # points from which on it pays to leave out most of the dominated ones before looking for the first front
STRONG = 8  # points that do that, of a sample of four times as many
SAMPLE = 128  # values that estimate the quantiles of an objective
BINS = 128  # of them, and of a histogram that finds a median
SPREAD = 16  # points that tell along which objective others spread most

FAN = 3  # bits of a place that choose one of a node's eight children
EMPTY = np.iinfo(np.int64).min  # no child; others are the number of a point, or ~ the number of a node
ONES = np.uint64(0x0001000100010001)  # one in each of four codes
TOPS = np.uint64(0x8000800080008000)  # the bit above the 15 of each code
BYTES = np.uint64(0x0101010101010101)



@inner
def pairs(p: Floats) -> Ints:
    """Ranks of a few lexsorted points from all comparisons, which run on vectors without branches."""
    n, m = p.shape
    columns, rank, above = np.empty((m, n)), np.zeros(n, np.int64), np.empty(n, np.uint8)
    for i in range(n):
        for j in range(m):
            columns[j, i] = p[i, j]
        if i > 0 and equal(p, i - 1, i):
            rank[i] = rank[i - 1]
        else:
            for q in range(i):
                above[q] = 1
            for j in range(1, m):
                _compare(columns[j, :i], p[i, j], above[:i])
            rank[i] = _following(rank[:i], above[:i])
    return rank


@inner
def _compare(column: Floats, value: float, above: Any) -> None:
    for i in range(len(column)):
        above[i] &= column[i] <= value


@inner
def _following(rank: Ints, above: Any) -> int:
    r = 0
    for i in range(len(rank)):
        r = max(r, above[i] * (rank[i] + 1))
    return r


@inner
def _contenders(p: Floats) -> Ints:
    """Rows of all points but most of those that a few strong ones dominate, as far as these are many.

    The strong ones dominate the greatest part of the space between their sample, measured in positions.
    """
    n, m = p.shape
    size, key, share, rows = SAMPLE, np.empty(SAMPLE), np.ones(SAMPLE), np.arange(n)
    for j in range(m):
        for i in range(size):
            key[i] = p[i * n // size, j]
        for i in range(size):
            above = 0
            for q in range(size):
                above += key[q] >= key[i]
            share[i] *= above
    for _ in range(STRONG):
        best = 0
        for i in range(size):
            if share[i] > share[best]:
                best = i
        share[best] = 0.0
        strong, kept = best * n // size, 0
        for i in range(len(rows)):
            row, worse, same = rows[i], True, True
            for j in range(m):
                worse &= p[strong, j] <= p[row, j]
                same &= p[strong, j] == p[row, j]
            rows[kept] = row
            kept += same or not worse
        few = len(rows) - kept < len(rows) // 32
        rows = rows[:kept]
        if few:
            break
    return rows


@inner
def _codes(p: Floats) -> Any:
    """Each objective but the first in 15 bits that keep its order, though not all differences: uint16[n, m - 1].

    Seven bits count the quantiles below a value; the others divide the steps between them evenly.
    """
    n, m = p.shape
    c = np.empty((n, m - 1), np.uint16)
    key, cuts, scale = np.empty(SAMPLE), np.empty(BINS + 1), np.empty(BINS)
    for j in range(1, m):
        for i in range(SAMPLE):
            v, q = p[i * n // SAMPLE, j], i
            while q > 0 and key[q - 1] > v:
                key[q] = key[q - 1]
                q -= 1
            key[q] = v
        for q in range(BINS + 1):
            cuts[q] = key[min(q * SAMPLE // BINS, SAMPLE - 1)]
        for q in range(BINS):
            width = cuts[q + 1] - cuts[q]
            scale[q] = 255.0 / width if 0.0 < width < np.inf else 0.0
        for i in range(n):  # without branches, so that it runs on vectors
            v = p[i, j]
            q = 64 * (cuts[64] <= v)
            q += 32 * (cuts[q + 32] <= v)
            q += 16 * (cuts[q + 16] <= v)
            q += 8 * (cuts[q + 8] <= v)
            q += 4 * (cuts[q + 4] <= v)
            q += 2 * (cuts[q + 2] <= v)
            q += 1 * (cuts[q + 1] <= v)
            step = (v - cuts[q]) * scale[q]  # NaN beside infinities
            c[i, j - 1] = 256 * q + (np.int64(min(step, 255.0)) if step > 0.0 else 0)
    return c


@inner
def _places(c: Any) -> Ints:
    """The place of each point in the order of a k-d tree's leaves (Bentley 1975): those with the same leading bits
    are close together.

    Each division is at the median of the objective that spreads most, and all ranges of 2^b places but the last are
    full.
    """
    n, k = c.shape
    rows, moved, count = np.arange(n), np.empty(n, np.int64), np.empty(BINS, np.int64)
    width = 1 << FAN
    while width < n:
        width *= 2
    while width > 1 << FAN:
        for start in range(0, n - width // 2, width):
            stop = min(start + width, n)
            axis, base, most = 0, 0, -1
            for j in range(k):
                low = high = np.int64(c[rows[start], j])
                for i in range(start, stop, (stop - start) // SPREAD + 1):
                    low, high = min(low, np.int64(c[rows[i], j])), max(high, np.int64(c[rows[i], j]))
                if high - low > most:
                    axis, base, most = j, low, high - low
            shift = 0
            while most >> shift >= BINS:
                shift += 1
            for cut in range(BINS):
                count[cut] = 0
            for i in range(start, stop):
                count[min(max(np.int64(c[rows[i], axis]) - base, 0) >> shift, BINS - 1)] += 1
            cut, spare = 0, width // 2
            while count[cut] <= spare:
                spare -= count[cut]
                cut += 1
            middle, above = start, 0
            for i in range(start, stop):
                row = rows[i]
                v = min(max(np.int64(c[row, axis]) - base, 0) >> shift, BINS - 1)
                spare -= v == cut
                if v < cut or (v == cut and spare >= 0):
                    rows[middle] = row
                    middle += 1
                else:
                    moved[above] = row
                    above += 1
            for i in range(above):
                rows[middle + i] = moved[i]
        width //= 2
    place = np.empty(n, np.int64)
    for i in range(n):
        place[rows[i]] = i
    return place


@inner
def _reachable(words: Any, node: int, x: Any) -> Any:
    """Which of a node's eight children have corners nowhere above x: the highest bit of one byte for each.

    Subtraction borrows the bit above every code that is greater (Lamport 1975).
    """
    even, odd = TOPS, TOPS
    for j in range(len(x)):
        even &= x[j] - words[node, j, 0]
        odd &= x[j] - words[node, j, 1]
    return even >> np.uint64(8) | odd


@inner
def _front(p: Floats, i: int, roots: Ints, high: int, words: Any, link: Ints, x: Any, nodes: Ints, left: Any) -> int:
    """The first of `high` fronts without a point that is <= p[i] in every objective but the first, by which all are
    sorted.

    Binary search over the fronts (Zhang et al. 2015, ENS-BS), depth first in each: a stack holds nodes and which of
    their children are left to visit.
    """
    front, last = 0, p.shape[1] - 1
    while front < high:
        middle = (front + high) // 2
        entry, depth, dominated = roots[middle], -1, False
        while True:
            if entry >= 0:
                j = last
                while j > 0 and p[entry, j] <= p[i, j]:
                    j -= 1
                if j == 0:
                    dominated = True
                    break
            else:
                depth += 1
                nodes[depth], left[depth] = ~entry, _reachable(words, ~entry, x)
            while depth >= 0 and left[depth] == 0:
                depth -= 1
            if depth < 0:
                break
            others = left[depth] & (left[depth] - np.uint64(1))
            up_to = (left[depth] ^ others) - np.uint64(1) & BYTES  # ones in the bytes up to that of the lowest child
            left[depth] = others
            entry = link[nodes[depth], np.int64(up_to * BYTES >> np.uint64(56)) - 1]
        if dominated:
            front = middle + 1
        else:
            high = middle
    return front


@inner
def _slot(child: int) -> int:
    """Where a node keeps a child's codes: four even children in one word, four odd ones in the next."""
    return 4 * (child & 1) + (child >> 1)


@inner
def _insert(
    i: int, root: int, c: Any, place: Ints, used: int, corner: Any, link: Ints, bits: Ints, prefix: Ints
) -> tuple[int, int]:
    """Puts point i into a trie; returns its root and the number of nodes in use.

    A node stands where the places of two of its points first differ (Morrison 1968): so many `bits` follow those that
    choose a child, and what goes before is its `prefix`.
    """
    k = c.shape[1]
    parent, side, entry = -1, 0, root
    while entry != EMPTY:
        node = ~entry
        if entry >= 0 or place[i] >> (bits[node] + FAN) != prefix[node]:
            shift, other = 0, place[entry] if entry >= 0 else prefix[node] << (bits[node] + FAN)
            while (place[i] ^ other) >> (shift + FAN) > 0:
                shift += FAN
            bits[used], prefix[used] = shift, other >> (shift + FAN)
            at = other >> shift & 7
            for lane in range(8):
                link[used, lane] = entry if lane == at else EMPTY
            for j in range(k):
                lowest = 1 << 15 if entry < 0 else np.int64(c[entry, j])
                for slot in range(8):
                    corner[used, j, slot] = 1 << 15  # above every code
                    if entry < 0:
                        lowest = min(lowest, np.int64(corner[node, j, slot]))
                corner[used, j, _slot(at)] = lowest
            if parent < 0:
                root = ~used
            else:
                link[parent, side] = ~used
            node, used = used, used + 1
        parent, side = node, place[i] >> bits[node] & 7
        slot = _slot(side)
        for j in range(k):
            corner[parent, j, slot] = min(corner[parent, j, slot], c[i, j])
        entry = link[parent, side]
    if parent < 0:
        return i, used
    link[parent, side] = i
    return root, used


@inner
def trees(p: Floats, n_keep: int) -> Ints:
    """Ranks of lexsorted points with three or more objectives, by a tree of each front (Gustavsson and Syberfeldt
    2018, ENS-NDT).

    Once fronts 0 .. limit hold n_keep >= 1 points, all that follows them is only known to be in some later front.
    Here a front is a trie of places in one k-d order of all points. A node holds the lower corners of its children in
    codes of 15 bits, so that all eight are compared at once; codes only tell where no dominating point can be, and
    what they do not rule out is compared itself.
    """
    whole, rows = len(p), np.arange(0)
    if n_keep == 1 and whole > MANY:
        rows = _contenders(p)
        p = taken(p, rows)
    n, k = len(p), p.shape[1] - 1
    if n <= FEW:
        rank = pairs(p)
    else:
        c = _codes(p)
        place = _places(c)
        words, link = np.empty((n, k, 2), np.uint64), np.empty((n, 8), np.int64)  # a node for two points or more
        corner = words.view(np.uint16)
        bits, prefix, used = np.empty(n, np.int64), np.empty(n, np.int64), 0
        nodes, left = np.empty(64 // FAN + 1, np.int64), np.empty(64 // FAN + 1, np.uint64)
        roots, x = np.empty(n, np.int64), np.empty(k, np.uint64)
        sizes, rank = np.zeros(n, np.int64), np.empty(n, np.int64)
        fronts, ranked, limit = 0, 0, n
        for i in range(n):
            if i > 0 and equal(p, i - 1, i):
                r = rank[i - 1]
            else:
                for j in range(k):
                    x[j] = np.uint64(c[i, j]) * ONES | TOPS
                r = _front(p, i, roots, min(fronts, limit + 1), words, link, x, nodes, left)
                if r <= limit:
                    if r == fronts:
                        roots[r] = EMPTY
                        fronts += 1
                    roots[r], used = _insert(i, roots[r], c, place, used, corner, link, bits, prefix)
            rank[i] = r
            if r <= limit:
                ranked, limit = count_in(r, fronts, n_keep, sizes, ranked, limit)
    if len(rows) == 0:
        return rank
    found = np.ones(whole, np.int64)
    for i in range(n):
        found[rows[i]] = rank[i]
    return found
