"""How much room a point has among its neighbours."""

from __future__ import annotations

from torch import Tensor

from moopt.core.checks import InputError
from moopt.kernels import distances, ranking
from moopt.selection._points import as_points, as_tensor


def crowding_distance(f: Tensor, rank: Tensor | None = None) -> Tensor:
    """Crowding distance of each point in its front, larger is less crowded: [..., n] in the precision of f.

    Args:
        f: objectives [..., n, m].
        rank: front of each point [..., n]; without it all points are one front.

    Deb et al. 2002, section III-B: in each objective, the points with the least and the greatest value get
    infinity and the others the gap between their two neighbours, divided by the front's range; summed over
    the objectives. Ties in one objective are ordered by the other objectives. What the paper leaves open:

    - copies: the first of equal points gets what it would get without the others, these get 0;
    - an objective that does not vary within the front adds nothing, its end points included;
    - a front of one distinct point gets infinity;
    - infinite values: an infinite gap counts 1, a finite gap within an infinite range 0;
    - a row with NaN gets 0 and is no neighbour.

    Raises ValueError for shapes that do not fit.
    """
    f = as_points("f", f)
    if rank is not None:
        rank = as_tensor("rank", rank)
        if rank.shape != f.shape[:-1]:
            raise InputError(f"rank: expected shape {list(f.shape[:-1])}, got {list(rank.shape)}")
    return ranking.crowding(f, rank)


def nearest_distances(f: Tensor, k: int) -> Tensor:
    """Euclidean distances of each point to its k nearest others, ascending: [..., n, k].

    f: objectives [..., n, m]; scale them first, where their sizes differ. Infinite where there are fewer than k others,
    and from a row with NaN, which is nobody's neighbour. The k-th is the density that SPEA2 goes by (Zitzler, Laumanns
    and Thiele 2001, section 3.1). Raises ValueError for shapes that do not fit and a negative k.
    """
    f = as_points("f", f)
    if k < 0:
        raise InputError(f"k: expected a number of neighbours from 0, got {k}")
    return distances.nearest_distances(f, k)
