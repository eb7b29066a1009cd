"""Algorithms of pymoo (Blank and Deb 2020, IEEE Access 8, "pymoo: multi-objective optimization in Python")."""

from __future__ import annotations

import copy
import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import Any

import numpy as np

from moopt.bridges.recorded import Recorded
from moopt.core import checks
from moopt.core.space import Kind, Space
from moopt.operators.directions import directions

POP_SIZE = 100  # of a class that takes directions; the others have defaults of their own
BY_STUDY = {"seed", "termination", "evaluator", "self", "kwargs"}
REAL_ONLY = {"NSDE", "CMOPSO", "MOPSO_CD"}  # and their subclasses: operators of their own, on real numbers
UNMIXED = {"MOEAD", "CTAEA", "KGB", "OmniOptimizer"}  # and their subclasses: they compute with vectors


def bridge(library: str, name: str) -> Callable[..., None]:
    """The class of pymoo.algorithms.moo with that name as a contender.

    Continuous spaces are searched with the class's own operators, integers with these and rounding, a permutation with
    order crossover and inversion, everything else with pymoo's mixed variables, all as its documentation does; options
    replace them. A class that needs reference directions gets `pop_size` of moopt's own (one for each individual),
    Das-Dennis directions for the option `n_partitions`, or those of the option `ref_dirs`.

    Raises ValueError where pymoo is not installed or has no such class; the contender does where the class does not
    know an option, or needs one, or cannot search the space.
    """
    known = _classes()
    if name not in known:
        names = ", ".join(sorted(known))
        raise ValueError(f"expected one of pymoo's {names}, got {name!r}{checks.nearest(name, known)}")
    return functools.partial(_search, known[name])


@functools.cache
def _classes() -> dict[str, type[Any]]:
    try:
        import pymoo.algorithms.moo as folder
        from pymoo.core.algorithm import Algorithm
    except ImportError as error:
        raise ValueError(f"expected the package pymoo (pip install 'moopt[bridges]'), got: {error}") from None
    found = {}
    for module in pkgutil.iter_modules(folder.__path__, folder.__name__ + "."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, type) and issubclass(value, Algorithm) and value.__module__ == module.name:
                found[name] = value
    return found


