"""What all trackers of experiments share: what goes into them and when, and what happens when they fail.

Each independent run of a search is one run of the tracker, named problem-algorithm-seed; of several, one more, "-all",
holds what they found together. At the start go in: problem and algorithm with their options, budget, seed, versions.
On the way the rows of the run's history, by generations: hypervolume of the archive (never computed for a tracker),
what was spent, feasible and failed shares, failures, seconds. At the end the front as a table by names, its picture (of
several runs one of all), status and message.

Rows wait for a second or longer, so that about 1 % of the time goes into them: a slow trial is written at once, a
thousand quick generations together. A resumed search goes on in the same runs of the tracker after their last row, and
a tracker that joins late gets the earlier rows, too. One that fails at the start raises; one that fails on the way
(disk full, folder removed) warns once and is left alone, and the search goes on.
"""

from __future__ import annotations

import abc
import contextlib
import importlib
import inspect
import math
import os
import sys
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from moopt.catalogue.sources import one_line
from moopt.core.checks import MissingPackage
from moopt.core.status import Status
from moopt.run.monitor import Monitor, Snapshot
from moopt.run.result import Result
from moopt.run.versions import versions
from moopt.storage.files import read_json, write_json

if TYPE_CHECKING:
    import pandas

    from moopt.run.search import Search

SECONDS, REST = 1.0, 100.0  # between two visits: so many at least, and so many times as long as one took
LENGTH = 500  # characters of a parameter: what every MLflow takes

Facts = dict[str, int | float | str]
Rows = list[tuple[int, dict[str, float]]]  # generations, column -> value


