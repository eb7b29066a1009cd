"""What subproblems gain from points that are offered to them, as readable torch references that run on every device."""

from __future__ import annotations

import torch
from torch import Tensor

from moopt.kernels.kernel import Kernel, int64_like
from moopt.kernels.shared import scalarising


def _best_offer(target: Tensor, violation: Tensor, value: Tensor, n_targets: int) -> tuple[Tensor, Tensor, Tensor]:
    """For each subproblem the best of the offers made to it.

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


def _replacement(
    f: Tensor, violation: Tensor, target: Tensor, held: Tensor, held_violation: Tensor, weights: Tensor, function: str,
    theta: float,
) -> Tensor:  # fmt: skip
    """The point that each of k subproblems has once new ones were offered: int64[..., k], below n a new one, n + j what
    subproblem j had (Zhang and Li 2007, section III-B, step 2.4).

    Args:
        f, violation: new points [..., n, m], as distances from the ideal point, and their total violations [..., n].
        target: the subproblems that each is offered to, int64[..., n, t].
        held, held_violation: what the subproblems have, likewise, [..., k, m] and [..., k].
        weights: weight vectors of the subproblems [k, m].
        function: one of `moopt.kernels.shared.scalarising.FUNCTIONS`; `theta` is that of "pbi".

    Less violation comes first, then the smaller value of the function, then a new point, then the earlier one; NaN
    counts as infinite.
    """
    (n, size), k = target.shape[-2:], len(weights)
    own = torch.arange(k, device=f.device).expand(*f.shape[:-2], k)
    value = _values(f, weights[target], function, theta)
    offer, _, _ = best_offer(  # what a subproblem has is the last offer to it
        torch.cat((target.flatten(-2), own), -1),
        torch.cat((violation[..., None].expand_as(value).flatten(-2), held_violation), -1),
        torch.cat((value.flatten(-2), _values(held, weights[:, None], function, theta)[..., 0]), -1),
        k,
    )
    return torch.where(offer < n * size, offer // size, n + own)


def _values(f: Tensor, weights: Tensor, function: str, theta: float) -> Tensor:
    """Points f[..., n, m] under weight vectors of their own, weights[..., n, t, m]: [..., n, t]."""
    f, ideal = f[..., None, :], f.new_zeros(f.shape[-1])
    if function == "weighted_sum":
        return scalarising.weighted_sum(f, weights)[..., 0, :]
    if function == "tchebycheff":
        return scalarising.tchebycheff(f, weights, ideal)[..., 0, :]
    return scalarising.pbi(f, weights, ideal, theta)[..., 0, :]


best_offer = Kernel(
    _best_offer,
    "(Tensor target, Tensor violation, Tensor value, int n_targets) -> (Tensor, Tensor, Tensor)",
    lambda target, violation, value, n: (
        int64_like(target, *target.shape[:-1], n), violation.new_empty(*target.shape[:-1], n),
        value.new_empty(*target.shape[:-1], n),
    ),
    cpu="cpu",
    cuda="cuda",
)  # fmt: skip
replacement = Kernel(
    _replacement,
    "(Tensor f, Tensor violation, Tensor target, Tensor held, Tensor held_violation, Tensor weights, str function, "
    "float theta) -> Tensor",
    lambda f, violation, target, held, *others: int64_like(f, *held.shape[:-1]),
    cpu="cpu",
    shared=(5,),
)
