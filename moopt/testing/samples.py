"""Small problems to try algorithms on, with what may go wrong on request."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from moopt.core.problem import Answer, Problem
from moopt.core.space import Box, Choice, Flag, Integer, Permutation, Real, Space, Variable


@dataclass(frozen=True, kw_only=True)
class Bowls(Problem):
    """A small problem of every kind: distances to two points, with what may go wrong on request.

    `trouble`: "" none, "constant" objectives, "nan" in half of the space, "infinite" there, "infeasible" all.
    `mixed` adds an integer, a choice, a flag and a permutation. The front of the plain form joins two points.
    """

    n_real: int = 3
    n_obj: int = 2
    mixed: bool = False
    constrained: bool = False
    trouble: str = ""

    @cached_property
    def space(self) -> Space:  # type: ignore[override]
        if not self.mixed:
            return Box([-1.0] * self.n_real, [2.0] * self.n_real)
        reals: dict[str, Variable] = {f"r{i}": Real(-1.0, 2.0) for i in range(self.n_real)}
        return Space(
            {**reals, "n": Integer(0, 5), "c": Choice(["a", "b", "c"]), "s": Flag(), "p": Permutation(4)}
        )

    @property
    def n_con(self) -> int:  # type: ignore[override]
        return int(self.constrained or self.trouble == "infeasible")

    @property
    def ideal(self) -> Tensor | None:
        return torch.zeros(self.n_obj, dtype=torch.float64)

    @property
    def nadir(self) -> Tensor | None:
        return torch.ones(self.n_obj, dtype=torch.float64)

    def _evaluate(self, x: Tensor) -> Answer:
        reals = x[..., : self.n_real]
        corners = torch.zeros(self.n_obj, self.n_real, dtype=x.dtype, device=x.device)
        for i in range(self.n_obj):
            corners[i, i % self.n_real] = 0.75 * (i + 1) / self.n_obj
        f = ((reals[..., None, :] - corners) ** 2).sum(-1)
        if self.mixed:
            f = f + 0.05 * x[..., self.n_real :].mean(-1, keepdim=True)
        wild = (reals[..., 0] > 0.5)[..., None]
        if self.trouble == "constant":
            f = torch.zeros_like(f)
        elif self.trouble in ("nan", "infinite"):
            f = torch.where(wild, torch.nan if self.trouble == "nan" else torch.inf, f)
        g = reals[..., :1] - 0.6 if self.constrained else reals[..., :0]
        if self.trouble == "infeasible":
            g = 1.0 + reals[..., :1] ** 2
        return f, g
