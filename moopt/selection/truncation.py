"""Selection of survivors."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from moopt.core.checks import InputError
from moopt.kernels import ranking, thinning
from moopt.kernels.shared.sorting import lexsort
from moopt.selection._points import as_points
from moopt.selection.dominance import checked


def best(n_keep: int, *keys: Tensor) -> Tensor:
    """Indices of the `n_keep` best, best first: int64[..., n_keep].

    Keys are [..., n] each, smaller is better, compared one after the other; what is equal in all keeps its
    order. NaN comes last. Raises ValueError if the keys' shapes differ or hold fewer than `n_keep`.
    """
    if not keys or any(key.shape != keys[0].shape for key in keys):
        raise InputError(f"keys: expected one or more of one shape, got {[list(key.shape) for key in keys]}")
    n = keys[0].shape[-1]
    if not 0 <= n_keep <= n:
        raise InputError(f"n_keep: expected a number from 0 to {n}, got {n_keep}")
    if keys[0].device.type == "cpu":
        order = torch.from_numpy(np.lexsort([key.detach().numpy() for key in reversed(keys)], axis=-1))
    else:
        order = lexsort(list(keys))
    return order[..., :n_keep]


def survivors(f: Tensor, violation: Tensor | None, n_keep: int) -> tuple[Tensor, Tensor, Tensor]:
    """The survivors of NSGA-II: their indices, best first, ranks and crowding distances, [..., n_keep] each.

    Args:
        f: objectives [..., n, m].
        violation: total constraint violation [..., n]; `None`: all are feasible.
        n_keep: the number of survivors.

    In one go what `best(n_keep, rank, -crowding)` gives for `rank = nondominated_rank(f, violation, n_keep)` and
    `crowding = crowding_distance(f, rank)`; equal points keep their order (Deb et al. 2002, section III-C). Raises
    ValueError for shapes that do not fit and for fewer than `n_keep` points.
    """
    f, violation = checked(f, violation)
    if not 0 <= n_keep <= f.shape[-2]:
        raise InputError(f"n_keep: expected a number from 0 to {f.shape[-2]}, got {n_keep}")
    return ranking.survivors(f, violation, n_keep)


def thin(f: Tensor, valid: Tensor, capacity: int) -> Tensor:
    """Which points a set of at most `capacity` keeps: bool[..., n], a part of `valid`.

    Args:
        f: objectives [..., n, m].
        valid: which of the points exist, bool[..., n].
        capacity: the number of points that may stay, at least 0.

    Who is nearest to another point goes first, as in SPEA2 (Zitzler, Laumanns, Thiele 2001, section 3.2), distances
    measured in the objectives' ranges. That takes a few rounds: in each, three quarters of what is too many go, or an
    eighth of `capacity` if that is more, but never a point whose nearest neighbour goes in the same round, and at most
    half of the others. So no holes are torn, and of copies one stays. Where `capacity` allows, the first extreme
    points of each objective stay. Points with NaN go first of all. Raises ValueError for shapes that do not fit.
    """
    f = as_points("f", f)
    if valid.shape != f.shape[:-1] or valid.dtype != torch.bool:
        raise InputError(f"valid: expected bool {list(f.shape[:-1])}, got {valid.dtype} {list(valid.shape)}")
    if capacity < 0:
        raise InputError(f"capacity: expected a number from 0, got {capacity}")
    return thinning.thin(f, valid, capacity)
