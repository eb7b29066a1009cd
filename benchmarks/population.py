"""NSGA-II by generation: moopt beside pymoo in one run, on the same problems and population sizes.

`python benchmarks/population.py` checks first that both reach the same hypervolume after the same number of
evaluations, then prints medians and ratios of alternating repetitions and writes `benchmarks/results/population.md`.
moopt runs through `minimize` with archive and history on, pymoo without history, both in float64 on one thread.
`--smoke` does one tiny repetition and writes nothing.
"""

from __future__ import annotations

import platform
import statistics
import sys
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

import torch

import moopt
from moopt.indicators import hypervolume

SMOKE = "--smoke" in sys.argv
# problem, population, generations, repetitions, generations of pymoo
CASES = [
    ("zdt1", {}, 100, 250, 5, 250),
    ("dtlz2", {"n_obj": 3, "n_var": 12}, 1000, 60, 3, 20),
    ("dtlz2", {"n_obj": 3, "n_var": 12}, 10_000, 20, 2, 2),
]
if SMOKE:
    CASES = [("zdt1", {}, 100, 4, 1, 4)]


def moopt_run(
    name: str, options: dict[str, int], n: int, generations: int, runs: int = 1
) -> tuple[float, torch.Tensor]:
    """Seconds, and the last objectives of the first run."""
    problem, algorithm = moopt.problem(name, **options), moopt.algorithm("nsga2", pop_size=n)
    began = time.perf_counter()
    result = moopt.minimize(problem, algorithm, moopt.Generations(generations), runs=runs, seed=1, progress=False)
    return time.perf_counter() - began, result.runs[0].population.f


def pymoo_run(name: str, options: dict[str, int], n: int, generations: int) -> tuple[float, torch.Tensor]:
    """The same work by pymoo, with the same operators."""
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM
    from pymoo.optimize import minimize
    from pymoo.problems import get_problem

    problem = get_problem(name, **options)
    algorithm = NSGA2(pop_size=n, crossover=SBX(eta=20, prob=0.9), mutation=PM(eta=20))
    began = time.perf_counter()
    result = minimize(problem, algorithm, ("n_gen", generations), seed=1)
    return time.perf_counter() - began, torch.tensor(result.pop.get("F"))


def main() -> None:
    torch.set_num_threads(1)
    moopt_run("zdt1", {}, 100, 3)  # compiles
    moopt_run("dtlz2", {"n_obj": 3, "n_var": 12}, 100, 3)
    lines = ["| problem | population | moopt, ms a generation | pymoo, ms a generation | pymoo / moopt |"]
    lines.append("|---|---|---|---|---|")
    for name, options, n, generations, repeats, fewer in CASES:
        reference = [1.1] * options.get("n_obj", 2)
        if n <= 1000:
            ours, theirs = moopt_run(name, options, n, fewer)[1], pymoo_run(name, options, n, fewer)[1]
            a, b = (float(hypervolume(f, reference)) for f in (ours, theirs))
            if abs(a - b) > 0.02 * max(a, b) and not SMOKE:
                raise SystemExit(f"{name}, {n}: hypervolumes differ beyond noise, {a:.4f} and {b:.4f}")
        pairs = [
            (moopt_run(name, options, n, generations)[0] / generations, pymoo_run(name, options, n, fewer)[0] / fewer)
            for _ in range(repeats)
        ]
        ours, theirs = (1e3 * statistics.median(times) for times in zip(*pairs, strict=True))
        ratio = statistics.median(b / a for a, b in pairs)
        lines.append(f"| {name} | {n:,} | {ours:.2f} | {theirs:.1f} | {ratio:.1f} |")
        if n == 100:
            batch = statistics.median(
                moopt_run(name, options, n, generations, runs=31)[0] / generations / 31 for _ in range(repeats)
            )
            ratio = theirs / 1e3 / batch
            lines.append(f"| {name}, one of 31 in a batch | {n:,} | {1e3 * batch:.3f} | {theirs:.1f} | {ratio:.1f} |")
    print("\n".join(lines))
    if not SMOKE:
        head = f"{date.today()}, Python {platform.python_version()}, torch {torch.__version__}, "
        head += f"pymoo {version('pymoo')}, {platform.machine()}, one thread, medians of alternating repetitions\n\n"
        path = Path(__file__).parent / "results" / "population.md"
        path.write_text("# NSGA-II by generation\n\n" + head + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
