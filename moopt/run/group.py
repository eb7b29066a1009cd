"""Independent runs that go in step: their state, archive, spending and budget, all leading with the runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from moopt.core import tree
from moopt.core.algorithm import Spent, Turn
from moopt.core.budget import Budget, Standing
from moopt.core.points import Points, violation
from moopt.core.random import Rng
from moopt.run.archives.pareto import Archive, capacity
from moopt.run.scorer import Scorer
from moopt.run.search import Search

INIT, STEP, MEASURE, INITIAL, MEMORY, TRIALS, LOOK = range(7)  # purposes of the random streams


@dataclass(frozen=True)
class Group:
    """Some of the runs of a search after one of their steps; a value: the next step gives another group.

    `runs`: their numbers, int64[r]; `spent`: unit -> int64[r]; `last`: constraints and failures of the points learned
    last, g[r, k, c] and failed[r, k]; `memory`: the problem's; `clock`: asks, tells and steps so far, names the random
    stream; `active`: whether the budget lets them go on; `uncounted`: failures[r, k] since the archive was merged,
    which are counted together with `counted` int64[r]; `looked`: what looks at a learner spent, whose archive holds
    what the last look saw.
    """

    runs: Tensor
    rng: Rng
    state: Any
    archive: Archive
    spent: Spent
    budget_state: Any
    counted: Tensor
    last: tuple[Tensor, Tensor]
    memory: Any
    clock: int = 0
    active: bool = True
    uncounted: tuple[Tensor, ...] = ()
    looked: Spent = field(default_factory=dict)

    @staticmethod
    def start(search: Search, runs: Tensor) -> Group:
        """Runs of a search before their first step."""
        problem, budget = search.problem, search.budget
        rng = Rng(search.seed + runs, device=search.device, dtype=search.dtype)
        state = search.algorithm.init(problem, rng.fold(INIT))
        patience = 1 if search.by_trials else None  # a trial takes long: what it changed is worth a merge
        most = capacity(problem, rng.dtype)
        archive = Archive.empty(problem, len(runs), rng.device, rng.dtype, most, patience)
        units = {"generations", "evaluations", problem.cost_unit, *(leaf.unit for leaf in budget.leaves())}
        spent = {unit: torch.zeros(len(runs), dtype=torch.int64) for unit in sorted(filter(None, units))}
        failures = torch.zeros(len(runs), dtype=torch.int64, device=rng.device)
        none = Points.empty(problem, len(runs), device=rng.device, dtype=rng.dtype)
        memory = problem.memory(rng.fold(MEMORY))
        return Group(runs, rng, state, archive, spent, budget.init(len(runs)), failures, (none.g, none.failed), memory)

    def after(
        self, state: Any, spent: Spent | None = None, evaluated: Points | None = None, memory: Any = None
    ) -> Group:
        """The runs after an ask, a tell or a step that gave `state`.

        `spent`: where that ends a step, what it spent; `evaluated`: the points [r, k, ...] learned in it; `memory`:
        what their evaluation made of the problem's.
        """
        archive, last, counted, uncounted = self.archive, self.last, self.counted, self.uncounted
        if evaluated is not None:
            archive, last = archive.insert(evaluated), (evaluated.g, evaluated.failed)
            uncounted = (*uncounted, evaluated.failed)
            if archive.is_merged:
                counted, uncounted = _counted(counted, uncounted), ()
        return Group(
            self.runs, self.rng, state, archive, self.spent if spent is None else _booked(self.spent, spent),
            self.budget_state, counted, last, self.memory if memory is None else memory, self.clock + 1, self.active,
            uncounted, self.looked,
        )  # fmt: skip

    def look(self, search: Search, state: Any) -> tuple[Points, Spent] | None:
        """What the solutions of a learner in `state`, after its next step, are worth; `None` where nobody looks then.

        That is after its first step and after every so many. Steps are the same for all runs of a group, so that a run
        is looked at in a batch when it is looked at alone.
        """
        every = search.algorithm.looks_every(search.problem)
        if every is None or int(self.spent["generations"].max()) % every:
            return None
        return search.algorithm.measure(search.problem, state, self.rng.fold(LOOK, self.clock))

    def seen(self, points: Points, spent: Spent) -> Group:
        """The runs after a look at what a learner's solutions [r, k, ...] are worth, in place of the look before."""
        looked = {**self.looked, **{unit: amount + self.looked.get(unit, 0) for unit, amount in spent.items()}}
        return replace(self, archive=self.archive.renewed(points), last=(points.g, points.failed), looked=looked)

    @cached_property
    def failures(self) -> Tensor:
        """Failed evaluations so far, int64[r]."""
        return _counted(self.counted, self.uncounted)

    def turn(self, budget: Budget, scorer: Scorer, seconds: float) -> Turn:
        """What the algorithm hears at its next ask, tell or step; the same random numbers until that is done.

        The clock counts only where nothing else tells how far a run is: a run that is resumed shall see the same.
        """

        def share() -> Tensor:
            known = self.used(budget, scorer, math.nan)  # NaN for all runs or none
            return self.used(budget, scorer, seconds) if math.isnan(known[0]) else known

        return Turn(self.rng.fold(STEP, self.clock), share)

    def used(self, budget: Budget, scorer: Scorer, seconds: float) -> Tensor:
        """The share of the budget that each run has used, float64[r]; NaN where unknown."""
        return budget.fraction(self._standing(scorer, seconds))

    def _standing(self, scorer: Scorer, seconds: float) -> Standing:
        return Standing(self.spent, seconds, lambda name: scorer(name, self.fronts))

    def remaining(self, budget: Budget, pending: int = 0) -> int | None:
        """Evaluations that each run may still ask for; `None`: any number."""
        limit = budget.limits().get("evaluations")
        return None if limit is None else max(0, int(limit) - int(self.spent["evaluations"].max()) - pending)

    def judged(self, budget: Budget, scorer: Scorer, seconds: float) -> list[Group]:
        """The same runs after the budget was asked: one group where all of them have ended or go on, else first those
        that have ended, then the others."""
        budget_state, over = budget.update(self.budget_state, self._standing(scorer, seconds))
        asked = self if budget_state is self.budget_state else replace(self, budget_state=budget_state)
        ended = over.tolist()
        if not any(ended):
            return [asked]
        if all(ended):
            return [replace(asked, active=False)]
        return [replace(asked.take(over.nonzero()[:, 0]), active=False), asked.take((~over).nonzero()[:, 0])]

    def shares(self) -> tuple[Tensor, Tensor]:
        """Feasible and failed share of the points learned last, float64[r] each; NaN where there were none."""
        g, failed = self.last
        return (violation(g, failed) <= 0).double().mean(-1), failed.double().mean(-1)

    def expanded(self, leaf: Tensor) -> Tensor:
        """The user's tensor for every run, on the group's device: [...] -> [r, ...]."""
        moved = leaf.to(self.rng.device, self.rng.dtype) if leaf.is_floating_point() else leaf.to(self.rng.device)
        return moved.expand(len(self.runs), *leaf.shape)

    @cached_property
    def fronts(self) -> list[Points]:
        """The archived points of each run."""
        return [self.archive.front(i) for i in range(len(self.runs))]

    def take(self, index: Tensor) -> Group:
        """Some of the runs."""
        rows = index.to(self.rng.device)
        return replace(
            self, runs=self.runs[index], rng=self.rng.take(rows), state=tree.take(self.state, rows),
            archive=self.archive.take(rows), spent={unit: amount[index] for unit, amount in self.spent.items()},
            budget_state=tree.take(self.budget_state, index), counted=self.failures[rows],
            last=tree.take(self.last, rows), memory=tree.take(self.memory, rows), uncounted=(),
            looked={unit: amount[index] for unit, amount in self.looked.items()},
        )  # fmt: skip

    def saved(self) -> Any:
        """A plain tree for a checkpoint."""
        return tree.plain(
            {
                "runs": self.runs, "state": self.state, "archive": self.archive.state(), "spent": self.spent,
                "budget": self.budget_state, "failures": self.failures, "last": self.last, "memory": self.memory,
                "clock": self.clock, "looked": self.looked,
            }
        )

    def restored(self, saved: Any) -> Group:
        """The group that was `saved`, of the same runs as this one, which was just started."""
        return replace(
            self, state=tree.restore(self.state, saved["state"]), archive=self.archive.restored(saved["archive"]),
            spent=saved["spent"], budget_state=tree.restore(self.budget_state, saved["budget"]),
            counted=saved["failures"].to(self.counted.device), last=tree.restore(self.last, saved["last"]),
            memory=tree.restore(self.memory, saved["memory"]), clock=saved["clock"],
            looked=saved.get("looked", {}),
        )  # fmt: skip


def _counted(counted: Tensor, failed: tuple[Tensor, ...]) -> Tensor:
    """int64[r] with the failures[r, k] added."""
    return counted + torch.cat(failed, -1).sum(-1) if failed else counted


def _booked(before: Mapping[str, Tensor], spent: Spent) -> Spent:
    """What runs have spent after one more step."""
    total = {**before, **{unit: before[unit] + n if unit in before else n for unit, n in spent.items()}}
    total["generations"] = before["generations"] + 1
    return total
