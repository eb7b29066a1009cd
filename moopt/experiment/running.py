"""Runs a study: whatever of a spec its folder does not hold yet."""

from __future__ import annotations

import math
import platform
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from moopt import catalogue
from moopt.core.problem import Problem
from moopt.executors import Executor
from moopt.executors import executor as as_executor
from moopt.experiment import cell as cells
from moopt.experiment.cell import Scoring, Task
from moopt.experiment.frame import Frame, inferred_frame, known_frame
from moopt.experiment.report.write import publish
from moopt.experiment.spec import Cell, Spec
from moopt.experiment.study import Study, frame_file, read
from moopt.run.result import frame_of
from moopt.run.versions import versions
from moopt.storage.checkpoint import read_checkpoint, write_tree
from moopt.storage.files import read_json, write_json
from moopt.storage.folder import hold, is_unused


def bench(
    spec: Spec | str | Path,
    out: str | Path,
    *,
    executor: Executor | str | None = "processes",
    device: str | None = None,
    progress: bool | None = None,
    retry_failed: bool = False,
    report: bool = True,
) -> Study:
    """Runs whatever of a spec is not in the folder `out` yet, keeps it there, and writes its tables and its report.

    Cells (an algorithm on a problem) go in parallel on the executor, seeds of a cell in one batch where the algorithm
    allows it. Killed at any moment and started again it repeats no run that had ended, and goes on with those that had
    begun from their last checkpoint, in the same bits. A cell that raises, hangs beyond the spec's `timeout` or loses
    its worker is kept as failed with its text; `retry_failed` tries those again.

    Raises ValueError or TypeError for a spec that does not hold together, FileExistsError for a folder that holds
    something else or that another process works in.
    """
    spec = spec if isinstance(spec, Spec) else Spec.read(spec)
    folder = Path(out)
    problems = {entry.label: cells.make_problem(entry) for entry in spec.problems}
    batched = {entry.label: _checked(entry, spec, problems) for entry in spec.algorithms}
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder}: expected a folder, got a file")
    if folder.exists() and not is_unused(folder) and not (folder / "spec.json").exists():
        raise FileExistsError(f"{folder}: expected a new folder or one of a study, got one that holds something else")
    folder.mkdir(parents=True, exist_ok=True)
    with hold(folder, "study"):
        _take_over(folder, spec)
        frames_of = {label: frame_of(problem) for label, problem in problems.items()}
        write_json(folder / "spec.json", spec.describe(frames_of))
        write_json(folder / "environment.json", environment(device))
        files = {entry.label: frame_file(folder, entry.file) for entry in spec.problems}
        frames = {label: _known(files[label], problem, label, spec) for label, problem in problems.items()}
        pool = as_executor(executor)
        tasks: list[Task | Scoring] = []
        for cell in spec.cells():
            together = batched[cell.algorithm.label] and problems[cell.problem.label].vectorized
            parts = math.ceil(pool.workers / len(spec.cells())) if together else len(cell.seeds)
            tasks += _tasks(folder, cell, spec, frames[cell.problem.label], parts, device, retry_failed)
        _drive(pool, tasks, spec, progress)
        study, later = read(folder), list[Task | Scoring]()
        for label, problem in problems.items():
            later += _unscored(study, label, frames[label] or _inferred(files[label], study, problem, label))
        _drive(pool, later, spec, False)
        study = read(folder)
        study.save()
        if report:
            publish(study)
    return study


def environment(device: str | None) -> dict[str, Any]:
    """Date, versions and hardware."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"date": datetime.now(UTC).date().isoformat(), **versions()}
    for package in ("numpy", "numba", "pymoo", "evox"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    cpu = Path("/proc/cpuinfo")
    names = cpu.read_text().split("\n") if cpu.exists() else []
    models = [line.partition(":")[2].strip() for line in names if line.startswith("model name")]
    found["processor"] = f"{models[0]}, {len(models)} cores" if models else platform.processor() or platform.machine()
    found["device"] = torch.cuda.get_device_name() if device and device.startswith("cuda") else "cpu"
    return found


def _checked(entry: Any, spec: Spec, problems: dict[str, Problem]) -> bool:
    """Whether the runs of an algorithm can go in one batch. Raises ValueError where it fits none of the problems."""
    algorithm = cells.known_algorithm(entry)
    if algorithm is None:
        return False
    for problem in problems.values():
        catalogue.check_pair(problem, algorithm)
    return algorithm.batched_runs


def _cell_folder(folder: Path, name: str) -> Path:
    return folder / "cells" / name


def _take_over(folder: Path, spec: Spec) -> None:
    """Gives what moopt 0.1.0 found in this folder the names that it has now, so that nothing is run again."""
    pairs = [(_cell_folder(folder, cell.former_folder), _cell_folder(folder, cell.folder)) for cell in spec.cells()]
    pairs += [(frame_file(folder, entry.former_file), frame_file(folder, entry.file)) for entry in spec.problems]
    for former, now in pairs:
        if former.exists() and not now.exists():
            former.rename(now)


def _kept(path: Path, frame: Frame) -> Frame:
    """A frame that is on disk from now on."""
    path.parent.mkdir(exist_ok=True)
    write_tree(path, vars(frame))
    return frame


def _known(path: Path, problem: Problem, label: str, spec: Spec) -> Frame | None:
    """The frame on disk, else the problem's own; `None` where none has all that the indicators need."""
    if path.exists():
        frame: Frame | None = replace(Frame(**read_checkpoint(path)), problem=label)
    else:
        frame = known_frame(problem, label)
        if frame is not None:
            _kept(path, frame)
    return frame if frame is not None and frame.measures(spec.indicators) else None


