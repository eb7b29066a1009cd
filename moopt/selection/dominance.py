"""Pareto dominance: a point dominates another if it is nowhere worse and somewhere better."""

from __future__ import annotations

from torch import Tensor

from moopt.core.checks import InputError
from moopt.kernels.ranking import rank
from moopt.selection._points import as_points, as_tensor


def nondominated_rank(f: Tensor, violation: Tensor | None = None, n_keep: int | None = None) -> Tensor:
    """Index of the Pareto front that each point belongs to, 0 the best: int64[..., n].

    Args:
        f: objectives [..., n, m], minimised. Infinities are values like others; a row with NaN has failed.
        violation: total constraint violation [..., n], 0 where feasible, infinite or NaN where failed.
        n_keep: stop when this many points are ranked; all others get the next rank. Default: rank all.

    Constraint domination (Deb et al. 2002, section VI-A, definition 1): the fronts of the feasible points
    come first, then the infeasible in ascending order of violation, equal ones in a front of their own, then
    all failed points together. Equal points share a front. Raises ValueError for shapes that do not fit.
    """
    f, violation = checked(f, violation)
    n = f.shape[-2]
    if n_keep is None:
        n_keep = n
    elif n_keep < 0:
        raise InputError(f"n_keep: expected a number of points from 0, got {n_keep}")
    return rank(f, violation, min(n_keep, n))


def nondominated_mask(f: Tensor, violation: Tensor | None = None) -> Tensor:
    """Whether each point is in the first front of `nondominated_rank`: bool[..., n].

    Where nothing is feasible that front holds the least violating points. Failed points are never in it.
    """
    f, violation = checked(f, violation)
    first = rank(f, violation, min(1, f.shape[-2])) == 0
    failed = f[..., :1, :].isnan().any(-1)  # failed points are in the first front only with all others: see point 0
    if violation is not None:
        failed = failed | ~(violation[..., :1] < float("inf"))
    return first & ~(first[..., :1] & failed)


def checked(f: Tensor, violation: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Objectives [..., n, m] and violations [..., n] that fit together; ValueError otherwise."""
    f = as_points("f", f)
    if violation is not None:
        violation = as_tensor("violation", violation)
        if violation.shape != f.shape[:-1]:
            raise InputError(f"violation: expected shape {list(f.shape[:-1])}, got {list(violation.shape)}")
    return f, violation
