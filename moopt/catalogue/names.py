"""Names of problems and algorithms: of the catalogue, or "path.py:name" of a file of the user's own.

A package adds names through an entry point of the group "moopt.problems" or "moopt.algorithms" that leads to a table.
Its rows are "module": "Class Other", where a name is that of its class in lower case, or "name": "module:Class".
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import inspect
from collections.abc import Mapping
from typing import Any, cast

from moopt.catalogue import sources
from moopt.core import checks
from moopt.core.algorithm import Algorithm, misfit
from moopt.core.checks import InputError
from moopt.core.problem import Problem

KINDS: dict[str, type[Any]] = {"problems": Problem, "algorithms": Algorithm}


@functools.cache
def table(group: str) -> dict[str, str]:
    """name -> "module:Class" of "problems" or "algorithms", from all installed packages."""
    names: dict[str, str] = {}
    for entry in importlib.metadata.entry_points(group=f"moopt.{group}"):
        for key, value in entry.load().items():
            names |= {key: value} if ":" in value else {name.lower(): f"{key}:{name}" for name in value.split()}
    return dict(sorted(names.items()))


def name_of(group: str, cls: type[Any]) -> str | None:
    """The name under which the catalogue has a class; `None` for one of the user's own."""
    path = f"{cls.__module__}:{cls.__qualname__}"
    return next((name for name, target in table(group).items() if target == path), None)


def load(group: str, name: str) -> type[Any]:
    """The class behind a catalogue name. Raises ValueError, suggesting the nearest, for an unknown one."""
    names = table(group)
    if name not in names:
        if name.endswith(".py"):
            raise InputError(f"{name}: expected {name}:NAME, with the name of one of the {group} in that file")
        raise InputError(
            f"expected one of the {len(names)} {group} of the catalogue, got {name!r}{checks.nearest(name, names)}"
        )
    return cast(type[Any], resolve(names[name]))


def resolve(path: str) -> Any:
    """The object at "module:qualname". Raises ImportError, AttributeError or ValueError."""
    module, _, qualname = path.partition(":")
    return functools.reduce(getattr, qualname.split("."), importlib.import_module(module))


def find(group: str, name: str) -> Any:
    """What a name stands for: a class of the catalogue, or whatever the file of "path.py:name" holds under it.

    Raises ValueError or OSError with one sentence where there is nothing of that name.
    """
    own = sources.parse(name)
    return load(group, name) if own is None else sources.find(*own)


def make(group: str, name: str, options: Mapping[str, Any]) -> Any:
    """The problem or algorithm of that name. Raises ValueError, TypeError or OSError with one sentence."""
    own = sources.parse(name)
    if own is not None:
        return sources.make(sources.Source(*own, dict(options)), KINDS[group])
    cls = load(group, name)
    known = list(inspect.signature(cls).parameters)
    for option in options:
        if option not in known:
            takes = f"it takes {', '.join(known)}" if known else "it takes none"
            raise InputError(f"{name} has no option {option!r}{checks.nearest(option, known)}: {takes}")
    return cls(**options)


def problem(name: str, **options: Any) -> Problem:
    """The problem of that name: "zdt1" of the catalogue, or "path.py:name" of a file of your own.

    In the file, the name may be that of a problem, of a subclass, or of a function that returns a problem; `options`
    go to the latter two. Raises ValueError for an unknown name or option (the nearest is suggested) and for a value
    that does not fit, FileNotFoundError where there is no such file, TypeError for what is no problem.
    """
    return cast(Problem, make("problems", name, options))


def algorithm(name: str, **options: Any) -> Algorithm:
    """The algorithm of that name, as "nsga2" or "path.py:name"; takes and raises the same as `problem`."""
    return cast(Algorithm, make("algorithms", name, options))


def check_pair(problem: Problem, algorithm: Algorithm) -> None:
    """Raises ValueError where the algorithm cannot search the problem, naming those of the catalogue that can."""
    reason = misfit(problem, algorithm)
    if reason:
        fitting = [name for name in table("algorithms") if misfit(problem, load("algorithms", name)) is None]
        others = ", ".join(fitting) or "none of the catalogue"
        raise InputError(f"{type(algorithm).__name__} does not fit: {reason}; what would: {others}")
