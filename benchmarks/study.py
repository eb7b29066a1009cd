"""A whole comparison study: `moopt bench` beside the same runs by pymoo in as many processes, in one go.

`python benchmarks/study.py` runs NSGA-II with a population of 100 on the ten problems of the shipped spec
"bi-objective", 31 seeds of 25,000 evaluations each, with every indicator and the report on moopt's side and the runs
alone on pymoo's; checks that moopt finds what pymoo finds, and writes `results/study.md`. `--smoke` does two seeds of
1,000 evaluations and writes nothing. Needs `pip install -e '.[benchmark]'`.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import report

SEEDS, EVALUATIONS = (2, 1000) if report.SMOKE else (31, 25_000)
WORSE = 0.03  # share of pymoo's hypervolume that moopt may lack for noise
PROCESSES = os.cpu_count() or 1


def spec() -> str:
    """The shipped spec, with NSGA-II alone."""
    from moopt.experiment.spec import SHIPPED

    text = (SHIPPED / "bi-objective.toml").read_text()
    head, _, rest = text.partition("algorithms = [")
    only = next(line for line in rest.splitlines() if "nsga2" in line)
    lines = [f"seeds = {SEEDS}" if line.startswith("seeds") else line for line in head.splitlines()]
    budget = f"budget = {{ evaluations = {EVALUATIONS} }}"
    return "\n".join([budget if line.startswith("budget") else line for line in lines]) + f"\nalgorithms = [{only}]\n"


def by_pymoo(work: tuple[str, int]) -> tuple[str, float]:
    """Hypervolume of one run's last population, scaled as moopt does."""
    import numpy as np
    import torch
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.problem import Problem
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM
    from pymoo.optimize import minimize
    from pymoo.problems import get_problem

    import moopt

    torch.set_num_threads(1)
    name, seed = work
    ours = moopt.problem(name)
    low, high = (bound.numpy() for bound in ours.space.bounds(torch.float64, torch.device("cpu")))

    class Engineering(Problem):
        """pymoo has none of these."""

        def __init__(self) -> None:
            super().__init__(n_var=ours.n_var, n_obj=ours.n_obj, xl=low, xu=high)

        def _evaluate(self, x, out, *args, **kwargs):  # type: ignore[no-untyped-def]
            whole = ours.space.repair(torch.from_numpy(np.ascontiguousarray(x)))
            out["F"] = ours.evaluate(whole).f.numpy()

    problem = get_problem(name) if name.startswith("zdt") else Engineering()
    algorithm = NSGA2(pop_size=100, crossover=SBX(eta=20, prob=0.9), mutation=PM(eta=20))
    found = minimize(problem, algorithm, ("n_eval", EVALUATIONS), seed=seed).pop.get("F")
    scaled = (torch.from_numpy(found) - ours.ideal) / (ours.nadir - ours.ideal)
    return name, float(moopt.indicators.hypervolume(scaled, 1.1))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "spec.toml", Path(folder) / "out"
        path.write_text(spec())
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "moopt.cli", "bench", str(path), "--out", str(out), "--no-progress"],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        seconds = time.perf_counter() - began
        from moopt.experiment import read

        results = read(out).results
        size = (out / "report.html").stat().st_size / 2**20
    ours = results.query("indicator == 'hypervolume'").groupby("problem", sort=False).value.median()
    began = time.perf_counter()
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(by_pymoo, [(name, seed) for name in ours.index for seed in range(SEEDS)], chunksize=4))
    theirs_seconds = time.perf_counter() - began
    theirs = {name: statistics.median(value for n, value in found if n == name) for name in ours.index}
    for name, value in theirs.items():
        if ours[name] < (1 - WORSE) * value and not report.SMOKE:
            raise SystemExit(f"{name}: hypervolume {ours[name]:.4f} below the {value:.4f} of pymoo")
    evaluations = len(ours) * SEEDS * EVALUATIONS
    rows = [[name, f"{ours[name]:.4f}", f"{theirs[name]:.4f}"] for name in ours.index]
    report.write(
        "study",
        "A study of NSGA-II",
        f"{len(ours)} problems, {SEEDS} seeds, {EVALUATIONS:,} evaluations each: {evaluations:,} evaluations.\n\n"
        + report.table(
            ["", "seconds", "ratio"],
            [
                ["moopt bench: runs, indicators at ten checkpoints, statistics, report", f"{seconds:.1f}", ""],
                [f"pymoo: the runs alone, in {PROCESSES} processes", f"{theirs_seconds:.1f}",
                 f"{theirs_seconds / seconds:.1f}"],
            ],
        )  # fmt: skip
        + f"\n\nThe report is one file of {size:.1f} MB. Median hypervolume (moopt: of the archive; pymoo: of the last "
        "population):\n\n" + report.table(["problem", "moopt", "pymoo"], rows),
        "pymoo", "numba", "plotly",
    )  # fmt: skip


if __name__ == "__main__":
    main()
