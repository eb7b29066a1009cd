"""Independent runs that go in step: their state, archive, spending and budget, all leading with the runs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from moopt.core import tree
from moopt.core.algorithm import Algorithm, Spent, Turn
from moopt.core.budget import Budget, Progress
from moopt.core.points import Points, violation
from moopt.core.problem import Problem
from moopt.core.random import Rng
from moopt.run.archives.pareto import Archive
from moopt.run.scorer import Scorer

INIT, STEP, MEASURE, INITIAL, MEMORY, TRIALS, LOOK = range(7)  # purposes of the random streams


@dataclass
class Group:
    """`runs`: their numbers, int64[r]; `clock`: asks, tells and steps so far, names the random stream;
    `last`: constraints and failures of the points learned last, g[r, k, c] and failed[r, k]; `memory`: the problem's;
    `uncounted`: failures[r, k] since the archive was merged, which are counted together; `looked`: what looks at a
    learner spent. Its archive holds what the last look saw.
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
    uncounted: list[Tensor] = field(default_factory=list)
    looked: Spent = field(default_factory=dict)

    @staticmethod
    def start(
        problem: Problem,
        algorithm: Algorithm,
        budget: Budget,
        rng: Rng,
        runs: Tensor,
        capacity: int,
        patience: int | None = None,
    ) -> Group:
        """Runs before their first step; `capacity` and `patience` are the archive's."""
        state = algorithm.init(problem, rng.fold(INIT))
        archive = Archive(problem, len(runs), rng.device, rng.dtype, capacity, patience)
        units = {"generations", "evaluations", problem.cost_unit, *(leaf.unit for leaf in budget.leaves())}
        spent = {unit: torch.zeros(len(runs), dtype=torch.int64) for unit in sorted(filter(None, units))}
        failures = torch.zeros(len(runs), dtype=torch.int64, device=rng.device)
        none = Points.empty(problem, len(runs), device=rng.device, dtype=rng.dtype)
        memory = problem.memory(rng.fold(MEMORY))
        return Group(runs, rng, state, archive, spent, budget.init(len(runs)), failures, (none.g, none.failed), memory)

    def turn(self, budget: Budget, scorer: Scorer, seconds: float) -> Turn:
        """What the algorithm hears at its next ask, tell or step; the same random numbers until that is committed.

        The clock counts only where nothing else tells how far a run is: a run that is resumed shall see the same.
        """
        share = self.used(budget, scorer, math.nan)
        if math.isnan(share[0]):  # which is so for all runs or none
            share = self.used(budget, scorer, seconds)
        return Turn(self.rng.fold(STEP, self.clock), share)

    def used(self, budget: Budget, scorer: Scorer, seconds: float) -> Tensor:
        """The share of the budget that each run has used, float64[r]; NaN where unknown."""
        return budget.fraction(self.progress(scorer, seconds))

    def commit(self, state: Any) -> None:
        """Takes the state that an ask, tell or step gave."""
        self.state = state
        self.clock += 1

    def remember(self, memory: Any) -> None:
        """Takes what an evaluation made of the problem's memory, if it has one."""
        self.memory = self.memory if memory is None else memory

    def spend(self, spent: Spent) -> None:
        """Adds one step and what it spent."""
        for unit, amount in spent.items():
            self.spent[unit] = self.spent[unit] + amount if unit in self.spent else amount
        self.spent["generations"] = self.spent["generations"] + 1

    def learn(self, evaluated: Points) -> None:
        """Keeps the best of evaluated points [r, k, ...] and counts the failed ones."""
        self.archive.insert(evaluated)
        self.last = evaluated.g, evaluated.failed
        self.uncounted.append(evaluated.failed)
        if self.archive.is_merged:
            self._count()

    def due_look(
        self, problem: Problem, algorithm: Algorithm, state: Any
    ) -> tuple[Points, Spent] | tuple[None, None]:
        """What the solutions of a learner in `state` are worth after its step, where it is looked at then.

        That is after its first step and after every so many. Steps are the same for all runs of a group, so that a run
        is looked at in a batch when it is looked at alone.
        """
        every = algorithm.looks_every(problem)
        if every is None or int(self.spent["generations"].max()) % every:
            return None, None
        return algorithm.measure(problem, state, self.rng.fold(LOOK, self.clock))

    def look(self, points: Points, spent: Spent) -> None:
        """Takes what a learner's solutions [r, k, ...] are worth now, in place of the look before."""
        self.archive.replace(points)
        self.last = points.g, points.failed
        self.looked = {unit: amount + self.looked.get(unit, 0) for unit, amount in spent.items()}

    def looked_at(self, points: Points, spent: Spent) -> Group:
        """The same after a look; this one stays as it is."""
        other = replace(self, archive=self.archive.take(slice(None)))
        other.look(points, spent)
        return other

    @property
    def failures(self) -> Tensor:
        """Failed evaluations so far, int64[r]."""
        self._count()
        return self.counted

    def _count(self) -> None:
        if self.uncounted:
            self.counted, self.uncounted = self.counted + torch.cat(self.uncounted, -1).sum(-1), []

    def shares(self) -> tuple[Tensor, Tensor]:
        """Feasible and failed share of the points learned last, float64[r] each; NaN where there were none."""
        g, failed = self.last
        return (violation(g, failed) <= 0).double().mean(-1), failed.double().mean(-1)

    def expanded(self, leaf: Tensor) -> Tensor:
        """The user's tensor for every run, on the group's device: [...] -> [r, ...]."""
        moved = leaf.to(self.rng.device, self.rng.dtype) if leaf.is_floating_point() else leaf.to(self.rng.device)
        return moved.expand(len(self.runs), *leaf.shape)

    def fronts(self) -> list[Points]:
        """The archived points of each run."""
        return [self.archive.front(i) for i in range(len(self.runs))]

    def progress(self, scorer: Scorer, seconds: float) -> Progress:
        """How far the runs are, for a budget."""
        return Progress(self.spent, seconds, lambda name: scorer(name, self.fronts()))

    def ended(self, budget: Budget, scorer: Scorer, seconds: float) -> Tensor:
        """Asks the budget which runs are over: bool[r]."""
        self.budget_state, over = budget.update(self.budget_state, self.progress(scorer, seconds))
        return over

    def take(self, index: Tensor) -> Group:
        """Some of the runs."""
        spent = {unit: amount[index] for unit, amount in self.spent.items()}
        rows = index.to(self.rng.device)
        return Group(
            self.runs[index], self.rng.take(rows), tree.take(self.state, rows), self.archive.take(rows), spent,
            tree.take(self.budget_state, index), self.failures[rows],
            tree.take(self.last, rows), tree.take(self.memory, rows), self.clock,
            looked={unit: amount[index] for unit, amount in self.looked.items()},
        )

    def saved(self) -> Any:
        """A plain tree for a checkpoint."""
        return tree.plain(
            {
                "runs": self.runs, "state": self.state, "archive": self.archive.state(), "spent": self.spent,
                "budget": self.budget_state, "failures": self.failures, "last": self.last, "memory": self.memory,
                "clock": self.clock, "looked": self.looked,
            }
        )

    def restore(self, saved: Any) -> None:
        """Takes back a plain tree of `saved` into a group that was started for the same runs."""
        self.state = tree.restore(self.state, saved["state"])
        self.archive.restore(saved["archive"])
        self.spent = saved["spent"]
        self.budget_state = tree.restore(self.budget_state, saved["budget"])
        self.counted, self.uncounted = saved["failures"].to(self.counted.device), []
        self.last = tree.restore(self.last, saved["last"])
        self.memory = tree.restore(self.memory, saved["memory"])
        self.clock, self.looked = saved["clock"], saved.get("looked", {})
