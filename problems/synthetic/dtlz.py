"""DTLZ1-7: any number of objectives on fronts of known shape.

K. Deb, L. Thiele, M. Laumanns, E. Zitzler (2005), "Scalable test problems for evolutionary multiobjective
optimization", in Evolutionary Multiobjective Optimization, Springer, 105-145. The first m - 1 variables say
where on the front a point lies, the other k how far from it; all lie in [0, 1]. k = 5 (DTLZ1), 10 (DTLZ2-6)
and 20 (DTLZ7) are the paper's.

With more than three objectives the points of DTLZ5 and DTLZ6 with g = 0 are only a part of the front (Huband,
Hingston, Barone and While 2006, "A review of multiobjective test problems and a scalable test problem
toolkit"): points off that curve are not dominated by it. `pareto_front` and `nadir` are those of the curve,
as usual.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor
from torch.quasirandom import SobolEngine

from moopt.core import checks
from moopt.core.noisy import Noisy
from moopt.core.published import Published
from moopt.core.space import Box
from moopt.kernels.shared.arithmetic import power
from moopt.problems.synthetic._base import (
    linear_shape,
    rastrigin_distance,
    simplex_lattice,
    sphere_distance,
    spherical_shape,
)


@dataclass(frozen=True, kw_only=True)
class _DTLZ(Published):
    """Options: `n_obj` objectives; `n_var` variables, n_obj - 1 + k where not given.

    Raises ValueError for fewer than two objectives or fewer variables than objectives.
    """

    n_obj: int = 3
    n_var: int = None  # type: ignore[assignment]

    k: ClassVar[int] = 10
    differentiable = True
    _ideal = (0.0,)
    _nadir = (1.0,)

    def __post_init__(self) -> None:
        n_obj = checks.whole("n_obj", self.n_obj, low=2)
        n_var = n_obj - 1 + self.k if self.n_var is None else checks.whole("n_var", self.n_var, low=n_obj)
        object.__setattr__(self, "n_obj", n_obj)
        object.__setattr__(self, "n_var", n_var)

    @cached_property
    def space(self) -> Box:  # type: ignore[override]
        return Box(0.0, 1.0, self.n_var)

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Position on the front and distance from it: x[..., d] -> [..., m-1], [..., k]."""
        return x[..., : self.n_obj - 1], x[..., self.n_obj - 1 :]

    def _lattice(self, n: int) -> Tensor:
        return simplex_lattice(checks.whole("n", n), self.n_obj)


class DTLZ1(_DTLZ):
    """The plane where the objectives sum to 1/2, behind 11^k - 1 local fronts."""

    k = 5
    _nadir = (0.5,)

    def _evaluate(self, x: Tensor) -> Tensor:
        position, tail = self._split(x)
        return 0.5 * (1.0 + rastrigin_distance(tail)) * linear_shape(position)

    def pareto_front(self, n: int) -> Tensor:
        return 0.5 * self._lattice(n)


class _Sphere(_DTLZ):
    """Problems whose front is the unit sphere's positive part."""

    def _round(self, x: Tensor) -> Tensor:
        """The spheres of DTLZ2, which end at its front."""
        position, tail = self._split(x)
        return (1.0 + sphere_distance(tail)) * spherical_shape(0.5 * math.pi * position)

    def pareto_front(self, n: int) -> Tensor:
        lattice = self._lattice(n)
        return lattice / torch.sqrt((lattice**2).sum(-1, keepdim=True))


class DTLZ2(_Sphere):
    """The unit sphere."""

    def _evaluate(self, x: Tensor) -> Tensor:
        return self._round(x)


@dataclass(frozen=True, kw_only=True)
class C2DTLZ2(Noisy, _Sphere):
    """What of the unit sphere lies near its corners and its centre; options of DTLZ2 and `noise`.

    H. Jain, K. Deb (2014), "An Evolutionary Many-Objective Optimization Algorithm Using Reference-Point Based
    Nondominated Sorting Approach, Part II", IEEE Transactions on Evolutionary Computation 18(4), 602-622, equation 7.
    Hypervolumes are published of BoTorch's form, which is this one: r = 0.2 (the paper has 0.4 for three objectives and
    0.5 for more), and r^2 taken off in each term, m - 1 times about a corner and m times about the centre, not once.
    """

    n_con = 1
    spread = (1.0,)
    radius: ClassVar[float] = 0.2

    def __post_init__(self) -> None:
        _DTLZ.__post_init__(self)
        Noisy.__post_init__(self)

    def _exact(self, x: Tensor) -> tuple[Tensor, Tensor]:
        f = self._round(x)
        return f, self._outside(f)[..., None]

    def _outside(self, f: Tensor) -> Tensor:
        """How far outside the balls objectives [..., m] are, in squares: [...]."""
        less = f**2 - self.radius**2
        corners = (f - 1.0) ** 2 + less.sum(-1, keepdim=True) - less
        centre = ((f - 1.0 / math.sqrt(self.n_obj)) ** 2 - self.radius**2).sum(-1)
        return torch.minimum(corners.amin(-1), centre)

    def pareto_front(self, n: int) -> Tensor:
        """About `n` points: those of DTLZ2's front that are inside, of as many as it takes."""
        more = checks.whole("n", n)
        while True:
            front = super().pareto_front(more)
            front = front[self._outside(front) <= 0]
            if len(front) >= n or more > 200 * n:
                return front
            more *= 2


