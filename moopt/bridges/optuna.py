"""Samplers of Optuna (Akiba, Sano, Yanase, Ohta, Koyama 2019, "Optuna: A Next-generation Hyperparameter Optimization
Framework", KDD)."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any

import torch

from moopt.bridges.botorch import sobol
from moopt.bridges.recorded import Recorded
from moopt.core import checks
from moopt.core.space import Kind

BY_STUDY = {"self", "seed", "constraints_func"}


def bridge(library: str, name: str) -> Callable[..., None]:
    """A sampler such as `TPESampler` or `GPSampler` as a contender.

    Options go to its constructor, but for `n_initial`: scrambled Sobol points first (2 (d + 1)), in place of what the
    sampler begins with by itself. Where it can be told that the problem is deterministic, it is. Failed points are told
    as such. Raises ValueError where Optuna is not installed or has no such sampler; the contender does for unknown
    options and for permutations.
    """
    try:
        import optuna
    except ImportError as error:
        raise ValueError(f"expected the package optuna (pip install 'moopt[bridges]'), got: {error}") from None
    known = [key for key in dir(optuna.samplers) if key.endswith("Sampler") and key != "BaseSampler"]
    if name not in known:
        raise ValueError(f"expected one of Optuna's {', '.join(known)}, got {name!r}{checks.nearest(name, known)}")
    return functools.partial(_search, getattr(optuna.samplers, name))


def _search(
    cls: type[Any], problem: Recorded, budget: int, seed: int, n_initial: int | None = None, **options: Any
) -> None:
    """One trial after the other until the budget is spent."""
    import optuna

    takes = set(inspect.signature(cls.__init__).parameters)
    for option in options:
        if option not in takes - BY_STUDY:
            raise ValueError(f"it has no option {option!r}{checks.nearest(option, takes - BY_STUDY)}")
    first = sobol(problem.space, min(budget, n_initial or 2 * (problem.n_var + 1)), seed)
    own = {"seed": seed, "n_startup_trials": len(first), "deterministic_objective": not problem.stochastic}
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler = cls(**{name: value for name, value in own.items() if name in takes} | options)
        study = optuna.create_study(directions=["minimize"] * problem.n_obj, sampler=sampler)
        real = problem.space.column_mask(Kind.REAL, first.device).tolist()
        for row in first.tolist():
            values = [value if own else int(value) for value, own in zip(row, real, strict=True)]
            study.enqueue_trial({f"x{j}": value for j, value in enumerate(values)})
        while problem.spent < budget:
            trial = study.ask()
            point = problem.evaluate(torch.tensor([_suggested(trial, problem)], dtype=torch.float64))
            failed = bool(point.failed[0])
            for j, value in enumerate([] if failed else point.g[0].tolist()):
                trial.set_constraint(f"g{j}", value)
            if failed:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                study.tell(trial, point.f[0].tolist())


def _suggested(trial: Any, problem: Recorded) -> list[float]:
    """A trial's point in search coordinates."""
    space, row = problem.space, []
    for j, (kind, low, high) in enumerate(
        zip(space.column_kinds.tolist(), space.low.tolist(), space.high.tolist(), strict=True)
    ):
        if kind == Kind.REAL:
            row.append(float(trial.suggest_float(f"x{j}", low, high)))
        elif kind == Kind.INTEGER:
            row.append(float(trial.suggest_int(f"x{j}", int(low), int(high))))
        else:
            row.append(float(trial.suggest_categorical(f"x{j}", list(range(int(high) + 1)))))
    return row
