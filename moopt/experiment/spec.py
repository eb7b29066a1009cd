"""What a study compares: problems, algorithms, seeds, a budget, indicators; written in TOML or in Python."""

from __future__ import annotations

import hashlib
import json
import math
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from moopt.catalogue import sources
from moopt.core import checks
from moopt.core.algorithm import Algorithm
from moopt.core.budget import UNITS, Budget, budget, first_of
from moopt.core.checks import InputError, InputTypeError
from moopt.core.problem import Problem
from moopt.experiment.identity import identity
from moopt.indicators.table import INDICATORS

SHIPPED = Path(__file__).parent / "specs"


@dataclass(frozen=True)
class Entry:
    """A problem or an algorithm of a study.

    `name`: of the catalogue, or "path.py:name" of a file; for an algorithm also "pymoo:NSGA2", "evox:NSGA2" or
    "module:function", a contender as `moopt.experiment.contender` takes it, and nothing where `command` is a program.
    `thing`: the object itself, in Python. `budget`, `seeds`: of a problem that needs others. `label`: what tables call
    it.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    command: str | None = None
    budget: Budget | None = None
    thing: Any = None
    seeds: Any = None

    def identity(self, former: bool = False) -> Any:
        """JSON that is another where the results would be: a file counts by its content. `former`: as 0.1.0 did it."""
        parsed = sources.parse(self.name)
        content = sources.digest(parsed[0]) if parsed else None
        name = parsed[1] if parsed else self.name
        return [name, identity(dict(self.options), former), self.command, content, identity(self.thing, former)]

    @property
    def file(self) -> str:
        """A part of file names of its own: the same for the same thing under the same label."""
        return self._file()

    @property
    def former_file(self) -> str:
        """`file`, as moopt 0.1.0 called it."""
        return self._file(former=True)

    def _file(self, former: bool = False) -> str:
        return f"{slug(self.label)}-{_digest(self.identity(former))}"


@dataclass(frozen=True)
class Cell:
    """One algorithm on one problem, to be run with some seeds."""

    problem: Entry
    algorithm: Entry
    budget: Budget
    seeds: tuple[int, ...]
    checkpoints: int
    dtype: str

    @property
    def folder(self) -> str:
        """A name of its own: the same for the same work, whatever else the study holds."""
        return self._folder()

    @property
    def former_folder(self) -> str:
        """`folder`, as moopt 0.1.0 called it."""
        return self._folder(former=True)

    def _folder(self, former: bool = False) -> str:
        both = [self.problem.identity(former), self.algorithm.identity(former)]
        digest = _digest([*both, identity(self.budget, former), self.checkpoints, self.dtype])
        return f"{slug(self.problem.label)}-{slug(self.algorithm.label)}-{digest}"


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What a study compares.

    `problems`, `algorithms`: names, `Entry`s or objects, or a mapping label -> such. `budget`: a number of evaluations,
    a `Budget`, or a mapping such as {"evaluations": 25000}, of which what is used up first ends a run. `seeds`: how
    many, from 0, or which. `indicators`: among those of `moopt.indicators.table`, at `checkpoints` equally
    spaced moments of the budget. `timeout`: seconds that all seeds of a cell that run together may take. `baseline`:
    the algorithm that tables compare with (default: the first).

    Raises ValueError or TypeError with one sentence for what does not fit.
    """

    name: str
    problems: Any
    algorithms: Any
    budget: Any
    seeds: Any = 31
    indicators: Sequence[str] = ("hypervolume",)
    checkpoints: int = 10
    dtype: str = "float64"
    timeout: float | None = None
    baseline: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise InputError(f"name: expected the study's name, got {self.name!r}")
        settled = {
            "problems": _entries("problems", self.problems), "algorithms": _entries("algorithms", self.algorithms),
            "budget": _budget("budget", self.budget),
            "seeds": _seeds("seeds", self.seeds),
            "indicators": tuple(self.indicators), "checkpoints": checks.whole("checkpoints", self.checkpoints),
        }  # fmt: skip
        for key, value in settled.items():
            object.__setattr__(self, key, value)
        for name in self.indicators:
            if name not in INDICATORS:
                known = ", ".join(INDICATORS)
                raise InputError(
                    f"indicators: expected some of {known}, got {name!r}{checks.nearest(str(name), INDICATORS)}"
                )
        if self.dtype not in ("float64", "float32"):
            raise InputError(f"dtype: expected float64 or float32, got {self.dtype!r}")
        if self.timeout is not None and checks.number("timeout", self.timeout, low=0.0) == 0:
            raise InputError("timeout: expected a positive number of seconds, got 0")
        labels = [entry.label for entry in self.algorithms]
        if self.baseline is not None and self.baseline not in labels:
            raise InputError(f"baseline: expected one of {', '.join(labels)}, got {self.baseline!r}")

    @staticmethod
    def read(source: str | Path) -> Spec:
        """The spec in a TOML file, or one that is shipped under that name; files in it are seen from its folder.

        Raises ValueError or OSError.
        """
        path = Path(source)
        if not path.suffix and not path.exists():
            path = SHIPPED / f"{source}.toml"
            shipped = sorted(found.stem for found in SHIPPED.glob("*.toml"))
            if not path.exists():
                near = checks.nearest(str(source), shipped)
                raise InputError(f"expected a spec file or one of {', '.join(shipped)}, got {str(source)!r}{near}")
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise FileNotFoundError(f"{path}: expected a spec file, got none there") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: expected a file in TOML, got: {error}") from None
        try:
            needed = ("name", "problems", "algorithms", "budget")
            content |= {group: _placed(content[group], path.parent) for group in needed[1:3] if group in content}
            return Spec(**_known("a spec", content, list(Spec.__dataclass_fields__), needed))
        except (ValueError, TypeError) as error:
            raise InputError(f"{path}: {error}") from None

    def cells(self) -> list[Cell]:
        """Every algorithm on every problem, in order."""
        return [
            Cell(problem, algorithm, problem.budget or self.budget, problem.seeds or self.seeds, self.checkpoints,
                 self.dtype)
            for problem in self.problems
            for algorithm in self.algorithms
        ]

    def describe(self, frames: Mapping[str, Any]) -> dict[str, Any]:
        """JSON for the result folder and the report; `frames`: what results need of each problem, by label."""
        return {
            "name": self.name, "seeds": list(self.seeds), "budget": _limits(self.budget),
            "indicators": list(self.indicators), "checkpoints": self.checkpoints, "dtype": self.dtype,
            "timeout": self.timeout, "baseline": self.baseline or self.algorithms[0].label,
            "problems": [
                {**_entry_json(entry), "frame": frames[entry.label], "file": entry.file} for entry in self.problems
            ],
            "algorithms": [_entry_json(entry) for entry in self.algorithms],
            "cells": [[cell.problem.label, cell.algorithm.label, cell.folder] for cell in self.cells()],
        }  # fmt: skip