class DTLZ3(_Sphere):
    """The unit sphere behind 3^k - 1 local fronts."""

    def _evaluate(self, x: Tensor) -> Tensor:
        position, tail = self._split(x)
        return (1.0 + rastrigin_distance(tail)) * spherical_shape(0.5 * math.pi * position)


class DTLZ4(_Sphere):
    """The unit sphere, with most points near the planes of f_m: positions enter as x^100."""

    def _evaluate(self, x: Tensor) -> Tensor:
        position, tail = self._split(x)
        return (1.0 + sphere_distance(tail)) * spherical_shape(0.5 * math.pi * power(position, 100.0))


class _Curve(_DTLZ):
    """Problems whose points with g = 0 are a curve on the unit sphere, whatever the number of objectives."""

    def _bent(self, position: Tensor, g: Tensor) -> Tensor:
        """Objectives where all angles but the first tend to pi/4 as g tends to 0."""
        others = (1.0 + 2.0 * g * position[..., 1:]) / (2.0 * (1.0 + g))
        return (1.0 + g) * spherical_shape(0.5 * math.pi * torch.cat((position[..., :1], others), -1))

    @property
    def nadir(self) -> Tensor:
        # at the first angle 0; of all objectives but the last, the first and second share their value
        powers = [self.n_obj - 2, *range(self.n_obj - 2, 0, -1), 0]
        return torch.tensor([math.sqrt(0.5) ** p for p in powers], dtype=torch.float64)

    def pareto_front(self, n: int) -> Tensor:
        position = torch.full((checks.whole("n", n), self.n_obj - 1), 0.5, dtype=torch.float64)
        position[:, 0] = torch.linspace(0.0, 1.0, n, dtype=torch.float64)
        return spherical_shape(0.5 * math.pi * position)


class DTLZ5(_Curve):
    """A curve on the unit sphere."""

    def _evaluate(self, x: Tensor) -> Tensor:
        position, tail = self._split(x)
        return self._bent(position, sphere_distance(tail))


class DTLZ6(_Curve):
    """The curve of DTLZ5 behind a distance function that is steep at its minimum: x^0.1."""

    def _evaluate(self, x: Tensor) -> Tensor:
        position, tail = self._split(x)
        return self._bent(position, power(tail, 0.1).sum(-1, keepdim=True))


# On [0, 1] the function t (1 + sin 3 pi t) of DTLZ7 sets new records up to its first maximum, then again from
# where it passes that value to its second maximum. Front coordinates lie there: anywhere else a smaller f_i
# serves f_m better.
_RECORDS = ((0.0, 0.25141183608891712), (0.63162653070006120, 0.85940085664472392))


class DTLZ7(_DTLZ):
    """2^(m-1) separate regions."""

    k = 20

    def _evaluate(self, x: Tensor) -> Tensor:
        position, tail = self._split(x)
        return self._cut(position, 1.0 + 9.0 * tail.mean(-1, keepdim=True))

    def _cut(self, position: Tensor, g: Tensor) -> Tensor:
        """f_i = x_i and f_m = (1 + g) h with h = m - sum of f_i / (1 + g) (1 + sin 3 pi f_i)."""
        share = position * (1.0 + torch.sin(3.0 * math.pi * position))
        return torch.cat((position, (1.0 + g) * self.n_obj - share.sum(-1, keepdim=True)), -1)

    def _corner(self, value: float) -> Tensor:
        position = torch.full((self.n_obj - 1,), value, dtype=torch.float64)
        return self._cut(position, position.new_ones(1))

    @property
    def ideal(self) -> Tensor:
        return torch.cat((self._corner(0.0)[:-1], self._corner(_RECORDS[1][1])[-1:]))

    @property
    def nadir(self) -> Tensor:
        return torch.cat((self._corner(_RECORDS[1][1])[:-1], self._corner(0.0)[-1:]))

    def pareto_front(self, n: int) -> Tensor:
        (start, stop), (restart, end) = _RECORDS
        gap = restart - stop
        even = SobolEngine(self.n_obj - 1).draw(checks.whole("n", n, low=2) - 1, dtype=torch.float64)
        along = torch.cat((even, torch.ones_like(even[:1]))) * (end - gap)
        position = torch.where(along > stop, along + gap, along).clamp(max=end)
        return self._cut(position, position.new_ones(len(position), 1))
