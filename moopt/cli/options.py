"""What several commands are given: the options that they share, budgets, and `--set`."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from moopt.core.checks import InputError

if TYPE_CHECKING:
    from moopt.core.budget import Budget

# numbers are taken as text: moopt's own checks know what fits and say it in one sentence
Number = Annotated[str | None, typer.Option(metavar="N")]
Progress = Annotated[bool | None, typer.Option(help="A line on stderr; off with --no-progress.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show where an error comes from.")]
Moved = Annotated[str | None, typer.Option(help="path.py:name, where the file is no longer where it was.")]
Workers = Annotated[str | None, typer.Option(metavar="SPEC", help="Where evaluations run: inline, processes:4.")]


def budget_of(**amounts: str | None) -> Budget | None:
    """The budget of the options that were given, by unit: whichever ends first."""
    from moopt.core.budget import UNITS, first_of

    numbers: dict[str, float] = {}
    for unit, text in amounts.items():
        if text is None:
            continue
        try:
            n = float(text)
        except ValueError:
            raise InputError(f"{UNITS[unit].__name__} budget: expected a number, got {text!r}") from None
        numbers[unit] = int(n) if n.is_integer() else n
    return first_of(numbers)


def parameters(made: Any) -> list[str]:
    """Names of the options that a class or function takes; none for a problem that is made."""
    return list(inspect.signature(made).parameters) if callable(made) else []


def settings_of(
    settings: Sequence[str], of_problem: Sequence[str], of_algorithm: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """`--set` for the problem and for the algorithm. Raises ValueError where it is not clear whose it is."""
    from moopt.core import checks

    known = {"problem": of_problem, "algorithm": of_algorithm}
    chosen: dict[str, dict[str, Any]] = {"problem": {}, "algorithm": {}}
    for setting in settings:
        key, equals, text = setting.partition("=")
        owner, dot, option = key.strip().rpartition(".")
        if not equals or not option or (dot and owner not in known):
            raise InputError(f"--set: expected [problem.|algorithm.]KEY=VALUE, got {setting!r}")
        owners = [owner] if dot else [name for name, options in known.items() if option in options]
        if len(owners) > 1:
            raise InputError(f"--set {option}: expected problem.{option} or algorithm.{option}, for both have it")
        if not owners or option not in known[owners[0]]:
            among = [name for part in (owners or known) for name in known[part]]
            has = f"an option among {', '.join(among)}" if among else "no options, for there are none"
            raise InputError(f"--set: expected {has}, got {option!r}{checks.nearest(option, among)}")
        try:
            value = json.loads(text)
        except ValueError:
            value = {"True": True, "False": False, "None": None}.get(text, text)
        chosen[owners[0]][option] = value
    return chosen["problem"], chosen["algorithm"]
