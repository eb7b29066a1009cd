"""One cell of a study: some seeds of one algorithm on one problem, run and kept where nothing is lost."""

from __future__ import annotations

import math
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from moopt import catalogue
from moopt.catalogue.sources import parse
from moopt.core import tree
from moopt.core.algorithm import Algorithm
from moopt.core.checks import InputError
from moopt.core.points import Points
from moopt.core.problem import Problem
from moopt.core.random import Rng
from moopt.core.status import Status
from moopt.experiment.frame import Frame, scores
from moopt.experiment.spec import Cell, Entry
from moopt.run.archives.pareto import Archive, capacity
from moopt.run.conclusion import measured_again
from moopt.run.group import MEASURE
from moopt.run.monitor import Monitor, Snapshot
from moopt.run.run import Run
from moopt.run.versions import versions
from moopt.storage.checkpoint import read_checkpoint, write_tree
from moopt.storage.files import read_json, write_json

STARTED = "config.json"  # a run that was interrupted has one


@dataclass(frozen=True)
class Task:
    """`seeds` follow one another. `frame`: what to score against, where that is known before all runs have ended."""

    cell: Cell
    seeds: tuple[int, ...]
    folder: Path  # of the cell
    indicators: tuple[str, ...]
    frame: Frame | None
    device: str | None = None

    @property
    def stem(self) -> str:
        """What its files are called."""
        return f"{self.seeds[0]:04d}-{self.seeds[-1]:04d}"

    @property
    def summary(self) -> Path:
        """The file that says that the task is done; written last."""
        return self.folder / f"{self.stem}.json"


@dataclass(frozen=True)
class Scoring:
    """The summary of a task that ended before its frame was known."""

    summary: Path
    indicators: tuple[str, ...]
    frame: Frame


def work(task: Task | Scoring) -> None:
    """Does a task, in a worker process. What the algorithm or the problem raises propagates."""
    if isinstance(task, Scoring):
        content = read_json(task.summary)
        trace = task.summary.with_suffix(".trace.safetensors")
        runs = read_checkpoint(trace)["trace"] if trace.exists() else [[] for _ in content["runs"]]
        for run, front, sets in zip(content["runs"], fronts(task.summary), runs, strict=True):
            now = _scores(task, content["checkpoints"], run["status"], sets, front)
            run["scores"] = now | run["scores"]  # what was measured on the way, is known no longer
        write_json(task.summary, content)
        trace.unlink(missing_ok=True)
        return
    problem, algorithm = make_problem(task.cell.problem), make_algorithm(task.cell.algorithm)
    task.folder.mkdir(parents=True, exist_ok=True)
    if isinstance(algorithm, Algorithm):
        found = _searched(task, problem, algorithm)
    else:
        found = [_contended(task, problem, algorithm, seed) for seed in task.seeds]
    checkpoints = task.cell.checkpoints
    runs = [
        {**run.booked, "scores": _scores(task, checkpoints, run.booked["status"], run.trace, run.front)}
        for run in found
    ]
    write_tree(task.summary.with_suffix(".safetensors"), tree.plain({"fronts": [run.front for run in found]}))
    if task.frame is None:
        write_tree(task.summary.with_suffix(".trace.safetensors"), {"trace": [run.trace for run in found]})
    write_json(task.summary, {"checkpoints": checkpoints, "versions": versions(), "runs": runs})
    shutil.rmtree(task.folder / task.stem, ignore_errors=True)


def failed(task: Task, error: str, seconds: float) -> None:
    """Keeps why a task came to nothing. Raises OSError."""
    task.folder.mkdir(parents=True, exist_ok=True)
    runs = [
        {"seed": seed, "status": "failed", "spent": {}, "seconds": seconds / len(task.seeds), "failures": 0,
         "message": error, "scores": {}}
        for seed in task.seeds
    ]  # fmt: skip
    write_json(task.summary, {"checkpoints": task.cell.checkpoints, "versions": versions(), "runs": runs})


def fronts(summary: Path) -> list[Points]:
    """The fronts of the runs of a task that is done; none where it failed."""
    path = summary.with_suffix(".safetensors")
    found = read_checkpoint(path)["fronts"] if path.exists() else []
    return [Points(**{**front, "signs": tuple(front["signs"])}) for front in found]


def make_problem(entry: Entry) -> Problem:
    """The problem that an entry names. Raises what the catalogue or the file raises."""
    if isinstance(entry.thing, Problem):
        return entry.thing
    return catalogue.problem(entry.name, **entry.options)


def make_algorithm(entry: Entry) -> Any:
    """The algorithm or the contender that an entry names. Raises ValueError or ImportError."""
    if entry.thing is not None:
        if isinstance(entry.thing, Algorithm) and entry.options:
            raise InputError(f"{entry.label}: expected no options, for it is made already, got {dict(entry.options)}")
        return entry.thing
    if entry.command is None and (":" not in entry.name or _is_algorithm(entry.name)):
        return catalogue.algorithm(entry.name, **entry.options)
    from moopt.bridges import contender

    return contender(entry.name if entry.command is None else {"command": entry.command})


def _is_algorithm(name: str) -> bool:
    """Whether "path.py:name" is an algorithm of moopt, made or a class, rather than the function of a contender."""
    found = catalogue.find("algorithms", name) if parse(name) is not None else None
    return isinstance(found, Algorithm) or (isinstance(found, type) and issubclass(found, Algorithm))


