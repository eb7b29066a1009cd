"""Triton version, for CUDA, of `best_offer`.

Floats become integers in the same order, of which minima are scattered by atomics: the same bits in any order.
"""
# mypy: disable-error-code="untyped-decorator,no-untyped-def"

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

OFFERS = 256  # of one program
INFINITE = 0x7FF0000000000000  # the bits of infinity in float64, and its place in the order


def best_offer(target: Tensor, violation: Tensor, value: Tensor, n_targets: int) -> tuple[Tensor, Tensor, Tensor]:
    """`best_offer` in three passes: least violation, least value among those, first number among those."""
    (*leading, q), runs = target.shape, target.shape[:-1].numel()
    target, violation, value = (t.contiguous() for t in (target, violation, value))
    least = torch.full((3, runs * n_targets), INFINITE, dtype=torch.int64, device=target.device)
    offer = torch.empty((*leading, n_targets), dtype=torch.int64, device=target.device)
    least_violation, least_value = (torch.empty_like(offer, dtype=t.dtype) for t in (violation, value))
    if not offer.numel():
        return offer, least_violation, least_value
    with torch.cuda.device_of(target):
        for stage in range(3 if q else 0):
            grid = (runs * triton.cdiv(q, OFFERS),)
            _offer[grid](
                target, violation, value, *least, q, n_targets, STAGE=stage, OFFERS=OFFERS, enable_fp_fusion=False
            )
        grid = (triton.cdiv(offer.numel(), OFFERS),)
        _read[grid](
            *least, offer, least_violation, least_value, q, offer.numel(), TARGETS=OFFERS, enable_fp_fusion=False
        )
    return offer, least_violation, least_value


@triton.jit
def _offer(
    target, violation, value, least_violation, least_value, first, q, n_targets,
    STAGE: tl.constexpr, OFFERS: tl.constexpr,
):  # fmt: skip
    """Stage 0 lowers the least violation of each target, stage 1 the least value of offers that have it, stage 2 the
    first number of offers that have both."""
    program, pieces = tl.program_id(0).to(tl.int64), tl.cdiv(q, OFFERS)
    run = program // pieces
    number = program % pieces * OFFERS + tl.arange(0, OFFERS)
    place, counts = run * q + number, number < q
    to = run * n_targets + tl.load(target + place, counts, 0)
    key = _ordered(tl.load(violation + place, counts, 0.0))
    if STAGE == 0:
        tl.atomic_min(least_violation + to, key, counts, sem="relaxed")
    else:
        counts &= key == tl.load(least_violation + to, counts, 0)
        key = _ordered(tl.load(value + place, counts, 0.0))
        if STAGE == 1:
            tl.atomic_min(least_value + to, key, counts, sem="relaxed")
        else:
            counts &= key == tl.load(least_value + to, counts, 0)
            tl.atomic_min(first + to, number, counts, sem="relaxed")


@triton.jit
def _read(least_violation, least_value, first, offer, violation, value, q, n, TARGETS: tl.constexpr):
    """Integers back to floats; q where no offer was made."""
    place = tl.program_id(0).to(tl.int64) * TARGETS + tl.arange(0, TARGETS)
    exists = place < n
    number = tl.load(first + place, exists, 0)
    tl.store(offer + place, tl.where(number < q, number, q), exists)
    key = tl.load(least_violation + place, exists, 0)
    tl.store(violation + place, _float(key).to(violation.dtype.element_ty), exists)
    key = tl.load(least_value + place, exists, 0)
    tl.store(value + place, _float(key).to(value.dtype.element_ty), exists)


@triton.jit
def _ordered(value):
    """The bits of a float, those of a negative one turned about, so that integers compare as floats do; -0.0 is 0.0,
    NaN is infinite."""
    value = value.to(tl.float64)
    value = tl.where(value == 0.0, 0.0, tl.where(value == value, value, float("inf")))
    return _turned(value.to(tl.int64, bitcast=True))


@triton.jit
def _float(key):
    return _turned(key).to(tl.float64, bitcast=True)


@triton.jit
def _turned(bits):
    return bits ^ ((bits >> 63) & 0x7FFFFFFFFFFFFFFF)
