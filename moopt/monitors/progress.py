"""One line that tells how far a search is, on a terminal or in a log."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping
from typing import IO, TYPE_CHECKING

from moopt.kernels import compiling
from moopt.run.monitor import Monitor, Snapshot

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

    from moopt.run.result import Result

REST = 100.0  # rests this many times as long as an update took: at most 1 % of the wall time is spent here
TERMINAL_SECONDS = 0.1  # between two updates, at least
LOG_SECONDS = 30.0


class ProgressLine(Monitor):
    """A line on `stream` (default: stderr): used share of the budget, spending, hypervolume, feasible share, time.

    On a terminal it is redrawn in place and tells when kernels are compiled; elsewhere a plain line comes every half
    minute. It ends with how the run ended. An update waits for 100 times what the one before took, so at most 1 % of
    the time goes into them; a step in which nothing is due reads the clock once. Where the stream is gone, the run goes
    on without it.
    """

    def __init__(self, stream: IO[str] | None = None, clock: Callable[[], float] = time.perf_counter) -> None:
        self._stream, self._clock = stream, clock
        self._due = math.inf
        self._console: Console | None = None
        self._live: Live | None = None
        self._limit: tuple[str, int] | None = None
        self._least, self._warm, self._share, self._name = LOG_SECONDS, False, 0.0, ""

    def on_start(self, snapshot: Snapshot) -> None:
        from rich.console import Console
        from rich.live import Live

        self._limit = _limit(snapshot)
        self._console = Console(file=self._stream or sys.stderr, highlight=False)
        if self._console.is_terminal:
            self._live, self._least = Live(console=self._console, auto_refresh=False), TERMINAL_SECONDS
            self._show(snapshot)
            compiling.listen(self._compiling)
        self._due = self._clock() + self._least

    def on_step(self, snapshot: Snapshot) -> None:
        began = self._clock()
        if began < self._due:
            return
        drawn = self._show(snapshot)
        now = self._clock()
        # the first one loads code that the result needs anyway: that is no price of looking
        rest = REST * (now - began) if self._warm else 0.0
        self._due, self._warm = now + max(self._least, rest) if drawn else math.inf, True

    def on_end(self, result: Result) -> None:
        if self._console is None:
            return
        failed = result.failures
        parts = [
            self._spending(result.spent),
            _hypervolume(result.hypervolume, result.convention),
            f"{len(result.front):,} points",
            _clock_face(result.seconds),
            f"{failed:,} failed" if failed else "",
        ]
        share = self._share if result.status in ("interrupted", "stopped") else 1.0
        self._draw(f"{result.problem.name} {result.algorithm}", str(result.status), share, parts)
        self.close()

    def close(self) -> None:
        """Gives the terminal back."""
        compiling.unlisten(self._compiling)
        live, self._live, self._due = self._live, None, math.inf
        if live is not None:
            try:
                live.stop()
            except (OSError, ValueError):  # the terminal is gone
                pass

    def _show(self, snapshot: Snapshot) -> bool:
        share, failures = snapshot.fraction, snapshot.failures
        self._share = share
        left = snapshot.seconds * (1 / share - 1) if share > 0 else math.nan
        parts = [
            self._spending(snapshot.total_spent),
            _archive(snapshot),
            f"{failures:,} failed" if failures else "",
            _clock_face(snapshot.seconds) + ("" if math.isnan(left) else f", {_clock_face(left)} left"),
            _feasible(snapshot),
        ]
        self._name = f"{snapshot.problem.name} {type(snapshot.algorithm).__name__.lower()}"
        return self._draw(self._name, "" if math.isnan(share) else f"{math.floor(100 * share):3d} %", share, parts)

    def _compiling(self) -> None:
        self._draw(self._name, "", math.nan, ["compiling kernels (once per installation)…"])

    def _spending(self, spent: Mapping[str, int]) -> str:
        """What the budget counts, or else evaluations, or else generations."""
        if self._limit is not None:
            unit, most = self._limit
            return f"{spent.get(unit, 0):,}/{most:,} {_words(unit)}"
        unit = "evaluations" if spent.get("evaluations") else "generations"
        return f"{spent.get(unit, 0):,} {_words(unit)}"

    def _draw(self, name: str, state: str, share: float, parts: list[str]) -> bool:
        """Shows the line; False where that was not possible and never will be."""
        parts = [part for part in parts if part]
        try:
            if self._live is not None:
                self._live.start()  # nothing happens when it is
                self._live.update(_line(self._live.console.width, name, state, share, parts), refresh=True)
            elif self._console is not None:
                self._console.out(f"{name}: " + ", ".join(filter(None, [state.strip(), *parts])))
        except (OSError, ValueError):  # the terminal is gone, the stream closed
            return False
        return True


def _line(width: int, name: str, state: str, share: float, parts: list[str]) -> RenderableType:
    """One row that never wraps: what does not fit is cut at its end."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    row = Table.grid(padding=(0, 1), expand=True)
    row.add_column(no_wrap=True, max_width=max(12, width // 4))
    row.add_column(width=min(24, max(6, width // 10)))
    row.add_column(no_wrap=True, ratio=1)
    pulse = math.isnan(share)
    text = Text.assemble((state + "  " if state else "", "cyan"), "  ".join(parts), overflow="ellipsis")
    text.highlight_regex(r"[\d,]+ failed", "red")
    bar = ProgressBar(1.0, 0.0 if pulse else share, pulse=pulse)
    row.add_row(Text(name, "bold", overflow="ellipsis"), bar, text)
    return row


def _limit(snapshot: Snapshot) -> tuple[str, int] | None:
    """The unit that bounds the search, and how much of it all runs may spend."""
    limits = {unit: n for unit, n in snapshot.budget.limits().items() if unit != "seconds"}
    for unit in sorted(limits, key=lambda unit: unit == "generations"):
        return unit, int(limits[unit]) * snapshot.n_runs
    return None


def _words(unit: str) -> str:
    return unit.replace("_", " ")


def _archive(snapshot: Snapshot) -> str:
    """Mean hypervolume of the runs' archives; nothing of a learner before somebody looked at it."""
    if not snapshot.is_judged:
        return ""
    mean = "mean " if len(snapshot.runs) > 1 else ""
    return mean + _hypervolume(float(snapshot.indicator().mean()), snapshot.scorer.convention)


def _hypervolume(value: float, convention: str) -> str:
    if convention.startswith("none"):
        return ""
    about = "≈ " if "approximate" in convention else ""
    return f"HV {about}{value:.4g}" + (" scaled" if convention.startswith("scaled") else "")


def _feasible(snapshot: Snapshot) -> str:
    """Of the last evaluated points; nothing where no constraint could say otherwise."""
    if snapshot.evaluated is None or not snapshot.problem.n_con:
        return ""
    return f"{100 * float(snapshot.evaluated.feasible.double().mean()):.0f} % feasible"


def _clock_face(seconds: float) -> str:
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
