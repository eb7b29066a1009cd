"""Pareto ranks by Triton, for CUDA: the same function as the torch reference.

Sorted lexicographically and without copies, a point is dominated by earlier points only, and by those that are
nowhere worse behind the first objective. Points are ranked in blocks, one program each, all in one launch: a
program takes the ranks of all earlier blocks as they appear in memory, then settles its own points. Programs are
numbered in the order in which they start, so each waits for programs that run already: none can wait for ever
(Merrill and Garland 2016, "Single-pass Parallel Prefix Scan with Decoupled Look-back", section 4).
No matrix of n x n exists and nothing waits for the host, so calls can be captured in a CUDA graph.

Two lower limits of the time for the comparison of all pairs of n distinct points:
  memory       n (m itemsize + 8) bytes: each point read once, each rank written as int64;
  arithmetic   n (n - 1) / 2 pairs of m + 1 operations: m - 1 comparisons, a selection and a maximum.
On an H200 with 4.8e12 bytes/s and 3.3e13 operations/s (132 units of 128 lanes at 1.98 GHz, 67 TFLOP/s being two
floating-point operations in each), m = 3, float32:
  n = 65,536      1.3 MB, 0.27 us      8.6e9 operations, 0.26 ms
  n = 2,000,000   40 MB, 8.3 us        8.0e12 operations, 0.24 s
The sort in front of it is not counted, nor that comparisons, selections and maxima run at half that rate, nor the way
from block to block: n / BLOCK steps one after the other, of some microseconds each, which decide for one run of less
than some 10^5 points. For sm_90 the compiler makes 6.5 instructions of a pair, m = 3 and float32.
"""
# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-untyped-call"

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from moopt.kernels.ranking.reference import rank_by
from moopt.kernels.shared.sorting import lexsort

BLOCK = 64  # points of a program, which is one warp
ROWS = 16  # earlier points compared at a time
WINDOW = 4096  # points that all others are compared with before the first front is sought among the rest


def rank(f: Tensor, violation: Tensor | None, n_keep: int) -> Tensor:
    """`rank`."""
    return rank_by(_fronts, f, violation, n_keep)


def _fronts(f: Tensor, first_only: bool) -> Tensor:
    """Ranks of f[..., n, m] without NaN; all that are not in the first front get rank 1 if `first_only`."""
    (*leading, n, m), batch = f.shape, f.shape[:-2].numel()
    if not n or not batch:
        return torch.zeros(*leading, n, dtype=torch.int64, device=f.device)
    exact = torch.float64 if f.dtype == torch.float64 else torch.float32
    f = f.reshape(batch, n, m).to(exact) + 0.0  # -0.0 becomes 0.0: a radix sort would tell them apart
    order = lexsort(list(f.unbind(-1)))
    f = f.gather(1, order[..., None].expand_as(f))
    fresh = torch.ones(batch, n, dtype=torch.bool, device=f.device)
    fresh[:, 1:] = (f[:, 1:] != f[:, :-1]).any(-1)
    place = fresh.cumsum(1) - 1  # of a point among the distinct ones
    if m == 1:
        ranks = place.clamp_max(1) if first_only else place
    else:
        width = triton.cdiv(n, BLOCK) * BLOCK
        # NaN dominates nothing: the rest of the last block cannot disturb
        points = f.new_full((batch, m, width), torch.nan)
        points.scatter_(2, place[:, None].expand(batch, m, n), f.mT)
        ranks = (_dominated if first_only else _ranks)(points, place[:, -1].int() + 1).gather(1, place).long()
    return torch.empty_like(ranks).scatter(1, order, ranks).view(*leading, n)


