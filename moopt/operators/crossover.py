"""Crossover: two children from two parents, given uniform draws.

Each operator takes one uniform number per gene, u[..., k, d], and uses it up: below one half the gene takes part,
and what remains of the number decides how.
"""

from __future__ import annotations

import torch
from torch import Tensor

from moopt.kernels.variation import sbx as sbx


def exchange(u: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Uniform crossover: genes with u < 1/2 change places (Syswerda 1989). u, a, b [..., k, d]."""
    swapped = u < 0.5
    return torch.where(swapped, b, a), torch.where(swapped, a, b)


def order_crossover(u: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Order crossover of permutations of 0 .. k-1: keeps a segment, fills the rest in the other parent's order.

    a, b [..., n, k]; u[..., n, 2] places the segment's ends. Source: Davis (1985), "Applying adaptive algorithms
    to epistatic domains"; the rest is filled from the left rather than from behind the segment.
    """
    length = a.shape[-1]
    ends = (u * (length + 1)).long().clamp(max=length)
    position = torch.arange(length, device=a.device)
    segment = (position >= ends.amin(-1, keepdim=True)) & (position < ends.amax(-1, keepdim=True))

    def child(keeper: Tensor, donor: Tensor) -> Tensor:
        kept = torch.zeros_like(segment).scatter(-1, keeper.long(), segment)  # by value
        taken = kept.gather(-1, donor.long())
        rest = donor.gather(-1, torch.argsort(taken.to(torch.int8), dim=-1, stable=True))
        slot = torch.cumsum(~segment, -1) - 1
        return torch.where(segment, keeper, rest.gather(-1, slot.clamp(min=0)))

    return child(a, b), child(b, a)