def _inferred(path: Path, study: Study, problem: Problem, label: str) -> Frame:
    """The frame from all that was found; what comes later is measured with it too, unless nothing was found."""
    found = [front for pair in study.pairs if pair[0] == label for front in study.populations(*pair).values()]
    frame = inferred_frame(problem, label, [front.f[front.feasible] for front in found])
    return _kept(path, frame) if len(frame.front) else frame


def _tasks(
    folder: Path, cell: Cell, spec: Spec, frame: Frame | None, parts: int, device: str | None, retry_failed: bool
) -> list[Task | Scoring]:
    """What is left to run of a cell, begun runs first, in about `parts` parts of seeds that follow one another."""
    place = _cell_folder(folder, cell.folder)
    done: set[int] = set()
    for path in place.glob("*.json"):
        runs = read_json(path)["runs"]
        if retry_failed and all(run["status"] == "failed" and not run["scores"] for run in runs):
            path.unlink()
        else:
            done |= {run["seed"] for run in runs}
    left = [seed for seed in cell.seeds if seed not in done]
    stretches: list[list[int]] = []
    for begun in sorted(place.glob(f"*/{cells.STARTED}")):
        first, last = map(int, begun.parent.name.split("-"))
        if set(range(first, last + 1)) <= set(left):
            stretches.append(list(range(first, last + 1)))
            left = [seed for seed in left if not first <= seed <= last]
    size = max(1, math.ceil(len(cell.seeds) / parts))
    fresh: list[list[int]] = []
    for seed in left:
        if fresh and fresh[-1][-1] == seed - 1 and len(fresh[-1]) < size:
            fresh[-1].append(seed)
        else:
            fresh.append([seed])
    return [Task(cell, tuple(part), place, tuple(spec.indicators), frame, device) for part in (*stretches, *fresh)]


def _unscored(study: Study, label: str, frame: Frame) -> list[Task | Scoring]:
    """Summaries that lack an indicator; one that came later than a run is known at its end only."""
    names = study.spec["indicators"]
    paths = [path for pair in study.pairs if pair[0] == label for path in study.summaries(*pair)]
    return [
        Scoring(path, tuple(names), frame)
        for path in paths
        if path.with_suffix(".safetensors").exists()
        and any(run["status"] != "failed" and not set(names) <= set(run["scores"]) for run in read_json(path)["runs"])
    ]


def _drive(pool: Executor, tasks: Sequence[Task | Scoring], spec: Spec, progress: bool | None) -> None:
    """Has all tasks done; what fails is kept. Raises KeyboardInterrupt after Ctrl-C, with the workers ended."""
    if not tasks:
        return
    with _bar(spec.name, len(tasks), progress) as advance:
        pool.start(cells.work, timeout=spec.timeout)
        try:
            for number, task in enumerate(tasks):
                pool.submit(number, task)
            while pool.pending:
                for outcome in pool.wait():
                    task = tasks[outcome.key]
                    if outcome.error is not None and isinstance(task, Task):
                        cells.failed(task, outcome.error, outcome.seconds)
                    elif outcome.error is not None:
                        raise RuntimeError(f"{task.summary}: scoring failed: {outcome.error}")
                    advance(outcome.error)
        finally:
            pool.close()


def _bar(name: str, total: int, progress: bool | None) -> Any:
    """A context that gives a function to call after each task; a line on stderr where that is wanted."""
    if not progress and not (progress is None and sys.stderr.isatty()):
        return nullcontext(lambda error: None)
    from moopt.experiment.progress import Bar

    return Bar(name, total)
