"""Where a search is: the one thing that changes while it goes on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from moopt.core import tree
from moopt.core.algorithm import Turn
from moopt.core.points import Points
from moopt.core.status import Status
from moopt.run.group import Group
from moopt.run.history import Rows
from moopt.run.monitor import Monitor, Snapshot
from moopt.run.scorer import Scorer
from moopt.run.search import Search


class Progress:
    """The groups of runs after their last steps, their history, the clock, and what watches them.

    `status`: how the search would be said to have ended if it did now. `folder`: where it is kept on disk.
    """

    def __init__(self, search: Search, monitors: Sequence[Monitor], folder: Path | None) -> None:
        self.search, self.monitors, self.folder = search, list(monitors), folder
        self.groups: list[Group] = []
        self.scorer, self.rows, self.status = Scorer(search.problem), Rows(), Status.FINISHED
        self._seconds, self._since = 0.0, 0.0

    @property
    def seconds(self) -> float:
        """Wall clock spent, interruptions not counted."""
        return self._seconds + (time.perf_counter() - self._since if self._since else 0.0)

    def begin(self) -> None:
        """Starts the clock."""
        self._since = time.perf_counter()

    def open(self, runs: Tensor) -> None:
        """Adds runs before their first step."""
        self.groups.append(Group.start(self.search, runs))

    def snapshot(self, group: Group, evaluated: Points | None = None) -> Snapshot:
        """The search as it is now, of which `group` just made a step."""
        return Snapshot(
            self.search, tuple(self.groups), group, self.scorer, self.rows, self.seconds, self.folder, evaluated
        )

    def introduce(self) -> None:
        """Shows the monitors the search before its first step."""
        began, snapshot = time.perf_counter(), self.snapshot(self.groups[0])
        for watching in self.monitors:
            watching.on_start(snapshot)
        self._since += time.perf_counter() - began  # a tracker that takes a second to begin takes it from no budget

    def book(self, index: int, group: Group, evaluated: Points | None) -> None:
        """Puts a group after a step in the place of the one before it."""
        self.groups[index] = group
        if evaluated is not None and not self.scorer.is_frozen:
            self.scorer = self.scorer.frozen(group.fronts)
        self.rows = self.rows.after(self.search, group, evaluated, self.scorer, self.seconds)

    def show(self, snapshot: Snapshot) -> None:
        """Shows the monitors a step, all of them, also after one asked to stop."""
        for watching in self.monitors:
            if watching.on_step(snapshot) is True:
                self.status = Status.STOPPED

    def going(self) -> list[int]:
        """Places of the groups that go on, after setting those runs aside whose budget has ended."""
        if self.status is Status.STOPPED:
            return []
        for index in [i for i, group in enumerate(self.groups) if group.active]:
            self.groups[index], *rest = self.groups[index].judged(self.search.budget, self.scorer, self.seconds)
            self.groups += rest
        return [i for i, group in enumerate(self.groups) if group.active]

    def turn(self, index: int) -> Turn:
        """What the algorithm hears at the next step of a group."""
        return self.groups[index].turn(self.search.budget, self.scorer, self.seconds)

    def saved(self) -> dict[str, Any]:
        """A plain tree of everything, for a checkpoint."""
        watched = [self.rows.state(), *(watching.state() for watching in self.monitors)]
        return {
            "groups": [group.saved() for group in self.groups],
            "scorer": self.scorer.state(),
            "monitors": [tree.plain(state) for state in watched],
            "seconds": self.seconds,
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Takes back what was `saved`."""
        problem, algorithm = self.search.problem, self.search.algorithm
        started = [Group.start(self.search, content["runs"]) for content in saved["groups"]]
        groups = [group.restored(content) for group, content in zip(started, saved["groups"], strict=True)]
        self.groups = [replace(group, state=algorithm.rebuild(problem, group.state)) for group in groups]
        self.scorer = self.scorer.restored(saved["scorer"])
        history, *watched = saved["monitors"]
        self.rows = self.rows.restored(history)
        for watching, state in zip(self.monitors, watched, strict=False):
            watching.restore(state)
        self._seconds = saved["seconds"]
