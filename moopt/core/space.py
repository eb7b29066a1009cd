"""What can be varied: named variables and their three maps (search coordinates, unit cube, dicts).

Search coordinates are the columns of `x`: a `Real` is its value (its natural logarithm when `log=True`), an
`Integer` an integral float, a `Choice` or `Flag` the index of its option, a `Permutation` of k items k columns
that hold 0 .. k-1. Operators and problems see search coordinates, surrogates the unit cube, users dicts.
"""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import torch
from torch import Tensor

from moopt.core.checks import InputError, InputTypeError


class Kind(IntEnum):
    """What a column of `x` holds."""

    REAL = 0
    INTEGER = 1
    CATEGORY = 2
    PERMUTATION = 3


class Variable(ABC):
    """One named part of a space. Subclasses are final."""

    kind: Kind
    n_columns: int = 1

    @abstractmethod
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest search coordinate of each column, float64[n_columns]."""

    @abstractmethod
    def decode(self, columns: np.ndarray) -> list[Any]:
        """User values of the rows of `columns` (float64[n, n_columns])."""

    @abstractmethod
    def encode(self, value: Any) -> list[float]:
        """Search coordinates of one user value. Raises ValueError when it does not fit."""


def _finite_pair(what: str, low: float, high: float) -> None:
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
        _finite_pair("Real", self.low, self.high)
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
        _finite_pair("Integer", self.low, self.high)
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


@dataclass(frozen=True, eq=False)
class _Vector(Variable):
    """Several reals under one name; what a `Box` holds."""

    low: np.ndarray
    high: np.ndarray
    kind = Kind.REAL

    @property
    def n_columns(self) -> int:  # type: ignore[override]
        return len(self.low)

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        return self.low, self.high

    def decode(self, columns: np.ndarray) -> list[Any]:
        return list(columns.copy())

    def encode(self, value: Any) -> list[float]:
        row = np.asarray(value, dtype=float)
        if row.shape != self.low.shape or not ((row >= self.low) & (row <= self.high)).all():
            raise InputError(f"expected {len(self.low)} numbers within their bounds, got {value!r}")
        return row.tolist()  # type: ignore[no-any-return]


class Space:
    """Named variables, in order.

    Raises ValueError for an empty space, TypeError for anything that is not a variable.
    """

    def __init__(self, variables: Mapping[str, Variable | Box]) -> None:
        if not isinstance(variables, Mapping):
            raise InputTypeError(f"expected a dict of named variables, got {type(variables).__name__}")
        if not variables:
            raise InputError("expected at least one variable, got an empty space")
        self.variables: dict[str, Variable] = {}
        self.columns: dict[str, slice] = {}
        start = 0
        for name, variable in variables.items():
            if isinstance(variable, Box):
                variable = variable.variables["x"]
            if not isinstance(name, str) or not isinstance(variable, Variable):
                raise InputTypeError(
                    f"expected a name with Real, Integer, Choice, Flag, Permutation or Box, got {name!r}: {variable!r}"
                )
            self.variables[name] = variable
            self.columns[name] = slice(start, start + variable.n_columns)
            start += variable.n_columns
        self.n_var = start
        bounds = [variable.bounds() for variable in self.variables.values()]
        self.low = torch.from_numpy(np.concatenate([low for low, _ in bounds]))
        self.high = torch.from_numpy(np.concatenate([high for _, high in bounds]))
        codes = [np.full(v.n_columns, int(v.kind)) for v in self.variables.values()]
        self.column_kinds = torch.from_numpy(np.concatenate(codes))
        self.kinds: frozenset[Kind] = frozenset(v.kind for v in self.variables.values())

    @property
    def names(self) -> list[str]:
        """One name for each column: `width`, or `x1 x2 ...` where a variable spans several."""
        return [
            name if variable.n_columns == 1 and not isinstance(variable, _Vector) else f"{name}{i + 1}"
            for name, variable in self.variables.items()
            for i in range(variable.n_columns)
        ]

    def __len__(self) -> int:
        return self.n_var

    def __repr__(self) -> str:
        shown = list(self.variables.items())[:8]
        more = ", ..." if len(self.variables) > len(shown) else ""
        return f"Space({{{', '.join(f'{k!r}: {v}' for k, v in shown)}{more}}})"

    @functools.lru_cache(maxsize=8)  # noqa: B019 - a space lives as long as its problem
    def bounds(self, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
        """Lowest and highest search coordinates, [d] each."""
        return self.low.to(device, dtype), self.high.to(device, dtype)

    @functools.lru_cache(maxsize=8)  # noqa: B019
    def column_mask(self, kind: Kind, device: torch.device) -> Tensor:
        """The columns that hold `kind`, bool[d]."""
        return (self.column_kinds == int(kind)).to(device)

    @functools.cached_property
    def permutation_columns(self) -> list[slice]:
        """Columns of each permutation variable."""
        return [self.columns[name] for name, v in self.variables.items() if v.kind is Kind.PERMUTATION]

    def sample(self, u: Tensor) -> Tensor:
        """Points at uniform random places: u[..., n, d] in (0, 1) -> x[..., n, d]."""
        return self.from_cube(u)

    def to_cube(self, x: Tensor) -> Tensor:
        """Search coordinates to the unit cube, column by column: x[..., d] -> [..., d].

        Integers, categories and permutation entries sit in the middle of cells of equal width, half a step
        inside the cube, so that rounding favours none of them.
        """
        low, width = self._cube(x.dtype, x.device)
        return (x - low) / width

    def from_cube(self, z: Tensor) -> Tensor:
        """Unit cube to the nearest valid search coordinates: z[..., d] -> x[..., d]."""
        low, width = self._cube(z.dtype, z.device)
        x = torch.addcmul(low, z, width)
        return x.clamp(*self.bounds(z.dtype, z.device)) if self.kinds == {Kind.REAL} else self.repair(x)

    @functools.lru_cache(maxsize=8)  # noqa: B019
    def _cube(self, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
        half = torch.where(self.column_kinds == int(Kind.REAL), 0.0, 0.5).double()
        low, high = self.low - half, self.high + half
        return low.to(device, dtype), (high - low).to(device, dtype)

    def repair(self, x: Tensor) -> Tensor:
        """The nearest valid point: clips to the bounds, rounds, makes permutations of ranks. x[..., d] -> [..., d]."""
        low, high = self.bounds(x.dtype, x.device)
        if self.kinds == {Kind.REAL}:
            return x.clamp(low, high)
        discrete = ~self.column_mask(Kind.REAL, x.device)
        fixed = torch.where(discrete, torch.round(x) + 0.0, x).clamp(low, high)  # + 0.0 turns -0.0 into 0.0
        for columns in self.permutation_columns:
            ranks = torch.argsort(torch.argsort(x[..., columns], dim=-1, stable=True), dim=-1, stable=True)
            fixed[..., columns] = ranks.to(x.dtype)
        return fixed

    def contains(self, x: Tensor) -> Tensor:
        """Which points are valid: x[..., d] -> bool[...]."""
        low, high = self.bounds(x.dtype, x.device)
        inside = (x >= low) & (x <= high) & (self.column_mask(Kind.REAL, x.device) | (x == torch.round(x)))
        valid = inside.all(-1)
        for columns in self.permutation_columns:
            order = torch.sort(x[..., columns], dim=-1).values
            valid &= (order == torch.arange(order.shape[-1], device=x.device, dtype=x.dtype)).all(-1)
        return valid

    def decode(self, x: Tensor) -> list[dict[str, Any]]:
        """The user's values, plain Python numbers: x[n, d] -> n dicts."""
        table = self.table(x)
        return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]

    def table(self, x: Tensor) -> dict[str, list[Any]]:
        """The user's values by variable: x[n, d] -> name -> n values."""
        rows = x.detach().to("cpu", torch.float64).numpy()
        return {name: v.decode(rows[:, self.columns[name]]) for name, v in self.variables.items()}

    def encode(self, values: Mapping[str, Any]) -> Tensor:
        """Search coordinates of one dict: float64[d].

        Raises ValueError for a missing or unknown name and for a value that does not fit its variable.
        """
        if set(values) != set(self.variables):
            missing, unknown = set(self.variables) - set(values), set(values) - set(self.variables)
            known = sorted(self.variables)
            raise InputError(f"expected values for {known}, got missing {sorted(missing)}, unknown {sorted(unknown)}")
        row: list[float] = []
        for name, variable in self.variables.items():
            try:
                row += variable.encode(values[name])
            except ValueError as error:
                raise InputError(f"{name}: {error}") from None
        return torch.tensor(row, dtype=torch.float64)