class Tracker(Monitor, abc.ABC):
    """Writes into runs of a tracker: that of all first where there are several, then run 0, 1, and so on.

    Raises ImportError, naming the extra to install, where one of the tracker's packages is missing.
    """

    _packages: ClassVar[tuple[str, ...]]
    _environment: ClassVar[dict[str, str]] = {}  # while the packages are at work

    def __init__(self, folder: str | Path) -> None:
        for name in self._packages:  # now: it takes a second, which is none of the search
            try:
                with _environment(self._environment):
                    importlib.import_module(name)
            except ImportError as error:
                text = f"{type(self).__name__} needs the package {name}: pip install 'moopt[tracking]'"
                raise MissingPackage(f"{text} ({one_line(error)})") from error
        self.folder = Path(folder).absolute()
        self._key, self._due, self._gone = "", math.inf, False
        self._ids: list[str] = []
        self._runs: list[Any] = []  # what the package knows them by
        self._last: list[int] = []  # generations of their last rows

    @abc.abstractmethod
    def _open(self, name: str, facts: Facts, known: str | None) -> tuple[str, Any]:
        """A new run of the tracker, or the one whose id is `known`: its id, and what the package knows it by."""

    @abc.abstractmethod
    def _log(self, run: Any, rows: Rows) -> None:
        """Adds rows."""

    @abc.abstractmethod
    def _show(self, run: Any, step: int, result: Result, picture: Any) -> None:
        """Adds front, status and message; `picture`: uint8[height, width, 4] or `None`."""

    @abc.abstractmethod
    def _end(self, run: Any, status: Status | None) -> None:
        """Ends a run, `None`: by an error."""

    def on_start(self, snapshot: Snapshot) -> None:
        search, several = snapshot.search, snapshot.n_runs > 1
        self.folder.mkdir(parents=True, exist_ok=True)
        self._key, self._gone = self._key or uuid.uuid4().hex[:12], False
        n, facts = snapshot.n_runs + several, _facts(search)
        known: dict[str, Any] = {"ids": [None] * n, "last": [-1] * n}
        if self._note.exists():
            known = read_json(self._note)
        self._last = known["last"]
        with _environment(self._environment):
            for i, id in enumerate(known["ids"]):
                seed = search.seed + max(0, i - several)
                name = f"{facts['problem']}-{facts['algorithm']}-{'all' if i < several else seed}"
                opened, run = self._open(name, {**facts, "seed": seed}, id)
                self._ids.append(opened)
                self._runs.append(run)
            self._claim()
            self._catch_up(snapshot.history)
        self._due = time.perf_counter() + SECONDS

    def on_step(self, snapshot: Snapshot) -> None:
        began = time.perf_counter()
        if began >= self._due:
            self._attempt(lambda: self._catch_up(snapshot.history))
            now = time.perf_counter()
            self._due = math.inf if self._gone else now + max(SECONDS, REST * (now - began))

    def on_end(self, result: Result) -> None:
        if not self._gone:
            self._attempt(lambda: self._conclude(result))
        self._finish(result.status)

    def close(self) -> None:
        """Lets go of what is still open, as after an error."""
        self._finish(None if sys.exc_info()[0] else Status.STOPPED)
        self._key, self._due = "", math.inf

    def state(self) -> Any:
        return {"key": self._key}

    def restore(self, state: Any) -> None:
        self._key = state.get("key", "")  # another monitor may have stood here: then there is no note of ours

    @property
    def _note(self) -> Path:
        """Which runs of the tracker are ours, and how far: after a kill they are ahead of the checkpoint."""
        return self.folder / f".{type(self).__name__.lower()}-{self._key}.json"

    def _claim(self) -> None:
        write_json(self._note, {"ids": self._ids, "last": self._last})

    def _catch_up(self, table: pandas.DataFrame) -> None:
        """Writes those rows of a history that are new."""
        first = len(self._last) > 1
        last = {i - first: step for i, step in enumerate(self._last)}
        fresh = table[table["generations"] > table["run"].map(last)]
        parts = {int(run) + first: part.drop(columns="run") for run, part in fresh.groupby("run")}
        for i, part in parts.items():
            self._last[i] = int(part["generations"].max())
        if parts:
            self._claim()  # first: a kill may lose a row then, but none comes twice
        for i, part in parts.items():
            rows = [{key: value for key, value in row.items() if value == value} for row in part.to_dict("records")]
            self._log(self._runs[i], list(zip(part["generations"].tolist(), rows, strict=True)))

    def _conclude(self, result: Result) -> None:
        """Writes what there is only at the end."""
        import numpy
        import pandas

        from moopt.render.plots import plot_front

        table, parts = result.history, [result, *result.runs] if len(result.runs) > 1 else [result]
        whole = {name: getattr(result, name) for name in ("seconds", "hypervolume", "failures")} | dict(result.spent)
        whole |= {"run": -1, "generations": max([0, *table["generations"]])}
        self._catch_up(pandas.concat([table, pandas.DataFrame([whole])]))
        canvas: Any = plot_front(result).canvas
        canvas.draw()
        for i, part in enumerate(parts):
            self._show(self._runs[i], self._last[i], part, None if i else numpy.asarray(canvas.buffer_rgba()))

    def _attempt(self, action: Callable[[], None]) -> None:
        """Does it; where that fails, the search goes on and the tracker is left alone."""
        try:
            with _environment(self._environment):
                action()
        except Exception as error:
            if not self._gone:
                text = f"{type(self).__name__} gave up on {self.folder}, the search goes on: {one_line(error)}"
                warnings.warn(text, RuntimeWarning, stacklevel=2)
            self._gone = True

    def _finish(self, status: Status | None) -> None:
        for run in reversed(self._runs):  # a parent after its children
            self._attempt(partial(self._end, run, status))
        self._ids, self._runs = [], []


def _facts(search: Search) -> Facts:
    """What is searched, and how, by dotted names."""
    facts: dict[str, Any] = {"problem": search.problem.name, "algorithm": search.algorithm_name}
    for kind, thing in (("problem", search.problem), ("algorithm", search.algorithm)):
        options = [name for name in inspect.signature(type(thing)).parameters if hasattr(thing, name)]
        facts |= {f"{kind}.{name}": getattr(thing, name) for name in options}
    facts |= {"budget": search.budget, "runs": search.runs, "device": search.device, "dtype": search.dtype}
    facts |= {f"version.{name}": version for name, version in versions().items()}
    texts = {name: str(getattr(value, "__qualname__", value))[:LENGTH] for name, value in facts.items()}
    return {name: value if isinstance(value, int | float) else texts[name] for name, value in facts.items()}


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Environment variables for a while."""
    before = {name: os.environ[name] for name in values if name in os.environ}
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            os.environ.pop(name, None)
        os.environ.update(before)
