"""Evaluated points and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from moopt.kernels.rows import rows


class Widths(Protocol):
    """What a `Problem` says of the points it takes."""

    @property
    def n_var(self) -> int:
        """Number of variable columns."""

    @property
    def n_obj(self) -> int:
        """Number of objectives."""

    @property
    def n_con(self) -> int:
        """Number of constraints."""

    @property
    def signs(self) -> tuple[int, ...]:
        """1 for each objective to minimise, -1 to maximise."""


def violation(g: Tensor, failed: Tensor) -> Tensor:
    """Total constraint violation, the sum of the positive parts: g[..., n, c], failed[..., n] -> [..., n].

    Zero is feasible; a failed point or a NaN constraint has infinite violation (Deb 2000, "An efficient constraint
    handling method", section 3).
    """
    total = torch.where(torch.isnan(g), torch.inf, g.clamp(min=0)).sum(-1) if g.shape[-1] else g.new_zeros(failed.shape)
    return torch.where(failed, torch.inf, total)


@dataclass(frozen=True)
class Points:
    """Points with what is known of them; any leading batch dimensions (the runs `r` inside a state).

    x[..., n, d] search coordinates; f[..., n, m] objectives, minimised, NaN where failed; g[..., n, c] constraints,
    feasible at <= 0; failed[..., n], without a usable value. `signs` turns f into the user's objectives (empty: all
    are minimised). `columns`: whatever else is known, by name, [..., n] or [..., n, k] each; two of these have a
    meaning to everyone, `f_var` [..., n, m], the variance of the noise in f, NaN where it is not known, and `cost`
    int64[..., n], what a point spent in the problem's `cost_unit`.
    """

    x: Tensor
    f: Tensor
    g: Tensor
    failed: Tensor
    signs: tuple[int, ...] = ()
    columns: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.f.shape[-2]

    @property
    def objectives(self) -> Tensor:
        """The objectives in the user's sign, [..., n, m]."""
        return self.f * self.f.new_tensor(self.signs) if self.signs else self.f

    @cached_property
    def violation(self) -> Tensor:
        """Total constraint violation [..., n]; 0 feasible, infinite where failed."""
        return violation(self.g, self.failed)

    @property
    def feasible(self) -> Tensor:
        """Evaluated and without violation: bool[..., n]."""
        return self.violation <= 0

    @property
    def f_var(self) -> Tensor | None:
        """Variance of the noise in f, [..., n, m]; `None` where nothing is known of it."""
        return self.columns.get("f_var")

    @property
    def cost(self) -> Tensor | None:
        """What each point spent in the problem's `cost_unit`, int64[..., n]; `None` where that is not counted."""
        return self.columns.get("cost")

    @staticmethod
    def empty(problem: Widths, *batch: int, device: torch.device | str, dtype: torch.dtype) -> Points:
        """No points: x[*batch, 0, d] and so on."""
        x, f, g = (
            torch.zeros(*batch, 0, k, device=device, dtype=dtype)
            for k in (problem.n_var, problem.n_obj, problem.n_con)
        )
        failed = torch.zeros(*batch, 0, device=device, dtype=torch.bool)
        return Points(x, f, g, failed, problem.signs)

    def bare(self) -> Points:
        """The same without the further columns."""
        return replace(self, columns={}) if self.columns else self

    def with_columns(self, **columns: Tensor) -> Points:
        """The same with further or other columns."""
        return replace(self, columns={**self.columns, **columns})

    def without(self, *names: str) -> Points:
        """The same without columns of these names."""
        return replace(self, columns={name: column for name, column in self.columns.items() if name not in names})

    def select(self, index: Tensor, *others: Points) -> Points:
        """Points by number (int64[..., k]) or by mask (bool[n], without batch dimensions).

        `others`: points whose numbers follow these, as if they had been joined, which saves a copy of all of them.
        """
        parts = (self, *others)
        names = _names(parts)
        if index.dtype == torch.bool:
            kept = {name: column[index] for name, column in self.columns.items()}
            return Points(self.x[index], self.f[index], self.g[index], self.failed[index], self.signs, kept)
        leaves = [[part.x, part.f, part.g, part.failed[..., None]] for part in parts]
        flat = []
        for name in names:
            found = [part._column(name, parts) for part in parts]
            flat.append(found[0].ndim == self.failed.ndim)
            for part, column in zip(leaves, found, strict=True):
                part.append(column[..., None] if flat[-1] else column)
        x, f, g, failed, *rest = rows(leaves, index)
        columns = {n: c[..., 0] if one else c for n, c, one in zip(names, rest, flat, strict=True)}
        return Points(x, f, g, failed[..., 0], self.signs, columns)

    def join(self, *others: Points) -> Points:
        """These points, then the other ones. A column that some of them lack is NaN there, 0 or False."""
        parts = (self, *others)
        x, f, g = (torch.cat([getattr(part, leaf) for part in parts], -2) for leaf in ("x", "f", "g"))
        failed = torch.cat([part.failed for part in parts], -1)
        columns = {}
        for name in _names(parts):
            found = [part._column(name, parts) for part in parts]
            columns[name] = torch.cat(found, -1 if found[0].ndim == self.failed.ndim else -2)
        return Points(x, f, g, failed, self.signs, columns)

    def _column(self, name: str, among: tuple[Points, ...]) -> Tensor:
        """A column, made up like that of others where these points have none."""
        own = self.columns.get(name)
        if own is not None:
            return own
        like = next(part.columns[name] for part in among if name in part.columns)
        shape = (*self.failed.shape, *like.shape[self.failed.ndim :])
        return like.new_full(shape, torch.nan if like.is_floating_point() else 0)


def _names(parts: tuple[Points, ...]) -> list[str]:
    """Columns that any of the parts has, in order of appearance."""
    return list(dict.fromkeys(name for part in parts for name in part.columns))
