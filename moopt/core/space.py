"""Named variables side by side, and their three maps (search coordinates, unit cube, dicts).

Search coordinates are the columns of `x`: a `Real` is its value (its natural logarithm when `log=True`), an
`Integer` an integral float, a `Choice` or `Flag` the index of its option, a `Permutation` of k items k columns
that hold 0 .. k-1, `Weights` a block of numbers. Operators and problems see search coordinates, surrogates the unit
cube, users dicts.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from moopt.core.checks import InputError, InputTypeError
from moopt.core.variables import Choice as Choice
from moopt.core.variables import Flag as Flag
from moopt.core.variables import Integer as Integer
from moopt.core.variables import Kind as Kind
from moopt.core.variables import Permutation as Permutation
from moopt.core.variables import Real as Real
from moopt.core.variables import Variable as Variable
from moopt.core.variables import Weights as Weights


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
                    "expected a name with Real, Integer, Choice, Flag, Permutation, Box or Weights, "
                    f"got {name!r}: {variable!r}"
                )
            self.variables[name] = variable
            self.columns[name] = slice(start, start + variable.n_columns)
            start += variable.n_columns
        self.n_var = start
        self.kinds: frozenset[Kind] = frozenset(v.kind for v in self.variables.values())
        self.blocks: dict[str, Weights] = {k: v for k, v in self.variables.items() if isinstance(v, Weights)}
        self.is_bounded = all(block.is_bounded for block in self.blocks.values())

    def _per_column(self, of: Callable[[Variable], Any]) -> Tensor:
        """Numbers of each variable, one for all of its columns or one for each, side by side: [d]."""
        parts = [torch.as_tensor(of(v)).expand(v.n_columns) for v in self.variables.values()]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    @functools.cached_property
    def low(self) -> Tensor:
        """Lowest search coordinates, float64[d]; made when somebody asks."""
        return self._per_column(lambda variable: variable.bounds()[0])

    @functools.cached_property
    def high(self) -> Tensor:
        """Highest search coordinates, float64[d]."""
        return self._per_column(lambda variable: variable.bounds()[1])

    @functools.cached_property
    def column_kinds(self) -> Tensor:
        """The `Kind` of each column, int64[d]."""
        return self._per_column(lambda variable: int(variable.kind))

    @property
    def names(self) -> list[str]:
        """One name for each column that tables show: `width`, or `x1 x2 ...` where a variable spans several.

        Weights have none.
        """
        return [
            name if variable.n_columns == 1 and not isinstance(variable, _Vector) else f"{name}{i + 1}"
            for name, variable in self.variables.items()
            if not variable.opaque
            for i in range(variable.n_columns)
        ]

    @functools.cached_property
    def _pieces(self) -> list[tuple[slice, Space | Weights]]:
        """Blocks, and the spaces of the variables between them, with their columns."""
        found: list[tuple[slice, Space | Weights]] = []
        for is_block, group in itertools.groupby(self.variables, key=self.blocks.__contains__):
            names = list(group)
            if is_block:
                found += [(self.columns[name], self.blocks[name]) for name in names]
            else:
                place = slice(self.columns[names[0]].start, self.columns[names[-1]].stop)
                found.append((place, Space({name: self.variables[name] for name in names})))
        return found

    def _piecewise(self, x: Tensor, call: Callable[[Space | Weights, Tensor], Tensor]) -> Tensor:
        parts = [call(piece, x[..., place]) for place, piece in self._pieces]
        return parts[0] if len(parts) == 1 else torch.cat(parts, -1)

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
        if self.blocks:
            return self._piecewise(x, lambda piece, part: piece.to_cube(part))
        low, width = self._cube(x.dtype, x.device)
        return (x - low) / width

    def from_cube(self, z: Tensor) -> Tensor:
        """Unit cube to the nearest valid search coordinates: z[..., d] -> x[..., d]."""
        if self.blocks:
            return self._piecewise(z, lambda piece, part: piece.from_cube(part))
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
        if self.blocks:
            return self._piecewise(x, lambda piece, part: piece.repair(part))
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
        if self.blocks:
            return torch.stack([piece.contains(x[..., place]) for place, piece in self._pieces]).all(0)
        low, high = self.bounds(x.dtype, x.device)
        inside = (x >= low) & (x <= high) & (self.column_mask(Kind.REAL, x.device) | (x == torch.round(x)))
        valid = inside.all(-1)
        for columns in self.permutation_columns:
            order = torch.sort(x[..., columns], dim=-1).values
            valid &= (order == torch.arange(order.shape[-1], device=x.device, dtype=x.dtype)).all(-1)
        return valid

    def decode(self, x: Tensor) -> list[dict[str, Any]]:
        """The user's values, plain Python numbers, and tensors of weights: x[n, d] -> n dicts."""
        table = self.table(x)
        return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]

    def table(self, x: Tensor, blocks: bool = True) -> dict[str, list[Any]]:
        """The user's values by variable: x[n, d] -> name -> n values. `blocks`: weights, too."""
        if not self.blocks:
            rows = x.detach().to("cpu", torch.float64).numpy()
            return {name: v.decode(rows[:, self.columns[name]]) for name, v in self.variables.items()}
        parts = {n: x[:, self.columns[n]].detach().cpu() for n, v in self.variables.items() if blocks or not v.opaque}
        return {n: self.variables[n].decode((p if n in self.blocks else p.double()).numpy()) for n, p in parts.items()}

    def rows(self, x: Tensor) -> list[Any]:
        """Points one by one, for workers and logs: x[n, d] -> n lists of Python numbers.

        With weights in them they are tensors [d] of their own, for lists would take eight times the memory.
        """
        return [row.detach().cpu().clone() for row in x] if self.blocks else x.detach().cpu().double().tolist()

    def from_rows(self, rows: Sequence[Sequence[float] | Tensor]) -> Tensor:
        """What `rows` took apart: [n, d], float64 where they were lists."""
        if not self.blocks:
            return torch.tensor(rows, dtype=torch.float64)
        return torch.stack([torch.as_tensor(row) for row in rows])

    def encode(self, values: Mapping[str, Any]) -> Tensor:
        """Search coordinates of one dict: float64[d].

        Raises ValueError for a missing or unknown name and for a value that does not fit its variable.
        """
        if set(values) != set(self.variables):
            missing, unknown = set(self.variables) - set(values), set(values) - set(self.variables)
            known = sorted(self.variables)
            raise InputError(f"expected values for {known}, got missing {sorted(missing)}, unknown {sorted(unknown)}")
        row = torch.empty(self.n_var, dtype=torch.float64)
        for name, variable in self.variables.items():
            try:
                row[self.columns[name]] = torch.as_tensor(variable.encode(values[name]), dtype=torch.float64)
            except ValueError as error:
                raise InputError(f"{name}: {error}") from None
        return row


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