def _ranks(points: Tensor, count: Tensor) -> Tensor:
    """Ranks int32[r, w] of the first count[r] of points[r, m, w], which are distinct and in order."""
    runs, m, width = points.shape
    ranks = torch.full((runs, width), -1, dtype=torch.int32, device=points.device)
    started = torch.zeros(1, dtype=torch.int32, device=points.device)
    programs = (runs * (width // BLOCK),)
    with torch.cuda.device_of(points):
        rank_blocks[programs](points, count, ranks, started, runs, width, m, BLOCK, ROWS, num_warps=1)
    return ranks


def _dominated(points: Tensor, count: Tensor) -> Tensor:
    """Like `_ranks`, 0 or 1: whether a point is dominated.

    The first points dominate most of the others. What they leave is put together before it is compared with
    itself: otherwise a single point in a block would make the whole block be compared with all points.
    """
    runs, m, width = points.shape

    def found_in(points: Tensor, count: Tensor, window: int) -> Tensor:
        found = torch.ones(runs, width, dtype=torch.int32, device=points.device)
        programs, stride = (runs * (width // BLOCK),), points.shape[-1]
        with torch.cuda.device_of(points):
            find_dominated[programs](
                points, count, found, runs, width, stride, window, m, BLOCK, ROWS, num_warps=1
            )  # fmt: skip
        return found

    first = found_in(points, count, min(WINDOW, width))
    if width <= WINDOW:
        return first
    left = first == 0
    place = left.cumsum(1) - 1
    dense = points.new_full((runs, m, width + BLOCK), torch.nan)
    dense.scatter_(2, torch.where(left, place, width)[:, None].expand_as(points), points)  # dominated: out of sight
    return torch.maximum(first, found_in(dense, place[:, -1].int() + 1, width).gather(1, place))


@triton.jit
def nowhere_worse(points, i, j, stride, M: tl.constexpr):
    """Whether points i[a, 1] are nowhere worse than points j[1, b] behind the first objective: bool[a, b], M > 1."""
    points += stride
    found = tl.load(points + i) <= tl.load(points + j)
    for _ in range(2, M):
        points += stride
        found &= tl.load(points + i) <= tl.load(points + j)
    return found


@triton.jit
def rank_blocks(
    points, count, ranks, started, runs, width, M: tl.constexpr, BLOCK: tl.constexpr, ROWS: tl.constexpr
):  # fmt: skip
    """Ranks of distinct points[r, m, w] in order: ranks int32[r, w], -1 at the start; started int32[1], 0 at the
    start, counts programs."""
    turn = tl.atomic_add(started, 1, sem="relaxed")
    run, first = turn % runs, turn // runs * BLOCK
    points += run.to(tl.int64) * width * M
    ranks += run.to(tl.int64) * width
    if first < tl.load(count + run):
        row, lane = tl.arange(0, ROWS), tl.arange(0, BLOCK)
        j = first + lane
        found, start = tl.zeros([BLOCK], tl.int32), 0
        while start < first:
            i = start + row
            earlier = tl.load(ranks + i, volatile=True)
            above = nowhere_worse(points, i[:, None], j[None, :], width, M)
            while tl.min(earlier, 0) < 0:  # a rank is its own message: no other memory has to be in order with it
                earlier = tl.load(ranks + i, volatile=True)
            found = tl.maximum(found, tl.max(tl.where(above, earlier[:, None] + 1, 0), 0))
            start += ROWS
        for k in range(BLOCK):
            rank = tl.max(tl.where(lane == k, found, 0), 0)
            above = nowhere_worse(points, first + k, j, width, M) & (lane > k)
            found = tl.maximum(found, tl.where(above, rank + 1, 0))
        tl.atomic_xchg(ranks + j, found, sem="relaxed")


@triton.jit
def find_dominated(
    points, count, found, runs, width, stride, window, M: tl.constexpr, BLOCK: tl.constexpr, ROWS: tl.constexpr
):  # fmt: skip
    """Whether points[r, m, w], distinct and in order, are dominated by any of the first `window` or of the same
    block: found int32[r, w]."""
    run, first = tl.program_id(0) % runs, tl.program_id(0) // runs * BLOCK
    points += run.to(tl.int64) * stride * M
    size = tl.load(count + run)
    if first < size:
        row, lane = tl.arange(0, ROWS), tl.arange(0, BLOCK)
        j = first + lane
        dominated = (j >= size).to(tl.int32)
        for k in range(0, BLOCK, ROWS):
            above = nowhere_worse(points, (first + k + row)[:, None], j[None, :], stride, M)
            above &= (k + row)[:, None] < lane[None, :]
            dominated = tl.maximum(dominated, tl.max(above.to(tl.int32), 0))
        start, stop = 0, tl.minimum(first, window)
        while (start < stop) & (tl.min(dominated, 0) == 0):
            for k in range(0, BLOCK, ROWS):
                above = nowhere_worse(points, (start + k + row)[:, None], j[None, :], stride, M)
                dominated = tl.maximum(dominated, tl.max(above.to(tl.int32), 0))
            start += BLOCK
        tl.store(found + run.to(tl.int64) * width + j, dominated)
