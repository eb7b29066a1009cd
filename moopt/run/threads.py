"""As many torch threads as the work of a run is worth.

Torch wakes its second thread for operations of a few thousand numbers and lets it spin for a millisecond. On a quiet
machine that gains nothing below some hundred thousand individuals; where another process uses one of two cores, a
generation of NSGA-II waits for the thread that does not come: 3 times as long for 100 individuals, 2.4 times for 10,000
(benchmarks/busy.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from moopt.core.algorithm import Algorithm, Generational, Incremental
from moopt.core.points import Points
from moopt.core.problem import Problem

WORTH_MORE = 2**21  # numbers in the decision variables of a generation of all runs, from which on more threads pay


def worth(problem: Problem, algorithm: Algorithm, runs: int) -> int:
    """How many of torch's threads a run uses; evaluations in other processes have their own.

    One for generations of few points whose evaluation is one tensor operation after the other. What simulates or trains
    (a `cost_unit`), models (`Incremental` ones with matrices of their own) or learns keeps the threads that torch has.
    """
    usual = torch.get_num_threads()
    small = runs * getattr(algorithm, "pop_size", 1) * problem.n_var < WORTH_MORE
    modelled = isinstance(algorithm, Incremental) and not algorithm.batched_runs
    if not isinstance(algorithm, Generational | Incremental) or modelled or problem.cost_unit is not None:
        return usual
    return 1 if small else usual


def with_own_threads(problem: Problem) -> Callable[..., tuple[Points, Any]]:
    """`problem.answer`, where the problem is somebody else's on the threads that torch has now: nobody knows what it
    computes, and a large model would wait for a single one."""
    if type(problem).__module__.startswith("moopt.problems."):
        return problem.answer
    usual = torch.get_num_threads()

    def answer(*arguments: Any) -> tuple[Points, Any]:
        with threads(usual):
            return problem.answer(*arguments)

    return answer


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Torch on `n` threads; the number before comes back, also after an exception."""
    usual = torch.get_num_threads()
    if n == usual:
        yield
        return
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(usual)
