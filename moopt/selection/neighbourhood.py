"""Subproblems that share good points with their neighbours, as in decomposition (MOEA/D)."""

from __future__ import annotations

from torch import Tensor

from moopt._checks import InputError
from moopt.kernels import dispatch
from moopt.selection.scalarising import FUNCTIONS


def neighbours(weights: Tensor, size: int) -> Tensor:
    """The `size` nearest weight vectors of each of weights[..., k, m], itself first: int64[..., k, size].

    By Euclidean distance (Zhang and Li 2007, section III-A), the earlier one among equals. Raises ValueError unless
    1 <= size <= k.
    """
    k = weights.shape[-2]
    if not 1 <= size <= k:
        raise InputError(f"size: expected a number from 1 to {k} weight vectors, got {size}")
    return dispatch.neighbours(weights, size)


def best_offer(target: Tensor, violation: Tensor, value: Tensor, n_targets: int) -> tuple[Tensor, Tensor, Tensor]:
    """For each subproblem the best of the offers made to it.

    Args:
        target: the subproblem that each offer goes to, int64[..., q].
        violation: total constraint violation of what is offered [..., q], infinite where failed.
        value: its scalarised objective for that subproblem [..., q], smaller is better; NaN counts as infinite.
        n_targets: number of subproblems.

    Less violation comes first, then the smaller value, then the earlier offer. Returns the number of the best offer
    int64[..., n_targets], q where there was none, with its violation and its value (infinite where there was none).
    """
    return dispatch.best_offer(target, violation, value, n_targets)


def replacement(
    f: Tensor, violation: Tensor, target: Tensor, held: Tensor, held_violation: Tensor, weights: Tensor,
    function: str = "tchebycheff", theta: float = 5.0,
) -> Tensor:  # fmt: skip
    """The point that each of k subproblems has once new ones were offered: int64[..., k], below n a new one, n + j what
    subproblem j had (Zhang and Li 2007, section III-B, step 2.4).

    Args:
        f, violation: new points [..., n, m], as distances from the ideal point, and their total violations [..., n].
        target: the subproblems that each is offered to, int64[..., n, t].
        held, held_violation: what the subproblems have, likewise, [..., k, m] and [..., k].
        weights: weight vectors of the subproblems [k, m].
        function: one of `moopt.selection.scalarising.FUNCTIONS`; `theta` is that of "pbi".

    Less violation comes first, then the smaller value of the function, then a new point, then the earlier one; NaN
    counts as infinite. Raises ValueError for another function.
    """
    if function not in FUNCTIONS:
        raise InputError(f"function: expected one of {', '.join(FUNCTIONS)}, got {function!r}")
    return dispatch.replacement(f, violation, target, held, held_violation, weights, function, theta)