def _search(cls: type[Any], problem: Recorded, budget: int, seed: int, **options: Any) -> None:
    """Runs the algorithm until the budget is spent, or until it ends by itself."""
    from pymoo.core.problem import Problem
    from pymoo.optimize import minimize

    known = _parameters(cls)
    for option in options:
        if option not in {*known, "n_partitions"} - BY_STUDY:
            raise ValueError(f"it has no option {option!r}{checks.nearest(option, known)}")
    form, operators = _form(cls, problem.space)

    class Bridge(Problem):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(n_obj=problem.n_obj, n_ieq_constr=problem.n_con, **form)

        def _evaluate(self, x: Any, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
            rows = [[row[name] for name in form["vars"]] for row in x] if "vars" in form else x
            out["F"], g = problem.arrays(np.array(rows, dtype=float))
            if problem.n_con:
                out["G"] = g

    settings = {key: np.array(value) if isinstance(value, list) else value for key, value in options.items()}
    settings = operators | _directed(cls, problem.n_obj, settings)
    for name, parameter in inspect.signature(cls).parameters.items():
        asks = (cls.__name__, name) == ("PINSGA2", "automated_dm")  # a person, at the keyboard
        if (parameter.default is parameter.empty or asks) and name not in {*settings, *BY_STUDY}:
            raise ValueError(f"it needs the option {name!r}, got none")
    minimize(Bridge(), cls(**settings), ("n_eval", budget), seed=seed, verbose=False)


def _parameters(cls: type[Any]) -> dict[str, inspect.Parameter]:
    """What a class takes, with what it hands on to its bases, for pymoo itself accepts any keyword."""
    found: dict[str, inspect.Parameter] = {}
    for base in cls.__mro__[:-1]:
        for name, parameter in inspect.signature(base.__init__).parameters.items():  # type: ignore[misc]
            found.setdefault(name, parameter)
    return found


def _directed(cls: type[Any], n_obj: int, options: dict[str, Any]) -> dict[str, Any]:
    """Options with the reference directions that a class asks for, whose number is then the population's size."""
    takes = "ref_dirs" in inspect.signature(cls).parameters
    if "n_partitions" in options and (not takes or "ref_dirs" in options):
        raise ValueError("expected n_partitions only where reference directions are needed and not given")
    if not takes or "ref_dirs" in options:
        return options
    from pymoo.util.ref_dirs import get_reference_directions

    partitions = options.pop("n_partitions", None)
    if partitions is None:
        size = checks.whole("pop_size", options.pop("pop_size", POP_SIZE), low=2)
        return options | {"ref_dirs": directions(size, n_obj).numpy()}
    partitions = checks.whole("n_partitions", partitions)
    return options | {"ref_dirs": get_reference_directions("das-dennis", n_obj, n_partitions=partitions)}


def _form(cls: type[Any], space: Space) -> tuple[dict[str, Any], dict[str, Any]]:
    """A space as pymoo's problem declares it, and the operators for it. Raises ValueError."""
    if Kind.WEIGHTS in space.kinds:
        raise ValueError("it searches no blocks of weights")
    low, high, bases = space.low.numpy(), space.high.numpy(), {base.__name__ for base in cls.__mro__}
    plain = {"n_var": space.n_var, "xl": low, "xu": high}
    if space.kinds == {Kind.REAL}:
        return plain, {}
    if bases & REAL_ONLY:
        raise ValueError("it searches real variables only")
    if space.kinds == {Kind.PERMUTATION} and len(space.variables) == 1:
        from pymoo.operators.crossover.ox import OrderCrossover
        from pymoo.operators.mutation.inversion import InversionMutation
        from pymoo.operators.sampling.rnd import PermutationRandomSampling

        order = {"crossover": OrderCrossover(), "mutation": InversionMutation()}
        return plain, {"sampling": PermutationRandomSampling(), **order}
    if Kind.PERMUTATION in space.kinds:
        raise ValueError("pymoo searches one permutation alone, not several or one beside other variables")
    defaults = {name: parameter.default for name, parameter in _parameters(cls).items()}
    if space.kinds == {Kind.INTEGER}:
        from pymoo.operators.repair.rounding import RoundingRepair
        from pymoo.operators.sampling.rnd import IntegerRandomSampling

        rounded = {name: copy.deepcopy(defaults[name]) for name in ("crossover", "mutation")}
        for operator in rounded.values():
            operator.vtype, operator.repair = float, RoundingRepair()
        return plain | {"vtype": int}, {"sampling": IntegerRandomSampling(), **rounded}
    if bases & UNMIXED:
        raise ValueError("it searches variables of one kind only, real or integer")
    from pymoo.core import mixed, variable

    variables: dict[str, Any] = {}
    for i, (kind, a, b) in enumerate(zip(space.column_kinds.tolist(), low.tolist(), high.tolist(), strict=True)):
        if kind == Kind.REAL:
            variables[f"x{i}"] = variable.Real(bounds=(a, b))
        elif kind == Kind.INTEGER:
            variables[f"x{i}"] = variable.Integer(bounds=(int(a), int(b)))
        else:
            two = b == 1.0
            variables[f"x{i}"] = variable.Binary() if two else variable.Choice(options=list(range(int(b) + 1)))
    different = mixed.MixedVariableDuplicateElimination()
    mating = mixed.MixedVariableMating(selection=defaults["selection"], eliminate_duplicates=different)
    sampling = mixed.MixedVariableSampling()
    return {"vars": variables}, {"sampling": sampling, "mating": mating, "eliminate_duplicates": different}

