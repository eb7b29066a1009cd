"""Pareto ranks, crowding distances, and survival by both, as readable torch references that run on every device.

A point's rank is the length of the longest chain of points that dominate one another and end in it: 0 if
nothing dominates it, else one more than the highest rank among its dominators (Deb et al. 2002, section
III-A, peels the same fronts one by one). Sorted lexicographically, points are dominated by earlier ones only,
so one pass over blocks ranks them all, and no more than a block of dominance bits exists at a time.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from moopt.kernels.kernel import Kernel, int64_like
from moopt.kernels.shared.sorting import lexsort

BLOCK = 512  # points ranked at a time; a chain inside a block costs one pass per link
CELLS = 2**22  # dominance bits held at a time


def _rank(f: Tensor, violation: Tensor | None, n_keep: int) -> Tensor:
    """Ranks of f[..., n, m] under constraint domination: int64[..., n].

    Feasible points (violation[..., n] <= 0) come first, then the infeasible by their violation, then the
    failed (NaN in f or violation, or infinite violation) together. Exact until `n_keep` points are ranked;
    the others get the next rank.
    """
    return rank_by(_fronts, f, violation, n_keep)


def rank_by(fronts: Callable[[Tensor, bool], Tensor], f: Tensor, violation: Tensor | None, n_keep: int) -> Tensor:
    """What `rank` gives; `fronts` ranks without constraints, as `_fronts`."""
    group = torch.zeros(f.shape[:-1], device=f.device) if violation is None else violation.clamp_min(0)
    group = group.masked_fill(f.isnan().any(-1) | group.isnan(), torch.inf)
    feasible = group == 0
    # +inf in every objective dominates nothing, so the rows that do not count cannot disturb.
    ranks = fronts(f.masked_fill(~feasible[..., None], torch.inf), n_keep == 1)
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


def _crowding(f: Tensor, rank: Tensor | None) -> Tensor:
    """Crowding distances of f[..., n, m] within each front of rank[..., n]: [..., n] in the precision of f,
    computed in float64. The conventions stand at `moopt.selection.crowding_distance`."""
    n, m = f.shape[-2:]
    front = torch.zeros(f.shape[:-1], device=f.device) if rank is None else rank
    columns = [column + 0.0 for column in f.double().unbind(-1)]  # -0.0 becomes 0.0, as in `_fronts`
    order = lexsort([front, *columns])
    front, *columns = (t.gather(-1, order) for t in (front, *columns))

    copies = front[..., 1:] == front[..., :-1]
    for column in columns:
        copies = copies & (column[..., 1:] == column[..., :-1])
    left_out = torch.stack(columns).isnan().any(0)
    left_out[..., 1:] |= copies

    total = torch.zeros_like(columns[0])
    position = torch.arange(n, device=f.device).expand_as(order)
    for column in columns:
        at = lexsort([left_out, front, column])  # what is left out comes last, as one segment of no interest
        segment, out, v = front.gather(-1, at), left_out.gather(-1, at), column.gather(-1, at)
        starts = torch.ones_like(out)
        starts[..., 1:] = (segment[..., 1:] != segment[..., :-1]) | (out[..., 1:] != out[..., :-1])
        ends = starts.roll(-1, -1)
        first = torch.where(starts, position, 0).cummax(-1).values
        last = torch.where(ends, position, n).flip(-1).cummin(-1).values.flip(-1)
        low, high = v.gather(-1, first), v.gather(-1, last)
        before, after = v.roll(1, -1), v.roll(-1, -1)
        gap = torch.where(after > before, after - before, 0.0)
        share = torch.where(gap == torch.inf, 1.0, gap / (high - low)).masked_fill(gap == 0, 0.0)
        share = share.masked_fill(starts | ends, torch.inf).masked_fill(low == high, 0.0)
        share = share.masked_fill(first == last, torch.inf).masked_fill(out, 0.0)
        total = total.scatter_add(-1, at, share)
    return torch.empty_like(total).scatter(-1, order, total).to(f.dtype)


def _survivors(f: Tensor, violation: Tensor | None, n_keep: int) -> tuple[Tensor, Tensor, Tensor]:
    """Indices, ranks and crowding distances [..., n_keep] of the best of f[..., n, m]: by rank, then the less crowded,
    then in the given order (Deb et al. 2002, section III-C)."""
    ranks = rank(f, violation, n_keep)
    distance = _crowding(f, ranks)
    index = lexsort([ranks, -distance])[..., :n_keep]
    return index, ranks.gather(-1, index), distance.gather(-1, index)


def _like_survivors(f: Tensor, violation: Tensor | None, n_keep: int) -> tuple[Tensor, Tensor, Tensor]:
    shape = (*f.shape[:-2], n_keep)
    return int64_like(f, *shape), int64_like(f, *shape), f.new_empty(shape)


rank = Kernel(
    _rank,
    "(Tensor f, Tensor? violation, int n_keep) -> Tensor",
    lambda f, violation, n_keep: int64_like(f, *f.shape[:-1]),
    cpu="cpu",
    cuda="cuda",
)
crowding = Kernel(
    _crowding,
    "(Tensor f, Tensor? rank) -> Tensor",
    lambda f, rank: f.new_empty(f.shape[:-1]),
    cpu="cpu",  # on a GPU torch's own sorts and scans are what it needs
)
survivors = Kernel(
    _survivors,
    "(Tensor f, Tensor? violation, int n_keep) -> (Tensor, Tensor, Tensor)",
    _like_survivors,
    cpu="cpu",  # on a GPU its parts are the fastest there are
)
