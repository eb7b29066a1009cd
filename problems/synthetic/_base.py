"""Mathematics that several suites share: distance functions, shapes of fronts, lattices."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from moopt.operators.directions import das_dennis, layered_directions


def sphere_distance(tail: Tensor) -> Tensor:
    """Sum of (x - 1/2)^2, least at 1/2: tail[..., k] -> [..., 1] (Deb et al. 2005, g of DTLZ2)."""
    return ((tail - 0.5) ** 2).sum(-1, keepdim=True)


def rastrigin_distance(tail: Tensor) -> Tensor:
    """Many local minima, the global one at 1/2: tail[..., k] -> [..., 1] (Deb et al. 2005, g of DTLZ1)."""
    z = tail - 0.5
    return 100.0 * (tail.shape[-1] + (z**2 - torch.cos(20.0 * math.pi * z)).sum(-1, keepdim=True))


def linear_shape(position: Tensor) -> Tensor:
    """Points of the unit simplex: position[..., m-1] in [0, 1] -> [..., m] (Deb et al. 2005, DTLZ1)."""
    return _products(position, 1.0 - position)


def spherical_shape(angle: Tensor) -> Tensor:
    """Points of the unit sphere: angle[..., m-1] in [0, pi/2] -> [..., m] (Deb et al. 2005, DTLZ2)."""
    return _products(torch.cos(angle), torch.sin(angle))


def _products(kept: Tensor, last: Tensor) -> Tensor:
    """f_1 = kept_1 ... kept_{m-1}; f_i = kept_1 ... kept_{m-i} last_{m-i+1}; f_m = last_1."""
    one = torch.ones_like(kept[..., :1])
    products = torch.cat((one, kept.cumprod(-1)), -1).flip(-1)
    return products * torch.cat((one, last.flip(-1)), -1)


def simplex_lattice(n: int, m: int) -> Tensor:
    """At most `n` points (at least m) on the unit simplex, float64[n', m], to lay over a front.

    The lattice with the most divisions that fits; with fewer than m divisions it has no inner points, so a
    second one, halfway to the centre, is added if it fits. Sizes are those of PlatEMO's `UniformPoint`, with
    which many published distances to fronts were measured.
    """
    outer = max(1, _divisions(n, m))
    inner = _divisions(n - math.comb(outer + m - 1, m - 1), m) if outer < m else 0
    return layered_directions(m, outer, inner) if inner else das_dennis(m, outer)


def _divisions(n: int, m: int) -> int:
    """Divisions of the largest lattice of at most n points, 0 if there is none."""
    divisions = 0
    while math.comb(divisions + m, m - 1) <= n:
        divisions += 1
    return divisions
