"""Triton version, for CUDA, of `thin`: the same points stay as in the torch reference.

Torch scales the points, sorts the curves once and finds limits by sorting; what a round does beside that are a few
launches. The number of rounds is known beforehand, so nothing waits for the host. For 4,096 points of three objectives
a round has 59 operations of torch or Triton, the start counted in, and the reference 664; of two objectives 54 and 355.

Chains of nearest neighbours may be as long as there are points, as on a grid with its ties. Each launch of `_jump`
makes every pointer HOPS + 1 times as long, so that few launches reach the end of any chain.
"""
# mypy: disable-error-code="untyped-decorator,no-untyped-def"

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from moopt.kernels.shared.sorting import lexsort
from moopt.kernels.thinning import reference
from moopt.kernels.thinning.reference import AT_ONCE, CURVES, FLAT, SHIFT, WINDOW

TILE = 128  # points of a program of four warps
HOPS = 15  # of a pointer in one launch


def thin(f: Tensor, valid: Tensor, capacity: int) -> Tensor:
    """`thin`."""
    n, m = f.shape[-2:]
    if n <= capacity or not valid.numel():
        return valid.clone()
    row = torch.arange(n, device=f.device).expand(valid.shape)
    unusable = valid & f.isnan().any(-1)
    excess = (valid.sum(-1, keepdim=True) - capacity).clamp_min(0)
    usable = valid & ~unusable
    unusable &= ~reference.leading(unusable, excess, row.flip(-1))
    y = reference.unit_box(f, usable).reshape(-1, n, m)
    end = reference.extremes(y.view(f.shape), usable).reshape(-1, n).contiguous()
    curves = _sorted(y)
    alive, others = usable.reshape(-1, n).clone(), unusable.reshape(-1, n).sum(-1, keepdim=True)
    with torch.cuda.device_of(f):
        _rounds(y, end, alive, others, curves, capacity)
    alive = alive.view(valid.shape) | unusable
    left = torch.full_like(excess, capacity)
    return alive & reference.leading(alive, left, ~end.view(valid.shape), row)


def _sorted(y: Tensor) -> Tensor:
    """Rows of y[b, n, m] along each curve, int64[c, b, n + 1]: the last place is for those that are gone."""
    if y.shape[-1] <= FLAT:
        orders = [lexsort(list(y.unbind(-1)))]
    else:
        orders = [reference.place(y, curve * SHIFT).argsort(dim=-1, stable=True) for curve in range(CURVES)]
    return torch.nn.functional.pad(torch.stack(orders), (0, 1))


