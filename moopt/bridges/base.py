"""What a contender is, where it comes from, and what of its answer counts."""

from __future__ import annotations

import importlib
import inspect
import random
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from moopt.bridges.answer import settle
from moopt.bridges.command import Command
from moopt.bridges.recorded import BudgetSpent, Recorded
from moopt.catalogue import find
from moopt.catalogue.names import resolve
from moopt.catalogue.sources import one_line, parse
from moopt.core.checks import InputError
from moopt.core.points import Points
from moopt.core.problem import Problem

BRIDGES = {"botorch": "botorch", "optuna": "optuna", "pymoo": "pymoo", "evox": "evox", "evomo": "evox"}  # modules here


@dataclass(frozen=True)
class Contender:
    """A search with a name: `search(problem, budget, seed, **options)`.

    `problem` is a `Recorded` problem, in search coordinates and minimised; `budget` a number of evaluations. It
    returns the points it evaluated in order, x[n, d], or a pair of x and their values (`Points`, (f, g) or f),
    or nothing where all of them went through `problem.evaluate`, which ends it where the budget is spent.
    """

    name: str
    search: Callable[..., Any]

    def __call__(self, problem: Problem, budget: int, seed: int, **options: Any) -> Any:
        return self.search(problem, budget, seed, **options)


def contender(spec: str | Mapping[str, Any] | Callable[..., Any]) -> Contender:
    """The contender that is meant by "pymoo:NSGA2", "evox:NSGA2", "evomo:NSGA2" (a multi-objective algorithm of these
    libraries, which must be installed, by the name of its class; options go to its constructor), "optuna:TPESampler" (a
    sampler of Optuna's), "botorch:qLogNEHVI" (the recipe of its tutorials) or "botorch:Sobol", "path.py:function",
    "module:function", a callable, or {"command": "./solver {problem} {evaluations} {seed}"} (see `Command`).

    Raises ValueError with one sentence for anything else, and where the library or the file is not there.
    """
    if isinstance(spec, Contender):
        return spec
    if callable(spec):
        return Contender(_name(spec), spec)
    if isinstance(spec, Mapping):
        if set(spec) != {"command"} or not isinstance(spec["command"], str):
            raise InputError(f"expected a table with a command, a line of text, got {dict(spec)}")
        program = Command(spec["command"])
        return Contender(program.name, program)
    library, _, name = spec.partition(":") if isinstance(spec, str) else ("", "", "")
    if not library or not name:
        raise InputError(f"expected a contender as library:Class, path.py:function or module:function, got {spec!r}")
    own = parse(spec) is not None
    try:
        if not own and library in BRIDGES:
            return Contender(spec, importlib.import_module(f"{__package__}.{BRIDGES[library]}").bridge(library, name))
        found = find("algorithms", spec) if own else resolve(spec)
    except (ImportError, AttributeError, ValueError, OSError) as error:
        raise InputError(f"{spec}: {one_line(error)}") from error
    if not callable(found):
        raise InputError(f"{spec}: expected a function, got {found!r}")
    return Contender(spec, found)


def run_contender(
    contender: Callable[..., Any], problem: Problem, budget: int, seed: int, options: Mapping[str, Any] | None = None
) -> Points:
    """Runs a contender (a callable or what `contender` made) and returns all points it evaluated, in order, at most
    `budget`, on the CPU in float64.

    What went through `problem.evaluate` is what counts; points that it only returns are evaluated here. Values that
    it hands in are taken as they are where the problem is stochastic, else a sample of them is evaluated again.

    Meant for a process of its own: while it runs, the global generators of Python, NumPy and PyTorch start from
    `seed` for the whole process; they are put back afterwards. `problem.timeout` is not kept here.

    Raises ValueError with one sentence that begins with the contender's name: where it fails, and where its answer
    has no points, too many, of the wrong width, outside of the space, or values that are not the problem's.
    """
    name = contender.name if isinstance(contender, Contender) else _name(contender)
    search = contender.search if isinstance(contender, Contender) else contender
    record, options = Recorded(problem, budget, seed), dict(options or {})
    try:
        inspect.signature(search).bind(record, budget, seed, **options)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: it does not take (problem, budget, seed, **options): {error}") from None
    try:
        with _seeded(seed):
            answer = search(record, budget, seed, **options)
    except BudgetSpent:
        answer = None
    except (Exception, SystemExit) as error:
        raise InputError(f"{name}: {_told(error, search)}") from error
    try:
        return settle(record, answer)
    except (ValueError, TypeError) as error:
        raise InputError(f"{name}: {one_line(error)}") from error


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """The global generators, started from `seed` and put back."""
    python, numpy = random.getstate(), np.random.get_state()
    devices = range(torch.cuda.device_count() if torch.cuda.is_initialized() else 0)  # does not start CUDA for this
    with torch.random.fork_rng(devices=devices):
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


def _name(search: Callable[..., Any]) -> str:
    code = getattr(inspect.unwrap(search), "__code__", None)
    name = getattr(search, "__qualname__", type(search).__name__)
    return f"{Path(code.co_filename).name}:{name}" if code else name


def _told(error: BaseException, search: Callable[..., Any]) -> str:
    """Kind and text of an error and, where it went through the file of a contender that is a function, the line."""
    text, kind = one_line(error), type(error).__name__
    code = getattr(inspect.unwrap(search), "__code__", None)
    frames = traceback.walk_tb(error.__traceback__)
    lines = [line for frame, line in frames if code and frame.f_code.co_filename == code.co_filename]
    return (text if kind in ("ValueError", text) else f"{kind}: {text}") + (f" (line {lines[-1]})" if lines else "")
