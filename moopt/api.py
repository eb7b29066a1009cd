"""The two calls that most searches need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from moopt.core.algorithm import Algorithm
from moopt.core.budget import Budget
from moopt.core.problem import Problem
from moopt.executors import Executor
from moopt.run.monitor import Monitor, Snapshot
from moopt.run.result import Result
from moopt.run.run import Run


def minimize(
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
) -> Result:
    """Searches the Pareto front of a problem.

    `problem`, `algorithm`: objects, names of the catalogue, or "path.py:name" of a file of your own; without an
    algorithm one is picked and named in the result's message. `budget`: a whole number of evaluations or a `Budget`.
    `initial`: points to begin with (x, dicts, a DataFrame or Points; evaluated ones are not evaluated again).
    `runs`: independent runs, run i with seed + i. `monitors`: watch every step. `progress`: a line on the terminal
    (default: where there is one). `device`, `dtype`: "cpu" or "cuda", float64 or float32. `executor`: where
    expensive evaluations run, "inline" or "processes:4". `out`: a new folder to keep the run in, from which `resume`
    continues it.

    Raises ValueError or TypeError with one sentence for whatever does not fit, FileExistsError for a folder that
    holds a run, OSError for one that cannot be written.
    """
    return Run(
        problem, algorithm, budget, initial=initial, seed=seed, runs=runs, monitors=monitors, progress=progress,
        device=device, dtype=dtype, executor=executor, out=out,
    ).run()  # fmt: skip


def resume(
    folder: str | Path,
    *,
    problem: Problem | str | None = None,
    algorithm: Algorithm | str | None = None,
    budget: Budget | int | None = None,
    monitors: Sequence[Monitor | Callable[[Snapshot], Any]] = (),
    progress: bool | None = None,
    executor: Executor | str | None = None,
) -> Result:
    """Continues the run in a folder, to its budget or to a larger one.

    A synchronous run ends in the same bits as without the interruption. `problem`, `algorithm`: needed where the
    run's own cannot be imported by name (lambdas, notebooks, scripts), or as "path.py:name" where the file it came from
    has moved. `monitors` watch from here on.

    Raises FileNotFoundError where there is no run or no longer the file of its problem, CheckpointError for files that
    are damaged, foreign, or newer, ValueError for a problem or algorithm that is missing or of another kind.
    """
    return Run.reopen(
        folder, problem=problem, algorithm=algorithm, budget=budget, monitors=monitors, progress=progress,
        executor=executor,
    ).run()  # fmt: skip