class Box(Space):
    """A plain real vector between `low` and `high` (numbers, or one for each of the d columns).

    Raises ValueError for bounds that are not finite, not ordered, or of different length.
    """

    def __init__(
        self, low: float | Sequence[float] | Tensor, high: float | Sequence[float] | Tensor, n_var: int | None = None
    ) -> None:
        try:
            lows, highs = (np.asarray(v, dtype=float) for v in (low, high))
            shape = np.broadcast_shapes(lows.shape, highs.shape, (n_var,) if n_var is not None else (1,))
            lows, highs = (np.broadcast_to(v, shape).copy() for v in (lows, highs))
        except (ValueError, TypeError):
            raise InputError(
                f"Box: expected numbers, one or one for each column, got low={low!r}, high={high!r}, n_var={n_var}"
            ) from None
        if lows.ndim != 1 or not len(lows):
            raise InputError(f"Box: expected at least one column, got bounds of shape {lows.shape}")
        wrong = np.flatnonzero(~(np.isfinite(lows) & np.isfinite(highs) & (lows < highs)))
        if len(wrong):
            i = int(wrong[0])
            raise InputError(
                f"Box: expected finite bounds with low < high, got low={lows[i]}, high={highs[i]} in column {i + 1}"
            )
        super().__init__({"x": _Vector(lows, highs)})

    def __repr__(self) -> str:
        return f"Box of {self.n_var} real columns"