def _rounds(y: Tensor, end: Tensor, alive: Tensor, others: Tensor, curves: Tensor, capacity: int) -> None:
    """Takes out of alive[b, n] what is too much; `others` [b, 1] take up room and are not looked at."""
    runs, n, m = y.shape
    grid = (runs * triton.cdiv(n, TILE),)
    partner = torch.arange(n, device=y.device).repeat(runs, 1)
    square, pair = torch.empty_like(y[..., 0]), torch.empty_like(partner)
    state, following, goes = torch.empty_like(partner), torch.empty_like(partner), torch.empty_like(alive)
    position = torch.arange(n, device=y.device)
    left = torch.full((runs,), n, dtype=torch.int64, device=y.device)
    for _ in range(reference.rounds(n, capacity)):
        here = alive[None].expand(len(curves), -1, -1).gather(-1, curves[..., :n]) & (position < left[:, None])
        kept = torch.where(here, here.cumsum(-1) - 1, n)
        curves = torch.zeros_like(curves).scatter_(-1, kept, curves[..., :n])
        left = alive.sum(-1)
        for c, curve in enumerate(curves):
            _look[grid](
                y, curve, left, partner, square, n, m, FIRST=c == 0, WINDOW=WINDOW, TILE=TILE, enable_fp_fusion=False
            )
        _start[grid](partner, end, state, goes, n, TILE=TILE)
        reach = 1
        while reach < n:
            _jump[grid](state, following, n, HOPS=HOPS, TILE=TILE)
            state, following, reach = following, state, reach * (HOPS + 1)
        going = torch.empty_like(alive)
        _go[grid](state, goes, alive, partner, pair, going, n, TILE=TILE)
        surplus = (left[:, None] + others - capacity).clamp_min(0)
        at_once = torch.maximum(surplus - surplus // 4, surplus.clamp_max(capacity // AT_ONCE))
        at_once = torch.minimum(at_once, (going.sum(-1, keepdim=True) + 1) // 2)
        last = (at_once - 1).clamp_min(0)
        distance = square.masked_fill(~going, torch.inf)
        limit = distance.sort(-1).values.gather(-1, last)
        sure, tied = going & (distance < limit), going & (distance == limit)
        ties = pair.masked_fill(~tied, torch.iinfo(torch.int64).max).sort(-1).values
        bound = ties.gather(-1, (last - sure.sum(-1, keepdim=True)).clamp_min(0))
        alive &= ~((at_once > 0) & (sure | (tied & (pair <= bound))))


@triton.jit
def _place(n, TILE: tl.constexpr):
    """Run, and places in it, of a program."""
    program, pieces = tl.program_id(0).to(tl.int64), tl.cdiv(n, TILE)
    return program // pieces, program % pieces * TILE + tl.arange(0, TILE)


@triton.jit
def _closer(row, distance, other, best, partner):
    """`reference._closer`."""
    low, least = tl.minimum(row, other), tl.minimum(row, partner)
    lower = (low < least) | ((low == least) & (tl.maximum(row, other) < tl.maximum(row, partner)))
    return (distance < best) | ((distance == best) & lower) | (partner == row)


@triton.jit
def _look(
    y, curve, left, partner, square, n, m, FIRST: tl.constexpr, WINDOW: tl.constexpr, TILE: tl.constexpr
):  # fmt: skip
    """The nearest neighbour of each along a curve, kept where it is nearer than along those before."""
    run, place = _place(n, TILE)
    count = tl.load(left + run)
    exists = place < count
    curve += run * (n + 1)
    y += run * n * m
    row = tl.load(curve + place, exists, 0)
    best, near = row, tl.full((TILE,), float("inf"), tl.float64)
    for step in tl.static_range(2 * WINDOW + 1):
        at = place + step - WINDOW
        there = exists & (at >= 0) & (at < count) & (at != place)
        other = tl.load(curve + at, there, 0)
        distance = tl.zeros((TILE,), tl.float64)
        for j in range(m):
            gap = tl.load(y + row * m + j, there, 0.0) - tl.load(y + other * m + j, there, 0.0)
            distance += gap * gap
        closer = there & _closer(row, distance, other, near, best)
        best, near = tl.where(closer, other, best), tl.where(closer, distance, near)
    at = run * n + row
    if not FIRST:
        held, held_near = tl.load(partner + at, exists, 0), tl.load(square + at, exists, 0.0)
        closer = (best != row) & _closer(row, near, best, held_near, held)
        best, near = tl.where(closer, best, held), tl.where(closer, near, held_near)
    tl.store(partner + at, best, exists)
    tl.store(square + at, near, exists)


@triton.jit
def _start(partner, end, state, goes, n, TILE: tl.constexpr):
    """The start of `reference._going`: of whom it is known whether they go, and in `state` twice the row that it
    depends on, plus one where the answer is the opposite."""
    run, row = _place(n, TILE)
    inside, base = row < n, run * n
    other = tl.load(partner + base + row, inside, 0)
    ends = tl.load(end + base + row, inside, 0) != 0
    mutual = (tl.load(partner + base + other, inside, 0) == row) & (tl.load(end + base + other, inside, 0) == 0)
    fixed = ends | mutual
    tl.store(goes + base + row, mutual & ~ends & (row > other), inside)
    tl.store(state + base + row, tl.where(fixed, 2 * row, 2 * other + 1), inside)


@triton.jit
def _jump(state, following, n, HOPS: tl.constexpr, TILE: tl.constexpr):
    run, row = _place(n, TILE)
    inside, base = row < n, run * n
    mine = tl.load(state + base + row, inside, 0)
    for _ in range(HOPS):
        further = tl.load(state + base + (mine >> 1), inside, 0)
        mine = (further >> 1 << 1) | ((mine ^ further) & 1)
    tl.store(following + base + row, mine, inside)


@triton.jit
def _go(state, goes, alive, partner, pair, going, n, TILE: tl.constexpr):
    """Who goes, if all may, and the number of its pair, in the order of their rows."""
    run, row = _place(n, TILE)
    inside, base = row < n, run * n
    mine = tl.load(state + base + row, inside, 0)
    answer = (tl.load(goes + base + (mine >> 1), inside, 0) != 0) ^ ((mine & 1) != 0)
    tl.store(going + base + row, answer & (tl.load(alive + base + row, inside, 0) != 0), inside)
    other = tl.load(partner + base + row, inside, 0)
    tl.store(pair + base + row, tl.minimum(row, other) * n + tl.maximum(row, other), inside)
