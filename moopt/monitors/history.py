"""How a run went: a table of bounded length that costs next to nothing until someone looks at it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from moopt import _checks
from moopt.monitor import Monitor, Snapshot
from moopt.population import Population, violation

if TYPE_CHECKING:
    import pandas

    from moopt.monitors.archive import Archive
    from moopt.monitors.score import Scorer

CAPACITY = 256  # rows of each run
MEMORY = 128 * 2**20  # bytes that rows without numbers may hold

Table = dict[str, Tensor]  # column -> float64[rows]


class _Row:
    """One step of runs that go together: what its numbers follow from, and from `numbers` on those alone."""

    __slots__ = ("archive", "evaluated", "failures", "fronts", "runs", "seconds", "spent", "step", "table")

    def __init__(self, snapshot: Snapshot) -> None:
        group, evaluated = snapshot._group, snapshot.evaluated
        self.runs, self.step, self.seconds = group.runs, snapshot.step, snapshot.seconds
        self.spent, self.failures = dict(group.spent), group.failures
        self.evaluated = None if evaluated is None else (evaluated.g, evaluated.failed)
        self.archive: Archive | None = group.archive
        self.fronts: Callable[[], list[Population]] = group.fronts
        self.table: Table | None = None

    @staticmethod
    def of(table: Table) -> _Row:
        """A row whose numbers are known."""
        row = object.__new__(_Row)
        row.runs, row.step, row.table, row.archive = table["run"], int(table["generations"][0]), table, None
        return row

    def pin(self) -> None:
        """Makes it independent of what becomes of the archive."""
        if self.archive is not None:
            self.fronts, self.archive = self.archive.later(), None

    def numbers(self, scorer: Scorer) -> Table:
        """Column -> float64[r]."""
        if self.table is None:
            seconds = torch.full((len(self.runs),), self.seconds, dtype=torch.float64)
            feasible = failed = hypervolume = torch.full_like(seconds, torch.nan)
            if self.evaluated is not None:  # else there are estimates only, which look better than they are
                g, missing = self.evaluated
                feasible, failed = (violation(g, missing) <= 0).double().mean(-1), missing.double().mean(-1)
                hypervolume = scorer("hypervolume", self.fronts())
            columns = {
                "run": self.runs, **self.spent, "seconds": seconds, "hypervolume": hypervolume,
                "feasible": feasible, "failed": failed, "failures": self.failures,
            }  # fmt: skip
            self.table = {name: column.to("cpu", torch.float64) for name, column in columns.items()}
            self.archive = None
            del self.spent, self.failures, self.evaluated, self.fronts
        return self.table


class History(Monitor):
    """Rows of evenly spaced steps: at most `capacity` for each run, whatever the length of the search.

    The interval between rows is 1 step at first and doubles whenever they become too many; every second row is
    dropped then. So which steps are kept depends on their number only. A row is what numbers can be computed from
    later, bounded by `MEMORY`; they are computed for rows that are still there when someone asks for the table or
    saves it. Raises ValueError unless `capacity` is a positive whole number.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.capacity = _checks.whole("capacity", capacity)
        self.interval = 1
        self._rows: list[_Row] = []
        self._last: dict[int, _Row] = {}  # of each group of runs: id of its runs -> row
        self._held = 0
        self._scorer: Scorer | None = None

    def on_step(self, snapshot: Snapshot) -> None:
        row = _Row(snapshot)
        key = id(row.runs)
        if key not in self._last:
            # some runs may have ended and left their group: what it was must not be kept in memory
            self._settle(self._last.values())
            self._scorer = snapshot.scorer
        self._last[key] = row
        if row.step > self.capacity * self.interval:
            while row.step > self.capacity * self.interval:
                self.interval *= 2
            self._rows = [kept for kept in self._rows if kept.step % self.interval == 0]
        if row.step % self.interval == 0:
            self._keep(row, snapshot)

    def _keep(self, row: _Row, snapshot: Snapshot) -> None:
        if row.archive is not None:
            n = snapshot.evaluated.failed.shape[-1] if snapshot.evaluated is not None else 0
            # new since the row before: evaluated points that wait in the archive, and those it kept meanwhile
            points = n + 2 * min(self.interval * n, row.archive.capacity)
            self._held += 8 * len(row.runs) * points * (snapshot.problem.n_obj + snapshot.problem.n_con + 1)
        row.pin()
        self._rows.append(row)
        if self._held > MEMORY:
            self._settle(self._rows)
            self._held = 0

    def _settle(self, rows: Iterable[_Row]) -> list[Table]:
        # a row without numbers came through on_step, which knows the scorer
        return [row.numbers(self._scorer) if row.table is None else row.table for row in rows]  # type: ignore[arg-type]

    def _tables(self) -> tuple[Table, Table]:
        """All rows that are kept, and the last step of each run."""
        kept, last = _joined(self._settle(self._rows)), _joined(self._settle(self._last.values()))
        newest: dict[float, tuple[float, int]] = {}
        for i, (run, step) in enumerate(zip(*(last[name].tolist() for name in ("run", "generations")), strict=True)):
            newest[run] = max(newest.get(run, (step, i)), (step, i))
        index = torch.tensor([i for _, (_, i) in sorted(newest.items())], dtype=torch.int64)
        return kept, {name: column[index] for name, column in last.items()}

    def to_dataframe(self, run: int | None = None) -> pandas.DataFrame:
        """One row for each kept step and the last one, of all runs or of one.

        Columns: number of the `run`, `generations`, `evaluations` and whatever else was spent so far, `seconds`,
        `hypervolume` of the archive, share of `feasible` and of `failed` ones of the points evaluated in that very
        step (all three NaN where an algorithm evaluates by itself), `failures` so far.
        """
        import pandas

        kept, last = self._tables()
        units = [name for name in {**kept, **last} if name not in _COLUMNS]
        order = [*_COLUMNS[:3], *sorted(units), *_COLUMNS[3:]]
        table = pandas.DataFrame({name: column.numpy() for name, column in _joined([kept, last]).items()})
        table = table.reindex(columns=order).drop_duplicates(["run", "generations"])
        if run is not None:
            table = table[table["run"] == run]
        counts = ("run", "generations", "evaluations", "failures", *units)
        whole = [name for name in counts if table[name].notna().all()]
        return table.sort_values(["run", "generations"], ignore_index=True).astype(dict.fromkeys(whole, "int64"))

    def copy(self) -> History:
        """The same table, to which nothing is added any more."""
        other = History(self.capacity)
        other.interval, other._scorer = self.interval, self._scorer
        other._rows, other._last = list(self._rows), dict(self._last)
        for row in other._last.values():
            row.pin()
        return other

    def state(self) -> Any:
        kept, last = self._tables()
        return {"interval": self.interval, "kept": kept, "last": last}

    def restore(self, state: Any) -> None:
        kept, last = state["kept"], state["last"]
        self.interval = state["interval"]
        self._rows = [
            _Row.of({name: column[kept["generations"] == step] for name, column in kept.items()})
            for step in kept["generations"].unique()
        ]
        rows = [_Row.of({name: column[i : i + 1] for name, column in last.items()}) for i in range(len(last["run"]))]
        self._last = {id(row.runs): row for row in rows}


_COLUMNS = (
    "run", "generations", "evaluations", "seconds", "hypervolume", "feasible", "failed", "failures",
)  # fmt: skip


def _joined(tables: list[Table]) -> Table:
    """Tables one below the other; NaN where one lacks a column."""
    names = dict.fromkeys([*_COLUMNS, *(name for table in tables for name in table)])
    missing = [torch.full_like(table["run"], torch.nan) for table in tables]
    return {
        name: torch.cat([torch.zeros(0, dtype=torch.float64)]
                        + [table.get(name, nan) for table, nan in zip(tables, missing, strict=True)])
        for name in names
    }  # fmt: skip
