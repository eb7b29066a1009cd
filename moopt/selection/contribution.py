"""Expected hypervolume contributions, and truncation by them.

J. Bader, E. Zitzler (2011), "HypE: An Algorithm for Fast Hypervolume-Based Many-Objective Optimization", Evolutionary
Computation 19(1), 45-76: what the front would lose with a point if it and k - 1 others, drawn at random, were removed.
"""

from __future__ import annotations

from torch import Tensor

from moopt.kernels import dispatch

MOST_SAMPLES = 2**20  # whose weights, added up, stay below 2^63


def expected_contribution(f: Tensor, valid: Tensor, reference: Tensor, k: Tensor, u: Tensor) -> Tensor:
    """Expected loss of hypervolume with each point when k points go: float64[..., n], 0 where not valid.

    Args:
        f: objectives [..., n, m], of points that do not dominate each other.
        valid: which points belong to the front, bool[..., n].
        reference: the reference point [..., m]; a point that is not better in every objective has 0.
        k: how many are to go, int64[...]; 1 gives the contributions themselves.
        u: uniform draws [..., s, m], s <= 2^20, samples of the box between the front's ideal point and the reference
            point (section 4.2 of the paper). Two objectives are exact and need none.
    """
    return dispatch.expected_contribution(f, valid, reference, k, u)


def truncate(f: Tensor, front: Tensor, surplus: Tensor, most: int, reference: Tensor, u: Tensor, tie: Tensor) -> Tensor:
    """Which points of a front stay when the `surplus` with the least contribution go: bool[..., n].

    Args:
        f: objectives [..., n, m]; front: which points may go, bool[..., n]; reference, u: see `expected_contribution`.
        surplus: how many go, int64[...], at most the size of the front; most: no surplus is greater.
        tie: [..., n] without NaN, smaller goes first among points with equal contributions, such as 0.

    One by one with contributions computed anew, k being what is still to go (algorithm 5 of the paper); a surplus of
    more than 64 in at most 64 equal rounds. Two objectives are exact; three are exact with k = 1, their hypervolume
    contributions, and need no samples; others use the same samples in all rounds.
    """
    return dispatch.truncate(f, front, surplus, most, reference, u, tie)