def known_algorithm(entry: Entry) -> Algorithm | None:
    """The algorithm, to see what it can do; `None` for a contender."""
    found = make_algorithm(entry)
    return found if isinstance(found, Algorithm) else None


class Trace(Monitor):
    """The archives of all runs at equally spaced moments of the budget, without the last one: f of each [k, m]."""

    def __init__(self, runs: int, checkpoints: int) -> None:
        self.checkpoints = checkpoints
        self.sets: list[list[Tensor]] = [[] for _ in range(runs)]

    def on_step(self, snapshot: Snapshot) -> None:
        if snapshot.evaluated is None:  # a learner between two looks: what it knows are estimates
            return
        first = int(snapshot.runs[0])
        share = float(snapshot.used.min())
        passed = 0 if math.isnan(share) else min(math.floor(share * self.checkpoints), self.checkpoints - 1)
        while len(self.sets[first]) < passed:
            for i, run in enumerate(snapshot.runs.tolist()):
                self.sets[run].append(_feasible(snapshot.front(i)))

    def state(self) -> Any:
        return {"sets": self.sets}

    def restore(self, state: Any) -> None:
        self.sets = state["sets"]


class _Found(NamedTuple):
    """What is kept of a run. `trace`: feasible points before each checkpoint but the last; none where only estimates
    were known."""

    booked: dict[str, Any]
    front: Points
    trace: list[Tensor]


def _feasible(front: Points) -> Tensor:
    return front.f[front.feasible].double().cpu()


def _scores(
    task: Task | Scoring, checkpoints: int, status: str, trace: list[Tensor], front: Points
) -> dict[str, list[float]]:
    """The indicators at each checkpoint; NaN where nothing was known, none at all of a run that failed. A run that
    ended early stays as it is."""
    if task.frame is None or status == Status.FAILED:
        return {}
    sets = [*trace, _feasible(front)]
    found = scores(task.frame, task.indicators, sets)
    missing = checkpoints - len(sets)
    return {name: [*values[:-1], *[values[-1] if trace else math.nan] * missing, values[-1]]
            for name, values in found.items()}  # fmt: skip


def _searched(task: Task, problem: Problem, algorithm: Algorithm) -> list[_Found]:
    """Runs of an algorithm of moopt, in one batch where it can, from where an earlier process left them."""
    folder, cell = task.folder / task.stem, task.cell
    trace = Trace(len(task.seeds), cell.checkpoints)
    common: dict[str, Any] = {"problem": problem, "algorithm": algorithm, "monitors": [trace], "progress": False}
    if problem.timeout is not None and not problem.vectorized:
        common["executor"] = "processes:1"  # what hangs must be killed
    if (folder / STARTED).exists():
        run = Run.reopen(folder, **common)
    else:
        shutil.rmtree(folder, ignore_errors=True)  # killed before it had begun
        run = Run(
            budget=cell.budget, seed=task.seeds[0], runs=len(task.seeds), device=task.device, dtype=cell.dtype,
            out=folder, **common,
        )  # fmt: skip
    result = run.run(save=False)
    if result.status is Status.INTERRUPTED:  # Ctrl-C, in this process: the run goes on another time
        raise KeyboardInterrupt
    parts, found = result.runs, []
    for i, part in enumerate(parts):
        booked = {
            "seed": part.seed, "status": str(part.status), "spent": dict(part.spent),
            "seconds": run.seconds / len(parts), "failures": part.failures, "message": part.message,
        }  # fmt: skip
        found.append(_Found(booked, part.front, trace.sets[i]))
    return found


def _contended(task: Task, problem: Problem, contender: Any, seed: int) -> _Found:
    """One run of somebody else's algorithm, judged as ours are: by an archive of all that it evaluated, in order."""
    from moopt.bridges import run_contender

    cell, limit = task.cell, task.cell.budget.limits().get("evaluations")
    if limit is None:
        raise InputError(f"{cell.algorithm.label}: expected a budget in evaluations, the unit of contenders")
    began = time.perf_counter()
    points = run_contender(contender, problem, int(limit), seed, dict(cell.algorithm.options))
    seconds = time.perf_counter() - began
    most = capacity(problem, torch.float64)
    archive = Archive.empty(problem, 1, torch.device("cpu"), torch.float64, most)
    batch, trace, done = tree.map_tensors(lambda leaf: leaf[None], points), [], 0
    for k in range(1, cell.checkpoints + 1):
        stop = min(len(points), int(limit) * k // cell.checkpoints)
        for start in range(done, stop, most):
            part = slice(start, min(start + most, stop))
            archive = archive.insert(tree.map_tensors(lambda leaf, part=part: leaf[:, part], batch))  # type: ignore[misc]
        done = stop
        if k < cell.checkpoints:
            trace.append(_feasible(archive.front(0)))
    front = archive.front(0)
    if problem.stochastic and problem.vectorized:
        front, _ = measured_again(problem, front, problem.measure, Rng([seed]).fold(MEASURE))
    status = "failed" if bool(points.failed.all()) else "finished" if bool(front.feasible.any()) else "infeasible"
    booked = {
        "seed": seed, "status": status, "spent": {"evaluations": len(points)}, "seconds": seconds,
        "failures": int(points.failed.sum()), "message": f"{len(points):,} of {int(limit):,} evaluations",
    }  # fmt: skip
    return _Found(booked, front, trace)
