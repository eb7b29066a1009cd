"""Descriptions that survive on disk, in runs, results and studies, while files move.

A description is JSON from which `rebuild` makes an equal object without running anything but the named classes and
functions. An entry of the catalogue is its name and options, a class of moopt its public name ("moopt:Box"), one of the
user's own "module:qualname".
"""

from __future__ import annotations

import dataclasses
import functools
import math
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from moopt.catalogue import names, sources, v010
from moopt.core.algorithm import Algorithm
from moopt.core.checks import InputError
from moopt.core.problem import Problem
from moopt.core.space import Box, Space


class Undescribable(InputError):
    """An object that cannot be found again by name."""


def public(thing: Any) -> str:
    """What a class or function is called on disk, wherever its file lies.

    "problems:zdt1" of the catalogue, "moopt:Box" for what a package of moopt shows, else "module:qualname".
    """
    module, qualname = str(thing.__module__), str(thing.__qualname__)
    if module.partition(".")[0] != "moopt":
        return f"{module}:{qualname}"
    for group, kind in names.KINDS.items():
        name = names.name_of(group, thing) if isinstance(thing, type) and issubclass(thing, kind) else None
        if name is not None:
            return f"{group}:{name}"
    parts = module.split(".")
    packages = (".".join(parts[: i + 1]) for i in range(len(parts)))
    shown = (package for package in packages if getattr(sys.modules[package], qualname, None) is thing)
    return f"{next(shown, module)}:{qualname}"


def attributes(thing: Any) -> dict[str, Any]:
    """What an object's dictionary holds that says something about it: not what was cached, nor where it is from."""
    members = (item for base in type(thing).__mro__ for item in vars(base).items())
    cached = {name for name, member in members if isinstance(member, functools.cached_property)}
    return {name: value for name, value in vars(thing).items() if name not in cached | {sources.SOURCE}}


def _path(thing: Any) -> str:
    """The name of a class or function that a new process can import."""
    module, qualname = getattr(thing, "__module__", None), getattr(thing, "__qualname__", "")
    if module is None or module == "__main__" or "<" in qualname:
        raise Undescribable(f"{qualname or thing!r} of {module or 'an unknown module'} cannot be imported by name")
    if names.resolve(f"{module}:{qualname}") is not thing:
        raise Undescribable(f"{module}:{qualname} is another object")
    return public(thing)


def _made(thing: Any, options: dict[str, Any]) -> dict[str, Any]:
    """The description of an object by its class and options."""
    for group, kind in names.KINDS.items():
        name = names.name_of(group, type(thing)) if isinstance(thing, kind) else None
        if name is not None:
            return {group.removesuffix("s"): name, "options": options}
    return {"class": _path(type(thing)), "options": options}


def describe(thing: Any) -> Any:
    """JSON from which `rebuild` makes an equal object. Raises Undescribable for lambdas, scripts and the like."""
    if isinstance(thing, Box):
        return {"class": "moopt:Box", "options": {"low": thing.low.tolist(), "high": thing.high.tolist()}}
    if isinstance(thing, Space):
        return {"class": "moopt:Space", "options": {"variables": {"dict": describe_items(thing.variables)}}}
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        options = {field.name: getattr(thing, field.name) for field in dataclasses.fields(thing) if field.init}
        return _made(thing, describe_items(options))
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
    if isinstance(thing, np.ndarray) and thing.dtype.kind in "bif":  # the variables of a box, as one value
        return {"array": describe(thing.tolist()), "dtype": thing.dtype.name}
    if callable(thing):
        return {"function": _path(thing)}
    if isinstance(thing, Problem) and not attributes(thing):
        return _made(thing, {})
    raise Undescribable(f"{type(thing).__name__} is no dataclass and cannot be described")


def describe_items(items: Mapping[str, Any]) -> dict[str, Any]:
    """`describe` of every value."""
    return {key: describe(value) for key, value in items.items()}


def rebuild(description: Any) -> Any:
    """The object that `describe` described, now or in moopt 0.1.0.

    Raises ValueError where its classes are gone or refuse.
    """
    if isinstance(description, list):
        return [rebuild(item) for item in description]
    if not isinstance(description, dict):
        return description
    if "float" in description:
        return float(description["float"])
    if "tuple" in description:
        return tuple(rebuild(item) for item in description["tuple"])
    if "dict" in description:
        return rebuild_items(description["dict"])
    if "array" in description:
        return np.array(rebuild(description["array"]), dtype=description["dtype"])
    if "function" in description:
        return _found(description["function"])
    for group in names.KINDS:
        if (entry := group.removesuffix("s")) in description:
            return _entry(group, description[entry], description["options"])
    path: str = description["class"]
    path = v010.NOW.get(path, path)
    group, _, name = path.partition(":")
    if group in names.KINDS:
        return _entry(group, name, description["options"])
    return _found(path)(**rebuild_items(description["options"]))


def rebuild_items(items: Mapping[str, Any]) -> dict[str, Any]:
    """`rebuild` of every value."""
    return {key: rebuild(value) for key, value in items.items()}


def _entry(group: str, name: str, options: Mapping[str, Any]) -> Problem | Algorithm:
    """A problem or an algorithm of the catalogue."""
    try:
        names.load(group, name)
    except ImportError as error:  # a package that it needs
        raise InputError(f"expected to import {name} of the {group}, got: {error}") from None
    made: Problem | Algorithm = names.make(group, name, rebuild_items(options))
    return made


def _found(path: str) -> Any:
    """The class or function of "module:qualname"."""
    try:
        return names.resolve(path)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"expected to import {path}, got: {error}") from None
