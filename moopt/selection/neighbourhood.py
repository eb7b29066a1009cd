"""Subproblems that share good points with their neighbours, as in decomposition (MOEA/D)."""

from __future__ import annotations

from torch import Tensor

from moopt.core.checks import InputError
from moopt.kernels import directions, offers
from moopt.selection.scalarising import FUNCTIONS


def neighbours(weights: Tensor, size: int) -> Tensor:
    """The `size` nearest weight vectors of each of weights[..., k, m], itself first: int64[..., k, size].

    By Euclidean distance (Zhang and Li 2007, section III-A), the earlier one among equals. Raises ValueError unless
    1 <= size <= k.
    """
    k = weights.shape[-2]
    if not 1 <= size <= k:
        raise InputError(f"size: expected a number from 1 to {k} weight vectors, got {size}")
    return directions.neighbours(weights, size)


def replacement(
    f: Tensor, violation: Tensor, target: Tensor, held: Tensor, held_violation: Tensor, weights: Tensor,
    function: str = "tchebycheff", theta: float = 5.0,
) -> Tensor:  # fmt: skip
    """The point that each subproblem has once new ones were offered; see `moopt.kernels.offers.replacement`.

    `function`: one of `moopt.selection.scalarising.FUNCTIONS`; `theta` is that of "pbi". Raises ValueError for another
    function.
    """
    if function not in FUNCTIONS:
        raise InputError(f"function: expected one of {', '.join(FUNCTIONS)}, got {function!r}")
    return offers.replacement(f, violation, target, held, held_violation, weights, function, theta)
