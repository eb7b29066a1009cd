"""Numba versions, for the CPU, of `nearest_direction`, `associate` and `neighbours`.

The directions or points go into a tree of boxes, built anew in each call: 1 ms for 10,000 of three objectives. A
box that lies too far away to hold an answer is left out, rounding allowed for; what remains is compared by the same
sums as in the reference, so the answers are the same, ties included. It is a k-d tree (Friedman, Bentley and Finkel
1977, "An algorithm for finding best matches in logarithmic expected time") that prunes by the bounding box of what a
node holds: directions lie on a sphere, which fills little of a cell of space.
"""
# mypy: disable-error-code="untyped-decorator,no-untyped-def"

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from moopt.kernels.directions import reference
from moopt.kernels.shared.compiled import entry, inner
from moopt.kernels.shared.threads import in_parts

# Entries of a leaf, compared by vector instructions. Of 4 to 256, 32 is the fastest for 2 to 5 objectives (0.13 us a
# point among 1,000 directions, 0.21 among 10,000) and nearly so for 10. So many or fewer are one leaf: brute force.
LEAF = 32
LEAST = 2**13  # points that are worth a thread: some milliseconds
DEPTH = 64  # more levels than a tree can have
SMALLEST = 1e-280  # a square of a length that has lost no bits; for shorter points no box is left out



def nearest_direction(f: Tensor, unit: Tensor) -> tuple[Tensor, Tensor]:
    """`nearest_direction` for float32 and float64, in O(log k) a point where objectives are few."""
    if f.dtype not in (torch.float32, torch.float64) or unit.dtype != f.dtype:
        return reference.nearest_direction.reference(f, unit)
    niche, along, _ = associate(f, unit)
    return niche, along


