"""Branin and Currin: two functions of two variables, the usual first example of Bayesian optimization.

L. C. W. Dixon, G. P. Szegö (1978), "The global optimization problem: an introduction", in Towards Global Optimisation 2
(Branin's function, its variables scaled from [-5, 10] and [0, 15]); C. Currin, T. Mitchell, M. Morris, D. Ylvisaker
(1991), "Bayesian Prediction of Deterministic Functions, with Applications to the Design and Analysis of Computer
Experiments", Journal of the American Statistical Association 86, 953-963. Together in S. Belakaria, A. Deshwal, J. R.
Doppa (2019), "Max-value Entropy Search for Multi-Objective Bayesian Optimization", NeurIPS 32. The reference point is
BoTorch's, from which the front's hypervolume is 59.36; `noise=0.05` is that of its tutorials.
"""

from __future__ import annotations

import math
from functools import cached_property

import torch
from torch import Tensor

from moopt.core.noisy import Noisy
from moopt.core.space import Box


class BraninCurrin(Noisy):
    """Two variables in [0, 1]; option `noise`."""

    n_obj = 2
    n_var = 2
    objective_titles = ("branin", "currin")
    differentiable = True
    spread = (303.0, 12.6)

    @cached_property
    def space(self) -> Box:  # type: ignore[override]
        return Box(0.0, 1.0, 2)

    @property
    def ideal(self) -> Tensor:
        """Branin's minimum, else of the best points that three searches of 200,000 evaluations found."""
        return torch.tensor((0.39788736, 1.1804), dtype=torch.float64)

    @property
    def nadir(self) -> Tensor:
        """As `ideal`."""
        return torch.tensor((17.5086, 5.6873), dtype=torch.float64)

    @property
    def reference_point(self) -> Tensor:
        return torch.tensor((18.0, 6.0), dtype=torch.float64)

    def _exact(self, x: Tensor) -> Tensor:
        u, v = x.unbind(-1)
        a, b = 15.0 * u - 5.0, 15.0 * v
        valley = b - 5.1 / (4.0 * math.pi**2) * a**2 + 5.0 / math.pi * a - 6.0
        branin = valley**2 + 10.0 * (1.0 - 1.0 / (8.0 * math.pi)) * torch.cos(a) + 10.0
        above = 60.0 + u * (2092.0 + u * (1900.0 + u * 2300.0))
        below = 20.0 + u * (4.0 + u * (500.0 + u * 100.0))
        fade = torch.where(v > 0, -torch.expm1(-0.5 / torch.where(v > 0, v, 1.0)), 1.0)
        return torch.stack((branin, fade * above / below), -1)
