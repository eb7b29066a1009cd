"""Expected hypervolume contributions, and truncation by them.

J. Bader, E. Zitzler (2011), "HypE: An Algorithm for Fast Hypervolume-Based Many-Objective Optimization", Evolutionary
Computation 19(1), 45-76: what the front would lose with a point if it and k - 1 others, drawn at random, were removed.
"""

from __future__ import annotations

import torch
from torch import Tensor

from moopt.selection.niching import CELLS
from moopt.selection.truncation import best

BLOCK = 2**18  # entries per run of an exact sum held at a time
UNIT = 2**40  # weights are whole numbers of 1/UNIT, so that sums of them are exact in any order
MOST_SAMPLES = 2**20  # whose weights, added up, stay below 2^63


def removal_weights(n: Tensor, k: Tensor, size: int) -> Tensor:
    """alpha_1 .. alpha_size for fronts of n[...] points of which k[...] are removed: float64[..., size].

    alpha_i = 1/i prod_(j=1)^(i-1) (k - j) / (n - j): the share that each of i points has in what only they dominate,
    times the chance that the i - 1 others go (Bader and Zitzler 2011, equation 16 for one point to remove).
    """
    j = torch.arange(1, size, device=n.device, dtype=torch.float64)
    factor = (k[..., None] - j).clamp_min(0.0) / (n[..., None] - j).clamp_min(1.0)
    ones = factor.new_ones(*n.shape, 1)
    return torch.cat((ones, factor.cumprod(-1)), -1) / torch.arange(1, size + 1, device=n.device)


def expected_contribution(f: Tensor, valid: Tensor, reference: Tensor, k: Tensor, u: Tensor) -> Tensor:
    """Expected loss of hypervolume with each point when k points go: float64[..., n], 0 where not valid.

    Args:
        f: objectives [..., n, m], of points that do not dominate each other.
        valid: which points belong to the front, bool[..., n].
        reference: the reference point [..., m]; a point that is not better in every objective has 0.
        k: how many are to go, int64[...]; 1 gives the contributions themselves.
        u: uniform draws [..., s, m], s <= 2^20, samples of the box between the front's ideal point and the reference
            point (section 4.2 of the paper). Two objectives are exact and need none.
    """
    n = valid.sum(-1)
    weights = removal_weights(n, k, f.shape[-2])
    if f.shape[-1] == 2:
        return _exact(f.double(), valid, reference.double(), weights)
    return _sampled(f, valid, reference, weights, u)


def _exact(f: Tensor, valid: Tensor, reference: Tensor, weights: Tensor) -> Tensor:
    """Sorted by the first objective, the cell right of point i and above point j <= i is dominated by j ... i."""
    n = f.shape[-2]
    x, y = torch.minimum(f, reference[..., None, :]).unbind(-1)
    order = best(n, ~valid, x, -y)
    x, y, valid = x.gather(-1, order), y.gather(-1, order), valid.gather(-1, order)
    x = torch.where(valid, x, reference[..., :1])
    width = torch.cat((x[..., 1:], reference[..., :1]), -1) - x
    height = torch.where(valid, torch.cat((reference[..., 1:], y[..., :-1]), -1) - y, 0.0)
    value, number = torch.zeros_like(x), torch.arange(n, device=f.device)
    for start in range(0, n, max(1, BLOCK // max(1, n))):
        j = number[start : start + max(1, BLOCK // n), None]
        cell = torch.where(number >= j, width[..., None, :] * weights[..., (number - j).clamp_min(0)], 0.0)
        strip = cell.flip(-1).cumsum(-1).flip(-1)  # from each point on
        inside = torch.where(number >= j, strip * height[..., j[:, 0], None], 0.0)
        value = value + inside.cumsum(-2)[..., -1, :]
    return torch.zeros_like(value).scatter(-1, order, value)


def _sampled(f: Tensor, valid: Tensor, reference: Tensor, weights: Tensor, u: Tensor) -> Tensor:
    f = f.masked_fill(~valid[..., None], torch.inf)
    low = torch.minimum(f.amin(-2), reference)
    samples = low[..., None, :] + u * (reference - low)[..., None, :]
    scaled = torch.nn.functional.pad((weights * UNIT).round().long(), (1, 0))  # dominated by none: nothing
    total = torch.zeros(f.shape[:-1], dtype=torch.int64, device=f.device)
    for part in samples.split(max(1, CELLS // max(1, total.numel())), -2):
        dominated = f[..., :, None, 0] <= part[..., None, :, 0]
        for i in range(1, f.shape[-1]):
            dominated &= f[..., :, None, i] <= part[..., None, :, i]
        value = scaled.gather(-1, dominated.sum(-2))
        total += torch.where(dominated, value[..., None, :], 0).sum(-1)
    volume = (reference - low).double().cumprod(-1)[..., -1:]
    return total.double() * (volume / (UNIT * u.shape[-2]))


def truncate(
    f: Tensor, front: Tensor, surplus: Tensor, most: int, reference: Tensor, u: Tensor, tie: Tensor
) -> Tensor:
    """Which points of a front stay when the `surplus` with the least expected contribution go: bool[..., n].

    Args:
        f: objectives [..., n, m]; front: which points may go, bool[..., n]; reference, u: see `expected_contribution`.
        surplus: how many go, int64[...], at most the size of the front; most: no surplus is greater.
        tie: [..., n], smaller goes first among points with equal contributions, such as 0.

    The paper removes one point and computes anew (algorithm 5). Here half of the surplus, rounded up, goes in each
    round: as many rounds as `most` has binary digits, and in the last one a single point goes.
    """
    n = f.shape[-2]
    number = torch.arange(n, device=f.device)
    for _ in range(most.bit_length()):
        value = expected_contribution(f, front, reference, surplus, u)
        order = best(n, ~front, value, tie)
        going = number < (surplus[..., None] + 1) // 2
        front = front & ~torch.zeros_like(front).scatter(-1, order, going.expand_as(front))
        surplus = surplus // 2
    return front
