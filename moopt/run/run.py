"""The loop: drives an algorithm on a problem until the budget ends, evaluates, watches and keeps."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from moopt.catalogue.describe import describe
from moopt.core import checks, tree
from moopt.core.algorithm import Algorithm, Asking, spent_on
from moopt.core.budget import Budget
from moopt.core.checks import InputError
from moopt.core.problem import Problem
from moopt.core.status import Status
from moopt.executors import Executor
from moopt.executors import executor as as_executor
from moopt.monitors.progress import ProgressLine
from moopt.run import steps
from moopt.run.conclusion import results
from moopt.run.group import INITIAL
from moopt.run.interrupts import Interrupts
from moopt.run.monitor import Monitor, Snapshot
from moopt.run.monitor import monitor as as_monitor
from moopt.run.progress import Progress
from moopt.run.result import Result, rehearse
from moopt.run.search import Search
from moopt.run.threads import threads, with_own_threads, worth
from moopt.run.trial import Trial
from moopt.run.trials import Trials
from moopt.storage import CheckpointError, Keeper, RunFolder
from moopt.storage.files import read_json, write_json

Monitors = Sequence[Monitor | Callable[[Snapshot], Any]]


class Run:
    """One search, with everything that `minimize` takes; `run()` drives it to its end.

    With `ask` and `tell` a loop of your own evaluates the points instead. `search`: what was asked; `progress`: where
    it is. `seed`: run i of several has seed + i.
    Raises ValueError or TypeError, with one sentence, for whatever does not fit together; FileExistsError or
    OSError for a folder that cannot be used.
    """

    search: Search
    progress: Progress

    def __init__(
        self,
        problem: Problem | str,
        algorithm: Algorithm | str | None = None,
        budget: Budget | int | None = None,
        *,
        initial: Any = None,
        seed: int = 0,
        runs: int = 1,
        monitors: Monitors = (),
        progress: bool | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | str | None = None,
        executor: Executor | str | None = None,
        out: str | Path | None = None,
    ) -> None:
        search = Search.asked(
            problem, algorithm, budget, initial=initial, seed=seed, runs=runs, device=device, dtype=dtype,
            executor=executor,
        )  # fmt: skip
        if out is not None:
            rehearse(search.problem)
        watching, at = [as_monitor(each) for each in monitors], as_executor(executor)
        self._begin(search, watching, progress, at, Keeper(None if out is None else RunFolder(out, new=True)))
        self._keeper.write_config(search.to_json)

    @classmethod
    def reopen(
        cls,
        folder: str | Path,
        *,
        problem: Problem | str | None = None,
        algorithm: Algorithm | str | None = None,
        budget: Budget | int | None = None,
        monitors: Monitors = (),
        progress: bool | None = None,
        executor: Executor | str | None = None,
    ) -> Run:
        """The run in a folder, where it was left; takes and raises what `resume` does."""
        path = Path(folder)
        held = RunFolder(path, new=False)
        try:
            content = read_json(path / "config.json")
            search = Search.from_json(content, path, problem, algorithm, budget, executor)
            run = cls.__new__(cls)
            watching = [as_monitor(each) for each in monitors]
            run._begin(search, watching, progress, as_executor(executor or search.executor), Keeper(held))
            if budget is not None:  # an interruption on the way there must not fall back to the old one
                write_json(path / "config.json", {**content, "budget": describe(search.budget)})
        except KeyError as error:
            held.close()
            raise CheckpointError(f"{path / 'config.json'}: expected {error} in it, got a foreign file") from None
        except BaseException:
            held.close()
            raise
        return run

    def _begin(
        self, search: Search, monitors: list[Monitor], line: bool | None, executor: Executor, keeper: Keeper
    ) -> None:
        self.search, self.progress = search, Progress(search, monitors, keeper.path)
        self._line, self._executor, self._keeper = line, executor, keeper
        self._answer = with_own_threads(search.problem)
        self._interrupts = Interrupts()
        self._trials: Trials | None = None
        self._started = False
        self._given_out: set[int] = set()

    @property
    def problem(self) -> Problem:
        """What is searched."""
        return self.search.problem

    @property
    def algorithm(self) -> Algorithm:
        """How it is searched."""
        return self.search.algorithm

    @property
    def budget(self) -> Budget:
        """When each run ends."""
        return self.search.budget

    @property
    def trials(self) -> Sequence[Trial]:
        """Every expensive evaluation so far, asked for or finished; none where whole generations are evaluated."""
        return () if self._trials is None else self._trials.ledger.trials

    @property
    def seconds(self) -> float:
        """Wall clock spent, interruptions not counted."""
        return self.progress.seconds

    @property
    def folder(self) -> Path | None:
        """Where the run is kept on disk."""
        return self.progress.folder

    def run(self, save: bool = True) -> Result:
        """Drives the search to its end (or to Ctrl-C) and returns what it found.

        `save`: whether the folder, if there is one, gets the result's files. An error of the problem or of the
        algorithm propagates, after everything computed so far is on disk.
        """
        progress, search = self.progress, self.search
        if self._line or (self._line is None and sys.stderr.isatty()):
            progress.monitors.append(ProgressLine())
        with self._interrupts, threads(worth(search.problem, search.algorithm, search.runs)):
            try:
                self._start()
                if self._trials is None:
                    steps.drive(progress, self._answer, self._interrupts, self._checkpoint_if_due)
                else:
                    self._trials.drive(self._executor)
            except KeyboardInterrupt:
                if not self._started:  # still reading what an earlier process left
                    self.close()
                    raise
                progress.status = Status.INTERRUPTED
            except BaseException:
                try:
                    self._checkpoint()
                finally:  # also where the disk is what failed: the folder must not stay held
                    self.close()
                raise
            finally:
                self._executor.close()
            try:
                result = self.result(save)
                for watching in progress.monitors:
                    watching.on_end(result)
            finally:
                self.close()
        return result

    def _start(self) -> None:
        """Opens the groups and brings them to where an earlier process left them."""
        if self._started:
            return
        progress, search = self.progress, self.search
        progress.begin()
        if search.by_trials:
            self._trials = Trials(progress, self._keeper.journal(), self._interrupts, self._checkpoint)
        if not self._keeper.restore(self._restore):
            # trials of one run wait for no other run
            separate = search.by_trials or not search.algorithm.batched_runs
            for runs in torch.arange(search.runs).split(1 if separate else search.runs):
                progress.open(runs)
            self._take_initial()
        for snapshot in () if self._trials is None else self._trials.replay():
            progress.show(snapshot)
        self._started = True
        progress.introduce()

    def _take_initial(self) -> None:
        """Tells the algorithm the user's evaluated points and has the other ones evaluated first."""
        progress, problem, algorithm, initial = self.progress, self.problem, self.algorithm, self.search.initial
        if initial is None or not isinstance(algorithm, Asking):
            return
        for index, group in enumerate(progress.groups):
            known = tree.map_tensors(group.expanded, initial.known)
            x = group.expanded(initial.x)
            if len(known):
                group = group.after(algorithm.tell(problem, group.state, known, progress.turn(index)), evaluated=known)
                progress.groups[index] = group
            if x.shape[1] and self._trials is not None:
                self._trials.give(index, x, initial.values)
            elif x.shape[1]:
                points, memory = problem.answer(x, group.rng.fold(INITIAL), group.memory)
                state = algorithm.tell(problem, group.state, points, progress.turn(index))
                group = group.after(state, spent_on(problem, points), points, memory)
                progress.book(index, group, points)
                progress.show(progress.snapshot(group, points))

    # a loop of your own

    def ask(self, n: int | None = None) -> list[Trial]:
        """The next points to evaluate yourself, at most `n` (`None`: as many as the algorithm prefers).

        Set their outcome with `trial.finish(...)` or `trial.fail(...)` and hand them to `tell`. Empty when the
        budget has ended. Raises ValueError for several runs, for an algorithm that evaluates by itself, and while
        it waits for the results of a whole generation.
        """
        n = None if n is None else checks.whole("n", n)
        trials = self._own_loop()
        if not self.progress.going():
            return []
        open_trials = trials.ledger.open_trials(0)
        waiting = [t for t in open_trials if t.status == "asked" and t.id not in self._given_out]
        waiting = waiting or trials.ask(0, n)
        if not waiting and not trials.ledger.hears_any and self._given_out:
            raise InputError(
                f"{self.search.algorithm_name} needs the results of all {len(open_trials)} points of its generation, "
                "got a request for more before they were told"
            )
        self._given_out |= {trial.id for trial in waiting[:n]}
        return waiting[:n]

    def tell(self, trials: Trial | Sequence[Trial]) -> None:
        """Takes the outcomes of trials that `ask` gave. Raises ValueError for one without outcome or not given."""
        finished = [trials] if isinstance(trials, Trial) else list(trials)
        driver = self._own_loop()
        for trial in finished:
            if trial.id not in self._given_out:
                raise InputError(f"expected trials that ask gave and that were not told yet, got trial {trial.id}")
            if trial.status == "asked":
                raise InputError(f"trial {trial.id}: expected an outcome (finish or fail), got none")
        with self._interrupts.whole():
            self._given_out -= {trial.id for trial in finished}
            driver.tell(finished)

    def _own_loop(self) -> Trials:
        if self.search.runs != 1 or not isinstance(self.algorithm, Asking):
            raise InputError(
                "ask and tell: expected one run of an algorithm whose points others evaluate, "
                f"got {self.search.runs} runs of {self.search.algorithm_name}"
            )
        if not self._started:
            self.search = self.progress.search = self.search.in_trials()
        self._start()
        if self._trials is None:
            raise InputError("ask and tell: expected a run that run() did not drive")
        return self._trials

    # keeping

    def result(self, save: bool = True) -> Result:
        """What was found so far; written to the folder, too, unless `save` is off."""
        self._start()
        result = results(self.progress, self.trials, self._executor)
        self._checkpoint()
        if save and self.folder is not None:
            result.save(self.folder)
            result.plot(self.folder / "front.png")
        return result

    def close(self) -> None:
        """Lets go of the folder and of what monitors hold."""
        for watching in self.progress.monitors:
            watching.close()
        if self._trials is not None and self._trials.ledger.journal is not None:
            self._trials.ledger.journal.close()
        self._keeper.close()

    def _checkpoint_if_due(self) -> None:
        if self._keeper.is_due(self.seconds):
            self._checkpoint()

    def _checkpoint(self) -> None:
        if self._started:
            self._keeper.write(self._saved, self.seconds)

    def _saved(self) -> Any:
        """A plain tree of everything, for a checkpoint."""
        ledger = None if self._trials is None else self._trials.ledger.saved()
        return {**self.progress.saved(), "ledger": ledger}

    def _restore(self, saved: Any) -> None:
        self.progress.restore(saved)
        if self._trials is not None:
            self._trials.ledger.restore(saved["ledger"])
