"""One line that tells how far a search is, on a terminal or in a log."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping
from typing import IO, TYPE_CHECKING, Any

from moopt.monitor import Monitor, Snapshot

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

    from moopt.result import Result

REST = 50.0  # rests this many times as long as an update took: at most 1/51 of the wall time is spent here
TERMINAL_SECONDS = 0.1  # between two updates, at least
LOG_SECONDS = 30.0


class ProgressLine(Monitor):
    """A line on `stream` (default: stderr): used share of the budget, spending, hypervolume, feasible share, time.

    On a terminal it is redrawn in place; elsewhere a plain line comes every half minute. It ends with how the run
    ended. A step in which nothing is due reads the clock once. Where the stream is gone, the run goes on without it.
    """

    def __init__(self, stream: IO[str] | None = None, clock: Callable[[], float] = time.perf_counter) -> None:
        self._stream, self._clock = stream, clock
        self._due = math.inf
        self._console: Console | None = None
        self._live: Live | None = None
        self._limits: tuple[str, int] | None = None

    def on_start(self, snapshot: Snapshot) -> None:
        from rich.console import Console
        from rich.live import Live

        self._limits = _limit(snapshot)
        self._console = Console(file=self._stream or sys.stderr, highlight=False)
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False)
            self._draw(self._terminal(_name(snapshot), snapshot.fraction, self._parts(snapshot)), start=True)
            self._due = self._clock() + TERMINAL_SECONDS
        else:
            self._due = self._clock() + LOG_SECONDS

    def on_step(self, snapshot: Snapshot) -> None:
        began = self._clock()
        if began < self._due:
            return
        share, parts = snapshot.fraction, self._parts(snapshot)
        if self._live is not None:
            drawn = self._draw(self._terminal(_name(snapshot), share, parts))
        else:
            drawn = self._draw(_plain(_name(snapshot), share, parts))
        now = self._clock()
        least = TERMINAL_SECONDS if self._live is not None else LOG_SECONDS
        self._due = now + max(least, REST * (now - began)) if drawn else math.inf

    def on_end(self, result: Result) -> None:
        if self._console is None:
            return
        failed = result.failures
        parts = [
            str(result.status),
            self._spending(result.spent),
            _hypervolume(result.hypervolume, result.convention),
            f"{len(result.front):,} points",
            f"{failed:,} failed" if failed else "",
            _clock_face(result.seconds),
        ]
        name = f"{result.problem.name} {result.algorithm}"
        if self._live is not None:
            self._draw(self._terminal(name, 1.0 if result.status != "interrupted" else None, parts))
        else:
            self._draw(_plain(name, None, parts))
        self.close()

    def close(self) -> None:
        """Gives the terminal back."""
        live, self._live, self._due = self._live, None, math.inf
        if live is not None:
            try:
                live.stop()
            except (OSError, ValueError):  # the terminal is gone
                pass

    def _parts(self, snapshot: Snapshot) -> list[str]:
        share, failures = snapshot.fraction, snapshot.failures
        left = snapshot.seconds * (1 / share - 1) if share > 0 else math.nan
        return [
            self._spending(snapshot.total_spent),
            _hypervolume(float(snapshot.indicator().mean()), snapshot.scorer.convention, len(snapshot.runs)),
            _feasible(snapshot),
            f"{failures:,} failed" if failures else "",
            _clock_face(snapshot.seconds) + ("" if math.isnan(left) else f", {_clock_face(left)} left"),
        ]

    def _spending(self, spent: Mapping[str, int]) -> str:
        """What the budget counts, or else evaluations, or else generations."""
        if self._limits is not None:
            unit, most = self._limits
            return f"{spent.get(unit, 0):,}/{most:,} {_words(unit)}"
        unit = "evaluations" if spent.get("evaluations") else "generations"
        return f"{spent.get(unit, 0):,} {_words(unit)}"

    def _terminal(self, name: str, share: float | None, parts: list[str]) -> RenderableType:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        width = self._console.width if self._console is not None else 80
        line = Table.grid(padding=(0, 1), expand=True)
        line.add_column(no_wrap=True, max_width=max(12, width // 4))
        line.add_column(width=min(24, max(6, width // 8)))
        line.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        cells: list[Any] = [Text(name, "bold", overflow="ellipsis")]
        text = Text("  ".join(part for part in parts if part), overflow="ellipsis", no_wrap=True)
        text.highlight_regex(r"[\d,]+ failed", "red")
        if share is None:
            cells.append(Text(""))
        else:
            pulse = math.isnan(share)
            cells.append(ProgressBar(1.0, 0.0 if pulse else share, pulse=pulse))
            if not pulse:
                text = Text(f"{math.floor(100 * share):3d} %  ", "cyan").append_text(text)
        line.add_row(*cells, text)
        return line

    def _draw(self, what: RenderableType, start: bool = False) -> bool:
        """Shows it; False where that was not possible and never will be."""
        try:
            if self._live is not None:
                if start:
                    self._live.start()
                self._live.update(what, refresh=True)
            elif self._console is not None:
                self._console.print(what, soft_wrap=True, markup=False)
        except (OSError, ValueError):  # the terminal is gone, the stream closed
            return False
        return True


def _name(snapshot: Snapshot) -> str:
    return f"{snapshot.problem.name} {type(snapshot.algorithm).__name__.lower()}"


def _limit(snapshot: Snapshot) -> tuple[str, int] | None:
    """The unit that bounds the search, and how much of it all runs may spend."""
    limits = {unit: n for unit, n in snapshot.budget.limits().items() if unit != "seconds"}
    for unit in sorted(limits, key=lambda unit: unit == "generations"):
        return unit, int(limits[unit]) * snapshot.n_runs
    return None


def _words(unit: str) -> str:
    return unit.replace("_", " ")


def _hypervolume(value: float, convention: str, runs: int = 1) -> str:
    if convention.startswith("no hypervolume"):
        return ""
    mean, about = "mean " if runs > 1 else "", "≈ " if "approximate" in convention else ""
    return f"{mean}HV {about}{value:.4g}" + (" scaled" if "scaled" in convention else "")


def _feasible(snapshot: Snapshot) -> str:
    """Of the last evaluated points; nothing where no constraint could say otherwise."""
    if snapshot.evaluated is None or not snapshot.problem.n_con:
        return ""
    return f"{100 * float(snapshot.evaluated.feasible.double().mean()):.0f} % feasible"


def _clock_face(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _plain(name: str, share: float | None, parts: list[str]) -> str:
    percent = "" if share is None or math.isnan(share) else f"{math.floor(100 * share)} %"
    return f"{name}: " + ", ".join(part for part in [percent, *parts] if part)
