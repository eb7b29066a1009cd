"""What algorithms of Bayesian optimization share: data, models, a frozen reference point, pending points."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

from moopt.core import checks
from moopt.core.algorithm import Incremental, Turn
from moopt.core.checks import InputError
from moopt.core.points import Points
from moopt.core.problem import Problem
from moopt.core.random import Rng
from moopt.core.space import Kind, Space
from moopt.selection import survivors
from moopt.surrogate.acquisition import Goal, infer_reference_point, suggest
from moopt.surrogate.fitting import SOME
from moopt.surrogate.model import FailureModel, Surrogate, fit, fit_failure

MOST_INITIAL = 32
GROWN = 1.1  # by how much data of `SOME` points or more grow from one thorough fit to the next
POOR = 0.3  # share of the variance that a useful model explains at least


@dataclass(frozen=True)
class State:
    """`data`: everything told, in that order, with `f_var`, NaN where it is not known; `design` [1, k, d]: the initial
    points; `reference_point` [1, m]: NaN until it is inferred; `searched` [1]: of how many
    points the last thorough fit was; `hyperparameters`: of the last model, one of the starts of the next fit.
    """

    data: Points
    design: Tensor
    reference_point: Tensor
    searched: Tensor
    hyperparameters: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Bayesian(Incremental[Problem, State]):
    """Suggests where Gaussian processes of all evaluations promise most; for few, expensive evaluations.

    Constraints, integers, choices, failures, known or unknown noise and pending points are modelled. `n_initial`:
    scrambled Sobol points first (default 2 (d + 1), 32 at most). `batch`: points a suggestion, where nothing else says
    how many are wanted. `reference_point`: of hypervolume, minimised, NaN where it is to be inferred (default: the
    problem's); what is inferred is so once, from the first data with a feasible point, and stays. `failures`: "learn"
    where evaluations fail, or "abandon" such points and think no more of them; neither suggests one again. `warp`,
    `sparse`: see `moopt.surrogate.fit`. `n_modelled`: of the best points, to which models are fitted; time grows with
    its cube. `n_draws`: of what is known, which the acquisition function is the mean over;
    `n_raw`, `n_restarts`: quasi-random starts of its optimiser, and how many it improves; see
    `moopt.surrogate.suggest`.

    Raises ValueError for counts that are not positive, a reference point of another length, another word, what is
    neither True nor False.
    """

    n_initial: int | None = None
    batch: int = 1
    reference_point: Sequence[float] | None = None
    failures: Literal["learn", "abandon"] = "learn"
    warp: bool = False
    sparse: bool | None = None
    n_modelled: int = 500
    n_draws: int | None = None
    n_raw: int = 256
    n_restarts: int = 4

    batched_runs = False
    kinds = frozenset({Kind.REAL, Kind.INTEGER, Kind.CATEGORY})
    usual_evaluations = 100

    def __post_init__(self) -> None:
        for name in ("n_initial", "batch", "n_modelled", "n_draws", "n_raw", "n_restarts"):
            if getattr(self, name) is not None:
                checks.whole(name, getattr(self, name))
        for name in ("warp", "sparse"):
            if getattr(self, name) is not None:
                checks.truth(name, getattr(self, name))
        if self.failures not in ("learn", "abandon"):
            raise InputError(f"failures: expected learn or abandon, got {self.failures!r}")
        if self.reference_point is not None:
            given = self.reference_point
            numeric = not isinstance(given, str) and all(isinstance(value, (int, float)) for value in given)
            if not numeric or any(math.isinf(value) for value in given):
                raise InputError(f"reference_point: expected finite numbers or NaN such as [1.5, NaN], got {given!r}")
            object.__setattr__(self, "reference_point", tuple(map(float, given)))

    @abstractmethod
    def goal(self, problem: Problem) -> Goal:
        """What a point is chosen for."""

    def is_sparse(self, problem: Problem) -> bool:
        """Whether few variables are expected to matter."""
        return bool(self.sparse)

    def candidates(self, problem: Problem, data: Points, rng: Rng) -> Tensor | None:
        """Points [k, d] in search coordinates to consider beside quasi-random ones."""
        return None

    def init(self, problem: Problem, rng: Rng) -> State:
        k = self.n_initial or min(2 * (problem.n_var + 1), MOST_INITIAL)
        sobol = torch.quasirandom.SobolEngine(problem.n_var, scramble=True, seed=rng.seed() % 2**31)
        design = sobol.draw(k, dtype=torch.float64).to(rng.device, rng.dtype)
        reference = torch.full((problem.n_obj,), torch.nan, dtype=torch.float64)
        if self.reference_point is not None:
            if len(self.reference_point) != problem.n_obj:
                raise InputError(
                    f"reference_point: expected {problem.n_obj} numbers, one for each objective of {problem.name}, "
                    f"got {self.reference_point}"
                )
            reference = torch.tensor(self.reference_point, dtype=torch.float64)
        elif problem.reference_point is not None:
            reference = problem.reference_point
        data = Points.empty(problem, 1, device=rng.device, dtype=rng.dtype)
        nothing = torch.zeros(1, dtype=torch.int64, device=rng.device)
        design = problem.space.from_cube(design)[None]
        return State(data.with_columns(f_var=data.f), design, reference.to(rng.device)[None], nothing)

    def ask(self, problem: Problem, state: State, turn: Turn) -> tuple[Tensor, dict[str, Tensor], State]:
        rng, pending, n = turn.rng, turn.pending, turn.wanted or self.batch
        begun = len(state.data) + (0 if pending is None else pending.shape[1])
        if begun < state.design.shape[1]:
            return state.design[:, begun : begun + n], {}, state
        space, data = problem.space, state.data
        z = space.to_cube(data.x[0].double())
        surrogate, failure, state = self.models(problem, state)
        extra = self.candidates(problem, data, rng.fold(1))
        found = suggest(
            surrogate, failure, baseline_x=z, n=n, seed=rng.seed(), goal=self.goal(problem),
            pending_x=space.to_cube(pending[0].double()) if pending is not None and pending.shape[1] else None,
            reference_point=state.reference_point[0], round_=lambda cube: space.to_cube(space.from_cube(cube)),
            candidates=None if extra is None else space.to_cube(extra.double()), repeats=problem.stochastic,
            n_draws=self.n_draws, n_raw=self.n_raw, n_restarts=self.n_restarts,
        )  # fmt: skip
        return space.from_cube(found).to(data.x.dtype)[None], {}, state

    def models(self, problem: Problem, state: State) -> tuple[Surrogate | None, FailureModel | None, State]:
        """What the data say, and the state with what was fitted and, once it can be, the inferred reference point."""
        data, sizes = state.data, category_sizes(problem.space)
        z = problem.space.to_cube(data.x[0].double())
        usable = ~data.failed[0] & torch.isfinite(data.g[0]).all(-1)
        learns = self.failures == "learn" and not bool(usable.all())
        failure = fit_failure(z, ~usable, category_sizes=sizes) if learns else None
        if not bool(usable.any()):
            return None, failure, state
        chosen = usable.nonzero()[:, 0]
        if len(chosen) > self.n_modelled:
            best, _, _ = survivors(data.f[:, chosen], data.violation[:, chosen], self.n_modelled)
            chosen = chosen[best[0].sort().values]
        f, g, f_var = (part[0][chosen].double() for part in (data.f, data.g, data.columns["f_var"]))
        n = int(usable.sum())
        thorough = n < SOME or n >= GROWN * int(state.searched)
        surrogate = fit(
            z[chosen], f, g if problem.n_con else None, f_var if bool(f_var.isfinite().all()) else None,
            deterministic=not problem.stochastic, warp=self.warp, sparse=self.is_sparse(problem),
            category_sizes=sizes,
            warm={name: value[0] for name, value in state.hyperparameters.items()} or None, thorough=thorough,
        )  # fmt: skip
        reference, feasible = state.reference_point, (g <= 0).all(-1)
        if bool(feasible.any()):
            reference = infer_reference_point(f[feasible], reference_point=reference[0])[None]
        hyperparameters = {name: value[None] for name, value in surrogate.hyperparameters.items()}
        searched = torch.full_like(state.searched, n) if thorough else state.searched
        return surrogate, failure, replace(
            state, reference_point=reference, searched=searched, hyperparameters=hyperparameters
        )

    def notes(self, problem: Problem, state: State) -> list[str]:
        """From where hypervolume was measured, and how well the models predict each point from the others."""
        if len(state.data) <= state.design.shape[1]:
            return []
        surrogate, failure, state = self.models(problem, state)
        if surrogate is None:
            return [f"all {len(state.data):,} evaluations failed: points were spread over the space"]
        found, titles = [], list(problem.objective_titles or problem.objective_labels)
        if problem.n_obj > 1 and self.goal(problem) == "hypervolume" and bool(state.reference_point.isfinite().all()):
            given = problem.reference_point if self.reference_point is None else torch.tensor(self.reference_point)
            inferred = torch.full((problem.n_obj,), True) if given is None else given.isnan()
            parts = [
                f"{name} {sign * value:.4g}" + (" (inferred)" if guess else "")
                for name, sign, value, guess in zip(
                    titles, problem.signs, state.reference_point[0].tolist(), inferred, strict=True
                )
            ]
            found.append(f"hypervolume was improved from the reference point {', '.join(parts)}")
        if len(surrogate.x) < (worked := int((~state.data.failed).sum())):
            found.append(f"models are of the best {len(surrogate.x):,} of {worked:,} points")
        labels = titles + problem.constraint_labels
        shares = [(name, share) for name, share in zip(labels, surrogate.explained().tolist(), strict=True)]
        words = [f"{max(0.0, share):.0%} of {name}" for name, share in shares if not math.isnan(share)]
        if words:
            found.append(f"predicted from the other points, the models explain {', '.join(words)}")
        weak = [name for name, share in shares if share < POOR]
        if weak:
            found.append(f"suggestions for {', '.join(weak)} are little better than random ones")
        return found

    def tell(self, problem: Problem, state: State, points: Points, turn: Turn) -> State:
        f_var = torch.full_like(points.f, torch.nan) if points.f_var is None else points.f_var
        return replace(state, data=state.data.join(points.bare().with_columns(f_var=f_var)))

    def population(self, problem: Problem, state: State) -> Points:
        return state.data


def category_sizes(space: Space) -> dict[int, int]:
    """Number of options of each category column."""
    columns = (space.column_kinds == int(Kind.CATEGORY)).nonzero()[:, 0].tolist()
    return {column: int(space.high[column]) + 1 for column in columns}
