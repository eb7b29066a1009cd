"""What watches a run: changes nothing, draws nothing, may ask it to stop."""

from __future__ import annotations

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

if TYPE_CHECKING:
    from moopt.run.group import Group
    from moopt.run.result import Result
    from moopt.run.run import Run
    from moopt.run.scorer import Scorer


@dataclass(frozen=True)
class Snapshot:
    """A run after a step, to look at only.

    Tensors lead with those independent runs that just made the step together; `evaluated` are the points evaluated
    in it [r, k, ...], `None` where an algorithm learns by itself and was not looked at. The archive of a learner holds
    what the last look saw.
    """

    _run: Run
    _group: Group
    evaluated: Points | None = None

    @property
    def problem(self) -> Problem:
        """What is searched."""
        return self._run.problem

    @property
    def algorithm(self) -> Algorithm:
        """How it is searched."""
        return self._run.algorithm

    @property
    def budget(self) -> Budget:
        """When each run ends."""
        return self._run.budget

    @property
    def n_runs(self) -> int:
        """Number of independent runs of the whole search, in this step or not."""
        return self._run.n_runs

    @property
    def step(self) -> int:
        """Generations so far."""
        return int(self._group.spent["generations"].max())

    @property
    def runs(self) -> Tensor:
        """Numbers of the runs in this step, int64[r]."""
        return self._group.runs

    @property
    def state(self) -> Any:
        """The algorithm's state."""
        return self._group.state

    @property
    def spent(self) -> Mapping[str, Tensor]:
        """unit -> int64[r]."""
        return self._group.spent

    @property
    def total_spent(self) -> dict[str, int]:
        """unit -> what all runs have spent together."""
        return self._run.total_spent()

    @property
    def seconds(self) -> float:
        """Wall clock so far, interruptions not counted."""
        return self._run.seconds

    @property
    def fraction(self) -> float:
        """Used share of the budget over all runs, in [0, 1]; NaN where unknown."""
        return self._run.fraction()

    @property
    def is_judged(self) -> bool:
        """Whether indicators are of evaluated points; those of a learner are so from its first look on."""
        return self.evaluated is not None or bool(self._group.looked)

    @property
    def failures(self) -> int:
        """Failed evaluations of all runs so far."""
        return self._run.failures()

    @property
    def folder(self) -> Path | None:
        """Where the run is kept on disk."""
        return self._run.folder

    @property
    def scorer(self) -> Scorer:
        """The run's frame of reference for indicators."""
        return self._run.scorer

    def indicator(self, name: str = "hypervolume") -> Tensor:
        """An indicator of each run's archive, float64[r]."""
        if name == "hypervolume":
            points, valid = self._group.archive.padded()
            return self.scorer.hypervolume(points.f, valid & points.feasible)
        return self.scorer(name, self._fronts)

    def front(self, i: int = 0) -> Points:
        """The archived points of the i-th run of this step."""
        return self._fronts[i]

    @cached_property
    def _fronts(self) -> list[Points]:
        return self._group.fronts()

    @cached_property
    def population(self) -> Points:
        """The algorithm's current solutions, [r, n, ...]."""
        return self.algorithm.population(self.problem, self.state)


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
