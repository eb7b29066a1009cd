"""ZDT1-4 and ZDT6: two objectives, f_1 along the front and a distance g from it.

E. Zitzler, K. Deb, L. Thiele (2000), "Comparison of multiobjective evolutionary algorithms: empirical
results", Evolutionary Computation 8(2), 173-195, definition 4 (T1-T4, T6). The front is where g = 1, with all
variables but the first at 0. ZDT5 is defined on bit strings and is not here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor

from moopt.core import checks
from moopt.core.published import Published
from moopt.core.space import Box
from moopt.kernels.shared.arithmetic import power


@dataclass(frozen=True, kw_only=True)
class _ZDT(Published):
    """Option: `n_var` variables. Raises ValueError for fewer than two."""

    n_var: int = 30

    n_obj = 2
    differentiable = True
    _ideal: ClassVar[tuple[float, ...]] = (0.0,)
    _nadir: ClassVar[tuple[float, ...]] = (1.0,)

    def __post_init__(self) -> None:
        object.__setattr__(self, "n_var", checks.whole("n_var", self.n_var, low=2))

    @cached_property
    def space(self) -> Box:  # type: ignore[override]
        return Box(0.0, 1.0, self.n_var)


def _distance(x: Tensor) -> Tensor:
    """g of ZDT1-3: 1 + 9 times the mean of all variables but the first, [..., d] -> [...]."""
    return 1.0 + 9.0 * x[..., 1:].mean(-1)


def _convex(f1: Tensor, g: Tensor) -> Tensor:
    return torch.stack((f1, g * (1.0 - torch.sqrt(f1 / g))), -1)


def _concave(f1: Tensor, g: Tensor) -> Tensor:
    return torch.stack((f1, g * (1.0 - (f1 / g) ** 2)), -1)


def _waved(f1: Tensor, g: Tensor) -> Tensor:
    share = f1 / g
    return torch.stack((f1, g * (1.0 - torch.sqrt(share) - share * torch.sin(10.0 * math.pi * f1))), -1)


def _even(n: int, start: float = 0.0) -> tuple[Tensor, Tensor]:
    """f_1 at n even steps from `start` to 1, and g = 1."""
    f1 = torch.linspace(start, 1.0, checks.whole("n", n), dtype=torch.float64)
    return f1, torch.ones_like(f1)


class ZDT1(_ZDT):
    """Convex front f_2 = 1 - sqrt(f_1)."""

    def _evaluate(self, x: Tensor) -> Tensor:
        return _convex(x[..., 0], _distance(x))

    def pareto_front(self, n: int) -> Tensor:
        return _convex(*_even(n))


class ZDT2(_ZDT):
    """Concave front f_2 = 1 - f_1^2."""

    def _evaluate(self, x: Tensor) -> Tensor:
        return _concave(x[..., 0], _distance(x))

    def pareto_front(self, n: int) -> Tensor:
        return _concave(*_even(n))


# The front of ZDT3 in f_1: from where 1 - sqrt(f_1) - f_1 sin(10 pi f_1) falls below its last minimum to its
# next minimum. All starts but the first are excluded: the minimum before is as good there.
_SEGMENTS = (
    (0.0, 0.083001534926911633),
    (0.18222872802939978, 0.25776236338783022),
    (0.40931367480865684, 0.45388210408883017),
    (0.61839679443926579, 0.65251170380466252),
    (0.82333179832663274, 0.85183286543641390),
)


class ZDT3(_ZDT):
    """Five separate convex pieces."""

    _ideal = (0.0, -0.77336901232664045)
    _nadir = (_SEGMENTS[-1][1], 1.0)

    def _evaluate(self, x: Tensor) -> Tensor:
        return _waved(x[..., 0], _distance(x))

    def pareto_front(self, n: int) -> Tensor:
        n = checks.whole("n", n)
        total = sum(end - start for start, end in _SEGMENTS)
        pieces = [torch.zeros(1, dtype=torch.float64)]
        for start, end in _SEGMENTS:
            count = max(1, round(n * (end - start) / total))
            steps = torch.arange(1, count + 1, dtype=torch.float64) / count
            pieces.append(start + (end - start) * steps)
        f1 = torch.cat(pieces)
        return _waved(f1, torch.ones_like(f1))


@dataclass(frozen=True, kw_only=True)
class ZDT4(_ZDT):
    """The front of ZDT1 behind 21^(n_var - 1) local ones; all variables but the first lie in [-5, 5]."""

    n_var: int = 10

    @cached_property
    def space(self) -> Box:  # type: ignore[override]
        return Box([0.0] + [-5.0] * (self.n_var - 1), [1.0] + [5.0] * (self.n_var - 1))

    def _evaluate(self, x: Tensor) -> Tensor:
        tail = x[..., 1:]
        g = 1.0 + 10.0 * (self.n_var - 1) + (tail**2 - 10.0 * torch.cos(4.0 * math.pi * tail)).sum(-1)
        return _convex(x[..., 0], g)

    def pareto_front(self, n: int) -> Tensor:
        return _convex(*_even(n))


# Least f_1 of ZDT6: 1 - exp(-4 x) sin^6(6 pi x) at tan(6 pi x) = 9 pi.
_SLOPE = 9.0 * math.pi
_ZDT6_START = 1.0 - math.exp(-6.0 * math.atan(_SLOPE) / _SLOPE) * (1.0 + _SLOPE**-2) ** -3


@dataclass(frozen=True, kw_only=True)
class ZDT6(_ZDT):
    """Concave front f_2 = 1 - f_1^2 from f_1 = 0.2808 on, reached from few x and unevenly dense."""

    n_var: int = 10

    _ideal = (_ZDT6_START, 0.0)
    _nadir = (1.0, 1.0 - _ZDT6_START**2)

    def _evaluate(self, x: Tensor) -> Tensor:
        first = x[..., 0]
        wave = torch.sin(6.0 * math.pi * first) ** 2
        f1 = 1.0 - torch.exp(-4.0 * first) * (wave * wave * wave)
        return _concave(f1, 1.0 + 9.0 * power(x[..., 1:].mean(-1), 0.25))

    def pareto_front(self, n: int) -> Tensor:
        return _concave(*_even(n, _ZDT6_START))
