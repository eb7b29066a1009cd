"""Triton version, for CUDA, of `nearest_distances`.

Differences, products and sums are rounded one by one, never fused, so that the bits are those of the reference.
"""
# mypy: disable-error-code="untyped-decorator,no-untyped-def"

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from moopt.kernels.distances import reference

POINTS, OTHERS = 8, 64  # a tile of one warp, which waits for nobody while it sorts in a near one
UNROLLED = 16  # coordinates
MOST = 63  # nearest distances, and that to itself, kept in registers


def nearest_distances(points: Tensor, k: int) -> Tensor:
    """`nearest_distances`: every point meets all others in tiles and keeps the k nearest so far.

    For more than 63 that exist, the reference makes pieces and sorts them.
    """
    (*leading, n, m), runs = points.shape, points.shape[:-2].numel()
    points = points.contiguous()
    found = points.new_full((*leading, n, k), torch.inf)
    kept = min(k, n - 1)  # so many others there are
    if kept <= 0 or not runs:
        return found
    if kept > MOST:
        return reference.nearest_distances.reference(points, k)
    with torch.cuda.device_of(points):
        _nearest[(runs * triton.cdiv(n, POINTS),)](
            points, found, n, kept + 1, k,
            M=m, STEP=m if m <= UNROLLED else 1, KEPT=triton.next_power_of_2(kept + 1),
            POINTS=POINTS, OTHERS=OTHERS, num_warps=1, enable_fp_fusion=False,
        )  # fmt: skip
    return found.sqrt_()


@triton.jit
def _nearest(
    points, found, n, k, stride,
    M: tl.constexpr, STEP: tl.constexpr, KEPT: tl.constexpr, POINTS: tl.constexpr, OTHERS: tl.constexpr,
):  # fmt: skip
    """A program takes POINTS points of one run past all points of that run, and keeps squares of distances."""
    program, pieces = tl.program_id(0).to(tl.int64), tl.cdiv(n, POINTS)
    run = program // pieces
    rows = program % pieces * POINTS + tl.arange(0, POINTS)
    lanes, slots = tl.arange(0, OTHERS), tl.arange(0, KEPT)
    kind = points.dtype.element_ty
    # Slots beyond k are never the farthest, so nothing takes their place.
    kept = tl.zeros((POINTS, KEPT), kind) + tl.where(slots < k, float("inf"), float("-inf"))[None, :].to(kind)
    farthest = tl.max(kept, axis=1)
    for start in range(0, n, OTHERS):
        # From its own points on, round about: where the points are in order, the nearest come first.
        other = program % pieces * POINTS + start + lanes
        other = tl.where(other < n, other, other - n)
        square = tl.zeros((POINTS, OTHERS), kind)
        for first in range(0, M, STEP):
            for j in tl.static_range(STEP):
                # What does not exist is NaN, which is nearer than nothing.
                a = tl.load(points + (run * n + rows) * M + first + j, rows < n, float("nan"))
                b = tl.load(points + (run * n + other) * M + first + j, start + lanes < n, float("nan"))
                offset = a[:, None] - b[None, :]
                square += offset * offset
        # As long as any row has one nearer than the farthest it kept: the row's nearest takes its place.
        while tl.max((square < farthest[:, None]).to(tl.int32), axis=None) > 0:
            square = tl.where(square == square, square, float("inf"))
            least = tl.min(square, axis=1)
            goes = _one(kept, farthest, slots, KEPT) & (least < farthest)[:, None]
            kept = tl.where(goes, least[:, None], kept)
            square = tl.where(_one(square, least, lanes, OTHERS), float("inf"), square)
            farthest = tl.max(kept, axis=1)
    kept = tl.where(slots[None, :] < k, kept, float("inf"))
    for i in range(k):
        least = tl.min(kept, axis=1)
        tl.store(found + (run * n + rows) * stride + i - 1, least, (rows < n) & (i > 0))  # the first is itself
        kept = tl.where(_one(kept, least, slots, KEPT), float("inf"), kept)


@triton.jit
def _one(table, value, columns, COLUMNS: tl.constexpr):
    """Where each row holds its value first."""
    first = tl.min(tl.where(table == value[:, None], columns[None, :], COLUMNS), axis=1)
    return columns[None, :] == first[:, None]
