"""How the space is searched: pure functions of (problem, state, what the loop says at a turn)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Generic, NamedTuple

import torch
from torch import Tensor
from typing_extensions import TypeVar

from moopt.core import checks
from moopt.core.points import Points
from moopt.core.problem import Problem
from moopt.core.random import Rng
from moopt.core.space import Kind

Spent = dict[str, Tensor]  # unit -> int64[r], on the CPU
ALL_KINDS = frozenset(Kind)

P = TypeVar("P", bound=Problem, default=Any)  # the kind of problem
S = TypeVar("S", default=Any)  # the state


class Turn:
    """What the loop says at a step.

    `rng`: its random numbers; `fraction` float64[r], on the CPU: the share of the budget that each run has used before
    it, in [0, 1], NaN where nobody knows (given as such, or as a function that is asked only where an algorithm asks).
    Where points are asked for one by one, `wanted` says how many (`None`: what the algorithm prefers) and `pending`
    [r, p, d] which were asked for and are not yet told.
    """

    __slots__ = ("_fraction", "pending", "rng", "wanted")

    def __init__(
        self,
        rng: Rng,
        fraction: Tensor | Callable[[], Tensor] | None = None,
        wanted: int | None = None,
        pending: Tensor | None = None,
    ) -> None:
        self.rng, self._fraction, self.wanted, self.pending = rng, fraction, wanted, pending

    @property
    def fraction(self) -> Tensor:
        """The share of the budget used."""
        if self._fraction is None:
            return torch.full((self.rng.runs,), torch.nan, dtype=torch.float64)
        return self._fraction if isinstance(self._fraction, Tensor) else self._fraction()

    def fold(self, *purpose: int) -> Turn:
        """The same with the random numbers of a named stream."""
        return Turn(self.rng.fold(*purpose), self._fraction, self.wanted, self.pending)

    def asking(self, wanted: int | None, pending: Tensor | None) -> Turn:
        """The same where so many points are wanted, and others pending."""
        return Turn(self.rng, self._fraction, wanted, pending)


class Algorithm(ABC, Generic[P, S]):
    """Hyper-parameters of a search method; a subclass is a frozen, keyword-only dataclass.

    State is a tree of tensors whose every leaf leads with the runs `r` (`moopt.core.tree`); shapes may change at the
    first step only. What a subclass declares is what the loop checks: `needs`, the kind of problem; `kinds` of
    variables; `constraints`, whether it heeds them; `objectives`, least and greatest number; `batched_runs`,
    whether one state holds several runs (`False`: the loop keeps one state per run and passes r = 1).

    Whoever learns by itself, in environments or from completions, writes `init`, `step` and `population`; algorithms
    whose points the loop evaluates are `Generational` or `Incremental`.
    """

    needs: ClassVar[type[Problem]] = Problem  # type: ignore[type-abstract]
    kinds: ClassVar[frozenset[Kind]] = ALL_KINDS
    constraints: ClassVar[bool] = True
    objectives: ClassVar[tuple[int, int | None]] = (1, None)
    batched_runs: ClassVar[bool] = True

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for root in (Algorithm, *(base for base in cls.__mro__[1:] if base.__module__ == __name__)):
            checks.misspelt(cls, root)

    @abstractmethod
    def init(self, problem: P, rng: Rng) -> S:
        """The state before the first step; spends nothing."""

    @abstractmethod
    def step(self, problem: P, state: S, turn: Turn) -> tuple[S, Spent]:
        """One generation, update or suggestion: the new state and what it spent."""

    @abstractmethod
    def population(self, problem: P, state: S) -> Points:
        """The current solutions, [r, n, ...], without spending anything."""

    def measure(self, problem: P, state: S, rng: Rng) -> tuple[Points, Spent]:
        """The current solutions with trustworthy objectives, and what looking at them spent.

        Where `population` is exact, that is the answer; an algorithm that only has estimates overrides this.
        """
        return self.population(problem, state), {}

    def rebuild(self, problem: P, state: S) -> S:
        """The state that was loaded from a checkpoint, with everything `tree.Rebuilt` in it made anew."""
        return state

    def looks_every(self, problem: P) -> int | None:
        """Steps from one look at a learner to the next, so many that looks cost little; `None`: nobody looks.

        A look is `measure` on fresh draws. It changes nothing, and its cost counts against no budget.
        """
        return None

    @classmethod
    def unfit(cls, problem: P) -> str | None:
        """What else than the declarations keeps it from searching a problem of its kind, after "does not fit: "."""
        return None

    def notes(self, problem: P, state: S) -> list[str]:
        """Sentences that a person should read beside the result of one run: what was chosen, inferred or learned."""
        return []


class Asking(Algorithm[P, S]):
    """An algorithm whose points the loop evaluates; what `Generational` and `Incremental` have in common."""

    usual_evaluations: ClassVar[int | None] = None
    """How many a search of its kind takes, where that does not depend on the problem alone."""

    @abstractmethod
    def ask(self, problem: P, state: S, turn: Turn) -> tuple[Tensor, dict[str, Tensor], S]:
        """The next points x[r, k, d], columns [r, k, ...] that come back with them, and the new state."""

    @abstractmethod
    def tell(self, problem: P, state: S, points: Points, turn: Turn) -> S:
        """The state that has learned the evaluated points [r, k, ...].

        Points that were given rather than asked (`initial`) come first, without the columns of `ask`.
        """

    def step(self, problem: P, state: S, turn: Turn) -> tuple[S, Spent]:
        state, spent, _, _ = generation(self, problem, state, turn)
        return state, spent


class Generational(Asking[P, S]):
    """Whole generations: `pop_size` points at first, then `mate` gives children and `survive` keeps the best.

    A subclass writes these two and `init`; its state has the field `population`, unless it overrides `population`.
    """

    pop_size: int = 100

    def first(self, problem: P, turn: Turn) -> Tensor:
        """Points of the first generation, x[r, k, d]: uniform, `pop_size` of them."""
        return problem.space.sample(turn.rng.uniform(self.pop_size, problem.n_var))

    @abstractmethod
    def mate(self, problem: P, state: S, turn: Turn) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """Children x[r, k, d] of the population, and columns [r, k, ...] that come back with them, where needed."""

    @abstractmethod
    def survive(self, problem: P, state: S, born: Points, turn: Turn) -> S:
        """The state after the evaluated children [r, k, ...], or after the points of a first generation."""

    def ask(self, problem: P, state: S, turn: Turn) -> tuple[Tensor, dict[str, Tensor], S]:
        if len(self.population(problem, state)) < self.pop_size:
            return self.first(problem, turn), {}, state
        children = self.mate(problem, state, turn)
        return (children, {}, state) if isinstance(children, Tensor) else (*children, state)

    def tell(self, problem: P, state: S, points: Points, turn: Turn) -> S:
        return self.survive(problem, state, points, turn)

    def population(self, problem: P, state: S) -> Points:
        return state.population  # type: ignore[attr-defined, no-any-return]


class Incremental(Asking[P, S]):
    """Any number of points, and their results in any order: Bayesian optimization, random search.

    A subclass writes `init`, `ask` (as many as `turn.wanted` says, knowing those in `turn.pending`), `tell` and
    `population`.
    """


class Generation(NamedTuple):
    """What one ask, evaluate, tell did."""

    state: Any
    spent: Spent
    evaluated: Points
    memory: Any = None


def spent_on(problem: Problem, points: Points) -> Spent:
    """What the evaluation of points [r, n, ...] spent in each unit, per run."""
    runs, n = points.failed.shape
    spent = {"evaluations": torch.full((runs,), n, dtype=torch.int64)}
    if problem.cost_unit is not None and points.cost is not None:
        spent[problem.cost_unit] = points.cost.sum(-1).to("cpu", torch.int64)
    return spent


def generation(
    algorithm: Asking,
    problem: Problem,
    state: Any,
    turn: Turn,
    limit: int | None = None,
    memory: Any = None,
    answer: Callable[..., tuple[Points, Any]] | None = None,
) -> Generation:
    """Ask, evaluate, tell: one generation of all runs at once; at most `limit` points. `memory`: the problem's.

    `answer` evaluates in place of `problem.answer`.
    """
    x, columns, state = algorithm.ask(problem, state, turn.fold(0))
    if limit is not None and limit < x.shape[-2]:
        x, columns = x[:, :limit], {name: column[:, :limit] for name, column in columns.items()}
    points, memory = (answer or problem.answer)(x, turn.rng.fold(1), memory)
    told = points.with_columns(**columns) if columns else points
    state = algorithm.tell(problem, state, told, turn.fold(2))
    return Generation(state, spent_on(problem, points), points, memory)


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
    return algorithm.unfit(problem)
