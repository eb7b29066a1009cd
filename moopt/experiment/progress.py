"""One line that tells how far a study is."""

from __future__ import annotations

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class Bar:
    """A context that gives a function to call after each task, with its error or `None`."""

    def __init__(self, name: str, total: int) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("cells"),
            TimeElapsedColumn(), TimeRemainingColumn(), TextColumn("{task.fields[failed]}"),
            console=Console(file=sys.stderr),
        )  # fmt: skip
        self._task = self._progress.add_task(name, total=total, failed="")
        self._failed = 0

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __call__(self, error: str | None) -> None:
        self._failed += error is not None
        self._progress.update(self._task, advance=1, failed=f"{self._failed} failed" if self._failed else "")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
