"""Pareto ranks, as a readable torch reference that runs on every device.

A point's rank is the length of the longest chain of points that dominate one another and end in it: 0 if
nothing dominates it, else one more than the highest rank among its dominators (Deb et al. 2002, section
III-A, peels the same fronts one by one). Sorted lexicographically, points are dominated by earlier ones only,
so one pass over blocks ranks them all, and no more than a block of dominance bits exists at a time.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

BLOCK = 512  # points ranked at a time; a chain inside a block costs one pass per link
CELLS = 2**22  # dominance bits held at a time


def rank(
    f: Tensor, violation: Tensor | None, n_keep: int, fronts: Callable[[Tensor, bool], Tensor] | None = None
) -> Tensor:
    """Ranks of f[..., n, m] under constraint domination: int64[..., n].

    Feasible points (violation[..., n] <= 0) come first, then the infeasible by their violation, then the
    failed (NaN in f or violation, or infinite violation) together. Exact until `n_keep` points are ranked;
    the others get the next rank. `fronts` ranks without constraints, `_fronts` by default.
    """
    group = torch.zeros(f.shape[:-1], device=f.device) if violation is None else violation.clamp_min(0)
    group = group.masked_fill(f.isnan().any(-1) | group.isnan(), torch.inf)
    feasible = group == 0
    # +inf in every objective dominates nothing, so the rows that do not count cannot disturb.
    ranks = (fronts or _fronts)(f.masked_fill(~feasible[..., None], torch.inf), n_keep == 1)
    last = torch.where(feasible, ranks + 1, 0).amax(-1, keepdim=True) if f.shape[-2] else ranks
    sorted_group, order = group.sort(-1)
    step = torch.zeros_like(ranks)
    step[..., 1:] = sorted_group[..., 1:] > sorted_group[..., :-1]
    level = torch.zeros_like(ranks).scatter(-1, order, step.cumsum(-1))  # feasible 0, if there are any
    ranks = torch.where(feasible, ranks, last + level - feasible.any(-1, keepdim=True).long())
    if n_keep >= f.shape[-2]:
        return ranks
    if n_keep == 0:
        return torch.zeros_like(ranks)
    return torch.minimum(ranks, ranks.kthvalue(n_keep, dim=-1, keepdim=True).values + 1)


def lexsort(keys: list[Tensor]) -> Tensor:
    """Indices [..., n] that sort by the first of keys[..., n], then by the second and so on; stable."""
    keys = [key.byte() if key.dtype == torch.bool else key for key in keys]  # not every device sorts bool
    order = keys[-1].argsort(dim=-1, stable=True)
    for key in reversed(keys[:-1]):
        order = order.gather(-1, key.gather(-1, order).argsort(dim=-1, stable=True))
    return order


def _fronts(f: Tensor, first_only: bool) -> Tensor:
    """Ranks of f[..., n, m] without NaN; all that are not in the first front get rank 1 if `first_only`."""
    (*leading, n, m), batch = f.shape, f.shape[:-2].numel()
    f = f.reshape(batch, n, m) + 0.0  # -0.0 becomes 0.0: a radix sort would tell them apart
    order = lexsort(list(f.unbind(-1)))
    f = f.gather(1, order[..., None].expand_as(f))
    block = max(1, min(BLOCK, CELLS // max(batch, 1)))
    tile = max(block, CELLS // (block * max(batch, 1)))
    ranks = torch.zeros(batch, n, dtype=torch.int64, device=f.device)
    for start in range(0, n, block):
        points = f[:, start : start + block]
        found = torch.zeros_like(ranks[:, start : start + block])
        for low in range(0, start, tile):
            earlier = slice(low, min(low + tile, start))
            found = torch.maximum(found, _follow(_dominates(f[:, earlier], points), ranks[:, earlier]))
        inside = _dominates(points, points)
        longer = torch.maximum(found, _follow(inside, found))
        while not first_only and not torch.equal(longer, found):
            found, longer = longer, torch.maximum(longer, _follow(inside, longer))
        ranks[:, start : start + block] = longer.clamp_max(1) if first_only else longer
    return torch.empty_like(ranks).scatter(1, order, ranks).view(*leading, n)


def _dominates(a: Tensor, b: Tensor) -> Tensor:
    """Whether a[r, i, m] dominates b[r, j, m]: bool[r, i, j]."""
    nowhere_worse = torch.ones(a.shape[0], a.shape[1], b.shape[1], dtype=torch.bool, device=a.device)
    better = torch.zeros_like(nowhere_worse)
    for u, v in zip(a.unbind(-1), b.unbind(-1), strict=True):
        nowhere_worse &= u[:, :, None] <= v[:, None, :]
        better |= u[:, :, None] < v[:, None, :]
    return nowhere_worse & better


def _follow(dominates: Tensor, ranks: Tensor) -> Tensor:
    """The lowest rank that bool[r, i, j] allows to the points j, given the ranks[r, i] of the others."""
    return torch.where(dominates, ranks[..., None] + 1, 0).amax(1)
