"""Expensive evaluations one by one: what was asked, what came back, and in which order.

The journal gets every trial before it is submitted and every result before the algorithm hears of it. Replaying
its events in order therefore leads to the same algorithm, whatever moment the process was killed at.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from moopt.core import checks, tree
from moopt.core.algorithm import Asking, Incremental, Spent, Turn, spent_on
from moopt.core.checks import InputError
from moopt.core.points import Points
from moopt.core.problem import Problem
from moopt.core.random import Rng
from moopt.executors import Executor, Outcome
from moopt.run.group import INITIAL, TRIALS, Group
from moopt.run.interrupts import Interrupts
from moopt.storage.log import Event, Log

_log = logging.getLogger("moopt")


@dataclass
class Trial:
    """One evaluation. `values`: the user's named values; `x`: the same in search coordinates, a tensor with weights.

    `seed`: what a stochastic problem draws from, the same for all trials of one ask. `f` (minimised), `g`, `cost` (in
    the problem's `cost_unit`) and `f_var` (where known) are set when it finished, `error` when it failed. In a loop of
    your own, call `finish` or `fail` and hand it to `Run.tell`.
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
    _problem: Problem | None = field(default=None, repr=False, compare=False)

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
        problem = self._problem
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


@dataclass
class Batch:
    """Points asked together: x[r, k, d] and the columns that come back with them; `first`: the id of the first of its
    r * k trials."""

    x: Tensor
    columns: dict[str, Tensor]
    first: int
    told: Tensor  # bool[k], for algorithms that hear any part

    @property
    def size(self) -> int:
        """Number of trials."""
        return self.x.shape[0] * self.x.shape[1]


class Ledger:
    """The trials of all groups; the only place that changes them.

    `events`: number of journal events that the groups' states already contain.
    """

    def __init__(
        self,
        problem: Problem,
        algorithm: Asking,
        journal: Log | None,
        interrupts: Interrupts,
    ) -> None:
        self.problem, self.algorithm, self.journal, self.interrupts = problem, algorithm, journal, interrupts
        self.hears_any = isinstance(algorithm, Incremental)  # results in any order, not by generations
        self.trials: list[Trial] = []
        self.batches: list[list[Batch]] = []  # open ones of each group
        self.events = 0
        self.history: list[Event] = [event for _, event in journal.read()] if journal else []

    def open_trials(self, group: int) -> list[Trial]:
        """Trials of a group that are asked and not told."""
        return [trial for batch in self.batches[group] for trial in self._of(batch) if not self._is_told(batch, trial)]

    def _of(self, batch: Batch) -> list[Trial]:
        return self.trials[batch.first : batch.first + batch.size]

    def _is_told(self, batch: Batch, trial: Trial) -> bool:
        return bool(batch.told[(trial.id - batch.first) % batch.x.shape[1]])

    def pending_x(self, group: int) -> Tensor | None:
        """Points of a single run that are asked and not told, [1, p, d]."""
        parts = [batch.x[:, ~batch.told] for batch in self.batches[group]]
        return torch.cat(parts, 1) if parts else None

    def give(self, index: int, group: Group, x: Tensor, values: list[dict[str, Any]]) -> list[Trial]:
        """Trials for points x[r, k, d] that the user brought along as `values`, the same k for every run."""
        batch = Batch(x, {}, len(self.trials), torch.zeros(x.shape[1], dtype=torch.bool))
        named, event = [dict(v) for _ in group.runs for v in values], {"group": index, "given": True}
        return self._open(batch, named, event, group, group.rng.fold(INITIAL))

    def ask(self, index: int, group: Group, turn: Turn, n: int | None, limit: int | None) -> list[Trial]:
        """New trials of a group: about `n` of them, at most `limit` a run."""
        asked = {"group": index, "n": n, "limit": limit}
        pending = self.pending_x(index) if self.hears_any else None
        turn = replace(turn, wanted=n, pending=pending)
        x, columns, state = self.algorithm.ask(self.problem, group.state, turn)
        if limit is not None and limit < x.shape[1]:
            x, columns = x[:, :limit], {name: column[:, :limit] for name, column in columns.items()}
        batch = Batch(x, columns, len(self.trials), torch.zeros(x.shape[1], dtype=torch.bool))
        values = self.problem.space.decode(x.flatten(0, 1))
        with self.interrupts.whole():
            new = self._open(batch, values, asked, group, group.rng.fold(TRIALS, group.clock))
            group.commit(state)
        return new

    def _open(
        self, batch: Batch, values: list[dict[str, Any]], event: dict[str, Any], group: Group, rng: Rng
    ) -> list[Trial]:
        rows, k = self.problem.space.rows(batch.x.flatten(0, 1)), batch.x.shape[1]
        runs = group.runs.tolist()
        seeds = [rng.take(i).seed() if self.problem.stochastic else None for i in range(len(runs))]
        new = [
            Trial(len(self.trials) + i, runs[i // k], row, named, seed=seeds[i // k], _problem=self.problem)
            for i, (row, named) in enumerate(zip(rows, values, strict=True))
        ]
        self._record({**event, "trials": [[trial.id, trial.run, trial.x, trial.seed] for trial in new]})
        self.trials += new
        self.batches[event["group"]].append(batch)
        return new

    def unheard(self) -> list[dict[str, Any]]:
        """Journal events that the groups' states do not contain yet."""
        return self.history[self.events :]

    def _record(self, event: dict[str, Any]) -> None:
        if self.journal is not None and len(self.history) == self.events:
            self.journal.append([event])
            self.history.append(event)
        self.events += 1

    def finish(
        self, index: int, group: Group, turn: Callable[[Group], Turn], finished: Sequence[Trial]
    ) -> list[tuple[Points, Spent]]:
        """Takes note of finished trials of one group and tells the algorithm what it wants to hear.

        Returns what was told, [r, k, ...] each, and what it spent. Must run whole (`Interrupts.whole`).
        """
        self._record({"group": index, "finished": True, "trials": [trial.outcome() for trial in finished]})
        told: list[tuple[Points, Spent]] = []
        for batch in self.batches[index]:
            k = batch.x.shape[1]
            if self.hears_any:
                here = [t for t in finished if batch.first <= t.id < batch.first + batch.size]
                columns = torch.tensor([(t.id - batch.first) % k for t in here], dtype=torch.int64)
            else:
                done = all(trial.status != "asked" for trial in self._of(batch))
                columns = torch.arange(k) if done else torch.empty(0, dtype=torch.int64)
            if len(columns):
                told.append(self._tell(group, turn(group), batch, columns))
                batch.told[columns] = True
        self.batches[index] = [batch for batch in self.batches[index] if not batch.told.all()]
        return told

    def _tell(self, group: Group, turn: Turn, batch: Batch, places: Tensor) -> tuple[Points, Spent]:
        r, k = batch.x.shape[:2]
        rows = places.to(batch.x.device)
        trials = [self.trials[batch.first + run * k + j] for run in range(r) for j in places.tolist()]
        points = _points(self.problem, trials, batch.x[:, rows])
        told = points.with_columns(**{name: column[:, rows] for name, column in batch.columns.items()})
        group.commit(self.algorithm.tell(self.problem, group.state, told, turn))
        return points, spent_on(self.problem, points)

    def saved(self) -> Any:
        """A plain tree of what the journal does not hold, for a checkpoint."""
        batches = [
            [{"x": b.x, "columns": b.columns, "first": b.first, "told": b.told} for b in group]
            for group in self.batches
        ]
        return tree.plain({"events": self.events, "batches": batches})

    def restore(self, saved: Any) -> None:
        """Takes back `saved` together with the trials of the journal's events up to it."""
        self.events = saved["events"]
        self.batches = [[Batch(**batch) for batch in group] for group in saved["batches"]]
        for event in self.history[: self.events]:
            self._recall(event)

    def _recall(self, event: dict[str, Any]) -> None:
        if "finished" in event:
            for outcome in event["trials"]:
                vars(self.trials[outcome["id"]]).update(outcome)
        else:
            rows = self.problem.space.from_rows([x for _, _, x, _ in event["trials"]])
            for (number, run, x, seed), values in zip(event["trials"], self.problem.space.decode(rows), strict=True):
                self.trials.append(Trial(number, run, x, values, seed=seed, _problem=self.problem))

    def replay(
        self, event: dict[str, Any], group: Group, turn: Callable[[Group], Turn]
    ) -> list[tuple[Points, Spent]]:
        """Repeats one journal event after the checkpoint; returns what the algorithm was told and what that spent."""
        if "finished" in event:
            self._recall(event)
            return self.finish(event["group"], group, turn, [self.trials[o["id"]] for o in event["trials"]])
        new = self.ask(event["group"], group, turn(group), event["n"], event["limit"])
        space = self.problem.space
        rows = space.from_rows([x for _, _, x, *_ in event["trials"]])
        if not torch.equal(space.from_rows([trial.x for trial in new]), rows):
            _log.warning("the algorithm suggests other points than before the interruption: keeping the journal's")
            batch = self.batches[event["group"]][-1]
            batch.x = rows.to(batch.x).reshape(batch.x.shape)
            for trial, values, (_, _, x, *_) in zip(new, space.decode(rows.to(batch.x)), event["trials"], strict=True):
                trial.x, trial.values = x, values
        return []


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
    return _points(problem, trials, x)


def _points(problem: Problem, trials: Sequence[Trial], x: Tensor) -> Points:
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
