"""What can be varied: the kinds of variables, each with its bounds and its two ways between columns and user values."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import torch
from torch import Tensor

from moopt.core import checks
from moopt.core.checks import InputError


class Kind(IntEnum):
    """What a column of `x` holds."""

    REAL = 0
    INTEGER = 1
    CATEGORY = 2
    PERMUTATION = 3
    WEIGHTS = 4


class Variable(ABC):
    """One named part of a space. Subclasses are final."""

    kind: Kind
    n_columns: int = 1
    opaque: bool = False  # a block of numbers without names, which no table shows

    @abstractmethod
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest search coordinate of each column, float64[n_columns], or [1] for all of them."""

    @abstractmethod
    def decode(self, columns: np.ndarray) -> list[Any]:
        """User values of the rows of `columns` (float64[n, n_columns])."""

    @abstractmethod
    def encode(self, value: Any) -> list[float] | Tensor:
        """Search coordinates of one user value. Raises ValueError when it does not fit."""


def finite_pair(what: str, low: float, high: float) -> None:
    """Raises InputError unless low < high are finite."""
    numeric = all(isinstance(v, (int, float, np.number)) and not isinstance(v, bool) for v in (low, high))
    if not numeric or not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InputError(f"{what}: expected finite bounds with low < high, got low={low!r}, high={high!r}")


@dataclass(frozen=True)
class Real(Variable):
    """A real number in [low, high]; `log=True` searches its logarithm.

    Raises ValueError unless low < high are finite (and positive for `log`).
    """

    low: float
    high: float
    log: bool = False
    kind = Kind.REAL

    def __post_init__(self) -> None:
        finite_pair("Real", self.low, self.high)
        if self.log and self.low <= 0:
            raise InputError(f"Real(log=True): expected low > 0, got low={self.low!r}")

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        return np.array([low], dtype=float), np.array([high], dtype=float)

    def decode(self, columns: np.ndarray) -> list[Any]:
        values = np.exp(columns[:, 0]) if self.log else columns[:, 0]
        # exp(log(high)) may lie one rounding above high
        return np.clip(values, self.low, self.high).tolist()  # type: ignore[no-any-return]

    def encode(self, value: Any) -> list[float]:
        if not (isinstance(value, (int, float, np.number)) and self.low <= value <= self.high):
            raise InputError(f"expected a number in [{self.low}, {self.high}], got {value!r}")
        return [math.log(value) if self.log else float(value)]


@dataclass(frozen=True)
class Integer(Variable):
    """An integer in [low, high], both included. Raises ValueError unless low < high are integers."""

    low: int
    high: int
    kind = Kind.INTEGER

    def __post_init__(self) -> None:
        finite_pair("Integer", self.low, self.high)
        if self.low != int(self.low) or self.high != int(self.high):
            raise InputError(f"Integer: expected integral bounds, got low={self.low!r}, high={self.high!r}")

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array([self.low], dtype=float), np.array([self.high], dtype=float)

    def decode(self, columns: np.ndarray) -> list[Any]:
        return np.clip(np.rint(columns[:, 0]), self.low, self.high).astype(np.int64).tolist()  # type: ignore[no-any-return]

    def encode(self, value: Any) -> list[float]:
        numeric = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
        if not (numeric and value == int(value) and self.low <= value <= self.high):
            raise InputError(f"expected an integer in [{self.low}, {self.high}], got {value!r}")
        return [float(value)]


@dataclass(frozen=True)
class Choice(Variable):
    """One of several options without order. Raises ValueError for no options or equal ones."""

    options: Sequence[Any]
    kind = Kind.CATEGORY

    def __post_init__(self) -> None:
        if isinstance(self.options, str) or not isinstance(self.options, Sequence) or not self.options:
            raise InputError(f"Choice: expected a non-empty list of options, got {self.options!r}")
        if any(a == b and type(a) is type(b) for i, a in enumerate(self.options) for b in self.options[:i]):
            raise InputError(f"Choice: expected different options, got {list(self.options)!r}")
        object.__setattr__(self, "options", tuple(self.options))

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array([0.0]), np.array([len(self.options) - 1.0])

    def decode(self, columns: np.ndarray) -> list[Any]:
        index = np.clip(np.rint(columns[:, 0]), 0, len(self.options) - 1).astype(np.int64)
        return [self.options[i] for i in index]

    def encode(self, value: Any) -> list[float]:
        for i, option in enumerate(self.options):
            if option == value and isinstance(option, bool) == isinstance(value, (bool, np.bool_)):
                return [float(i)]
        raise InputError(f"expected one of {list(self.options)}, got {value!r}")


@dataclass(frozen=True)
class Flag(Variable):
    """True or false."""

    kind = Kind.CATEGORY

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array([0.0]), np.array([1.0])

    def decode(self, columns: np.ndarray) -> list[Any]:
        return (columns[:, 0] > 0.5).tolist()  # type: ignore[no-any-return]

    def encode(self, value: Any) -> list[float]:
        if not isinstance(value, (bool, np.bool_)):
            raise InputError(f"expected True or False, got {value!r}")
        return [float(value)]


