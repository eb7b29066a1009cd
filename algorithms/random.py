"""Random search: the baseline that every other algorithm must beat."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from moopt.core import checks
from moopt.core.algorithm import Incremental, Turn
from moopt.core.points import Points
from moopt.core.problem import Problem
from moopt.core.random import Rng


@dataclass(frozen=True, kw_only=True)
class RandomSearch(Incremental[Problem, Points]):
    """Independent uniform points, `pop_size` at a time; the population is the last `pop_size` of them.

    Raises ValueError unless pop_size is positive.
    """

    pop_size: int = 100

    def __post_init__(self) -> None:
        checks.whole("pop_size", self.pop_size)

    def init(self, problem: Problem, rng: Rng) -> Points:
        return Points.empty(problem, rng.runs, device=rng.device, dtype=rng.dtype)

    def ask(self, problem: Problem, state: Points, turn: Turn) -> tuple[Tensor, dict[str, Tensor], Points]:
        return problem.space.sample(turn.rng.uniform(turn.wanted or self.pop_size, problem.n_var)), {}, state

    def tell(self, problem: Problem, state: Points, points: Points, turn: Turn) -> Points:
        known = state.join(points)
        last = torch.arange(max(0, len(known) - self.pop_size), len(known), device=known.x.device)
        return known.select(last.expand(len(known.x), -1))

    def population(self, problem: Problem, state: Points) -> Points:
        return state
