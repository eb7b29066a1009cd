"""Crossover: two children from two parents, given uniform draws.

Each operator takes one uniform number per gene, u[..., k, d], and uses it up: below one half the gene takes part,
and what remains of the number decides how.
"""

from __future__ import annotations

import torch
from torch import Tensor

from moopt.kernels.shared.arithmetic import power


def sbx(u: Tensor, a: Tensor, b: Tensor, low: Tensor, high: Tensor, eta: float) -> tuple[Tensor, Tensor]:
    """Simulated binary crossover within bounds; each gene takes part with probability one half.

    u, a, b [..., k, d]; low, high [d]; `eta` is the distribution index. A gene with u < 1/4 gives its smaller
    child to the second offspring: without this exchange the first would always get the smaller values.
    Source: Deb and Agrawal (1995), "Simulated Binary Crossover for Continuous Search Space"; bounded form of
    Deb and Goyal (1996), as in the authors' NSGA-II code.
    """
    exponent = 1.0 / (eta + 1.0)
    smaller, larger = torch.minimum(a, b), torch.maximum(a, b)
    gap = larger - smaller
    crossed = (u < 0.5) & (gap > 1e-14)  # the authors' EPS: equal parents stay
    exchanged = u < 0.25
    v = torch.where(exchanged, 4.0 * u, 4.0 * u - 1.0).clamp(0.0, 1.0)
    wide = torch.where(crossed, gap, 1.0)

    def spread(room: Tensor) -> Tensor:
        alpha = 2.0 - power(1.0 + 2.0 * room / wide, -(eta + 1.0))
        scaled = v * alpha
        return power(torch.where(scaled <= 1.0, scaled, 1.0 / (2.0 - scaled)), exponent)

    middle = 0.5 * (smaller + larger)
    left = (middle - 0.5 * spread(smaller - low) * gap).clamp(low, high)
    right = (middle + 0.5 * spread(high - larger) * gap).clamp(low, high)
    first = torch.where(crossed, torch.where(exchanged, right, left), a)
    second = torch.where(crossed, torch.where(exchanged, left, right), b)
    return first, second


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
