"""What a set of bounded size keeps, as readable torch references that run on every device."""

from __future__ import annotations

import torch
from torch import Tensor

from moopt.kernels.kernel import Kernel, int64_like
from moopt.kernels.ranking import rank
from moopt.kernels.shared.sorting import lexsort
from moopt.kernels.thinning import thin


def _keepers(f: Tensor, violation: Tensor, capacity: int) -> tuple[Tensor, Tensor]:
    """What an archive keeps of the points f[..., n, m]: their numbers int64[..., k], ascending, k = min(n, capacity),
    and which of these numbers count, bool[..., k], those first.

    Kept are the first of equal points in the first front under constraint domination by violation[..., n], infinite
    where a point failed or is none at all; of too many, those that `thin` leaves.
    """
    front = (rank(f, violation, min(1, f.shape[-2])) == 0) & (violation < torch.inf) & ~f.isnan().any(-1)
    front = front & first_of_equals(f, front)
    if f.shape[-2] > capacity:
        front = thin(f, front, capacity)
    index = (~front).byte().argsort(dim=-1, stable=True)[..., :capacity]
    return index, front.gather(-1, index)


def first_of_equals(f: Tensor, among: Tensor) -> Tensor:
    """Which of the points f[..., n, m] `among`[..., n] repeat no earlier one in all objectives: bool[..., n]."""
    order = lexsort([~among, *(f + 0.0).unbind(-1)])  # -0.0 becomes 0.0: a radix sort would tell them apart
    rows, inside = torch.take_along_dim(f, order[..., None], -2), among.gather(-1, order)
    first = inside.clone()
    first[..., 1:] &= (rows[..., 1:, :] != rows[..., :-1, :]).any(-1)
    return torch.zeros_like(first).scatter(-1, order, first)


def _like_keepers(f: Tensor, violation: Tensor, capacity: int) -> tuple[Tensor, Tensor]:
    shape = (*f.shape[:-2], min(f.shape[-2], capacity))
    return int64_like(f, *shape), f.new_empty(shape, dtype=torch.bool)


keepers = Kernel(
    _keepers,
    "(Tensor f, Tensor violation, int capacity) -> (Tensor, Tensor)",
    _like_keepers,
    cpu="cpu",
)
