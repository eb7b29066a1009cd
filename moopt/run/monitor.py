"""What watches a run: changes nothing, draws nothing, may ask it to stop."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from moopt.core.algorithm import Algorithm
from moopt.core.budget import Budget
from moopt.core.checks import InputTypeError
from moopt.core.points import Points
from moopt.core.problem import Problem
from moopt.run.group import Group
from moopt.run.history import Rows
from moopt.run.scorer import Scorer
from moopt.run.search import Search

if TYPE_CHECKING:
    import pandas

    from moopt.run.result import Result


@dataclass(frozen=True)
class Snapshot:
    """A search after a step, to look at only; a value: it stays what it was when the search goes on.

    `search`: what was asked; `groups`: all its runs; `group`: those of them that just made the step together, with
    which tensors lead; `scorer`: its frame of reference for indicators; `rows`: how it went so far; `seconds`: wall
    clock so far, interruptions not counted; `folder`: where it is kept on disk; `evaluated`: the points evaluated in
    the step [r, k, ...], `None` where an algorithm learns by itself and was not looked at. The archive of a learner
    holds what the last look saw.
    """

    search: Search
    groups: tuple[Group, ...]
    group: Group
    scorer: Scorer
    rows: Rows
    seconds: float
    folder: Path | None = None
    evaluated: Points | None = None

    @property
    def problem(self) -> Problem:
        """What is searched."""
        return self.search.problem

    @property
    def algorithm(self) -> Algorithm:
        """How it is searched."""
        return self.search.algorithm

    @property
    def budget(self) -> Budget:
        """When each run ends."""
        return self.search.budget

    @property
    def n_runs(self) -> int:
        """Number of independent runs of the whole search, in this step or not."""
        return self.search.runs

    @property
    def step(self) -> int:
        """Generations so far."""
        return int(self.group.spent["generations"].max())

    @property
    def runs(self) -> Tensor:
        """Numbers of the runs in this step, int64[r]."""
        return self.group.runs

    @property
    def state(self) -> Any:
        """The algorithm's state."""
        return self.group.state

    @property
    def spent(self) -> Mapping[str, Tensor]:
        """unit -> int64[r]."""
        return self.group.spent

    @property
    def total_spent(self) -> dict[str, int]:
        """unit -> what all runs have spent together."""
        return total_spent(self.groups)

    @property
    def fraction(self) -> float:
        """Used share of the budget over all runs, in [0, 1]; NaN where unknown."""
        shares = [
            (float(group.used(self.budget, self.scorer, self.seconds).min()) if group.active else 1.0) * len(group.runs)
            for group in self.groups
        ]
        return sum(shares) / self.n_runs if shares else math.nan

    @property
    def used(self) -> Tensor:
        """Share of the budget that each run of this step has used, float64[r] in [0, 1]; NaN where unknown."""
        return self.group.used(self.budget, self.scorer, self.seconds)

    @property
    def is_judged(self) -> bool:
        """Whether indicators are of evaluated points; those of a learner are so from its first look on."""
        return self.evaluated is not None or bool(self.group.looked)

    @property
    def failures(self) -> int:
        """Failed evaluations of all runs so far."""
        return sum(int(group.failures.sum()) for group in self.groups)

    @property
    def history(self) -> pandas.DataFrame:
        """How it went so far; columns as in `Result.history`."""
        return self.rows.to_dataframe()

    def indicator(self, name: str = "hypervolume") -> Tensor:
        """An indicator of each run's archive, float64[r]."""
        if name == "hypervolume":
            points, valid = self.group.archive.padded()
            return self.scorer.hypervolume(points.f, valid & points.feasible)
        return self.scorer(name, self.group.fronts)

    def front(self, i: int = 0) -> Points:
        """The archived points of the i-th run of this step."""
        return self.group.fronts[i]

    @cached_property
    def population(self) -> Points:
        """The algorithm's current solutions, [r, n, ...]."""
        return self.algorithm.population(self.problem, self.state)


def total_spent(groups: tuple[Group, ...]) -> dict[str, int]:
    """unit -> what all runs of the groups have spent together."""
    units = {unit for group in groups for unit in group.spent}
    return {unit: sum(int(g.spent[unit].sum()) for g in groups if unit in g.spent) for unit in sorted(units)}


class Monitor:
    """Watches a run. Subclasses override what they need; a plain callable of a snapshot is a monitor, too."""

    def on_start(self, snapshot: Snapshot) -> None:
        """Before the first step, also of a resumed run."""

    def on_step(self, snapshot: Snapshot) -> bool | None:
        """After every step; `True` asks the whole run to stop."""
        return None

    def on_end(self, result: Result) -> None:
        """After the last step."""

    def close(self) -> None:
        """Last of all, also after an error: lets go of files, terminals, connections."""

    def state(self) -> Any:
        """A tree of what must survive a resume (tensors and scalars)."""
        return {}

    def restore(self, state: Any) -> None:
        """Takes back what `state` gave before the run was interrupted."""


class _Call(Monitor):
    def __init__(self, function: Callable[[Snapshot], Any]) -> None:
        self.function = function

    def on_step(self, snapshot: Snapshot) -> bool | None:
        return self.function(snapshot) is True


def monitor(value: Monitor | Callable[[Snapshot], Any]) -> Monitor:
    """A monitor; a callable is called at every step. Raises TypeError for anything else."""
    if isinstance(value, Monitor):
        return value
    if callable(value):
        return _Call(value)
    raise InputTypeError(f"expected a Monitor or a callable, got {value!r}")
