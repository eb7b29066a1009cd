"""Mathematics that several suites share: distance functions, shapes of fronts, noisy forms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from moopt import _checks
from moopt.operators.directions import das_dennis, layered_directions
from moopt.problem import Draw, Problem
from moopt.space import Space


@dataclass(frozen=True, kw_only=True)
class Noisy(Problem):
    """Option `noise`: the standard deviation of normal noise on every objective, as a share of its `spread`.

    A subclass writes `_exact`, as others write `_evaluate`. With noise the problem is stochastic; constraints stay
    exact. Raises ValueError for a negative share.
    """

    noise: float = 0.0

    spread: ClassVar[tuple[float, ...]]
    """How far objectives reach over the space, in their units."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "noise", _checks.number("noise", self.noise, 0.0))

    @property
    def stochastic(self) -> bool:  # type: ignore[override]
        return self.noise > 0

    def _exact(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        raise NotImplementedError

    def _evaluate(self, x: Tensor, draw: Draw | None = None) -> Tensor | tuple[Tensor, Tensor]:
        answer = self._exact(x)
        if draw is None:
            return answer
        rng = draw.rng
        f, *g = answer if isinstance(answer, tuple) else (answer,)
        n = f.shape[:-1].numel() // rng.runs
        deviation = self.noise * torch.tensor(self.spread[:1] * self.n_obj if len(self.spread) == 1 else self.spread)
        noisy: Tensor = f + deviation.to(f) * rng.normal(n, self.n_obj).to(f).reshape(f.shape)
        return (noisy, g[0]) if g else noisy


class NoisyForm(Noisy):
    """Another problem with noise: a subclass names the `inner` one, whose space, objectives and points it has."""

    inner: ClassVar[Problem]

    @property
    def space(self) -> Space:  # type: ignore[override]
        return self.inner.space

    @property
    def n_obj(self) -> int:  # type: ignore[override]
        return self.inner.n_obj

    @property
    def objective_titles(self) -> Sequence[str] | None:  # type: ignore[override]
        return self.inner.objective_titles

    @property
    def differentiable(self) -> bool:  # type: ignore[override]
        return self.inner.differentiable

    @property
    def ideal(self) -> Tensor | None:
        return self.inner.ideal

    @property
    def nadir(self) -> Tensor | None:
        return self.inner.nadir

    def _exact(self, x: Tensor) -> Tensor:
        return self.inner.evaluate(x).f


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
