"""How the space is searched: pure functions of (problem, state, random numbers)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from moopt.population import Population
from moopt.problem import Evaluation, Problem
from moopt.random import Rng
from moopt.space import Kind

Spent = dict[str, Tensor]  # unit -> int64[r], on the CPU
ALL_KINDS = frozenset(Kind)


class Algorithm(ABC):
    """Hyper-parameters of a search method; a subclass is a frozen, keyword-only dataclass.

    State is a tree of tensors whose every leaf leads with the runs `r` (`moopt.tree`); shapes may change at the
    first step only. What a subclass declares is what the loop checks: `needs`, the kind of problem; `kinds` of
    variables; `constraints`, whether it heeds them; `objectives`, least and greatest number; `batched_runs`,
    whether one state holds several runs (`False`: the loop keeps one state per run and passes r = 1).
    """

    needs: ClassVar[type[Problem]] = Problem  # type: ignore[type-abstract]
    kinds: ClassVar[frozenset[Kind]] = ALL_KINDS
    constraints: ClassVar[bool] = True
    objectives: ClassVar[tuple[int, int | None]] = (1, None)
    batched_runs: ClassVar[bool] = True

    @abstractmethod
    def init(self, problem: Problem, rng: Rng) -> Any:
        """The state before the first step; spends nothing."""

    @abstractmethod
    def step(self, problem: Problem, state: Any, rng: Rng) -> tuple[Any, Spent]:
        """One generation, update or suggestion: the new state and what it spent."""

    @abstractmethod
    def population(self, problem: Problem, state: Any) -> Population:
        """The current solutions, [r, n, ...], without spending anything."""

    def measure(self, problem: Problem, state: Any, rng: Rng) -> tuple[Population, Spent]:
        """The current solutions with trustworthy objectives, and what looking at them spent.

        Where `population` is exact, that is the answer; an algorithm that only has estimates overrides this.
        """
        return self.population(problem, state), {}

    def notes(self, problem: Problem, state: Any) -> list[str]:
        """Sentences that a person should read beside the result of one run: what was chosen, inferred or learned."""
        return []


class AskTell(Algorithm):
    """An algorithm whose points are evaluated by the loop.

    `told` says what it wants to hear: `"whole"` generations as asked, or `"any"` part of them in any order.
    """

    told: ClassVar[Literal["whole", "any"]] = "whole"
    usual_evaluations: ClassVar[int | None] = None
    """How many a search of its kind takes, where that does not depend on the problem alone."""

    @abstractmethod
    def ask(
        self, problem: Problem, state: Any, rng: Rng, n: int | None = None, pending: Tensor | None = None
    ) -> tuple[Tensor, Any, Any]:
        """The next points: `(x[r, k, d], tag, state)`.

        `n`: how many (`None`: what the algorithm prefers; a `"whole"` one always decides itself). `pending`
        [r, p, d]: asked but not yet told. `tag`: a tree of tensors [r, k, ...] that comes back with the points.
        """

    @abstractmethod
    def tell(self, problem: Problem, state: Any, rng: Rng, x: Tensor, tag: Any, evaluation: Evaluation) -> Any:
        """The state that has learned the evaluated points x[r, k, d].

        Points that were given rather than asked (`initial`) come first and with `tag=None`.
        """

    def step(self, problem: Problem, state: Any, rng: Rng) -> tuple[Any, Spent]:
        advance = generation(self, problem, state, rng)
        return advance.state, advance.spent


class Generation(NamedTuple):
    """What one ask, evaluate, tell did."""

    state: Any
    spent: Spent
    evaluated: Population
    memory: Any = None


def spent_on(problem: Problem, evaluation: Evaluation) -> Spent:
    """What an evaluation [r, n] spent in each unit, per run."""
    runs, n = evaluation.failed.shape
    spent = {"evaluations": torch.full((runs,), n, dtype=torch.int64)}
    if problem.cost_unit is not None and evaluation.cost is not None:
        spent[problem.cost_unit] = evaluation.cost.sum(-1).to("cpu", torch.int64)
    return spent


def generation(
    algorithm: AskTell, problem: Problem, state: Any, rng: Rng, limit: int | None = None, memory: Any = None
) -> Generation:
    """Ask, evaluate, tell: one generation of all runs at once; at most `limit` points. `memory`: the problem's."""
    x, tag, state = algorithm.ask(problem, state, rng.fold(0))
    if limit is not None and limit < x.shape[-2]:
        from moopt import tree

        x, tag = x[:, :limit], tree.map_tensors(lambda leaf: leaf[:, :limit], tag)
    evaluation = problem.evaluate(x, rng.fold(1), memory)
    state = algorithm.tell(problem, state, rng.fold(2), x, tag, evaluation)
    return Generation(state, spent_on(problem, evaluation), Population.of(problem, x, evaluation), evaluation.memory)


def misfit(problem: Problem, algorithm: Algorithm | type[Algorithm]) -> str | None:
    """Why the algorithm cannot search the problem, or `None` where it can."""
    missing = problem.space.kinds - algorithm.kinds
    least, most = algorithm.objectives
    if not isinstance(problem, algorithm.needs):
        return f"it needs a {algorithm.needs.__name__}, and {problem.name} is none"
    if missing:
        kinds = ", ".join(sorted(kind.name.lower() for kind in missing))
        return f"it does not handle {kinds} variables, and {problem.name} has them"
    if problem.n_con and not algorithm.constraints:
        return f"it does not handle constraints, and {problem.name} has {problem.n_con}"
    if problem.n_obj < least or (most is not None and problem.n_obj > most):
        wanted = f"{least} or more" if most is None else f"{least} to {most}"
        return f"it searches {wanted} objectives, and {problem.name} has {problem.n_obj}"
    return None
