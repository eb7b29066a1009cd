"""Expected hypervolume contributions and truncation by them, as readable torch references that run on every device.

J. Bader, E. Zitzler (2011), "HypE: An Algorithm for Fast Hypervolume-Based Many-Objective Optimization", Evolutionary
Computation 19(1), 45-76: what the front would lose with a point if it and k - 1 others, drawn at random, were removed.
"""

from __future__ import annotations

import torch
from torch import Tensor

from moopt.kernels.hypervolume import contributions
from moopt.kernels.kernel import Kernel
from moopt.kernels.shared.sorting import lexsort

BLOCK = 2**18  # entries per run of an exact sum held at a time
CELLS = 2**22  # entries of a matrix of samples by points held at a time
UNIT = 2**40  # weights of samples are whole numbers of 1/UNIT, so that sums of them are exact in any order
MOST_SAMPLES = 2**20  # whose weights, added up, stay below 2^63
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


def _expected_contribution(f: Tensor, valid: Tensor, reference: Tensor, k: Tensor, u: Tensor) -> Tensor:
    """Expected loss of hypervolume with each point when k points go: float64[..., n], 0 where not valid.

    Args:
        f: objectives [..., n, m], of points that do not dominate each other.
        valid: which points belong to the front, bool[..., n].
        reference: the reference point [..., m]; a point that is not better in every objective has 0.
        k: how many are to go, int64[...]; 1 gives the contributions themselves.
        u: uniform draws [..., s, m], s <= 2^20, samples of the box between the front's ideal point and the reference
            point (section 4.2 of the paper). Two objectives are exact and need none.
    """
    return _expected(f, valid, reference, k, *sample(f, valid, reference, u))


def _truncate(
    f: Tensor, front: Tensor, surplus: Tensor, most: int, reference: Tensor, u: Tensor, tie: Tensor
) -> Tensor:
    """Which points of a front stay when the `surplus` with the least contribution go: bool[..., n].

    Args:
        f: objectives [..., n, m]; front: which points may go, bool[..., n]; reference, u: see `expected_contribution`.
        surplus: how many go, int64[...], at most the size of the front; most: no surplus is greater.
        tie: [..., n] without NaN, smaller goes first among points with equal contributions, such as 0.

    One by one with contributions computed anew, k being what is still to go (algorithm 5 of the paper); a surplus of
    more than 64 in at most 64 equal rounds. Two objectives are exact; three are exact with k = 1, their hypervolume
    contributions, and need no samples; others use the same samples in all rounds.
    """
    samples, share = sample(f, front, reference, u)
    at_once = -(-surplus // ROUNDS)
    for _ in range(min(ROUNDS, most)):
        if f.shape[-1] == 3:
            value = contributions(f.masked_fill(~front[..., None], torch.inf), reference)
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


expected_contribution = Kernel(
    _expected_contribution,
    "(Tensor f, Tensor valid, Tensor reference, Tensor k, Tensor u) -> Tensor",
    lambda f, *others: f.new_empty(f.shape[:-1], dtype=torch.float64),
    cpu="cpu",
)
truncate = Kernel(
    _truncate,
    "(Tensor f, Tensor front, Tensor surplus, int most, Tensor reference, Tensor u, Tensor tie) -> Tensor",
    lambda f, front, *others: torch.empty_like(front),
    cpu="cpu",
)
