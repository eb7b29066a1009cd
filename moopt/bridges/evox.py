"""Multi-objective algorithms of EvoX (arXiv 2301.12457, 2023) and EvoMO (arXiv 2503.20286, 2025).

Both are under the GPL and no part of moopt: who has installed them can compare with them, through their interface.

What is done about their habits: buffers follow PyTorch's default dtype, so it is set for the run; bounds are kept only
up to rounding, so points are clamped by as much; a failed point must not be NaN, which they rank first; schedules over
generations or evaluations, which they expect by hand, follow the budget; populations may be smaller than asked for, so
evaluations are counted and not generations.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from moopt.bridges.recorded import Recorded
from moopt.core import checks
from moopt.core.space import Kind

POP_SIZE = 100
BY_STUDY = {"n_objs", "lb", "ub", "device", "kwargs"}
ROUNDING = {torch.float64: 1e-10, torch.float32: 1e-5}  # of a bound's size; what is farther outside is refused


def bridge(library: str, name: str) -> Callable[..., None]:
    """The class of evox.algorithms or evomo.algorithms with that name as a contender, on the CPU.

    It searches in float64, or for the option `dtype="float32"` in that, which is what the library does by itself and
    what some of EvoMO's classes need. Values are the problem's, in float64, either way.

    Raises ValueError where the library is not installed or has no such multi-objective algorithm; the contender does
    for unknown options, constraints and variables that are not real.
    """
    known = _classes(library)
    if name not in known:
        names = ", ".join(sorted(known))
        raise ValueError(f"expected one of the multi-objective {names}, got {name!r}{checks.nearest(name, known)}")
    return functools.partial(_search, known[name])


@functools.cache
def _classes(library: str) -> dict[str, type[Any]]:
    try:
        module = importlib.import_module(f"{library}.algorithms")
    except ImportError as error:
        raise ValueError(f"expected the package {library} (pip install {library}; GPL), got: {error}") from None
    classes = {name: value for name, value in vars(module).items() if isinstance(value, type)}
    return {name: value for name, value in classes.items() if "n_objs" in inspect.signature(value).parameters}


def _search(cls: type[Any], problem: Recorded, budget: int, seed: int, dtype: str = "float64", **options: Any) -> None:
    """Runs generations until the budget is spent, from the state of PyTorch's global generator."""
    if problem.space.kinds != {Kind.REAL}:
        raise ValueError("it searches real variables only")
    if problem.n_con:
        raise ValueError("it is bridged for problems without constraints only")
    known = inspect.signature(cls).parameters
    for option in options:
        if option not in known.keys() - BY_STUDY:
            raise ValueError(f"it has no option {option!r}{checks.nearest(option, known.keys() - BY_STUDY)}")
    if dtype not in ("float64", "float32"):
        raise ValueError(f"dtype: expected float64 or float32, got {dtype!r}")
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))
    try:
        with torch.no_grad():
            _run(cls, problem, budget, options)
    finally:
        torch.set_default_dtype(before)


def _run(cls: type[Any], problem: Recorded, budget: int, options: dict[str, Any]) -> None:
    from evox.core import Problem
    from evox.workflows import StdWorkflow

    dtype, (low, high) = torch.get_default_dtype(), (problem.space.low, problem.space.high)
    slack = ROUNDING[dtype] * torch.maximum(low.abs(), high.abs())

    class Bridge(Problem):  # type: ignore[misc]
        def evaluate(self, pop: Tensor) -> Tensor:
            x = pop.double()
            inside = x.clamp(low, high)
            f, _ = problem.arrays(torch.where((x - inside).abs() <= slack, inside, x).numpy())
            return torch.from_numpy(f).to(dtype)

    settings = {"pop_size": POP_SIZE, "n_objs": problem.n_obj, "lb": low.to(dtype, copy=True)}
    settings |= {"ub": high.to(dtype, copy=True)} | options
    workflow = StdWorkflow(cls(**_scheduled(cls, settings, budget)), Bridge(), device="cpu")
    workflow.init_step()
    while (spent := problem.spent) < budget:
        workflow.step()
        if problem.spent == spent:
            raise ValueError(f"expected evaluations in every generation, got none after {spent}")


def _scheduled(cls: type[Any], settings: dict[str, Any], budget: int) -> dict[str, Any]:
    """Settings with the lengths of schedules that are not given: generations after the first, or evaluations."""
    known = inspect.signature(cls).parameters
    takes = [name for name in ("max_gen", "t_max", "max_fe") if name in known or "kwargs" in known]
    if not takes:
        return settings
    with torch.random.fork_rng(devices=[]):  # only to see how large its population is
        size = int(cls(**settings).pop_size)
    generations = max(1, -(-(budget - size) // size))
    lengths = {"max_gen": generations, "t_max": generations + 2, "max_fe": budget}  # t_max is the length of a buffer
    return {name: lengths[name] for name in takes} | settings
