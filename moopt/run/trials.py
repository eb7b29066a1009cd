"""Drives a search by trials: expensive evaluations one by one, by an executor or by a loop of the user's own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from torch import Tensor

from moopt.core.algorithm import Asking, spent_on
from moopt.executors import Executor
from moopt.run.group import INITIAL, TRIALS
from moopt.run.interrupts import Interrupts
from moopt.run.ledger import Ledger
from moopt.run.monitor import Snapshot
from moopt.run.progress import Progress
from moopt.run.trial import Trial
from moopt.storage.log import Log

_log = logging.getLogger("moopt")


class Trials:
    """The runs of a search, each on its own: asked, evaluated and told point by point.

    `checkpoint` keeps everything so far.
    """

    def __init__(
        self, progress: Progress, journal: Log | None, interrupts: Interrupts, checkpoint: Callable[[], None]
    ) -> None:
        self.progress, self.search, self.interrupts, self.checkpoint = progress, progress.search, interrupts, checkpoint
        self.algorithm: Asking[Any, Any] = self.search.algorithm  # type: ignore[assignment]
        self.ledger = Ledger(self.search, journal)

    def drive(self, executor: Executor) -> None:
        """Goes on until the budget has ended."""
        problem, trials = self.search.problem, self.ledger.trials
        executor.start(problem.trial_function(), timeout=problem.timeout, retries=problem.retries)
        for run in range(self.search.runs):
            _submit(executor, (trial for trial in self.ledger.open_trials(run) if trial.status == "asked"))
        while going := self.progress.going():
            for run in going:
                with self.interrupts.whole():
                    _submit(executor, self.ask(run, max(0, executor.workers - executor.pending)))
            if not executor.pending:
                return  # the budget admits no further evaluation
            seconds = self.search.budget.limits().get("seconds")
            outcomes = executor.wait(None if seconds is None else max(0.05, seconds - self.progress.seconds))
            with self.interrupts.whole():
                for outcome in outcomes:
                    trials[outcome.key].settle(outcome)
                self.tell([trials[outcome.key] for outcome in outcomes])

    def give(self, run: int, x: Tensor, values: list[dict[str, Any]]) -> None:
        """Trials at points x[1, k, d] that the user brought along as `values`."""
        rng = self.progress.groups[run].rng.fold(INITIAL)
        self.ledger.open(run, x, {}, [dict(named) for named in values], rng, {"given": True})

    def ask(self, run: int, n: int | None) -> list[Trial]:
        """New trials of a run: a whole generation when the last one is told, or up to `n` points at any time."""
        open_points = len(self.ledger.open_trials(run))
        limit = self.progress.groups[run].remaining(self.search.budget, open_points)
        nothing = n == 0 if self.ledger.hears_any else open_points > 0
        if limit == 0 or nothing:
            return []
        new = self._ask(run, n if self.ledger.hears_any else None, limit)
        self.checkpoint()
        return new

    def _ask(self, run: int, n: int | None, limit: int | None) -> list[Trial]:
        """About `n` new trials, at most `limit`."""
        group = self.progress.groups[run]
        pending = self.ledger.pending_x(run) if self.ledger.hears_any else None
        turn = self.progress.turn(run).asking(n, pending)
        x, columns, state = self.algorithm.ask(self.search.problem, group.state, turn)
        if limit is not None and limit < x.shape[1]:
            x, columns = x[:, :limit], {name: column[:, :limit] for name, column in columns.items()}
        values, rng = self.search.problem.space.decode(x[0]), group.rng.fold(TRIALS, group.clock)
        with self.interrupts.whole():
            new = self.ledger.open(run, x, columns, values, rng, {"n": n, "limit": limit})
            self.progress.groups[run] = group.after(state)
        return new

    def tell(self, finished: Sequence[Trial]) -> None:
        """Takes finished trials of any runs; must run whole (`Interrupts.whole`)."""
        snapshots = []
        for run in range(self.search.runs):
            mine = [trial for trial in finished if trial.run == run]
            snapshots += self._tell(run, mine) if mine else []
        for snapshot in snapshots:  # when all is booked: a monitor that raises loses no evaluation
            self.progress.show(snapshot)

    def _tell(self, run: int, finished: Sequence[Trial]) -> list[Snapshot]:
        """Tells the algorithm of a run what it wants to hear of finished trials, and books it."""
        problem, snapshots = self.search.problem, []
        for points, columns in self.ledger.close(run, finished):
            group = self.progress.groups[run]
            state = self.algorithm.tell(problem, group.state, points.with_columns(**columns), self.progress.turn(run))
            group = group.after(state, spent_on(problem, points), points)
            self.progress.book(run, group, points)
            snapshots.append(self.progress.snapshot(group, points))
        return snapshots

    def replay(self) -> list[Snapshot]:
        """Repeats what the journal holds and the groups do not contain yet."""
        snapshots = []
        for event in self.ledger.unheard():
            run = event["group"]
            if "finished" in event:
                snapshots += self._tell(run, self.ledger.recall(event))
            else:
                self._ask(run, event["n"], event["limit"])
                if not self.ledger.agree(run, event):
                    _log.warning(
                        "the algorithm suggests other points than before the interruption: keeping the journal's"
                    )
        return snapshots


def _submit(executor: Executor, trials: Iterable[Trial]) -> None:
    for trial in trials:
        executor.submit(trial.id, trial.payload)
