"""MW1-14: constrained problems whose feasible regions are small, or in pieces.

Z. Ma, Y. Wang (2019), "Evolutionary Constrained Multiobjective Optimization: Test Suite Construction and Performance
Comparisons", IEEE Transactions on Evolutionary Computation 23(6), 972-986; d = 15 variables, m = 3 objectives where
there may be more than two. Positions x_1 .. x_{m-1} and a distance g >= 1 of all variables give the objectives, which
rise with g; a constraint is a function of the objectives.

Reference points are those with which hypervolumes were published: of MW3, MW5 and MW7 by Low et al. (2024),
"Evolution-guided Bayesian optimization for constrained multi-objective optimization in self-driving labs", npj
Computational Materials 10, 104. Its results on MW5 are of another problem, whose distance is that of MW7:
`distance="g3"`.

Type I (the constrained front is the unconstrained one): MW2, MW4, MW14. Type II (a part of it): MW1, MW5, MW6, MW8.
Type III (a part of it and of the region's edge): MW3, MW7, MW10, MW13. Type IV (the region's edge): MW9, MW11, MW12.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor

from moopt.core import checks
from moopt.core.checks import InputError
from moopt.core.noisy import Noisy
from moopt.core.space import Box
from moopt.kernels.shared.arithmetic import power
from moopt.problems.synthetic._base import linear_shape, simplex_lattice, spherical_shape
from moopt.selection import nondominated_mask

FARTHEST, STEPS = 3.0, 1000  # distances among which the nearest feasible one is looked for
TOUCHING = 1e-12  # a constraint that is not more than this counts as met


@dataclass(frozen=True, kw_only=True)
class _MW(Noisy):
    """Options: `n_var` variables, `noise`. Raises ValueError for fewer variables than objectives."""

    n_var: int = 15

    n_obj = 2
    n_con = 1
    most: ClassVar[float] = 1.0  # of every variable
    distance_name: ClassVar[str]
    spread = (1.0,)
    differentiable = True
    _reference: ClassVar[tuple[float, ...] | None] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "n_var", checks.whole("n_var", self.n_var, low=self.n_obj))

    @cached_property
    def space(self) -> Box:  # type: ignore[override]
        return Box(0.0, self.most, self.n_var)

    def shape(self, position: Tensor, g: Tensor) -> Tensor:
        """Objectives [..., m] of positions [..., m - 1] at distances [..., 1]."""
        raise NotImplementedError

    def constraints(self, f: Tensor) -> Tensor:
        """[..., c] of objectives [..., m]; feasible at <= 0."""
        raise NotImplementedError

    def _exact(self, x: Tensor) -> tuple[Tensor, Tensor]:
        f = self.shape(x[..., : self.n_obj - 1], 1.0 + _DISTANCES[self.distance_name](x, self.n_obj))
        return f, self.constraints(f)

    def pareto_front(self, n: int) -> Tensor:
        """About `n` of the nearest feasible points that nothing dominates: of two objectives evenly spaced along each
        piece, its ends included, of more on a lattice."""
        checks.whole("n", n, low=2)
        if self.n_obj == 2:
            return _along_pieces(*self._traced(n), n)
        more = n
        for _ in range(8):
            front = self._at(self._lattice(more))
            front = front[nondominated_mask(front)]
            if len(front) >= n:
                break
            more = max(more + 1, more * n // max(1, len(front)))
        return front

    def _at(self, position: Tensor) -> Tensor:
        """The nearest feasible points [k', m] of those positions [k, m - 1] that have one."""
        near = self._nearest(position)
        return self.shape(position[near.isfinite()], near[near.isfinite()][:, None])

    def _lattice(self, n: int) -> Tensor:
        """About `n` positions [n', m - 1]."""
        side = torch.linspace(0.0, self.most, max(2, round(n ** (1 / (self.n_obj - 1)))), dtype=torch.float64)
        return torch.cartesian_prod(*[side] * (self.n_obj - 1)).reshape(-1, self.n_obj - 1)

    def _traced(self, n: int) -> tuple[Tensor, Tensor]:
        """Points of a front of two objectives, f[k, 2], so many that neighbours on a piece are much nearer than those
        of n evenly spaced ones, and that distance: intervals of positions are halved until they are short enough."""
        position = torch.linspace(0.0, self.most, 4 * n, dtype=torch.float64)
        f, place = torch.empty(0, 2, dtype=torch.float64), position[:0]
        while True:
            near = self._nearest(position[:, None])
            found = self.shape(position[:, None], near[:, None]).masked_fill(near.isinf()[:, None], torch.inf)
            place, order = torch.cat((place, position)).sort()
            f = torch.cat((f, found))[order]
            front = nondominated_mask(f) & f.isfinite().all(-1)
            reach = f[front].amax(0) - f[front].amin(0)
            longest = float(reach.norm()) / (4 * n)
            apart = (f[1:] - f[:-1]).norm(dim=-1) > longest
            end = front[1:] ^ front[:-1]  # of a piece, which may be a single point
            split = (end | (apart & front[1:] & front[:-1])) & (place.diff() > 1e-10)
            if not split.any():
                return f[front], f.new_tensor(longest)
            position = ((place[1:] + place[:-1]) / 2)[split]

    def _nearest(self, position: Tensor) -> Tensor:
        """The least feasible distance [k] of positions [k, m - 1]; infinite where there is none."""
        return torch.cat([self._nearest_of(part) for part in position.split(1000)])

    def _nearest_of(self, position: Tensor) -> Tensor:
        def excess(g: Tensor, at: Tensor = position) -> Tensor:
            f = self.shape(at[:, None].expand(-1, g.shape[-1], -1), g[..., None].expand(len(at), -1, 1))
            return self.constraints(f).amax(-1)

        grid = torch.linspace(1.0, FARTHEST, STEPS, dtype=torch.float64)
        height = excess(grid[None])
        least = torch.where(height <= TOUCHING, grid, torch.inf).amin(-1)
        # where the constraints dip between two distances of the grid, the region may be thinner than a step
        around = torch.nn.functional.pad(height, (1, 1), value=torch.inf)
        dip = (height > TOUCHING) & (height <= around[:, :-2]) & (height <= around[:, 2:]) & (grid < least[:, None])
        row, place = dip.nonzero(as_tuple=True)
        low, high = grid[(place - 1).clamp_min(0)], grid[(place + 1).clamp_max(STEPS - 1)]
        for _ in range(60):
            third = (high - low) / 3
            left, right = excess(torch.stack((low + third, high - third), -1), position[row]).unbind(-1)
            low, high = torch.where(left <= right, low, low + third), torch.where(left <= right, high - third, high)
        bottom = (low + high) / 2
        bottom = bottom.masked_fill(excess(bottom[:, None], position[row])[:, 0] > TOUCHING, torch.inf)
        found = least.scatter_reduce(0, row, bottom, "amin")
        low = grid[(torch.searchsorted(grid, found.clamp_max(FARTHEST)) - 1).clamp_min(0)]
        high = found
        for _ in range(40):
            middle = (low + high) / 2
            good = excess(middle.nan_to_num(FARTHEST, FARTHEST)[:, None])[:, 0] <= TOUCHING
            low, high = torch.where(good, low, middle), torch.where(good, middle, high)
        return torch.where(height[:, 0] <= TOUCHING, 1.0, high)

    @cached_property
    def _front(self) -> Tensor:
        return self.pareto_front(500)

    @property
    def ideal(self) -> Tensor:
        return self._front.amin(0)

    @property
    def nadir(self) -> Tensor:
        return self._front.amax(0)

    @property
    def reference_point(self) -> Tensor | None:
        known = self._reference
        return super().reference_point if known is None else torch.tensor(known, dtype=torch.float64)


def _along_pieces(f: Tensor, longest: Tensor, n: int) -> Tensor:
    """About `n` of the points f[k, 2] of a front, evenly spaced along each piece, of which both ends stay.

    Neighbours farther from each other than `longest` belong to different pieces.
    """
    f = f[f[:, 0].argsort()]
    step = f.diff(dim=0).norm(dim=-1)
    pieces = f.tensor_split((step > longest).nonzero()[:, 0] + 1)
    lengths = [piece.diff(dim=0).norm(dim=-1).cumsum(0) for piece in pieces]
    total = sum(float(length[-1]) for length in lengths if len(length))
    chosen = []
    for piece, length in zip(pieces, lengths, strict=True):
        if not len(length):
            chosen.append(piece)
            continue
        count = max(2, round(n * float(length[-1]) / total))
        along = torch.cat((length.new_zeros(1), length))
        wanted = torch.linspace(0.0, float(length[-1]), count, dtype=f.dtype)
        chosen.append(piece[torch.searchsorted(along, wanted).clamp_max(len(piece) - 1).unique()])
    return torch.cat(chosen)


@dataclass(frozen=True, kw_only=True)
class _AnyNumber(_MW):
    """Options: `n_obj` objectives, `n_var` variables (n_obj + 12 where not given), `noise`."""

    n_obj: int = 3
    n_var: int = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        n_obj = checks.whole("n_obj", self.n_obj, low=2)
        object.__setattr__(self, "n_obj", n_obj)
        object.__setattr__(self, "n_var", n_obj + 12 if self.n_var is None else self.n_var)
        super().__post_init__()


def _linear_position(w: Tensor) -> Tensor:
    """Where `linear_shape` gives the points w[k, m] of the simplex: [k, m - 1]."""
    left = torch.cat((torch.ones_like(w[:, :1]), 1.0 - w.flip(-1).cumsum(-1)[:, :-1]), -1).clamp(0.0, 1.0)
    return torch.where(left[:, :-1] > 0.0, left[:, 1:] / left[:, :-1], 0.0)


def _whole_power(x: Tensor, exponent: int) -> Tensor:
    """x^exponent by squaring: the same bits wherever a value lies in its tensor, unlike `torch.pow`."""
    result = torch.ones_like(x)
    while exponent:
        if exponent % 2:
            result = result * x
        exponent //= 2
        x = x * x if exponent else x
    return result


def _g1(x: Tensor, m: int) -> Tensor:
    d = x.shape[-1]
    z = _whole_power(x[..., m - 1 :], d - m) - 0.5 - torch.arange(m - 1, d, dtype=x.dtype, device=x.device) / (2 * d)
    return (1.0 - torch.exp(-10.0 * z**2)).sum(-1, keepdim=True)


def _g2(x: Tensor, m: int) -> Tensor:
    d = x.shape[-1]
    place = torch.arange(m - 1, d, dtype=x.dtype, device=x.device) / d
    z = 1.0 - torch.exp(-10.0 * (x[..., m - 1 :] - place) ** 2)
    return (1.5 + 0.1 / d * z**2 - 1.5 * torch.cos(2.0 * math.pi * z)).sum(-1, keepdim=True)


def _g3(x: Tensor, m: int) -> Tensor:
    return (2.0 * (x[..., m - 1 :] + (x[..., m - 2 : -1] - 0.5) ** 2 - 1.0) ** 2).sum(-1, keepdim=True)


_DISTANCES: dict[str, Callable[[Tensor, int], Tensor]] = {"g1": _g1, "g2": _g2, "g3": _g3}


def _across(f: Tensor) -> Tensor:
    """l, along the front's line: sqrt(2) (f_2 - f_1)."""
    return math.sqrt(2.0) * (f[..., 1] - f[..., 0])


def _wave(z: Tensor, height: float, frequency: float, exponent: int) -> Tensor:
    """A sin(B pi z)^D."""
    return height * _whole_power(torch.sin(frequency * math.pi * z), exponent)


class MW1(_MW):
    """Pieces of a line."""

    distance_name = "g1"

    def shape(self, position: Tensor, g: Tensor) -> Tensor:
        return torch.cat((position.expand(*g.shape[:-1], 1), g - 0.85 * position), -1)

    def constraints(self, f: Tensor) -> Tensor:
        return (f.sum(-1) - 1.0 - _wave(_across(f), 0.5, 2.0, 8))[..., None]


class MW2(_MW):
    """A line, behind local fronts."""

    distance_name = "g2"

    def shape(self, position: Tensor, g: Tensor) -> Tensor:
        return torch.cat((position.expand(*g.shape[:-1], 1), g - position), -1)

    def constraints(self, f: Tensor) -> Tensor:
        return (f.sum(-1) - 1.0 - _wave(_across(f), 0.5, 3.0, 8))[..., None]


class MW3(_MW):
    """A line, and edges where it is not allowed."""

    distance_name = "g3"
    n_con = 2
    _reference = (1.1, 1.1)

    def shape(self, position: Tensor, g: Tensor) -> Tensor:
        return torch.cat((position.expand(*g.shape[:-1], 1), g - position), -1)

    def constraints(self, f: Tensor) -> Tensor:
        total, along = f.sum(-1), _across(f)
        return torch.stack(
            (total - 1.05 - _wave(along, 0.45, 0.75, 6), 0.85 - total + _wave(along, 0.3, 0.75, 2)), -1
        )


class MW4(_AnyNumber):
    """A plane."""

    distance_name = "g1"

    def shape(self, position: Tensor, g: Tensor) -> Tensor:
        return g * linear_shape(1.0 - position)

    def _lattice(self, n: int) -> Tensor:
        return 1.0 - _linear_position(simplex_lattice(n, self.n_obj))

    def constraints(self, f: Tensor) -> Tensor:
        along = f[..., -1] - f[..., :-1].sum(-1)
        return (f.sum(-1) - 1.0 - _wave(along, 0.4, 2.5, 8))[..., None]


class _Arc(_MW):
    """Problems in the plane's first quarter, around the unit circle."""

    def shape(self, position: Tensor, g: Tensor) -> Tensor:
        return g * torch.cat((position, torch.sqrt(1.0 - position**2)), -1).expand(*g.shape[:-1], 2)


@dataclass(frozen=True, kw_only=True)
class MW5(_Arc):
    """Points of a circle. `distance`: "g1", or "g3" for the problem under whose name results were published."""

    distance: str = "g1"

    n_con = 3
    _reference = (1.2, 1.2)

    def __post_init__(self) -> None:
        if self.distance not in ("g1", "g3"):
            raise InputError(f"distance: expected g1 or g3, got {self.distance!r}")
        super().__post_init__()

    @property
    def distance_name(self) -> str:  # type: ignore[override]
        return self.distance

    def constraints(self, f: Tensor) -> Tensor:
        angle, square = torch.atan2(f[..., 1], f[..., 0]), (f**2).sum(-1)
        t = 0.5 * math.pi - 2.0 * (angle - 0.25 * math.pi).abs()
        ripple = torch.sin(6.0 * t**3)
        return torch.stack(
            (
                square - (1.7 - 0.2 * torch.sin(2.0 * angle)) ** 2,
                (1.0 + 0.5 * ripple) ** 2 - square,
                (1.0 - 0.45 * ripple) ** 2 - square,
            ),
            -1,
        )


class MW6(_MW):
    """Pieces of a circle of radius 1.1."""

    distance_name = "g2"
    most = 1.1

    def shape(self, position: Tensor, g: Tensor) -> Tensor:
        other = torch.sqrt((1.1**2 - position**2).clamp_min(0.0))
        return g * torch.cat((position, other), -1).expand(*g.shape[:-1], 2)

    def constraints(self, f: Tensor) -> Tensor:
        angle = torch.atan2(f[..., 1], f[..., 0])
        length = _whole_power(torch.cos(6.0 * _whole_power(angle, 4)), 10)
        ellipse = (f[..., 0] / (1.0 + 0.15 * length)) ** 2 + (f[..., 1] / (1.0 + 0.75 * length)) ** 2
        return (ellipse - 1.0)[..., None]


class MW7(_Arc):
    """A circle, and edges where it is not allowed."""

    distance_name = "g3"
    n_con = 2
    _reference = (1.2, 1.2)

    def constraints(self, f: Tensor) -> Tensor:
        wave, square = torch.sin(4.0 * torch.atan2(f[..., 1], f[..., 0])), (f**2).sum(-1)
        outer, inner = 1.2 + 0.4 * _whole_power(wave, 16), 1.15 - 0.2 * _whole_power(wave, 8)
        return torch.stack((square - outer**2, inner**2 - square), -1)


class MW8(_AnyNumber):
    """Pieces of a sphere."""

    distance_name = "g2"

    def shape(self, position: Tensor, g: Tensor) -> Tensor:
        return g * spherical_shape(0.5 * math.pi * position)

    def _lattice(self, n: int) -> Tensor:
        squares = simplex_lattice(n, self.n_obj) ** 2
        return torch.acos(_linear_position(squares / squares.sum(-1, keepdim=True)).sqrt()) / (0.5 * math.pi)

    def constraints(self, f: Tensor) -> Tensor:
        square = (f**2).sum(-1)
        angle = torch.asin((f[..., -1] / torch.sqrt(square)).clamp(-1.0, 1.0))
        return (square - (1.25 - 0.5 * torch.sin(6.0 * angle) ** 2) ** 2)[..., None]


class MW9(_MW):
    """A curve between parabolas."""

    distance_name = "g1"

    def shape(self, position: Tensor, g: Tensor) -> Tensor:
        return g * torch.cat((position, 1.0 - power(position, 0.6)), -1).expand(*g.shape[:-1], 2)

    def constraints(self, f: Tensor) -> Tensor:
        f1, f2 = f.unbind(-1)
        first = (1.0 - 0.64 * f1**2 - f2) * (1.0 - 0.36 * f1**2 - f2)
        second = (1.35**2 - (f1 + 0.35) ** 2 - f2) * (1.15**2 - (f1 + 0.15) ** 2 - f2)
        return torch.minimum(first, second)[..., None]


class MW10(_MW):
    """Pieces of a parabola, and edges; most points lie at f_1 = 0."""

    distance_name = "g2"
    n_con = 3

    def _exact(self, x: Tensor) -> tuple[Tensor, Tensor]:
        f = self.shape(_whole_power(x[..., :1], self.n_var), 1.0 + _g2(x, 2))
        return f, self.constraints(f)

    def shape(self, position: Tensor, g: Tensor) -> Tensor:
        return g * torch.cat((position, 1.0 - position**2), -1).expand(*g.shape[:-1], 2)

    def constraints(self, f: Tensor) -> Tensor:
        f1, f2 = f.unbind(-1)
        square = f1**2
        return torch.stack(
            (
                -(2.0 - 4.0 * square - f2) * (2.0 - 8.0 * square - f2),
                (2.0 - 2.0 * square - f2) * (2.0 - 16.0 * square - f2),
                (1.0 - square - f2) * (1.2 - 1.2 * square - f2),
            ),
            -1,
        )


class MW11(_MW):
    """Edges of a region between parabolas."""

    distance_name = "g3"
    n_con = 4
    most = math.sqrt(2.0)

    def shape(self, position: Tensor, g: Tensor) -> Tensor:
        other = torch.sqrt((2.0 - position**2).clamp_min(0.0))
        return g * torch.cat((position, other), -1).expand(*g.shape[:-1], 2)

    def constraints(self, f: Tensor) -> Tensor:
        f1, f2 = f.unbind(-1)
        square = f1**2
        return torch.stack(
            (
                -(3.0 - square - f2) * (3.0 - 2.0 * square - f2),
                (3.0 - 0.625 * square - f2) * (3.0 - 7.0 * square - f2),
                -(1.62 - 0.18 * square - f2) * (1.125 - 0.125 * square - f2),
                (2.07 - 0.23 * square - f2) * (0.63 - 0.07 * square - f2),
            ),
            -1,
        )


class MW12(_MW):
    """An edge between waves."""

    distance_name = "g1"
    n_con = 2

    def shape(self, position: Tensor, g: Tensor) -> Tensor:
        other = 0.85 - 0.8 * position - 0.08 * torch.sin(3.2 * math.pi * position).abs()
        return g * torch.cat((position, other), -1).expand(*g.shape[:-1], 2)

    def constraints(self, f: Tensor) -> Tensor:
        f1, f2 = f.unbind(-1)

        def line(height: float, fall: float, width: float) -> Tensor:
            return height - fall * f1 - f2 + 0.08 * torch.sin(2.0 * math.pi * (f2 / height - f1 / width))

        return torch.stack(
            (-line(1.0, 0.625, 1.6) * line(1.4, 0.875, 1.6), line(1.0, 0.8, 1.5) * line(1.8, 1.125, 1.6)), -1
        )


class MW13(_MW):
    """Pieces of a falling wave, and edges."""

    distance_name = "g2"
    n_con = 2
    most = 1.5
    spread = (5.0,)

    def shape(self, position: Tensor, g: Tensor) -> Tensor:
        other = 5.0 - torch.exp(position) - 0.5 * torch.sin(3.0 * math.pi * position).abs()
        return g * torch.cat((position, other), -1).expand(*g.shape[:-1], 2)

    def constraints(self, f: Tensor) -> Tensor:
        f1, f2 = f.unbind(-1)
        height = 5.0 - 0.5 * torch.sin(3.0 * math.pi * f1) - f2
        outer = -(height - (1.0 + f1 + 0.5 * f1**2)) * (height - (1.0 + 0.7 * f1))
        return torch.stack((outer, (height - torch.exp(f1)) * (height - (1.0 + 0.4 * f1))), -1)


class MW14(_AnyNumber):
    """Pieces of a falling wave in any number of objectives."""

    distance_name = "g3"
    most = 1.5
    spread = (5.0,)

    def shape(self, position: Tensor, g: Tensor) -> Tensor:
        last = g * (6.0 - torch.exp(position) - _ripple(position)).mean(-1, keepdim=True)
        return torch.cat((position.expand(*g.shape[:-1], self.n_obj - 1), last), -1)

    def constraints(self, f: Tensor) -> Tensor:
        others = f[..., :-1]
        return f[..., -1:] - (5.1 - others - 0.5 * others**2 - _ripple(others)).mean(-1, keepdim=True)


def _ripple(f: Tensor) -> Tensor:
    return 1.5 * torch.sin(1.1 * math.pi * f**2)

