"""What subproblems gain from points that are offered to them, as a readable torch reference that runs on every
device."""

from __future__ import annotations

import torch
from torch import Tensor


def best_offer(target: Tensor, violation: Tensor, value: Tensor, n_targets: int) -> tuple[Tensor, Tensor, Tensor]:
    """The best offer to each subproblem, found by scattering minima; see `moopt.selection.neighbourhood.best_offer`."""
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


def replacement(
    f: Tensor, violation: Tensor, target: Tensor, held: Tensor, held_violation: Tensor, weights: Tensor, function: str,
    theta: float,
) -> Tensor:  # fmt: skip
    """The point that each subproblem has from now on; see `moopt.selection.neighbourhood.replacement`."""
    from moopt.kernels import dispatch  # which imports this module

    (n, size), k = target.shape[-2:], len(weights)
    own = torch.arange(k, device=f.device).expand(*f.shape[:-2], k)
    value = _values(f, weights[target], function, theta)
    offer, _, _ = dispatch.best_offer(  # what a subproblem has is the last offer to it
        torch.cat((target.flatten(-2), own), -1),
        torch.cat((violation[..., None].expand_as(value).flatten(-2), held_violation), -1),
        torch.cat((value.flatten(-2), _values(held, weights[:, None], function, theta)[..., 0]), -1),
        k,
    )
    return torch.where(offer < n * size, offer // size, n + own)


def _values(f: Tensor, weights: Tensor, function: str, theta: float) -> Tensor:
    """Points f[..., n, m] under weight vectors of their own, weights[..., n, t, m]: [..., n, t]."""
    from moopt.selection import scalarising

    f, ideal = f[..., None, :], f.new_zeros(f.shape[-1])
    if function == "weighted_sum":
        return scalarising.weighted_sum(f, weights)[..., 0, :]
    if function == "tchebycheff":
        return scalarising.tchebycheff(f, weights, ideal)[..., 0, :]
    return scalarising.pbi(f, weights, ideal, theta)[..., 0, :]
