"""Expected hypervolume contributions and truncation by them, as a readable torch reference that runs on every device.

What the functions promise stands at `moopt.selection.contribution`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from moopt.kernels.ranking.reference import lexsort

BLOCK = 2**18  # entries per run of an exact sum held at a time
CELLS = 2**22  # entries of a matrix of samples by points held at a time
UNIT = 2**40  # weights of samples are whole numbers of 1/UNIT, so that sums of them are exact in any order
ROUNDS = 64  # in which the surplus of a front goes


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
    """Expected loss of hypervolume with each point of f[..., n, m] when k[...] points go: float64[..., n]."""
    return _expected(f, valid, reference, k, *sample(f, valid, reference, u))


def truncate(f: Tensor, front: Tensor, surplus: Tensor, most: int, reference: Tensor, u: Tensor, tie: Tensor) -> Tensor:
    """Which points of a front stay when `surplus` points with the least contribution go: bool[..., n]."""
    from moopt.kernels import dispatch  # three objectives: the fastest contributions, and dispatch knows this module

    samples, share = sample(f, front, reference, u)
    at_once = -(-surplus // ROUNDS)
    for _ in range(min(ROUNDS, most)):
        if f.shape[-1] == 3:
            value = dispatch.contributions(f.masked_fill(~front[..., None], torch.inf), reference)
        else:
            value = _expected(f, front, reference, surplus, samples, share)
        order, going = lexsort([~front, value, tie]), torch.minimum(at_once, surplus)
        first = torch.arange(f.shape[-2], device=f.device) < going[..., None]
        front = front & ~torch.zeros_like(front).scatter(-1, order, first.expand_as(front))
        surplus = surplus - going
    return front


def sample(f: Tensor, valid: Tensor, reference: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """Samples u[..., s, m] of the box between the ideal point of the valid points and the reference point, and the
    volume that 1/UNIT of a sample stands for, float64[..., 1]."""
    low = torch.minimum(f.masked_fill(~valid[..., None], torch.inf).amin(-2), reference)
    volume = (reference - low).double().cumprod(-1)[..., -1:]
    return low[..., None, :] + u * (reference - low)[..., None, :], volume / (UNIT * max(1, u.shape[-2]))


def _expected(f: Tensor, valid: Tensor, reference: Tensor, k: Tensor, samples: Tensor, share: Tensor) -> Tensor:
    weights = removal_weights(valid.sum(-1), k, f.shape[-2])
    if f.shape[-1] == 2:
        return _exact(f.double(), valid, reference.double(), weights)
    return _sampled(f.masked_fill(~valid[..., None], torch.inf), samples, weights).double() * share


def _exact(f: Tensor, valid: Tensor, reference: Tensor, weights: Tensor) -> Tensor:
    """Sorted by the first objective, the cell right of point i and above point j <= i is dominated by j ... i."""
    n = f.shape[-2]
    x, y = torch.minimum(f, reference[..., None, :]).unbind(-1)
    order = lexsort([~valid, x, -y])
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


def _sampled(f: Tensor, samples: Tensor, weights: Tensor) -> Tensor:
    """Weights of the samples that each point dominates, added up, in 1/UNIT: int64[..., n]."""
    scaled = torch.nn.functional.pad((weights * UNIT).round().long(), (1, 0))  # dominated by none: nothing
    total = torch.zeros(f.shape[:-1], dtype=torch.int64, device=f.device)
    for part in samples.split(max(1, CELLS // max(1, total.numel())), -2):
        dominated = f[..., :, None, 0] <= part[..., None, :, 0]
        for i in range(1, f.shape[-1]):
            dominated &= f[..., :, None, i] <= part[..., None, :, i]
        value = scaled.gather(-1, dominated.sum(-2))
        total += torch.where(dominated, value[..., None, :], 0).sum(-1)
    return total
