"""The loop: drives an algorithm on a problem until the budget ends, evaluates, watches and keeps."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from moopt import catalogue
from moopt.catalogue.describe import describe, rebuild
from moopt.core import checks, tree
from moopt.core.algorithm import Algorithm, Asking, Incremental, Spent, Turn, generation, spent_on
from moopt.core.budget import Budget
from moopt.core.budget import budget as as_budget
from moopt.core.checks import InputError, InputTypeError
from moopt.core.points import Points
from moopt.core.problem import Problem
from moopt.core.random import Rng
from moopt.executors import Executor
from moopt.executors import executor as as_executor
from moopt.run import setup
from moopt.run.conclusion import results
from moopt.run.given import Initial, initial_points
from moopt.run.group import INITIAL, Group
from moopt.run.history import History
from moopt.run.interrupts import Interrupts
from moopt.run.monitor import Monitor, Snapshot
from moopt.run.monitor import monitor as as_monitor
from moopt.run.result import Result, Status
from moopt.run.scorer import Scorer
from moopt.run.threads import threads, with_own_threads, worth
from moopt.run.trials import Ledger, Trial
from moopt.storage import CheckpointError, Keeper, RunFolder
from moopt.storage.files import read_json, write_json

ARCHIVE_CAPACITY = 1000  # points a run keeps


class Run:
    """One search, with everything that `minimize` takes; `run()` drives it to its end.

    With `ask` and `tell` a loop of your own evaluates the points instead. `seed`: run i of several has seed + i.
    Raises ValueError or TypeError, with one sentence, for whatever does not fit together; FileExistsError or
    OSError for a folder that cannot be used.
    """

    def __init__(
        self,
        problem: Problem | str,
        algorithm: Algorithm | str | None = None,
        budget: Budget | int | None = None,
        *,
        initial: Any = None,
        seed: int = 0,
        runs: int = 1,
        monitors: Sequence[Monitor | Callable[[Snapshot], Any]] = (),
        progress: bool | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | str | None = None,
        executor: Executor | str | None = None,
        out: str | Path | None = None,
    ) -> None:
        self.problem = setup.check_problem(catalogue.problem(problem) if isinstance(problem, str) else problem)
        chosen = catalogue.algorithm(algorithm) if isinstance(algorithm, str) else algorithm
        self.budget = setup.default_budget(self.problem, chosen) if budget is None else as_budget(budget)
        self.picked = ""
        if chosen is None:
            name = setup.default_algorithm(self.problem, self.budget)
            chosen, self.picked = catalogue.algorithm(name), f"{name} was picked; "
        if not isinstance(chosen, Algorithm):
            raise InputTypeError(f"algorithm: expected a name or an Algorithm, got {chosen!r}")
        self.algorithm = chosen
        catalogue.check_pair(self.problem, self.algorithm)
        setup.check_budget(self.problem, self.algorithm, self.budget)
        self.seed = checks.whole("seed", seed, low=-(2**62), high=2**62)
        self.n_runs = checks.whole("runs", runs)
        self.device, self.dtype = setup.device_of(device), setup.dtype_of(dtype)
        self.initial: Initial | None = (
            initial if isinstance(initial, Initial | None) else initial_points(self.problem, initial)
        )
        if self.initial is not None and not isinstance(self.algorithm, Asking):
            raise InputError(f"initial: {type(self.algorithm).__name__} learns by itself and takes no points")
        self.by_trials = isinstance(self.algorithm, Asking) and (
            not self.problem.vectorized or executor is not None
        )
        self.executor = as_executor(executor)
        self.answer = with_own_threads(self.problem)
        self.interrupts = Interrupts()
        self.scorer = Scorer(self.problem)
        self.history = History()
        self.monitors: list[Monitor] = [self.history, *map(as_monitor, monitors)]
        self._progress = progress
        self.status = Status.FINISHED
        self.groups: list[Group] = []
        self.active: list[bool] = []
        self.ledger: Ledger | None = None
        self._given_out: set[int] = set()
        self._started, self._seconds, self._since = False, 0.0, 0.0
        self.keeper = Keeper(None if out is None else RunFolder(out, new=True))
        self.keeper.write_config(lambda: setup.config(self, executor))

    @classmethod
    def reopen(
        cls,
        folder: str | Path,
        *,
        problem: Problem | str | None = None,
        algorithm: Algorithm | str | None = None,
        budget: Budget | int | None = None,
        monitors: Sequence[Monitor | Callable[[Snapshot], Any]] = (),
        progress: bool | None = None,
        executor: Executor | str | None = None,
    ) -> Run:
        """The run in a folder, where it was left; takes and raises what `resume` does."""
        path = Path(folder)
        held = RunFolder(path, new=False)
        try:
            content = read_json(path / "config.json")
            found = setup.from_config(content, "problem", problem, path)
            run = cls(
                found, setup.from_config(content, "algorithm", algorithm, path),
                rebuild(content["budget"]) if budget is None else budget,
                initial=setup.initial_from_json(found, content["initial"]), seed=content["seed"],
                runs=content["runs"], monitors=monitors, progress=progress, device=content["device"],
                dtype=content["dtype"], executor=executor or content["executor"],
            )  # fmt: skip
            if budget is not None:  # an interruption on the way there must not fall back to the old one
                write_json(path / "config.json", {**content, "budget": describe(run.budget)})
        except KeyError as error:
            held.close()
            raise CheckpointError(f"{path / 'config.json'}: expected {error} in it, got a foreign file") from None
        except BaseException:
            held.close()
            raise
        run.keeper, run.by_trials = Keeper(held), content["by_trials"]
        return run

    @property
    def algorithm_name(self) -> str:
        """How messages and files call the algorithm."""
        return type(self.algorithm).__name__.lower()

    @property
    def seconds(self) -> float:
        """Wall clock spent, interruptions not counted."""
        return self._seconds + (time.perf_counter() - self._since if self._since else 0.0)

    def total_spent(self) -> dict[str, int]:
        """unit -> what all runs have spent together."""
        units = {unit for group in self.groups for unit in group.spent}
        return {u: sum(int(g.spent[u].sum()) for g in self.groups if u in g.spent) for u in sorted(units)}

    def failures(self) -> int:
        """Failed evaluations of all runs so far."""
        return sum(int(group.failures.sum()) for group in self.groups)

    @property
    def folder(self) -> Path | None:
        """Where the run is kept on disk."""
        return self.keeper.path

    def fraction(self) -> float:
        """Used share of the budget over all runs, in [0, 1]; NaN where unknown."""
        shares = [
            (float(group.used(self.budget, self.scorer, self.seconds).min()) if active else 1.0) * len(group.runs)
            for group, active in zip(self.groups, self.active, strict=True)
        ]
        return sum(shares) / self.n_runs if shares else math.nan

    # the way through

    def run(self) -> Result:
        """Drives the search to its end (or to Ctrl-C) and returns what it found.

        An error of the problem or of the algorithm propagates, after everything computed so far is on disk.
        """
        if self._progress or (self._progress is None and sys.stderr.isatty()):
            from moopt.monitors.progress import ProgressLine

            self.monitors.append(ProgressLine())
        with self.interrupts, threads(worth(self.problem, self.algorithm, self.n_runs)):
            try:
                self._start()
                if self.ledger is None:
                    self._drive_steps()
                else:
                    self._drive_trials(self.ledger)
            except KeyboardInterrupt:
                if not self._started:  # still reading what an earlier process left
                    self.close()
                    raise
                self.status = Status.INTERRUPTED
            except BaseException:
                self._checkpoint()
                self.close()
                raise
            finally:
                self.executor.close()
            try:
                result = self.result()
                for watching in self.monitors:
                    watching.on_end(result)
            finally:
                self.close()
        return result

    def _start(self) -> None:
        """Opens the groups and brings them to where an earlier process left them."""
        if self._started:
            return
        self._since = time.perf_counter()
        separate = self.by_trials or not self.algorithm.batched_runs  # trials of one run wait for no other run
        if self.by_trials and isinstance(self.algorithm, Asking):
            self.ledger = Ledger(self.problem, self.algorithm, self.keeper.journal(), self.interrupts)
        if not self.keeper.restore(self._restore):
            for runs in torch.arange(self.n_runs).split(1 if separate else self.n_runs):
                self._open(runs)
            self._take_initial()
        if self.ledger is not None:
            for event in self.ledger.unheard():
                group = self.groups[event["group"]]
                for told, spent in self.ledger.replay(event, group, self._turn):
                    self._account(group, told, spent)
        self._started = True
        began = time.perf_counter()
        for watching in self.monitors:
            watching.on_start(Snapshot(self, self.groups[0]))
        self._since += time.perf_counter() - began  # a tracker that takes a second to begin takes it from no budget

    def _open(self, runs: torch.Tensor) -> Group:
        rng = Rng(self.seed + runs, device=self.device, dtype=self.dtype)
        patience = 1 if self.by_trials else None  # a trial takes long: what it changed is worth a merge
        group = Group.start(self.problem, self.algorithm, self.budget, rng, runs, ARCHIVE_CAPACITY, patience)
        self.groups.append(group)
        self.active.append(True)
        if self.ledger is not None:
            self.ledger.batches.append([])
        return group

    def _take_initial(self) -> None:
        """Tells the algorithm the user's evaluated points and has the other ones evaluated first."""
        if self.initial is None or not isinstance(self.algorithm, Asking):
            return
        for index, group in enumerate(self.groups):
            known = tree.map_tensors(group.expanded, self.initial.known)
            x = group.expanded(self.initial.x)
            if len(known):
                group.commit(self.algorithm.tell(self.problem, group.state, known, self._turn(group)))
                group.learn(known)
            if x.shape[1] and self.ledger is not None:
                self.ledger.give(index, group, x, self.initial.values)
            elif x.shape[1]:
                points, memory = self.problem.answer(x, group.rng.fold(INITIAL), group.memory)
                group.remember(memory)
                group.commit(self.algorithm.tell(self.problem, group.state, points, self._turn(group)))
                self._account(group, points, spent_on(self.problem, points))

    def _account(self, group: Group, evaluated: Points | None, spent: Spent, looked: Spent | None = None) -> None:
        """Books a step that is done and shows it to the monitors; `looked`: what a look at a learner spent."""
        group.spend(spent)
        if evaluated is not None:
            group.learn(evaluated) if looked is None else group.look(evaluated, looked)
            if not self.scorer.is_frozen:
                self.scorer.freeze(group.fronts())
        snapshot = Snapshot(self, group, evaluated)
        for watching in self.monitors:  # all of them see every step, also after one asked to stop
            if watching.on_step(snapshot) is True:
                self.status = Status.STOPPED

    def _going(self) -> list[int]:
        """Numbers of the groups that go on, after setting those runs aside whose budget has ended."""
        if self.status is Status.STOPPED:
            return []
        for index in [i for i, active in enumerate(self.active) if active]:
            group = self.groups[index]
            over = group.ended(self.budget, self.scorer, self.seconds)
            ended = over.tolist()
            if all(ended):
                self.active[index] = False
            elif any(ended):
                self.groups[index], self.active[index] = group.take(over.nonzero()[:, 0]), False
                self.groups.append(group.take((~over).nonzero()[:, 0]))
                self.active.append(True)
        return [i for i, active in enumerate(self.active) if active]

    def _remaining(self, group: Group, pending: int = 0) -> int | None:
        """Evaluations that a run of the group may still ask for."""
        limit = self.budget.limits().get("evaluations")
        return None if limit is None else max(0, int(limit) - int(group.spent["evaluations"].max()) - pending)

    def _turn(self, group: Group) -> Turn:
        return group.turn(self.budget, self.scorer, self.seconds)

    # whole steps

    def _drive_steps(self) -> None:
        while going := self._going():
            for index in going:
                group, evaluated, memory, looked = self.groups[index], None, None, None
                if isinstance(self.algorithm, Asking):
                    limit = self._remaining(group)
                    state, spent, evaluated, memory = generation(
                        self.algorithm, self.problem, group.state, self._turn(group), limit, group.memory, self.answer
                    )
                else:
                    state, spent = self.algorithm.step(self.problem, group.state, self._turn(group))
                    evaluated, looked = group.due_look(self.problem, self.algorithm, state)
                with self.interrupts.whole():
                    group.commit(state)
                    group.remember(memory)
                    self._account(group, evaluated, spent, looked)
                    if self.keeper.is_due(self.seconds):
                        self._checkpoint()

    # trials

    def _drive_trials(self, ledger: Ledger) -> None:
        self.executor.start(self.problem.trial_function(), timeout=self.problem.timeout, retries=self.problem.retries)
        for index in range(len(self.groups)):
            self._submit([trial for trial in ledger.open_trials(index) if trial.status == "asked"])
        while going := self._going():
            for index in going:
                n = max(0, self.executor.workers - self.executor.pending)
                with self.interrupts.whole():
                    self._submit(self._ask(ledger, index, n))
            if not self.executor.pending:
                return  # the budget admits no further evaluation
            seconds = self.budget.limits().get("seconds")
            outcomes = self.executor.wait(None if seconds is None else max(0.05, seconds - self.seconds))
            with self.interrupts.whole():
                for outcome in outcomes:
                    ledger.trials[outcome.key].settle(outcome)
                self._tell(ledger, [ledger.trials[outcome.key] for outcome in outcomes])

    def _submit(self, trials: Sequence[Trial]) -> None:
        for trial in trials:
            self.executor.submit(trial.id, trial.payload)

    def _ask(self, ledger: Ledger, index: int, n: int | None) -> list[Trial]:
        """New trials of a group: a whole generation when the last one is told, or up to `n` points at any time."""
        group, whole = self.groups[index], not isinstance(ledger.algorithm, Incremental)
        open_points = len(ledger.open_trials(index)) // len(group.runs)
        limit = self._remaining(group, open_points)
        if limit == 0 or (whole and open_points) or (not whole and n == 0):
            return []
        new = ledger.ask(index, group, self._turn(group), None if whole else n, limit)
        self._checkpoint()
        return new

    def _tell(self, ledger: Ledger, finished: Sequence[Trial]) -> None:
        for index, group in enumerate(self.groups):
            mine = [trial for trial in finished if trial.run in group.runs]
            for told, spent in ledger.finish(index, group, self._turn, mine) if mine else ():
                self._account(group, told, spent)

    # a loop of your own

    def ask(self, n: int | None = None) -> list[Trial]:
        """The next points to evaluate yourself, at most `n` (`None`: as many as the algorithm prefers).

        Set their outcome with `trial.finish(...)` or `trial.fail(...)` and hand them to `tell`. Empty when the
        budget has ended. Raises ValueError for several runs, for an algorithm that evaluates by itself, and while
        it waits for the results of a whole generation.
        """
        n = None if n is None else checks.whole("n", n)
        ledger = self._own_loop()
        if not self._going():
            return []
        waiting = [t for t in ledger.open_trials(0) if t.status == "asked" and t.id not in self._given_out]
        waiting = waiting or self._ask(ledger, 0, n)
        if not waiting and not isinstance(ledger.algorithm, Incremental) and self._given_out:
            n_open = len(ledger.open_trials(0))
            raise InputError(
                f"{self.algorithm_name} needs the results of all {n_open} points of its generation, "
                "got a request for more before they were told"
            )
        self._given_out |= {trial.id for trial in waiting[:n]}
        return waiting[:n]

    def tell(self, trials: Trial | Sequence[Trial]) -> None:
        """Takes the outcomes of trials that `ask` gave. Raises ValueError for one without outcome or not given."""
        finished = [trials] if isinstance(trials, Trial) else list(trials)
        ledger = self._own_loop()
        for trial in finished:
            if trial.id not in self._given_out:
                raise InputError(f"expected trials that ask gave and that were not told yet, got trial {trial.id}")
            if trial.status == "asked":
                raise InputError(f"trial {trial.id}: expected an outcome (finish or fail), got none")
        with self.interrupts.whole():
            self._given_out -= {trial.id for trial in finished}
            self._tell(ledger, finished)

    def _own_loop(self) -> Ledger:
        if self.n_runs != 1 or not isinstance(self.algorithm, Asking):
            raise InputError(
                f"ask and tell: expected one run of an algorithm whose points others evaluate, got {self.n_runs} runs "
                f"of {self.algorithm_name}"
            )
        self.by_trials = True
        self._start()
        if self.ledger is None:
            raise InputError("ask and tell: expected a run that run() did not drive")
        return self.ledger

    # keeping

    def result(self) -> Result:
        """What was found so far; written to the folder, too."""
        self._start()
        result = results(self)
        self._checkpoint()
        self.keeper.write_result(result)
        return result

    def close(self) -> None:
        """Lets go of the folder and of what monitors hold."""
        for watching in self.monitors:
            watching.close()
        if self.ledger is not None and self.ledger.journal is not None:
            self.ledger.journal.close()
        self.keeper.close()

    def _checkpoint(self) -> None:
        if self._started:
            self.keeper.write(self.saved, self.seconds)

    def saved(self) -> Any:
        """A plain tree of everything, for a checkpoint."""
        return {
            "groups": [group.saved() for group in self.groups],
            "ledger": None if self.ledger is None else self.ledger.saved(),
            "scorer": self.scorer.state(),
            "monitors": [tree.plain(watching.state()) for watching in self.monitors],
            "seconds": self.seconds,
        }

    def _restore(self, saved: Any) -> None:
        for content in saved["groups"]:
            self._open(content["runs"]).restore(content)
        if self.ledger is not None:
            self.ledger.restore(saved["ledger"])
        self.scorer.restore(saved["scorer"])
        for watching, state in zip(self.monitors, saved["monitors"], strict=False):
            watching.restore(state)
        self._seconds = saved["seconds"]
