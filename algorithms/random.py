"""Random search: the baseline that every other algorithm must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from moopt import _checks
from moopt.algorithm import AskTell
from moopt.population import Population
from moopt.problem import Evaluation, Problem
from moopt.random import Rng


@dataclass(frozen=True, kw_only=True)
class RandomSearch(AskTell):
    """Independent uniform points, `pop_size` at a time; the population is the last `pop_size` of them.

    Raises ValueError unless pop_size is positive.
    """

    pop_size: int = 100
    told = "any"

    def __post_init__(self) -> None:
        _checks.whole("pop_size", self.pop_size)

    def init(self, problem: Problem, rng: Rng) -> Population:
        return Population.empty(problem, rng.runs, device=rng.device, dtype=rng.dtype)

    def ask(
        self, problem: Problem, state: Population, rng: Rng, n: int | None = None, pending: Tensor | None = None
    ) -> tuple[Tensor, Any, Population]:
        return problem.space.sample(rng.uniform(n or self.pop_size, problem.n_var)), None, state

    def tell(
        self, problem: Problem, state: Population, rng: Rng, x: Tensor, tag: Any, evaluation: Evaluation
    ) -> Population:
        known = state.join(Population.of(problem, x, evaluation))
        last = torch.arange(max(0, len(known) - self.pop_size), len(known), device=x.device)
        return known.select(last.expand(x.shape[0], -1))

    def population(self, problem: Problem, state: Population) -> Population:
        return state
