"""The history of a run for whoever watches it; each `Result` has one anyway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moopt.run.history import CAPACITY, Rows
from moopt.run.monitor import Monitor, Snapshot

if TYPE_CHECKING:
    import pandas

    from moopt.run.result import Result


class History(Monitor):
    """Rows of those steps in which the archive was merged: at most `capacity` for each run, and its last step.

    Which rows are kept is said at `moopt.run.history.Rows`. Raises ValueError unless `capacity` is a positive whole
    number.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.rows = Rows(capacity)

    def on_step(self, snapshot: Snapshot) -> None:
        self.rows = self.rows.after(
            snapshot.search, snapshot.group, snapshot.evaluated, snapshot.scorer, snapshot.seconds
        )

    def on_end(self, result: Result) -> None:
        self.rows = self.rows.closed(result.rows)

    def to_dataframe(self, run: int | None = None) -> pandas.DataFrame:
        """The rows of all runs or of one; columns as in `Result.history`."""
        return self.rows.to_dataframe(run)

    def state(self) -> Any:
        return self.rows.state()

    def restore(self, state: Any) -> None:
        self.rows = self.rows.restored(state)
