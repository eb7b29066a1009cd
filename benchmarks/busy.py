"""A generation of NSGA-II on a quiet machine and beside a process that uses one core, default settings, and pymoo's.

`python benchmarks/busy.py` prints a table and writes it to `benchmarks/results/busy.md`; `--smoke` does a few
generations and writes nothing. Each figure is the median of rounds that alternate between quiet and busy.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

import report
import torch

import moopt
from moopt.run import run

ROUNDS = 1 if report.SMOKE else 5
SIZES = {100: 3} if report.SMOKE else {100: 1500, 1000: 400, 10_000: 40}  # individuals -> generations
VARIABLES = 30


@contextmanager
def a_core_in_use() -> Iterator[None]:
    """One other process that computes all the time."""
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(0.5)
        yield
    finally:
        other.kill()
        other.wait()


def moopt_generation(n: int, generations: int) -> float:
    """Milliseconds, with torch's default number of threads."""
    began = time.perf_counter()
    budget = moopt.Generations(generations)
    moopt.minimize("zdt1", moopt.algorithm("nsga2", pop_size=n), budget, seed=1, progress=False)
    return (time.perf_counter() - began) / generations * 1e3


def all_threads(n: int, generations: int) -> float:
    """The same, if a run took whatever torch has."""
    with mock.patch.object(run, "worth", lambda *_: torch.get_num_threads()):
        return moopt_generation(n, generations)


def pymoo_generation(n: int, generations: int) -> float:
    """Milliseconds of pymoo's NSGA-II on its ZDT1."""
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.optimize import minimize
    from pymoo.problems import get_problem

    generations = max(2, generations // 50)
    began = time.perf_counter()
    minimize(get_problem("zdt1", n_var=VARIABLES), NSGA2(pop_size=n), ("n_gen", generations), seed=1)
    return (time.perf_counter() - began) / generations * 1e3


def main() -> None:
    contenders: dict[str, Callable[[int, int], float]] = {
        "moopt": moopt_generation, "moopt on all of torch's threads": all_threads, "pymoo": pymoo_generation,
    }  # fmt: skip
    rows = []
    for n, generations in SIZES.items():
        for name, measure in contenders.items():
            if name == "pymoo" and n > 1000:
                continue  # minutes a generation
            measure(n, 3)
            quiet, busy = [], []
            for _ in range(ROUNDS):
                quiet.append(measure(n, generations))
                with a_core_in_use():
                    busy.append(measure(n, generations))
            a, b = statistics.median(quiet), statistics.median(busy)
            rows.append([f"{n:,}", name, f"{a:.3g}", f"{b:.3g}", f"{b / a:.2f}"])
    body = f"Milliseconds a generation on ZDT1, {torch.get_num_threads()} threads by default, medians of {ROUNDS}.\n\n"
    body += report.table(["individuals", "", "quiet", "one core in use", "ratio"], rows)
    report.write("busy", "A busy machine", body, "pymoo")


if __name__ == "__main__":
    main()
