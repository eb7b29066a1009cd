"""Selection of parents."""

from __future__ import annotations

from torch import Tensor

from moopt.core.checks import InputError
from moopt.kernels import tournament as kernel


def tournament(u: Tensor, *keys: Tensor) -> Tensor:
    """Winners of binary tournaments: int64[..., k].

    Args:
        u: uniform draws [..., k, 2] in [0, 1) that name the contestants, with replacement.
        keys: [..., n] each, smaller is better, compared one after the other; NaN counts as
            infinity. NSGA-II passes rank and negative crowding distance (Deb et al. 2002, section III-B).

    The first contestant wins if all keys are equal. Raises ValueError for shapes that do not fit and for n = 0.
    """
    if not keys or any(key.shape != keys[0].shape or key.shape[:-1] != u.shape[:-2] for key in keys):
        shapes = [list(key.shape) for key in keys]
        raise InputError(f"keys: expected the leading shape of u {list(u.shape)} and one n, got {shapes}")
    n = keys[0].shape[-1]
    if n == 0 or u.shape[-1] != 2:
        raise InputError(f"u: expected draws [..., k, 2] among at least one, got {list(u.shape)} among {n}")
    return kernel.tournament(u, keys)
