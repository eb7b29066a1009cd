"""Evaluated points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from moopt.kernels.rows import rows

if TYPE_CHECKING:
    from moopt.problem import Evaluation, Problem


def violation(g: Tensor, failed: Tensor) -> Tensor:
    """Total constraint violation, the sum of the positive parts: g[..., n, c], failed[..., n] -> [..., n].

    Zero is feasible; a failed point or a NaN constraint has infinite violation (Deb 2000, "An efficient constraint
    handling method", section 3).
    """
    total = torch.where(torch.isnan(g), torch.inf, g.clamp(min=0)).sum(-1) if g.shape[-1] else g.new_zeros(failed.shape)
    return torch.where(failed, torch.inf, total)


@dataclass(frozen=True)
class Population:
    """Points with what is known of them; any leading batch dimensions (the runs `r` inside a state).

    x[..., n, d] search coordinates; f[..., n, m] objectives, minimised, NaN where failed; g[..., n, c] constraints,
    feasible at <= 0; failed[..., n]. `signs` turns f into the user's objectives (empty: all are minimised).
    """

    x: Tensor
    f: Tensor
    g: Tensor
    failed: Tensor
    signs: tuple[int, ...] = ()

    def __len__(self) -> int:
        return self.f.shape[-2]

    @property
    def objectives(self) -> Tensor:
        """The objectives in the user's sign, [..., n, m]."""
        return self.f * self.f.new_tensor(self.signs) if self.signs else self.f

    @property
    def violation(self) -> Tensor:
        """Total constraint violation [..., n]; 0 feasible, infinite where failed."""
        return violation(self.g, self.failed)

    @property
    def feasible(self) -> Tensor:
        """Evaluated and without violation: bool[..., n]."""
        return self.violation <= 0

    @staticmethod
    def of(problem: Problem, x: Tensor, evaluation: Evaluation) -> Population:
        """The points of an evaluation."""
        return Population(x, evaluation.f, evaluation.g, evaluation.failed, problem.signs)

    @property
    def evaluation(self) -> Evaluation:
        """What is known of the points, without the points."""
        from moopt.problem import Evaluation

        return Evaluation(self.f, self.g, self.failed)

    @staticmethod
    def empty(problem: Problem, *batch: int, device: torch.device | str, dtype: torch.dtype) -> Population:
        """No points: x[*batch, 0, d] and so on."""
        x, f, g = (
            torch.zeros(*batch, 0, k, device=device, dtype=dtype)
            for k in (problem.n_var, problem.n_obj, problem.n_con)
        )
        failed = torch.zeros(*batch, 0, device=device, dtype=torch.bool)
        return Population(x, f, g, failed, problem.signs)

    def select(self, index: Tensor, *others: Population) -> Population:
        """Points by number (int64[..., k]) or by mask (bool[n], without batch dimensions).

        `others`: points whose numbers follow these, as if they had been joined, which saves a copy of all of them.
        """
        if index.dtype == torch.bool:
            x, f, g, failed = self.x[index], self.f[index], self.g[index], self.failed[index]
        else:
            parts = [(part.x, part.f, part.g, part.failed[..., None]) for part in (self, *others)]
            x, f, g, failed = rows(parts, index)
            failed = failed[..., 0]
        return Population(x, f, g, failed, self.signs)

    def join(self, *others: Population) -> Population:
        """These points, then the other ones."""
        parts = (self, *others)
        x, f, g = (torch.cat([getattr(part, leaf) for part in parts], -2) for leaf in ("x", "f", "g"))
        return Population(x, f, g, torch.cat([part.failed for part in parts], -1), self.signs)
