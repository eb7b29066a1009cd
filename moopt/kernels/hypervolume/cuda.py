"""Triton version, for CUDA, of `contributions`.

Many columns add to the contribution of one point, in no order. So what they add are integers, whose sum is the same in
any order: objectives are scaled by powers of two so that the box has sides from 1/2 to 1, and volumes are cut into two
whole numbers of 2^-50 and 2^-90.
"""
# mypy: disable-error-code="untyped-decorator,no-untyped-def"

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

COLUMNS = 32  # of one program: one warp, so that few points already keep many multiprocessors busy
HIGH, LOW = 2.0**50, 2.0**40  # a point's columns may add 2^23 low parts before they overflow 63 bits


def contributions(f: Tensor, reference: Tensor) -> Tensor:
    """`contributions`: O(n log n) for two objectives; n^2 steps, n at a time, for three.

    Errors: some roundings, and less than 2^-90 of the box around all points for each time that a point gains or loses
    the lowest place in a column. Points with an infinite objective take no part.
    """
    leading = torch.broadcast_shapes(f.shape[:-2], reference.shape[:-1])
    n, m = f.shape[-2:]
    f, reference = f.double().expand(*leading, n, m), reference.double().expand(*leading, m)
    if f.numel() == 0:
        return f.new_zeros(*leading, n)
    # On the reference point a point covers nothing.
    counts = (f < reference[..., None, :]).all(-1, keepdim=True) & torch.isfinite(f).all(-1, keepdim=True)
    f = torch.where(counts, f, reference[..., None, :])
    exponent = torch.frexp(reference - f.amin(-2)).exponent.clamp(-1022, 1022).long()
    shrink = _power_of_two(-exponent)
    f, reference = f * shrink[..., None, :], reference * shrink
    high, low = _strips(f, reference) if m == 2 else _columns(f, reference)
    value = high.double() / HIGH + low.double() / (HIGH * LOW)
    for grow in _power_of_two(exponent).unbind(-1):
        value = value * grow[..., None]
    return value


def _power_of_two(exponent: Tensor) -> Tensor:
    """2^exponent, exact, for int64 exponents from -1022 to 1023."""
    return (exponent + 1023 << 52).view(torch.float64)


def _strips(f: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """Two objectives: from each x to the next, what lies between the lowest and the second lowest y so far belongs to
    the lowest."""
    x, order = f[..., 0].sort(-1)
    y = f[..., 1].gather(-1, order)
    lowest, at = y.cummin(-1)
    displaced = torch.cat((reference[..., 1:], torch.maximum(y[..., 1:], lowest[..., :-1])), -1)
    width = torch.cat((x[..., 1:], reference[..., :1]), -1) - x
    scaled = width * (displaced.cummin(-1).values - lowest) * HIGH
    high = scaled.long()
    low = ((scaled - high) * LOW).long()
    owner = order.gather(-1, at)
    return torch.zeros_like(high).scatter_add(-1, owner, high), torch.zeros_like(low).scatter_add(-1, owner, low)


def _columns(f: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """Three objectives: from each x to the next stands a column, to which all points up to that x belong."""
    (*leading, n, _), runs = f.shape, f.shape[:-2].numel()
    x, order = f[..., 0].sort(-1)
    width = torch.cat((x[..., 1:], reference[..., :1]), -1) - x
    column = torch.empty_like(order).scatter(-1, order, torch.arange(n, device=f.device).expand_as(order))
    z, owner = f[..., 2].sort(-1)
    y, column = f[..., 1].gather(-1, owner), column.gather(-1, owner)
    total = torch.zeros((2, *leading, n), dtype=torch.int64, device=f.device)
    with torch.cuda.device_of(f):
        _sweep[(runs * triton.cdiv(n, COLUMNS),)](
            y, z, column, owner, width, reference.contiguous(), *total, n,
            COLUMNS=COLUMNS, HIGH=HIGH, LOW=LOW, num_warps=1, enable_fp_fusion=False,
        )  # fmt: skip
    return total[0], total[1]


@triton.jit
def _sweep(
    y, z, column, owner, width, reference, high, low, n,
    COLUMNS: tl.constexpr, HIGH: tl.constexpr, LOW: tl.constexpr,
):  # fmt: skip
    """A program sweeps COLUMNS columns of one run through its points, sorted by z. The area of a column between the
    lowest and the second lowest y so far belongs to the lowest, its owner, until another point takes its place."""
    program, pieces = tl.program_id(0).to(tl.int64), tl.cdiv(n, COLUMNS)
    run = program // pieces
    lanes = program % pieces * COLUMNS + tl.arange(0, COLUMNS)
    last = program % pieces * COLUMNS + COLUMNS - 1
    base = run * n
    span = tl.load(width + base + lanes, lanes < n, 0.0)
    lowest = tl.zeros((COLUMNS,), tl.float64) + tl.load(reference + run * 3 + 1)
    second = lowest
    since = tl.zeros((COLUMNS,), tl.float64)  # z of the last change
    area = tl.zeros((COLUMNS,), tl.float64)
    mine = tl.full((COLUMNS,), -1, tl.int64)  # nobody's
    for i in range(n):
        at = tl.load(column + base + i)
        if at <= last:
            height, level = tl.load(y + base + i), tl.load(z + base + i)
            changes = (lanes >= at) & (height < second)
            area += tl.where(changes, (level - since) * (second - lowest), 0.0)
            since = tl.where(changes, level, since)
            takes = changes & (height < lowest)
            _add(high + base, low + base, mine, span * area, takes & (area > 0.0), HIGH, LOW)
            area = tl.where(takes, 0.0, area)
            second = tl.where(changes, tl.where(takes, lowest, height), second)
            lowest = tl.where(takes, height, lowest)
            mine = tl.where(takes, tl.load(owner + base + i), mine)
    area += (tl.load(reference + run * 3 + 2) - since) * (second - lowest)
    _add(high + base, low + base, mine, span * area, (mine >= 0) & (lanes < n) & (area > 0.0), HIGH, LOW)


@triton.jit
def _add(high, low, owner, volume, counts, HIGH: tl.constexpr, LOW: tl.constexpr):
    """Adds volumes to their owners, as whole numbers."""
    scaled = volume * HIGH
    whole = scaled.to(tl.int64)
    rest = ((scaled - whole.to(tl.float64)) * LOW).to(tl.int64)
    tl.atomic_add(high + owner, whole, counts, sem="relaxed")
    tl.atomic_add(low + owner, rest, counts, sem="relaxed")
