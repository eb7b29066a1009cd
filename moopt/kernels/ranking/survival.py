"""Who survives by rank and crowding, as a readable torch reference that runs on every device."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from moopt.kernels.ranking.crowding import crowding
from moopt.kernels.ranking.reference import lexsort, rank

Ranked = Callable[[Tensor, Tensor | None, int], Tensor]


def survivors(
    f: Tensor, violation: Tensor | None, n_keep: int, ranked: Ranked = rank
) -> tuple[Tensor, Tensor, Tensor]:
    """Indices, ranks and crowding distances [..., n_keep] of the best of f[..., n, m]: by rank, then the less crowded,
    then in the given order (Deb et al. 2002, section III-C). `ranked` gives ranks, as `dominance.rank`."""
    ranks = ranked(f, violation, n_keep)
    distance = crowding(f, ranks)
    index = lexsort([ranks, -distance])[..., :n_keep]
    return index, ranks.gather(-1, index), distance.gather(-1, index)
