"""How a run went: a table of bounded length."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from moopt.core import checks
from moopt.core.points import Points
from moopt.run.group import Group
from moopt.run.scorer import Scorer
from moopt.run.search import Search

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


@dataclass(frozen=True)
class Rows:
    """Rows of those steps in which the archive was merged: at most `capacity` for each run, and its last step.

    A value: another row gives other rows. Those of a learner are the steps at which it was looked at, or all of them if
    nobody looks. The interval between rows is one merge, look or step at first and doubles whenever they become too
    many; every second row is dropped then. So which rows are kept depends on their number only. Raises ValueError
    unless `capacity` is a positive whole number.
    """

    capacity: int = CAPACITY
    interval: int = 1
    kept: tuple[Table, ...] = ()  # put together when they are needed
    ends: Table | None = None  # last steps that are no rows

    def __post_init__(self) -> None:
        checks.whole("capacity", self.capacity)

    def after(self, search: Search, group: Group, evaluated: Points | None, scorer: Scorer, seconds: float) -> Rows:
        """The rows after a step of runs that go together, in which these points were evaluated or looked at."""
        by_itself = evaluated is None
        between_looks = by_itself and search.algorithm.looks_every(search.problem) is not None
        if between_looks or (not by_itself and not group.archive.is_merged):
            return self if self.ends is None else replace(self, ends=None)  # whatever had ended goes on
        index = int(group.spent["generations"].max()) if by_itself else group.archive.merges
        interval, kept = self.interval, self.kept
        if index > self.capacity * interval:
            while index > self.capacity * interval:
                interval *= 2
            rows = _joined(*kept)
            stay = rows["index"] % interval == 0
            kept = ({name: column[stay] for name, column in rows.items()},)
        if index % interval == 0:
            kept = (*kept, _row(group, index, scorer, seconds))
        return Rows(self.capacity, interval, kept)

    def ended(self, group: Group, scorer: Scorer, seconds: float) -> Rows:
        """The rows with the last step of runs that go together, unless it is there; taken back if they go on."""
        step = int(group.spent["generations"].max())
        return self._with_ends(_row(group, torch.nan, scorer, seconds)) if step else self

    def closed(self, others: Rows) -> Rows:
        """The rows with the last step of every run in other rows of the same search."""
        table = others._joined
        last = {float(table["run"][i]): i for i in table["generations"].argsort().tolist()}
        index = torch.tensor(sorted(last.values()), dtype=torch.int64)
        ends = {name: column[index] for name, column in table.items()}
        return replace(self, ends=None)._with_ends({**ends, "index": torch.full_like(ends["run"], torch.nan)})

    def _with_ends(self, table: Table) -> Rows:
        """The rows with those of last steps that are not among them."""
        known = self._joined
        here = {*zip(known["run"].tolist(), known["generations"].tolist(), strict=True)}
        steps = zip(table["run"].tolist(), table["generations"].tolist(), strict=True)
        new = torch.tensor([step not in here for step in steps], dtype=torch.bool)
        return replace(self, ends=_joined(self.ends or _EMPTY, {name: column[new] for name, column in table.items()}))

    @property
    def _joined(self) -> Table:
        return _joined(*self.kept, self.ends or _EMPTY)

    def to_dataframe(self, run: int | None = None) -> pandas.DataFrame:
        """The rows of all runs or of one.

        Columns: number of the `run`, `generations`, `evaluations` and whatever else was spent so far, `seconds`,
        `hypervolume` of the archive (above four objectives a rougher approximation than the result's), of a learner
        that of its solutions at that step, share of `feasible` and of `failed` ones of the points evaluated in that
        very step (all three NaN where nobody looks at a learner), `failures` so far. What looks spent so far, which
        counts against no budget, is `looked_env_steps` and the like.
        """
        import pandas

        columns = self._joined
        units = sorted(set(columns) - {"index", *_COLUMNS})
        table = pandas.DataFrame({name: columns[name].numpy() for name in (*_COLUMNS[:3], *units, *_COLUMNS[3:])})
        if run is not None:
            table = table[table["run"] == run]
        counts = ("run", "generations", "evaluations", "failures", *units)
        whole = [name for name in counts if table[name].notna().all()]
        return table.sort_values(["run", "generations"], ignore_index=True).astype(dict.fromkeys(whole, "int64"))

    def state(self) -> Any:
        """A tree of everything but the capacity, for disk."""
        return {"interval": self.interval, "rows": _joined(*self.kept), "ends": self.ends or _EMPTY}

    def restored(self, state: Any) -> Rows:
        """The rows that `state` described."""
        return Rows(self.capacity, state["interval"], (state["rows"],), state["ends"])


def _row(group: Group, index: float, scorer: Scorer, seconds: float) -> Table:
    """Where runs that go together are: column -> float64[r]; `index` decides how long the row is kept."""
    feasible, failed = group.shares()
    points, valid = group.archive.padded()
    hypervolume = scorer.hypervolume(points.f, valid & points.feasible, SAMPLES)
    same = torch.ones(len(group.runs), dtype=torch.float64)
    columns = {
        "index": index * same, "run": group.runs, **group.spent,
        **{f"looked_{unit}": amount for unit, amount in group.looked.items()}, "seconds": seconds * same,
        # without evaluated points there are estimates only, which look better than they are
        "hypervolume": hypervolume.masked_fill(failed.cpu().isnan(), torch.nan),
        "feasible": feasible, "failed": failed, "failures": group.failures,
    }  # fmt: skip
    return {name: column.to("cpu", torch.float64) for name, column in columns.items()}
