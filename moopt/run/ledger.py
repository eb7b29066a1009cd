"""The trials of a search: what was asked, what came back, and in which order.

The journal gets every trial before it is submitted and every result before the algorithm hears of it. Replaying
its events in order therefore leads to the same algorithm, whatever moment the process was killed at. Runs by trials
go alone: every group holds one, and group k is run k.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from moopt.core import tree
from moopt.core.algorithm import Incremental
from moopt.core.points import Points
from moopt.core.random import Rng
from moopt.run.search import Search
from moopt.run.trial import Trial, points_of
from moopt.storage.log import Event, Log


@dataclass
class Batch:
    """Points of one run asked together: x[1, k, d] and the columns that come back with them; `first`: the id of the
    first of its k trials; `told`: bool[k], for algorithms that hear any part."""

    x: Tensor
    columns: dict[str, Tensor]
    first: int
    told: Tensor

    @property
    def size(self) -> int:
        """Number of trials."""
        return self.x.shape[1]

    def places(self, trials: Sequence[Trial]) -> Tensor:
        """Where those of the trials stand that are of this batch, int64."""
        places = [t.id - self.first for t in trials if self.first <= t.id < self.first + self.size]
        return torch.tensor(places, dtype=torch.int64)


class Ledger:
    """The trials of all runs; the only place that changes them.

    `batches`: open ones of each run. `history`: the journal's events; `events`: how many of them the groups' states
    already contain.
    """

    def __init__(self, search: Search, journal: Log | None) -> None:
        self.search, self.journal = search, journal
        self.hears_any = isinstance(search.algorithm, Incremental)  # results in any order, not by generations
        self.trials: list[Trial] = []
        self.batches: list[list[Batch]] = [[] for _ in range(search.runs)]
        self.events = 0
        self.history: list[Event] = [event for _, event in journal.read()] if journal else []

    def open_trials(self, run: int) -> list[Trial]:
        """Trials of a run that are asked and not told."""
        return [t for batch in self.batches[run] for t in self._of(batch) if not batch.told[t.id - batch.first]]

    def _of(self, batch: Batch) -> list[Trial]:
        return self.trials[batch.first : batch.first + batch.size]

    def pending_x(self, run: int) -> Tensor | None:
        """Points of a run that are asked and not told, [1, p, d]."""
        parts = [batch.x[:, ~batch.told] for batch in self.batches[run]]
        return torch.cat(parts, 1) if parts else None

    def open(
        self, run: int, x: Tensor, columns: dict[str, Tensor], values: list[dict[str, Any]], rng: Rng, asked: Any
    ) -> list[Trial]:
        """New trials of a run at x[1, k, d], which are the user's named `values`.

        `rng`: what a stochastic problem draws from; `asked` says how it came to them, in the journal.
        """
        batch = Batch(x, columns, len(self.trials), torch.zeros(x.shape[1], dtype=torch.bool))
        problem, rows = self.search.problem, self.search.problem.space.rows(x[0])
        seed = rng.seed() if problem.stochastic else None
        new = [
            Trial(batch.first + i, run, row, named, seed=seed, problem=problem)
            for i, (row, named) in enumerate(zip(rows, values, strict=True))
        ]
        self._record({"group": run, **asked, "trials": [[trial.id, trial.run, trial.x, trial.seed] for trial in new]})
        self.trials += new
        self.batches[run].append(batch)
        return new

    def close(self, run: int, finished: Sequence[Trial]) -> list[tuple[Points, dict[str, Tensor]]]:
        """Takes note of finished trials of a run; gives the points [1, k, ...] that the algorithm wants to hear now,
        batch by batch, and the columns that it gave along with them."""
        self._record({"group": run, "finished": True, "trials": [trial.outcome() for trial in finished]})
        due = []
        for batch in self.batches[run]:
            if self.hears_any:
                places = batch.places(finished)
            else:
                done = all(trial.status != "asked" for trial in self._of(batch))
                places = torch.arange(batch.size if done else 0)
            if len(places):
                batch.told[places] = True
                rows = places.to(batch.x.device)
                trials = [self.trials[batch.first + place] for place in places.tolist()]
                points = points_of(self.search.problem, trials, batch.x[:, rows])
                due.append((points, {name: column[:, rows] for name, column in batch.columns.items()}))
        self.batches[run] = [batch for batch in self.batches[run] if not batch.told.all()]
        return due

    def unheard(self) -> list[Event]:
        """Journal events that the groups' states do not contain yet."""
        return self.history[self.events :]

    def _record(self, event: Event) -> None:
        if self.journal is not None and len(self.history) == self.events:
            self.journal.append([event])
            self.history.append(event)
        self.events += 1

    def saved(self) -> Any:
        """A plain tree of what the journal does not hold, for a checkpoint."""
        batches = [
            [{"x": b.x, "columns": b.columns, "first": b.first, "told": b.told} for b in of_run]
            for of_run in self.batches
        ]
        return tree.plain({"events": self.events, "batches": batches})

    def restore(self, saved: Any) -> None:
        """Takes back `saved` together with the trials of the journal's events up to it."""
        self.events = saved["events"]
        self.batches = [[Batch(**batch) for batch in of_run] for of_run in saved["batches"]]
        for event in self.history[: self.events]:
            self.recall(event)

    def recall(self, event: Event) -> list[Trial]:
        """Takes back the trials, or their outcomes, of a journal event; gives the trials."""
        if "finished" in event:
            for outcome in event["trials"]:
                vars(self.trials[outcome["id"]]).update(outcome)
            return [self.trials[outcome["id"]] for outcome in event["trials"]]
        space = self.search.problem.space
        values = space.decode(space.from_rows([x for _, _, x, _ in event["trials"]]))
        new = [
            Trial(number, run, x, named, seed=seed, problem=self.search.problem)
            for (number, run, x, seed), named in zip(event["trials"], values, strict=True)
        ]
        self.trials += new
        return new

    def agree(self, run: int, event: Event) -> bool:
        """Puts a journal event's points in the place of those just asked for a run; says whether they are the same."""
        batch, space = self.batches[run][-1], self.search.problem.space
        trials = self._of(batch)
        rows = space.from_rows([x for _, _, x, *_ in event["trials"]])
        if torch.equal(space.from_rows([trial.x for trial in trials]), rows):
            return True
        moved = rows.to(batch.x)
        batch.x = moved[None]
        for trial, values, (_, _, x, *_) in zip(trials, space.decode(moved), event["trials"], strict=True):
            trial.x, trial.values = x, values
        return False
