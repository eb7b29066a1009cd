"""Names of problems and algorithms, and descriptions that survive on disk.

A package adds names through an entry point of the group "moopt.problems" or "moopt.algorithms" that leads to a
table name -> "module:Class". A description is JSON from which `rebuild` makes an equal object without running
anything but the named classes and functions.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import importlib.metadata
import inspect
import math
from collections.abc import Mapping
from typing import Any, cast

from moopt import _checks
from moopt.algorithm import Algorithm, misfit
from moopt.problem import Problem
from moopt.space import Box, Space


@functools.cache
def catalogue(group: str) -> dict[str, str]:
    """name -> "module:Class" of "problems" or "algorithms", from all installed packages."""
    names: dict[str, str] = {}
    for entry in importlib.metadata.entry_points(group=f"moopt.{group}"):
        names.update(entry.load())
    return dict(sorted(names.items()))


def load(group: str, name: str) -> type[Any]:
    """The class behind a catalogue name. Raises ValueError, suggesting the nearest, for an unknown one."""
    names = catalogue(group)
    if name not in names:
        raise _checks.InputError(
            f"expected one of the {len(names)} {group} of the catalogue, got {name!r}{_checks.nearest(name, names)}"
        )
    return cast(type[Any], resolve(names[name]))


def resolve(path: str) -> Any:
    """The object at "module:qualname"."""
    module, _, qualname = path.partition(":")
    return functools.reduce(getattr, qualname.split("."), importlib.import_module(module))


def _make(group: str, name: str, options: Mapping[str, Any]) -> Any:
    cls = load(group, name)
    known = list(inspect.signature(cls).parameters)
    for option in options:
        if option not in known:
            takes = f"it takes {', '.join(known)}" if known else "it takes none"
            raise _checks.InputError(f"{name} has no option {option!r}{_checks.nearest(option, known)}: {takes}")
    return cls(**options)


def problem(name: str, **options: Any) -> Problem:
    """The problem of the catalogue with that name.

    Raises ValueError for an unknown name or option (the nearest is suggested) and for a value that does not fit.
    """
    return cast(Problem, _make("problems", name, options))


def algorithm(name: str, **options: Any) -> Algorithm:
    """The algorithm of the catalogue with that name; raises like `problem`."""
    return cast(Algorithm, _make("algorithms", name, options))


def check_pair(problem: Problem, algorithm: Algorithm) -> None:
    """Raises ValueError where the algorithm cannot search the problem, naming those of the catalogue that can."""
    reason = misfit(problem, algorithm)
    if reason:
        fitting = [name for name in catalogue("algorithms") if misfit(problem, load("algorithms", name)) is None]
        others = ", ".join(fitting) or "none of the catalogue"
        raise _checks.InputError(f"{type(algorithm).__name__} does not fit: {reason}; what would: {others}")


class Undescribable(_checks.InputError):
    """An object that cannot be found again by name."""


def _path(thing: Any) -> str:
    """ "module:qualname" of a class or function that a new process can import."""
    module, qualname = getattr(thing, "__module__", None), getattr(thing, "__qualname__", "")
    if module is None or module == "__main__" or "<" in qualname:
        raise Undescribable(f"{qualname or thing!r} of {module or 'an unknown module'} cannot be imported by name")
    if resolve(f"{module}:{qualname}") is not thing:
        raise Undescribable(f"{module}:{qualname} is another object")
    return f"{module}:{qualname}"


def describe(thing: Any) -> Any:
    """JSON from which `rebuild` makes an equal object. Raises Undescribable for lambdas, scripts and the like."""
    if isinstance(thing, Box):
        return {"class": "moopt.space:Box", "options": {"low": thing.low.tolist(), "high": thing.high.tolist()}}
    if isinstance(thing, Space):
        return {"class": "moopt.space:Space", "options": {"variables": {"dict": describe_items(thing.variables)}}}
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        options = {field.name: getattr(thing, field.name) for field in dataclasses.fields(thing) if field.init}
        return {"class": _path(type(thing)), "options": describe_items(options)}
    if thing is None or isinstance(thing, (bool, int, str)):
        return thing
    if isinstance(thing, float):
        return thing if math.isfinite(thing) else {"float": repr(thing)}
    if isinstance(thing, Mapping):
        return {"dict": describe_items(thing)}
    if isinstance(thing, tuple):
        return {"tuple": [describe(item) for item in thing]}
    if isinstance(thing, list):
        return [describe(item) for item in thing]
    if callable(thing):
        return {"function": _path(thing)}
    if isinstance(thing, Problem) and not vars(thing).keys() - _cached(type(thing)):
        return {"class": _path(type(thing)), "options": {}}
    raise Undescribable(f"{type(thing).__name__} is no dataclass and cannot be described")


def _cached(cls: type) -> set[str]:
    """Names that an object's dictionary holds once they were asked for, and that say nothing about it."""
    members = (item for base in cls.__mro__ for item in vars(base).items())
    return {name for name, member in members if isinstance(member, functools.cached_property)}


def describe_items(items: Mapping[str, Any]) -> dict[str, Any]:
    """`describe` of every value."""
    return {key: describe(value) for key, value in items.items()}


def rebuild(description: Any) -> Any:
    """The object that `describe` described. Raises ValueError where its classes are gone or refuse."""
    if isinstance(description, list):
        return [rebuild(item) for item in description]
    if not isinstance(description, dict):
        return description
    if "float" in description:
        return float(description["float"])
    if "tuple" in description:
        return tuple(rebuild(item) for item in description["tuple"])
    if "dict" in description:
        return {key: rebuild(value) for key, value in description["dict"].items()}
    path = description.get("function") or description["class"]
    try:
        found = resolve(path)
    except (ImportError, AttributeError, ValueError) as error:
        raise _checks.InputError(f"expected to import {path}, got: {error}") from None
    if "function" in description:
        return found
    return found(**{key: rebuild(value) for key, value in description["options"].items()})