def associate(f: Tensor, unit: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """`associate` for float32 and float64."""
    if f.dtype not in (torch.float32, torch.float64) or unit.dtype != f.dtype:
        return reference.associate.reference(f, unit)
    batch, (k, m) = torch.broadcast_shapes(f.shape[:-2], unit.shape[:-2]), unit.shape[-2:]
    f = f.detach().expand(*batch, *f.shape[-2:])
    if unit.shape[:-2].numel() == 1:  # all runs share one tree
        directions, points = unit.detach().reshape(1, k, m), f.reshape(1, -1, m)
    else:
        directions, points = (t.reshape(batch.numel(), -1, m) for t in (unit.detach().expand(*batch, k, m), f))
    niche, along, square = (f.new_empty(f.shape[:-1], dtype=t) for t in (torch.int64, f.dtype, f.dtype))
    flat, sets = points.contiguous().numpy(), directions.contiguous().numpy()
    numbers, lengths, squares = (t.view(-1).numpy() for t in (niche, along, square))
    eps, tiny = torch.finfo(f.dtype).eps, torch.finfo(f.dtype).tiny

    def part(start: int, stop: int) -> None:
        _nearest(flat, sets, numbers, lengths, squares, eps, tiny, start, stop)

    in_parts(part, niche.numel(), LEAST)
    return niche, along, square.sqrt_()  # torch's root, which may be off by one rounding, as in the reference


def neighbours(points: Tensor, size: int) -> Tensor:
    """`neighbours`, in O(log k + size) a point where columns are few."""
    *batch, k, m = points.shape
    found = torch.empty(*batch, k, size, dtype=torch.int64)
    rows, out = points.detach().double().reshape(-1, k, m).contiguous().numpy(), found.view(-1, size).numpy()
    in_parts(lambda start, stop: _neighbours(rows, start, stop, out), len(out), LEAST // size + 1)
    return found


@inner
def _halve(p, rows, j, low, high, middle):
    """Arranges p[low:high], rows along with it, so that column j is nowhere greater before `middle` than from it on:
    Hoare's quickselect."""
    while high - low > 1:
        pivot = p[(low + high) // 2, j]
        a, b = low, high - 1
        while a <= b:
            while p[a, j] < pivot:
                a += 1
            while p[b, j] > pivot:
                b -= 1
            if a <= b:
                rows[a], rows[b] = rows[b], rows[a]
                for i in range(p.shape[1]):
                    p[a, i], p[b, i] = p[b, i], p[a, i]
                a += 1
                b -= 1
        if middle <= b:
            high = b + 1
        elif middle >= a:
            low = a
        else:
            return


@inner
def _tree(points):
    """A balanced tree in an array, children of node i at 2 i + 1 and 2 i + 2: the bounding box of each node [2, m], the
    coordinates in each leaf [m, LEAF], their row numbers [LEAF]. A leaf with room left repeats its last row."""
    k, m = points.shape
    levels = 0
    while k > LEAF << levels:
        levels += 1
    leaves = 1 << levels
    p, rows = points.copy(), np.arange(k)
    box = np.empty((2 * leaves - 1, 2, m))
    for level in range(levels + 1):
        for i in range(1 << level):
            start, stop, node = k * i >> level, k * (i + 1) >> level, (1 << level) - 1 + i
            for j in range(m):
                low, high = p[start, j], p[start, j]
                for row in range(start + 1, stop):
                    low, high = min(low, p[row, j]), max(high, p[row, j])
                box[node, 0, j], box[node, 1, j] = low, high
            if level < levels:
                widest = np.argmax(box[node, 1] - box[node, 0])
                _halve(p, rows, widest, start, stop, k * (2 * i + 1) >> (level + 1))
    cells, number = np.empty((leaves, m, LEAF), points.dtype), np.empty((leaves, LEAF), np.int64)
    for i in range(leaves):
        start, stop = k * i >> levels, k * (i + 1) >> levels
        for c in range(LEAF):
            row = min(start + c, stop - 1)
            number[i, c] = rows[row]
            for j in range(m):
                cells[i, j, c] = p[row, j]
    return box, cells, number


@inner
def _next_leaf(g, box, depth, node, square, limit):
    """The next leaf that may hold points less than the root of `limit` away from g, -1 if there is none, and how many
    nodes wait; those that wait are in `node`, the squares of their distances in `square`."""
    first = len(box) // 2
    while depth > 0:
        depth -= 1
        at, distance = node[depth], square[depth]
        while at < first and distance <= limit:
            left = 2 * at + 1
            a, b = 0.0, 0.0
            for j in range(len(g)):
                gap = max(max(box[left, 0, j] - g[j], g[j] - box[left, 1, j]), 0.0)
                a += gap * gap
                gap = max(max(box[left + 1, 0, j] - g[j], g[j] - box[left + 1, 1, j]), 0.0)
                b += gap * gap
            at, distance = (left, a) if a <= b else (left + 1, b)
            node[depth], square[depth] = 2 * left + 1 - at, max(a, b)  # the farther child waits, if it is near enough
            depth += max(a, b) <= limit
        if distance <= limit:
            return at - first, depth
    return -1, depth


@entry
def _nearest(f, unit, niche, along, off, eps, tiny, start, stop):
    """Directions unit[s, k, m] of points start .. stop - 1 of f[s, n, m], counted over all sets; `off` becomes the
    square of the distance.

    For g = f / |f|, f u = |f| (1 + |u|^2 - |g - u|^2) / 2. So u is worth a look only if |g - u|^2 is at most
    1 + |u|^2 - 2 best / |f|. Of the computed numbers, g is off by (m / 2 + 3) eps, the square of a distance by that and
    by (m + 2) eps of itself, the sum of products by m eps: less than 4 (m + 4) eps (1 + |u|^2) |f| together.
    """
    n, m = f.shape[1:]
    g, value = np.empty(m), np.empty(LEAF, f.dtype)
    node, square = np.empty(DEPTH, np.int64), np.empty(DEPTH)
    while start < stop:
        s = start // n
        box, cells, number = _tree(unit[s])
        longest = 0.0
        for i in range(unit.shape[1]):
            length = 0.0
            for j in range(m):
                length += np.float64(unit[s, i, j]) ** 2
            longest = max(longest, length)
        loss = 4 * (m + 4) * eps * (1.0 + longest)
        for i in range(start - s * n, min(stop - s * n, n)):
            size, nonzero = 0.0, False
            for j in range(m):
                size += np.float64(f[s, i, j]) ** 2
                nonzero |= f[s, i, j] != 0.0
            if not nonzero:
                niche[s * n + i], along[s * n + i], off[s * n + i] = 0, 0.0, 0.0
                continue
            usual, size = size > SMALLEST, np.sqrt(size)
            for j in range(m):
                g[j] = f[s, i, j] / size if usual else 0.0
            best, at, limit = -np.inf, 0, np.inf
            node[0], square[0], depth = 0, 0.0, 1
            while True:
                leaf, depth = _next_leaf(g, box, depth, node, square, limit)
                if leaf < 0:
                    break
                width, x = cells.shape[2], f[s, i, 0]  # not LEAF: loops of a known length are unrolled, not vectorised
                for c in range(width):
                    value[c] = x * cells[leaf, 0, c]
                for j in range(1, m):
                    x = f[s, i, j]
                    for c in range(width):
                        value[c] += x * cells[leaf, j, c]
                high = value[0]
                for c in range(1, width):
                    high = max(high, value[c])
                if high < best:
                    continue
                for c in range(width):
                    if value[c] == high and (high > best or number[leaf, c] < at):
                        best, at = np.float64(high), number[leaf, c]
                if usual:
                    limit = 1.0 + longest - 2.0 * (best - m * tiny) / size + 2.0 * loss
            niche[s * n + i], along[s * n + i] = at, best
            x, off[s * n + i] = along[s * n + i], 0.0  # in the precision of f
            for j in range(m):
                off[s * n + i] += (f[s, i, j] - x * unit[s, at, j]) ** 2
        start = min(stop, (s + 1) * n)


@entry
def _neighbours(points, start, stop, out):
    """Neighbours of rows start .. stop - 1 of points[s, k, m], counted over all sets. The distance to a box is computed
    like that to a point, and rounding is monotone, so it exceeds none of the computed distances to points inside."""
    (_, k, m), size = points.shape, out.shape[1]
    value, distance = np.empty(LEAF), np.empty(size)
    node, square = np.empty(DEPTH, np.int64), np.empty(DEPTH)
    while start < stop:
        s = start // k
        box, cells, number = _tree(points[s])
        for i in range(start - s * k, min(stop - s * k, k)):
            g, near = points[s, i], out[s * k + i]
            held, limit = 0, np.inf
            node[0], square[0], depth = 0, 0.0, 1
            while True:
                leaf, depth = _next_leaf(g, box, depth, node, square, limit)
                if leaf < 0:
                    break
                width = cells.shape[2]
                for c in range(width):
                    value[c] = 0.0
                for j in range(m):
                    x = g[j]
                    for c in range(width):
                        value[c] += (x - cells[leaf, j, c]) ** 2
                for c in range(k * (leaf + 1) // len(cells) - k * leaf // len(cells)):
                    row = number[leaf, c]
                    d = value[c] if row != i else -1.0
                    if d > limit or (d == limit and row > near[size - 1]):
                        continue
                    held = min(held + 1, size)
                    place = held - 1
                    while place > 0:
                        if d > distance[place - 1] or (d == distance[place - 1] and row > near[place - 1]):
                            break
                        distance[place], near[place] = distance[place - 1], near[place - 1]
                        place -= 1
                    distance[place], near[place] = d, row
                    if held == size:
                        limit = distance[size - 1]
        start = min(stop, (s + 1) * k)
