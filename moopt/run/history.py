"""How a run went: a table of bounded length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from moopt.core import checks
from moopt.run.monitor import Monitor, Snapshot

if TYPE_CHECKING:
    import pandas

CAPACITY = 256  # rows of each run
SAMPLES = 2**12  # where hypervolume is approximated: 5 to 9 ms a run, off by 0.5 % on spheres of 1,000 points

_COLUMNS = (
    "run", "generations", "evaluations", "seconds", "hypervolume", "feasible", "failed", "failures",
)  # fmt: skip

Table = dict[str, Tensor]  # column -> float64[rows]


def _joined(*tables: Table) -> Table:
    """Tables one below the other; NaN where one lacks a column."""
    names = dict.fromkeys(["index", *_COLUMNS, *(name for table in tables for name in table)])
    missing = [torch.full_like(table["run"], torch.nan) for table in tables]
    return {
        name: torch.cat([torch.zeros(0, dtype=torch.float64)]
                        + [table.get(name, nan) for table, nan in zip(tables, missing, strict=True)])
        for name in names
    }  # fmt: skip


_EMPTY = _joined()


class History(Monitor):
    """Rows of those steps in which the archive was merged: at most `capacity` for each run, and its last step.

    Those of a learner are the steps at which it was looked at, or all of them if nobody looks. The interval between
    rows is one merge, look or step at first and doubles whenever they become too many; every second row is dropped
    then. So which rows are kept depends on their number only. Raises ValueError unless `capacity` is a positive whole
    number.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.capacity = checks.whole("capacity", capacity)
        self.interval = 1
        self._rows: list[Table] = []  # put together when they are needed
        self._ends = _EMPTY

    def on_step(self, snapshot: Snapshot) -> None:
        self._ends = _EMPTY  # whatever had ended goes on
        archive = snapshot._group.archive
        by_itself = snapshot.evaluated is None
        looked_at = by_itself and snapshot.algorithm.looks_every(snapshot.problem) is not None
        if looked_at or (not by_itself and not archive.is_merged):
            return
        index = snapshot.step if by_itself else archive.merges
        if index > self.capacity * self.interval:
            while index > self.capacity * self.interval:
                self.interval *= 2
            rows = _joined(*self._rows)
            stay = rows["index"] % self.interval == 0
            self._rows = [{name: column[stay] for name, column in rows.items()}]
        if index % self.interval == 0:
            self._rows.append(_row(snapshot, index))

    def end(self, snapshot: Snapshot) -> None:
        """Adds the last step of runs that go together, unless it is there; taken back if they go on."""
        run, step = int(snapshot.runs[0]), snapshot.step
        known = _joined(*self._rows, self._ends)
        if step > 0 and not ((known["run"] == run) & (known["generations"] == step)).any():
            self._ends = _joined(self._ends, _row(snapshot, torch.nan))

    def to_dataframe(self, run: int | None = None) -> pandas.DataFrame:
        """The rows of all runs or of one.

        Columns: number of the `run`, `generations`, `evaluations` and whatever else was spent so far, `seconds`,
        `hypervolume` of the archive (above four objectives a rougher approximation than the result's), of a learner
        that of its solutions at that step, share of `feasible` and of `failed` ones of the points evaluated in that
        very step (all three NaN where nobody looks at a learner), `failures` so far. What looks spent so far, which
        counts against no budget, is `looked_env_steps` and the like.
        """
        import pandas

        columns = _joined(*self._rows, self._ends)
        units = sorted(set(columns) - {"index", *_COLUMNS})
        table = pandas.DataFrame({name: columns[name].numpy() for name in (*_COLUMNS[:3], *units, *_COLUMNS[3:])})
        if run is not None:
            table = table[table["run"] == run]
        counts = ("run", "generations", "evaluations", "failures", *units)
        whole = [name for name in counts if table[name].notna().all()]
        return table.sort_values(["run", "generations"], ignore_index=True).astype(dict.fromkeys(whole, "int64"))

    def copy(self) -> History:
        """The same table, to which nothing is added any more."""
        other = History(self.capacity)
        other.restore(self.state())
        return other

    def state(self) -> Any:
        return {"interval": self.interval, "rows": _joined(*self._rows), "ends": self._ends}

    def restore(self, state: Any) -> None:
        self.interval, self._rows, self._ends = state["interval"], [state["rows"]], state["ends"]


def _row(snapshot: Snapshot, index: float) -> Table:
    """Where runs that go together are: column -> float64[r]; `index` decides how long the row is kept."""
    group = snapshot._group
    feasible, failed = group.shares()
    points, valid = group.archive.padded()
    hypervolume = snapshot.scorer.hypervolume(points.f, valid & points.feasible, SAMPLES)
    same = torch.ones(len(group.runs), dtype=torch.float64)
    columns = {
        "index": index * same, "run": group.runs, **group.spent,
        **{f"looked_{unit}": amount for unit, amount in group.looked.items()}, "seconds": snapshot.seconds * same,
        # without evaluated points there are estimates only, which look better than they are
        "hypervolume": hypervolume.masked_fill(failed.cpu().isnan(), torch.nan),
        "feasible": feasible, "failed": failed, "failures": group.failures,
    }  # fmt: skip
    return {name: column.to("cpu", torch.float64) for name, column in columns.items()}
