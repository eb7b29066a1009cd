"""When a run ends: limits on what it may spend, and goals.

Budgets combine with `|` (whichever ends first) and `&` (both must have ended). They hold for each independent run
on its own. What they remember between steps is a tree that leads with the runs and is saved with the checkpoint.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from moopt.core import checks
from moopt.core.checks import InputError, InputTypeError
from moopt.indicators.table import indicator


class Standing(NamedTuple):
    """How far the runs are: what each spent (unit -> int64[r]), wall-clock seconds, and indicators on request."""

    spent: Mapping[str, Tensor]
    seconds: float
    indicator: Callable[[str], Tensor]


class Budget(ABC):
    """When a run ends. Subclasses are frozen dataclasses."""

    unit: ClassVar[str | None] = None
    """What it counts of what a run spends; `None` where it counts nothing."""

    def __or__(self, other: Budget | int) -> Budget:
        return Either((self, budget(other)))

    def __and__(self, other: Budget | int) -> Budget:
        return Both((self, budget(other)))

    def init(self, runs: int) -> Any:
        """What is remembered before the first step: a tree of tensors [r, ...]."""
        return {}

    @abstractmethod
    def update(self, state: Any, standing: Standing) -> tuple[Any, Tensor]:
        """The new memory, and which runs have ended: bool[r]."""

    def leaves(self) -> list[Budget]:
        """What is combined in it; itself where nothing is."""
        return [self]

    def limits(self) -> dict[str, float]:
        """The most that a run may spend of each unit that this budget bounds."""
        return {}

    def fraction(self, standing: Standing) -> Tensor:
        """Share of the budget that each run has used, float64[r] in [0, 1]; NaN where unknown."""
        return torch.full((len(standing.spent["generations"]),), torch.nan, dtype=torch.float64)


class _Limit(Budget):
    """At most `n` of one unit."""

    unit: ClassVar[str]
    n: float

    def update(self, state: Any, standing: Standing) -> tuple[Any, Tensor]:
        return state, standing.spent[self.unit] >= self.n

    def limits(self) -> dict[str, float]:
        return {self.unit: self.n}

    def fraction(self, standing: Standing) -> Tensor:
        return (standing.spent[self.unit].double() / self.n).clamp_max(1.0)

    def __post_init__(self) -> None:
        checks.whole(f"{type(self).__name__} budget", self.n)


@dataclass(frozen=True)
class Evaluations(_Limit):
    """At most `n` evaluated points per run. Raises ValueError unless n is a positive whole number."""

    n: int
    unit: ClassVar[str] = "evaluations"


@dataclass(frozen=True)
class Generations(_Limit):
    """At most `n` steps of the algorithm. Raises ValueError unless n is a positive whole number."""

    n: int
    unit: ClassVar[str] = "generations"


@dataclass(frozen=True)
class EnvSteps(_Limit):
    """At most `n` live environment steps per run. Raises ValueError unless n is a positive whole number."""

    n: int
    unit: ClassVar[str] = "env_steps"


@dataclass(frozen=True)
class Tokens(_Limit):
    """At most `n` generated tokens per run. Raises ValueError unless n is a positive whole number."""

    n: int
    unit: ClassVar[str] = "tokens"


@dataclass(frozen=True)
class Seconds(Budget):
    """At most `n` seconds of wall clock, interruptions not counted. Raises ValueError unless n is positive."""

    n: float

    def __post_init__(self) -> None:
        if checks.number("Seconds budget", self.n, low=0.0) == 0:
            raise InputError("Seconds budget: expected a positive number, got 0")

    def update(self, state: Any, standing: Standing) -> tuple[Any, Tensor]:
        runs = len(standing.spent["generations"])
        return state, torch.full((runs,), standing.seconds >= self.n)

    def limits(self) -> dict[str, float]:
        return {"seconds": self.n}

    def fraction(self, standing: Standing) -> Tensor:
        runs = len(standing.spent["generations"])
        return torch.full((runs,), standing.seconds / self.n, dtype=torch.float64).clamp_max(1.0)


UNITS: dict[str, type[Any]] = {
    "evaluations": Evaluations, "env_steps": EnvSteps, "tokens": Tokens, "generations": Generations, "seconds": Seconds,
}  # fmt: skip
"""What budgets are written in: work first, then steps of the algorithm, then time."""


@dataclass(frozen=True)
class Reached(Budget):
    """Ends a run whose archive's indicator is as good as `value`.

    `indicator`: "hypervolume" as the progress line shows it (normalised where the problem knows its ideal and nadir);
    "igd", "igd_plus", "gd", "gd_plus" or "epsilon_additive" to the problem's Pareto front, not scaled; "r2" or
    "expected_utility" (0 at the nadir, 1 at the ideal), of objectives scaled by the problem's ideal and nadir. Raises
    ValueError for an unknown one, and in the run where the problem does not know what it needs.
    """

    indicator: str
    value: float

    def __post_init__(self) -> None:
        indicator(self.indicator)
        checks.number("Reached value", self.value)

    def update(self, state: Any, standing: Standing) -> tuple[Any, Tensor]:
        current = standing.indicator(self.indicator)
        better = indicator(self.indicator).higher_is_better
        return state, current >= self.value if better else current <= self.value


@dataclass(frozen=True)
class Stalled(Budget):
    """Ends a run whose indicator has not improved by more than `tolerance` (relative) in `generations` steps.

    `indicator`: as for `Reached`. Raises ValueError for an unknown one, no generations, or a negative tolerance.
    """

    generations: int = 50
    tolerance: float = 1e-3
    indicator: str = "hypervolume"

    def __post_init__(self) -> None:
        indicator(self.indicator)
        checks.whole("Stalled generations", self.generations)
        checks.number("Stalled tolerance", self.tolerance, low=0.0)

    def init(self, runs: int) -> Any:
        best = torch.full((runs,), -torch.inf, dtype=torch.float64)
        return {"best": best, "since": torch.zeros(runs, dtype=torch.int64)}

    def update(self, state: Any, standing: Standing) -> tuple[Any, Tensor]:
        current = standing.indicator(self.indicator) * (1 if indicator(self.indicator).higher_is_better else -1)
        best, generations = state["best"], standing.spent["generations"]
        improved = torch.isinf(best) | (current > best + self.tolerance * best.abs())
        since = torch.where(improved, generations, state["since"])
        state = {"best": torch.where(improved, current, best), "since": since}
        return state, generations - since >= self.generations


@dataclass(frozen=True)
class _Combined(Budget):
    parts: tuple[Budget, ...]

    def init(self, runs: int) -> Any:
        return [part.init(runs) for part in self.parts]

    def leaves(self) -> list[Budget]:
        return [leaf for part in self.parts for leaf in part.leaves()]

    def _ended(self, state: Any, standing: Standing) -> tuple[Any, Tensor]:
        pairs = [part.update(s, standing) for part, s in zip(self.parts, state, strict=True)]
        return [s for s, _ in pairs], torch.stack([ended for _, ended in pairs])


@dataclass(frozen=True)
class Either(_Combined):
    """Ends with the first of its parts; written `a | b`."""

    def update(self, state: Any, standing: Standing) -> tuple[Any, Tensor]:
        state, ended = self._ended(state, standing)
        return state, ended.any(0)

    def limits(self) -> dict[str, float]:
        merged: dict[str, float] = {}
        for part in self.parts:
            for unit, n in part.limits().items():
                merged[unit] = min(n, merged.get(unit, math.inf))
        return merged

    def fraction(self, standing: Standing) -> Tensor:
        known = torch.stack([part.fraction(standing) for part in self.parts])
        most = known.nan_to_num(-torch.inf).amax(0)
        return most.masked_fill(known.isnan().all(0), torch.nan)


@dataclass(frozen=True)
class Both(_Combined):
    """Ends with the last of its parts; written `a & b`."""

    def update(self, state: Any, standing: Standing) -> tuple[Any, Tensor]:
        state, ended = self._ended(state, standing)
        return state, ended.all(0)

    def fraction(self, standing: Standing) -> Tensor:
        return torch.stack([part.fraction(standing) for part in self.parts]).amin(0)


def first_of(amounts: Mapping[str, Any]) -> Budget | None:
    """The budget that ends with the first of these amounts, unit -> n in `UNITS`; `None` where there are none."""
    total: Budget | None = None
    for unit, n in amounts.items():
        part: Budget = UNITS[unit](n)
        total = part if total is None else total | part
    return total


def budget(value: Budget | int) -> Budget:
    """A budget; a whole number means evaluations. Raises TypeError or ValueError for anything else."""
    if isinstance(value, Budget):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Evaluations(value)
    raise InputTypeError(f"budget: expected a number of evaluations or a Budget, got {value!r}")
