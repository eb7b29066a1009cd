"""Points in groups, such as those nearest to one reference direction, as a readable torch reference that runs on every
device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from moopt.kernels.ranking.reference import lexsort


def position_within(group: Tensor, keys: Sequence[Tensor]) -> Tensor:
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


def niching(n_keep: int, rank: Tensor, niche: Tensor, distance: Tensor, n_niches: int, u: Tensor) -> Tensor:
    """The points that NSGA-III keeps, int64[..., n_keep] ascending; see `moopt.selection.niching.niching`."""
    last = rank.kthvalue(n_keep, dim=-1, keepdim=True).values
    settled, candidate = rank < last, rank == last
    count = niche.new_zeros(*niche.shape[:-1], n_niches).scatter_add(-1, niche, settled.long()).gather(-1, niche)
    among = niche.masked_fill(~candidate, n_niches)
    order, chance = u.unbind(-1)
    first = (count == 0) & (position_within(among, (distance, order)) == 0)
    position = position_within(among, (~first, order))
    level = torch.where(candidate, count + position, torch.where(settled, -1, rank.shape[-1]))
    return lexsort([level, chance])[..., :n_keep].sort(-1).values
