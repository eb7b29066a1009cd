"""Checks at the public door, with the sentences that a user reads."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence
from typing import Any


class InputError(ValueError):
    """What the user gave does not fit, said in one sentence; the command line ends with exit code 2.

    Everything that moopt refuses is one, of a wrong type `InputTypeError`. Any other error that leaves moopt comes from
    the user's own functions, from the machine, or is a bug.
    """


class InputTypeError(InputError, TypeError):
    """An `InputError` about the type of a value; a `TypeError`, too."""


class MissingPackage(ImportError, InputError):
    """A package is needed that is not installed: an `ImportError` whose sentence says how to install it."""


def whole(name: str, value: Any, low: int = 1, high: int | None = None) -> int:
    """`value` as an int in [low, high]; raises InputError otherwise."""
    integral = not isinstance(value, bool) and isinstance(value, (int, float)) and math.isfinite(value)
    if not integral or value != int(value) or value < low or (high is not None and value > high):
        wanted = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise InputError(f"{name}: expected a whole number {wanted}, got {value!r}")
    return int(value)


def number(name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> float:
    """`value` as a finite float in [low, high]; raises InputError otherwise."""
    numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not numeric or not math.isfinite(value) or not low <= value <= high:
        bounds = "" if low == -math.inf and high == math.inf else f" from {low:g} to {high:g}"
        raise InputError(f"{name}: expected a finite number{bounds}, got {value!r}")
    return float(value)


def truth(name: str, value: Any) -> bool:
    """`value`, a bool; raises InputError otherwise."""
    if not isinstance(value, bool):
        raise InputError(f"{name}: expected True or False, got {value!r}")
    return value


def wholes(name: str, value: Any, low: int = 1) -> tuple[int, ...]:
    """`value`, a sequence of numbers, as ints of at least `low`; raises InputError otherwise."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise InputError(f"{name}: expected whole numbers such as [16, 16], got {value!r}")
    return tuple(whole(name, part, low) for part in value)


def nearest(word: str, known: Iterable[str]) -> str:
    """`" (did you mean 'nsga2'?)"`, or nothing where no known word is near."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" (did you mean {near[0]!r}?)" if near else ""


def misspelt(cls: type, root: type) -> None:
    """Raises TypeError where a class declares a name that is nearly one of those that its base `root` knows.

    Python takes `n_cons = 1` for one more attribute, and `n_con` stays 0.
    """

    def names(of: type) -> set[str]:
        return {*vars(of), *vars(of).get("__annotations__", ())}

    known = set().union(*map(names, cls.__mro__[1:]))
    wanted = [name for name in names(root) if len(name) > 4 and not name.startswith("_")]
    for name in names(cls):
        near = [] if name in known or name.startswith("_") else difflib.get_close_matches(name, wanted, 1, 0.88)
        if near:
            raise InputTypeError(f"{cls.__name__}: nothing asks for {name!r} (did you mean {near[0]!r}?)")
