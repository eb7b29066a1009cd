"""Forms of problems whose objectives are seen through noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from moopt.core import checks
from moopt.core.problem import Draw, Problem
from moopt.core.space import Space


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
        object.__setattr__(self, "noise", checks.number("noise", self.noise, 0.0))

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