def _placed(entries: Any, folder: Path) -> Any:
    """Entries of a file whose own files lie beside it."""
    if not isinstance(entries, list):
        raise InputTypeError(f"expected a list of tables with a name, got {entries!r}")
    placed = []
    for entry in entries:
        named = {"name": entry} if isinstance(entry, str) else entry
        own = sources.parse(str(named.get("name", ""))) if isinstance(named, dict) else None
        placed.append(entry if own is None else {**named, "name": f"{folder / own[0]}:{own[1]}"})
    return placed


def slug(label: str) -> str:
    """A label as part of a file name."""
    return "".join(c if c.isalnum() or c in "._" else "_" for c in label)[:40]


def _digest(content: Any) -> str:
    """Of JSON."""
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:8]


def _limits(limit: Budget) -> Any:
    return {unit: n for unit, n in limit.limits().items() if not math.isinf(n)} or repr(limit)


def _entry_json(entry: Entry) -> dict[str, Any]:
    found = {"label": entry.label, "name": entry.name, "options": dict(entry.options)}
    return found | ({"command": entry.command} if entry.command else {}) | (
        {"budget": _limits(entry.budget)} if entry.budget else {}
    ) | ({"seeds": list(entry.seeds)} if entry.seeds else {})


def _known(what: str, given: Any, known: Sequence[str], needed: Sequence[str] = ()) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise InputTypeError(f"{what}: expected a table with {', '.join(known)}, got {given!r}")
    for key in given:
        if key not in known:
            among = ", ".join(known)
            raise InputError(f"{what}: expected keys among {among}, got {key!r}{checks.nearest(key, known)}")
    for key in needed:
        if key not in given:
            raise InputError(f"{what}: expected {key}, got none")
    return dict(given)


def _seeds(what: str, given: Any) -> tuple[int, ...]:
    """As many from 0, or those given."""
    if isinstance(given, int | float):
        given = range(checks.whole(what, given))
    if isinstance(given, str) or not isinstance(given, Collection):
        raise InputError(f"{what}: expected how many or a list such as [3, 4], got {given!r}")
    found = tuple(sorted({checks.whole(what, seed, low=0) for seed in given}))
    if not found:
        raise InputError(f"{what}: expected at least one, got none")
    return found


def _budget(what: str, given: Any) -> Budget:
    if not isinstance(given, Mapping):
        return budget(given)
    total = first_of(_known(what, given, list(UNITS)))
    if total is None:
        raise InputError(f"{what}: expected at least one of {', '.join(UNITS)}, got none")
    return total


def _entries(group: str, given: Any) -> tuple[Entry, ...]:
    """Entries with labels of their own. Raises ValueError where there are none, or two have one label."""
    what, kind = group.removesuffix("s"), Problem if group == "problems" else Algorithm
    items = list(given.items()) if isinstance(given, Mapping) else [("", item) for item in given]
    entries = []
    for label, item in items:
        if isinstance(item, Entry):
            entry = item
        elif isinstance(item, Mapping):
            allowed = ("name", "options", "label", *(("budget", "seeds") if group == "problems" else ("command",)))
            found = _known(what, item, allowed)
            if "budget" in found:
                found["budget"] = _budget(f"{what} budget", found["budget"])
            if "name" not in found and "command" not in found:
                raise InputError(f"{what}: expected a name, got {dict(item)}")
            entry = Entry(**{"name": found.get("label", "command"), **found})
        elif isinstance(item, str):
            entry = Entry(item)
        elif isinstance(item, kind) or (callable(item) and group == "algorithms"):
            entry = Entry(_name(item), thing=item)
        else:
            raise InputTypeError(f"{what}: expected a name, a table or an object, got {item!r}")
        entries.append(replace(
            entry, options=dict(entry.options), label=label or entry.label or entry.name.rpartition(":")[2],
            seeds=None if entry.seeds is None else _seeds(f"{what} seeds", entry.seeds),
        ))  # fmt: skip
    if not entries:
        raise InputError(f"{group}: expected at least one, got none")
    labels = [entry.label for entry in entries]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise InputError(f"{group}: expected a label of its own for each, got {', '.join(twice)} more than once")
    return tuple(entries)


def _name(thing: Any) -> str:
    if isinstance(thing, Problem):
        return thing.name
    return getattr(thing, "__name__", type(thing).__name__.lower())
