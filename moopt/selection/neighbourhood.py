"""Subproblems that share good points with their neighbours, as in decomposition (MOEA/D)."""

from __future__ import annotations

import torch
from torch import Tensor

from moopt.selection.niching import CELLS


def neighbours(weights: Tensor, size: int) -> Tensor:
    """The `size` nearest weight vectors of each of weights[k, m], itself first: int64[k, size].

    By Euclidean distance (Zhang and Li 2007, section III-A), the earlier one among equals; in pieces of `CELLS`
    distances. Raises ValueError unless 1 <= size <= k.
    """
    k = len(weights)
    if not 1 <= size <= k:
        raise ValueError(f"size: expected a number from 1 to {k} weight vectors, got {size}")
    found = []
    for start in range(0, k, max(1, CELLS // k)):
        rows = torch.arange(start, min(start + max(1, CELLS // k), k), device=weights.device)
        square = (weights[rows, None, :] - weights).square().sum(-1)
        square[torch.arange(len(rows), device=weights.device), rows] = -1.0
        found.append(square.argsort(dim=-1, stable=True)[:, :size])
    return torch.cat(found)


def best_offer(target: Tensor, violation: Tensor, value: Tensor, n_targets: int) -> tuple[Tensor, Tensor, Tensor]:
    """For each subproblem the best of the offers made to it, found by scattering minima.

    Args:
        target: the subproblem that each offer goes to, int64[..., q].
        violation: total constraint violation of what is offered [..., q], infinite where failed.
        value: its scalarised objective for that subproblem [..., q], smaller is better; NaN counts as infinite.
        n_targets: number of subproblems.

    Less violation comes first, then the smaller value, then the earlier offer. Returns the number of the best offer
    int64[..., n_targets], q where there was none, with its violation and its value (infinite where there was none).
    """
    q, shape = target.shape[-1], (*target.shape[:-1], n_targets)

    def least(keys: Tensor, nothing: float) -> Tensor:
        return keys.new_full(shape, nothing).scatter_reduce(-1, target, keys, "amin")

    violation = violation.nan_to_num(torch.inf, torch.inf)
    value = value.nan_to_num(torch.inf, torch.inf, -torch.inf)
    least_violation = least(violation, torch.inf)
    among = violation == least_violation.gather(-1, target)
    least_value = least(value.masked_fill(~among, torch.inf), torch.inf)
    among &= value == least_value.gather(-1, target)
    number = torch.arange(q, device=target.device).expand_as(target)
    return least(number.masked_fill(~among, q), q), least_violation, least_value