@dataclass(frozen=True)
class Permutation(Variable):
    """An order of items (an `int` k stands for 0 .. k-1). Raises ValueError for fewer than two items."""

    items: int | Sequence[Any]
    kind = Kind.PERMUTATION

    def __post_init__(self) -> None:
        items = tuple(range(self.items)) if isinstance(self.items, int) else tuple(self.items)
        if len(items) < 2 or len(set(items)) < len(items):
            raise InputError(f"Permutation: expected two or more different items, got {self.items!r}")
        object.__setattr__(self, "items", items)
        object.__setattr__(self, "n_columns", len(items))

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros(self.n_columns), np.full(self.n_columns, self.n_columns - 1.0)

    def decode(self, columns: np.ndarray) -> list[Any]:
        return [[self.items[int(i)] for i in row] for row in columns]  # type: ignore[index]

    def encode(self, value: Any) -> list[float]:
        items: tuple[Any, ...] = self.items  # type: ignore[assignment]
        if not isinstance(value, Sequence) or sorted(map(repr, value)) != sorted(map(repr, items)):
            raise InputError(f"expected an order of {list(items)}, got {value!r}")
        return [float(items.index(v)) for v in value]


@dataclass(frozen=True)
class Weights(Variable):
    """One opaque block of n real numbers, such as the parameters of a network: 10^3 to 10^8 of them under one name.

    All of them lie between the numbers `low` and `high`, or have no bounds. Without bounds the first points are normal
    with mean 0 and standard deviation `scale` (default 1), and mutation moves a number by at most `scale` at a time.
    The user gets a tensor [n] on the CPU, in the precision of the run. Columns have no names: tables, CSV and pictures
    leave the block out, results and logs keep it as a tensor. Raises ValueError unless n is a whole number of at least
    1 and either low < high are finite and no scale is given, or neither bound is given and the scale is positive.
    """

    n: int
    low: float | None = None
    high: float | None = None
    scale: float | None = None
    kind = Kind.WEIGHTS
    opaque = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", checks.whole("Weights: n", self.n))
        if self.low is None and self.high is None:
            if checks.number("Weights: scale", 1.0 if self.scale is None else self.scale) <= 0:
                raise InputError(f"Weights: expected a positive scale, got {self.scale!r}")
            object.__setattr__(self, "scale", 1.0 if self.scale is None else float(self.scale))
            return
        if self.low is None or self.high is None:
            raise InputError(f"Weights: expected both bounds or none, got low={self.low!r}, high={self.high!r}")
        finite_pair("Weights", self.low, self.high)
        if self.scale is not None:
            raise InputError(f"Weights: expected bounds or a scale, got both, scale={self.scale!r}")

    @property
    def n_columns(self) -> int:  # type: ignore[override]
        return self.n

    @property
    def is_bounded(self) -> bool:
        """Whether the numbers have bounds."""
        return self.low is not None

    @property
    def ends(self) -> tuple[float, float]:
        """Lowest and highest number, infinite where there are no bounds."""
        return (-math.inf, math.inf) if self.low is None or self.high is None else (self.low, self.high)

    @property
    def reach(self) -> float:
        """How far mutation moves a number at most, where there are no bounds."""
        return 1.0 if self.scale is None else self.scale

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array(self.ends[:1], dtype=float), np.array(self.ends[1:], dtype=float)

    def decode(self, columns: np.ndarray) -> list[Any]:
        return [torch.from_numpy(row.copy()) for row in columns]

    def encode(self, value: Any) -> Tensor:
        try:
            row = torch.as_tensor(value).detach().to("cpu", torch.float64)
        except (TypeError, ValueError, RuntimeError):
            raise InputError(f"expected a tensor or array of {self.n} numbers, got {type(value).__name__}") from None
        if row.shape != (self.n,):
            raise InputError(f"expected a tensor or array of shape [{self.n}], got {list(row.shape)}")
        if not bool(self.contains(row)):
            wanted = f"numbers in [{self.low}, {self.high}]" if self.is_bounded else "finite numbers"
            raise InputError(f"expected {wanted}, got {row.amin().item()} to {row.amax().item()}")
        return row

    def from_cube(self, z: Tensor) -> Tensor:
        """As `Space.from_cube`; without bounds the quantile of the normal distribution, z in (0, 1)."""
        low, high = self.ends
        return (low + z * (high - low)).clamp(low, high) if self.is_bounded else torch.special.ndtri(z) * self.reach

    def to_cube(self, x: Tensor) -> Tensor:
        """As `Space.to_cube`; without bounds the normal distribution function."""
        low, high = self.ends
        place: Tensor = (x - low) / (high - low) if self.is_bounded else torch.special.ndtr(x / self.reach)
        return place

    def repair(self, x: Tensor) -> Tensor:
        """As `Space.repair`."""
        return x.clamp(*self.ends) if self.is_bounded else x

    def contains(self, x: Tensor) -> Tensor:
        """As `Space.contains`."""
        low, high = self.ends
        return ((x >= low) & (x <= high) & torch.isfinite(x)).all(-1)
