"""Triton version, for CUDA, of `nearest_direction`.

Products and sums are rounded one by one, never fused, so that the bits are those
of the reference.
"""
# mypy: disable-error-code="untyped-decorator,no-untyped-def"

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

POINTS, DIRECTIONS = 32, 32  # a tile; 8 pairs a thread, whose value, best and number stay in registers


def nearest_direction(f: Tensor, unit: Tensor) -> tuple[Tensor, Tensor]:
    """`nearest_direction`: every point meets every direction in tiles that never leave the registers."""
    (*leading, n, m), k = f.shape, unit.shape[-2]
    dtype = torch.promote_types(f.dtype, unit.dtype)
    f = f.to(dtype).contiguous()
    shared = unit.shape[:-2].numel() == 1
    unit = unit.to(dtype) if shared else unit.to(dtype).expand(*leading, k, m)
    unit = unit.contiguous()
    niche = torch.empty(f.shape[:-1], dtype=torch.int64, device=f.device)
    along = torch.empty(f.shape[:-1], dtype=dtype, device=f.device)
    if niche.numel():
        programs = f.shape[:-2].numel() * triton.cdiv(n, POINTS)
        with torch.cuda.device_of(f):
            _nearest_direction[(programs,)](
                f, unit, niche, along, n, k, 0 if shared else k * m,
                M=m, POINTS=POINTS, DIRECTIONS=DIRECTIONS, enable_fp_fusion=False,
            )  # fmt: skip
    return niche, along


@triton.jit
def _nearest_direction(
    f, unit, niche, along, n, k, unit_stride, M: tl.constexpr, POINTS: tl.constexpr, DIRECTIONS: tl.constexpr
):
    """A program takes POINTS points of one run past all directions; each lane keeps the best of those it saw."""
    program, pieces = tl.program_id(0).to(tl.int64), tl.cdiv(n, POINTS)
    run = program // pieces
    rows = program % pieces * POINTS + tl.arange(0, POINTS)
    point = f + (run * n + rows) * M
    lanes = tl.arange(0, DIRECTIONS)
    best = tl.full((POINTS, DIRECTIONS), float("-inf"), f.dtype.element_ty)
    number = tl.zeros((POINTS, DIRECTIONS), tl.int32)
    for start in range(0, k, DIRECTIONS):
        exists = start + lanes < k
        direction = unit + run * unit_stride + (start + lanes).to(tl.int64) * M
        value = tl.load(point, rows < n, 0.0)[:, None] * tl.load(direction, exists, 0.0)[None, :]
        for j in tl.static_range(1, M):
            value += tl.load(point + j, rows < n, 0.0)[:, None] * tl.load(direction + j, exists, 0.0)[None, :]
        better = exists[None, :] & (value > best)  # an equal one that comes later loses
        best = tl.where(better, value, best)
        number = tl.where(better, start + lanes[None, :], number)
    greatest = tl.max(best, axis=1)
    first = tl.min(tl.where(best == greatest[:, None], number, k), axis=1)
    tl.store(along + run * n + rows, greatest, rows < n)
    tl.store(niche + run * n + rows, first.to(tl.int64), rows < n)
