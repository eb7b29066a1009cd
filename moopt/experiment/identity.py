"""Whether a Python object is the one that an earlier process worked with."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from moopt.catalogue import v010
from moopt.catalogue.describe import attributes, public
from moopt.core.space import Box, Space

_NOT_READ = {"moopt", "torch", "numpy", *sys.stdlib_module_names}  # code that counts by its name only


def identity(thing: Any, former: bool = False) -> str:
    """A hash that another process finds as well, and that is another where the object does something else.

    It sees values, the source of functions and classes, and what those hold: closures, defaults, attributes, bases. It
    does not see the globals that a function reads nor the functions that it calls. What moopt has counts by its public
    name. `former`: as moopt 0.1.0 did it, where names were those of modules.
    """
    digest = hashlib.sha256()
    for token in _tokens(thing, set(), former):
        digest.update(token.encode() + b"\0")
    return digest.hexdigest()


def _tokens(thing: Any, within: set[int], former: bool) -> Iterator[str]:
    """`within`: ids of what holds the thing; those alone, for the id of what is gone is given to something else."""
    if isinstance(thing, str | int | float | bool | None):
        yield repr(thing)
        return
    if id(thing) in within:
        yield "again"
        return
    within.add(id(thing))
    yield type(thing).__qualname__
    parts: list[Any] = []
    if isinstance(thing, Box) and not former:
        parts = [thing.low, thing.high]
    elif isinstance(thing, Space):
        parts = [thing.variables]
    elif isinstance(thing, torch.Tensor | np.ndarray):
        array = thing.detach().cpu().numpy() if isinstance(thing, torch.Tensor) else thing
        yield f"{array.dtype}{array.shape}{hashlib.sha256(array.tobytes()).hexdigest()}"
    elif isinstance(thing, type):
        parts = list(_lineage(thing, former))
    elif inspect.isfunction(thing):
        parts = [_source(thing), thing.__defaults__, thing.__kwdefaults__, inspect.getclosurevars(thing).nonlocals]
    elif inspect.ismethod(thing):
        parts = [thing.__func__, thing.__self__]
    elif isinstance(thing, functools.partial):
        parts = [thing.func, thing.args, thing.keywords]
    elif isinstance(thing, Mapping):
        parts = [part for item in thing.items() for part in item]
    elif isinstance(thing, tuple | list):
        parts = list(thing)
    elif isinstance(thing, set | frozenset):
        yield from sorted(" ".join(_tokens(item, set(), former)) for item in thing)
    elif dataclasses.is_dataclass(thing):
        parts = [type(thing), *(getattr(thing, field.name) for field in dataclasses.fields(thing))]
    elif hasattr(thing, "__dict__"):
        parts = [type(thing), attributes(thing)]
    else:
        yield _without_addresses(repr(thing))
    for part in parts:
        yield from _tokens(part, within, former)
    within.discard(id(thing))


def _lineage(cls: type[Any], former: bool) -> Iterator[str]:
    """A class and its bases; those of a public class of moopt go without saying, for they may change with moopt."""
    said: set[type[Any]] = set()
    for kind in cls.__mro__:
        if kind in said:
            continue
        name = public(kind)
        then = v010.THEN.get(name) or v010.PRIVATE.get(name.partition(":")[2])
        if former and then is not None and name.startswith(("moopt:", "moopt.", "problems:", "algorithms:")):
            yield from then
            said |= set(kind.__mro__)
        else:
            yield _source(kind)
        if name.partition(":")[0] != kind.__module__:  # public
            said |= set(kind.__mro__)


def _source(thing: Any) -> str:
    """The text of a function or class, or what it was compiled to, or its name where it counts by that."""
    name = public(thing)
    if str(thing.__module__).partition(".")[0] in _NOT_READ:
        return name
    try:
        return name + inspect.getsource(thing)
    except (OSError, TypeError):  # typed at a prompt
        code = getattr(thing, "__code__", None)
        return name + (_without_addresses(f"{code.co_code.hex()}{code.co_names}{code.co_consts}") if code else "")


def _without_addresses(text: str) -> str:
    return re.sub(r" at 0x[0-9a-fA-F]+", "", text)
