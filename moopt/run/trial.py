"""One expensive evaluation: what was asked and what came back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from moopt.core import checks
from moopt.core.checks import InputError
from moopt.core.points import Points
from moopt.core.problem import Problem
from moopt.executors import Executor, Outcome


@dataclass
class Trial:
    """One evaluation. `values`: the user's named values; `x`: the same in search coordinates, a tensor
    with weights.

    `seed`: what a stochastic problem draws from, the same for all trials of one ask. `f` (minimised), `g`, `cost` (in
    the problem's `cost_unit`) and `f_var` (where known) are set when it finished, `error` when it failed. In a loop of
    your own, call `finish` or `fail` and hand it to `Run.tell`. `problem`: what is searched.
    """

    id: int
    run: int
    x: list[float] | Tensor
    values: dict[str, Any]
    f: list[float] | None = None
    g: list[float] | None = None
    error: str | None = None
    seconds: float = 0.0
    attempts: int = 0
    seed: int | None = None
    cost: int = 0
    f_var: list[float] | None = None
    problem: Problem | None = field(default=None, repr=False, compare=False)

    @property
    def status(self) -> str:
        """"asked", "finished" or "failed"."""
        return "failed" if self.error is not None else "asked" if self.f is None else "finished"

    @property
    def payload(self) -> tuple[Any, ...]:
        """What `Problem.trial` takes."""
        return (self.x, self.values) if self.seed is None else (self.x, self.values, self.seed)

    def finish(
        self,
        objectives: Mapping[str, float] | Sequence[float],
        constraints: Mapping[str, float] | Sequence[float] = (),
        cost: int = 0,
        errors: Mapping[str, float] | Sequence[float] | None = None,
    ) -> None:
        """Sets the outcome, in the user's sign, by name or in order. Values that are not finite make it failed.

        `cost`: what it spent in the problem's `cost_unit`. `errors`: standard errors of the objectives, where the
        noise is known. Raises ValueError for missing or superfluous values, and
        for a cost that is no whole number of at least 0 or that the problem does not count.
        """
        problem = self.problem
        if problem is None:
            raise InputError("expected a trial that Run.ask gave")
        parts: list[Tensor] = []
        for what, given, labels in (
            ("objectives", objectives, problem.objective_labels),
            ("constraints", constraints, problem.constraint_labels),
            *([] if errors is None else [("errors", errors, problem.objective_labels)]),
        ):
            if isinstance(given, Mapping) and set(given) == set(labels):
                given = [given[label] for label in labels]
            if isinstance(given, Mapping) or len(given) != len(labels):
                raise InputError(f"{what}: expected values for {labels}, got {given!r}")
            parts.append(torch.tensor([float(value) for value in given], dtype=torch.float64))
        self.cost = checks.whole("cost", cost, low=0)
        if self.cost and problem.cost_unit is None:
            raise InputError(f"cost: expected none, because {problem.name} declares no cost_unit, got {cost!r}")
        f, g = parts[0] * torch.tensor(problem.signs), problem.slack(parts[1])
        if not torch.isfinite(f).all() or torch.isnan(g).any():
            self.fail(f"expected finite objectives and no NaN constraint, got {objectives!r} {constraints!r}")
        else:
            self.f, self.g = f.tolist(), g.tolist()
            if errors is not None:
                self.f_var = [checks.number("errors", error, 0.0) ** 2 for error in parts[2].tolist()]

    def fail(self, error: str) -> None:
        """Marks the evaluation as failed, with a text that is kept."""
        self.error = error

    def settle(self, outcome: Outcome) -> None:
        """Takes what an executor made of it."""
        self.seconds, self.attempts, self.error = outcome.seconds, outcome.attempts, outcome.error
        if outcome.error is None:
            self.f, self.g, *more = outcome.value  # type: ignore[misc]
            self.cost, self.f_var = int(more[0]) if more else 0, more[1] if more[1:] else None

    def outcome(self) -> dict[str, Any]:
        """What the journal keeps of a finished trial."""
        return {
            "id": self.id, "f": self.f, "g": self.g, "cost": self.cost, "error": self.error,
            "seconds": self.seconds, "attempts": self.attempts,
        } | ({} if self.f_var is None else {"f_var": self.f_var})  # fmt: skip


def evaluate(problem: Problem, executor: Executor, x: Tensor, seed: int | None) -> Points:
    """Points x[..., n, d] as trials of one ask, by a started executor without other work; what raises has failed."""
    rows = x.reshape(-1, x.shape[-1])
    pairs = zip(problem.space.rows(rows), problem.space.decode(rows), strict=True)
    trials = [Trial(i, 0, row, values, seed=seed) for i, (row, values) in enumerate(pairs)]
    for trial in trials:
        executor.submit(trial.id, trial.payload)
    while executor.pending:
        for outcome in executor.wait():
            trials[outcome.key].settle(outcome)
    return points_of(problem, trials, x)


def points_of(problem: Problem, trials: Sequence[Trial], x: Tensor) -> Points:
    """What is known of finished and failed trials at x[..., n, d], in that order."""
    nothing, shape = ([torch.nan] * problem.n_obj, [torch.nan] * problem.n_con), x.shape[:-1]
    pairs = [(t.f, t.g) if t.error is None and t.f is not None and t.g is not None else nothing for t in trials]
    f = torch.tensor([f for f, _ in pairs], dtype=x.dtype, device=x.device)
    g = torch.tensor([g for _, g in pairs], dtype=x.dtype, device=x.device)
    failed = torch.tensor([t.error is not None for t in trials], dtype=torch.bool, device=x.device)
    columns = {}
    if any(trial.f_var for trial in trials):
        variances = [trial.f_var or nothing[0] for trial in trials]
        known = torch.tensor(variances, dtype=x.dtype, device=x.device)
        columns["f_var"] = known.reshape(*shape, problem.n_obj)
    if problem.cost_unit is not None:
        # nobody knows what a failed one spent: at least one unit, or a budget in that unit would never end
        cost = [t.cost if t.error is None else max(1, t.cost) for t in trials]
        columns["cost"] = torch.tensor(cost, dtype=torch.int64, device=x.device).reshape(shape)
    return Points(
        x, f.reshape(*shape, problem.n_obj), g.reshape(*shape, problem.n_con), failed.reshape(shape), problem.signs,
        columns,
    )  # fmt: skip
