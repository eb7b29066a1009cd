"""Points in groups, such as those nearest to one reference direction, as readable torch references that run on every
device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from moopt.kernels.kernel import Kernel, int64_like
from moopt.kernels.shared.sorting import lexsort


def _position_within(group: Tensor, keys: Sequence[Tensor]) -> Tensor:
    """Place of each point in its group when sorted by the first of `keys`, then by the second and so on, smaller
    first: int64[..., n], from 0.

    group int64[..., n], from 0; keys [..., n] each, NaN counts as infinite. The earlier point is first among equals.
    """
    keys = [key.nan_to_num(torch.inf, torch.inf, -torch.inf) if key.is_floating_point() else key for key in keys]
    order = lexsort([group, *keys])
    number = group.gather(-1, order)
    place = torch.arange(group.shape[-1], device=group.device).expand_as(order)
    begins = torch.ones_like(number, dtype=torch.bool)
    begins[..., 1:] = number[..., 1:] != number[..., :-1]
    start = torch.where(begins, place, 0).cummax(-1).values
    return torch.zeros_like(order).scatter(-1, order, place - start)


def _niching(n_keep: int, rank: Tensor, niche: Tensor, distance: Tensor, n_niches: int, u: Tensor) -> Tensor:
    """Numbers of the points that NSGA-III keeps, ascending: int64[..., n_keep].

    Args:
        n_keep: from 1 to n.
        rank: Pareto front of each point [..., n]; whole fronts stay, the last one is thinned.
        niche: number of the nearest direction int64[..., n], below `n_niches`.
        distance: from that direction [..., n].
        u: uniform draws [..., n, 2]: the order within a niche, and the order of niches.

    Deb and Jain 2014, part I, algorithm 4, again and again picks one of the emptiest niches and takes a point of the
    last front from it: the nearest if the niche is empty, else any. So a niche of c points gives its j-th point of
    the last front (from 0, the nearest first if c = 0, the others in random order) when the emptiest have c + j. The
    points with the least c + j, in random order among equals, are therefore the ones that the algorithm takes.
    """
    last = rank.kthvalue(n_keep, dim=-1, keepdim=True).values
    settled, candidate = rank < last, rank == last
    count = niche.new_zeros(*niche.shape[:-1], n_niches).scatter_add(-1, niche, settled.long()).gather(-1, niche)
    among = niche.masked_fill(~candidate, n_niches)
    order, chance = u.unbind(-1)
    first = (count == 0) & (_position_within(among, (distance, order)) == 0)
    position = _position_within(among, (~first, order))
    level = torch.where(candidate, count + position, torch.where(settled, -1, rank.shape[-1]))
    return lexsort([level, chance])[..., :n_keep].sort(-1).values


position_within = Kernel(
    _position_within,
    "(Tensor group, Tensor[] keys) -> Tensor",
    lambda group, keys: torch.empty_like(group),
    cpu="cpu",
    pack=lambda group, keys: (group, list(keys)),
)
niching = Kernel(
    _niching,
    "(int n_keep, Tensor rank, Tensor niche, Tensor distance, int n_niches, Tensor u) -> Tensor",
    lambda n_keep, rank, niche, distance, n_niches, u: int64_like(rank, *rank.shape[:-1], n_keep),
    cpu="cpu",
)
