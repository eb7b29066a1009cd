"""One, four and sixteen workers, together or each at its own pace: hypervolume against simulated wall clock.

`python benchmarks/bayesian_workers.py` lets `bayes` search with workers whose evaluations take random times (lognormal,
mean 1, standard deviation 0.5, the same for all ways), either in batches that wait for the slowest or with a new point
whenever a worker is free, and writes `results/bayesian_workers.md` and `.png`. A suggestion counts as no time, for
evaluations take hours. `--smoke` does a little and writes nothing.
"""

from __future__ import annotations

import heapq
import math
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import report

EVALUATIONS, SEEDS = (12, 1) if report.SMOKE else (96, 5)
PROBLEMS = {"branincurrin": {}, "dtlz2": {"n_var": 6, "n_obj": 2}, "weldedbeam": {}}
WAYS = {  # name -> workers, whether all wait for the slowest
    "1": (1, True), "4 in step": (4, True), "4 at will": (4, False),
    "16 in step": (16, True), "16 at will": (16, False),
}  # fmt: skip
SPREAD = math.sqrt(math.log(1.25))  # of the logarithm: a standard deviation of half the mean


def search(work: tuple[str, str, int]) -> tuple[list[float], list[float]]:
    """When each evaluation ended, and the hypervolume of all until then."""
    import torch

    import moopt
    from moopt.indicators import hypervolume

    torch.set_num_threads(1)
    name, way, seed = work
    workers, together = WAYS[way]
    problem = moopt.problem(name, **PROBLEMS[name])
    run = moopt.Run(problem, "bayes", EVALUATIONS, seed=seed, progress=False)
    durations = np.random.default_rng(seed).lognormal(-(SPREAD**2) / 2, SPREAD, EVALUATIONS)
    clock, begun, working, ended, points, found = 0.0, 0, [], [], [], []
    while True:
        free = workers - len(working)
        for trial in run.ask(free) if free == workers or not together else ():
            heapq.heappush(working, (clock + durations[begun], begun, trial))
            begun += 1
        if not working:
            break
        clock, _, trial = heapq.heappop(working)
        f, g = problem.trial(trial.x, trial.values)[:2]
        trial.finish([s * v for s, v in zip(problem.signs, f, strict=True)], g)
        run.tell(trial)
        ended.append(clock)
        if max(g, default=0.0) <= 0:
            points.append(f)
        found.append(float(hypervolume(torch.tensor(points).double(), problem.reference_point)) if points else 0.0)
    return ended, found


def middle(runs: list[tuple[list[float], list[float]]], at: Any) -> Any:
    """Median hypervolume of runs at some moments."""
    now = [np.array([0.0, *values])[np.searchsorted(ended, at, side="right")] for ended, values in runs]
    return np.median(now, 0)


def main() -> None:
    labels = list(PROBLEMS)[:1] if report.SMOKE else list(PROBLEMS)
    tasks = [(name, way, seed) for name in labels for way in WAYS for seed in range(SEEDS)]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        found = dict(zip(tasks, pool.map(search, tasks), strict=True))
    moments = [EVALUATIONS / 16 * k for k in (1.5, 4, 16)]
    rows = []
    figure, grid = plt.subplots(1, len(labels), figsize=(5 * len(labels), 4), squeeze=False, layout="tight")
    for label, axes in zip(labels, grid[0], strict=True):
        for way in WAYS:
            runs = [found[label, way, seed] for seed in range(SEEDS)]
            at = np.linspace(0, 1.2 * EVALUATIONS, 400)
            axes.plot(at, middle(runs, at), label=way)
            finish = float(np.median([ended[-1] for ended, _ in runs]))
            last = float(np.median([values[-1] for _, values in runs]))
            rows.append([label, way, *(f"{v:.4g}" for v in middle(runs, moments)), f"{last:.4g}", f"{finish:.1f}"])
        axes.set(title=label, xlabel="time, in mean evaluations", ylabel="hypervolume", xscale="symlog")
    grid[0, 0].legend()
    if not report.SMOKE:
        figure.savefig(Path(report.RESULTS) / "bayesian_workers.png", dpi=110, metadata={"Software": "moopt"})
    report.write(
        "bayesian_workers",
        "Workers that finish at different times",
        f"{EVALUATIONS} evaluations a run, medians of {SEEDS} seeds. Hypervolume when the time of so many mean"
        " evaluations has passed, at the end, and when that is.\n\n![Hypervolume over time](bayesian_workers.png)\n\n"
        + report.table(["problem", "workers", *(f"at {m:g}" for m in moments), "at the end", "end"], rows),
        "botorch", "gpytorch",
    )  # fmt: skip


if __name__ == "__main__":
    main()
