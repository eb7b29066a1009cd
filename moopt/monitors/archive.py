"""The best points found so far, of bounded number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from moopt import tree
from moopt.kernels.dominance import lexsort
from moopt.population import Population
from moopt.problem import Problem
from moopt.selection import nondominated_mask, thin


def first_of_equals(f: Tensor) -> Tensor:
    """Which points are no repetition of an earlier one in all objectives: f[..., n, m] -> bool[..., n]."""
    order = lexsort(list(f.unbind(-1)))
    rows = torch.take_along_dim(f, order[..., None], -2)
    first = torch.ones(f.shape[:-1], dtype=torch.bool, device=f.device)
    first[..., 1:] = (rows[..., 1:, :] != rows[..., :-1, :]).any(-1)
    return torch.zeros_like(first).scatter(-1, order, first)


class Archive:
    """Nondominated feasible points of each run, or the least violating ones while nothing is feasible.

    At most `capacity` a run: the most crowded go first. New points wait until there are `capacity` of them and are
    merged then, so that an insertion costs little; asking for the front in between merges a copy.
    """

    def __init__(self, problem: Problem, runs: int, device: torch.device, dtype: torch.dtype, capacity: int) -> None:
        self.capacity = capacity
        self._kept = Population.empty(problem, runs, device=device, dtype=dtype)
        self._valid = torch.zeros(runs, 0, dtype=torch.bool, device=device)
        self._waiting: list[Population] = []
        self._view: tuple[Population, Tensor] | None = None

    def insert(self, points: Population) -> None:
        """Takes notice of evaluated points [r, k, ...]."""
        self._waiting.append(points)
        self._view = None
        if sum(map(len, self._waiting)) >= self.capacity:
            self._kept, self._valid = self._merged()
            self._waiting = []

    def _merged(self) -> tuple[Population, Tensor]:
        points = self._kept
        for waiting in self._waiting:
            points = points.join(waiting)
        new = torch.ones_like(points.failed[:, len(self._kept) :])
        valid = torch.cat((self._valid, new), -1) & ~points.failed
        violation = torch.where(valid, points.violation, torch.inf)
        f = torch.where(valid[..., None], points.f, torch.inf)
        valid = valid & nondominated_mask(f, violation)
        valid = valid & first_of_equals(torch.where(valid[..., None], f, torch.inf))
        if len(points) > self.capacity:
            valid = thin(f, valid, self.capacity)
        width = int(valid.sum(-1).max()) if valid.numel() else 0
        order = torch.argsort(~valid, dim=-1, stable=True)[..., :width]
        return points.select(order), valid.gather(-1, order)

    def padded(self) -> tuple[Population, Tensor]:
        """All runs side by side: points [r, k, ...] and which of them count, bool[r, k]."""
        if not self._waiting:
            return self._kept, self._valid
        if self._view is None:
            self._view = self._merged()
        return self._view

    def front(self, run: int) -> Population:
        """The points of one run, [n, ...]."""
        points, valid = self.padded()
        one = replace(points, x=points.x[run], f=points.f[run], g=points.g[run], failed=points.failed[run])
        return one.select(valid[run])

    def later(self) -> Callable[[], list[Population]]:
        """What gives the fronts of this moment at any later time; they lack `x`, to keep little of them."""
        parts = [(points.f, points.g, points.failed) for points in (self._kept, *self._waiting)]
        return partial(_fronts, self.capacity, self._valid, parts)

    def take(self, index: Tensor) -> Archive:
        """The archive of some of the runs."""
        part = object.__new__(Archive)
        part.capacity = self.capacity
        part._kept, part._valid, part._waiting = tree.take((self._kept, self._valid, self._waiting), index)
        part._view = None
        return part

    def state(self) -> Any:
        """A tree of everything, for a checkpoint."""
        return {"kept": self._kept, "valid": self._valid, "waiting": list(self._waiting)}

    def restore(self, saved: Any) -> None:
        """Takes back a plain tree of `state`."""
        self._kept = tree.restore(self._kept, saved["kept"])
        self._valid = tree.restore(self._valid, saved["valid"])
        self._waiting = [tree.restore(self._kept, points) for points in saved["waiting"]]
        self._view = None


def _fronts(capacity: int, valid: Tensor, parts: list[tuple[Tensor, Tensor, Tensor]]) -> list[Population]:
    """The fronts of an archive without `x`."""
    past = object.__new__(Archive)
    past.capacity, past._valid, past._view = capacity, valid, None
    past._kept, *past._waiting = [Population(f[..., :0], f, g, failed) for f, g, failed in parts]
    return [past.front(i) for i in range(len(valid))]


def merged_front(parts: list[Population]) -> Population:
    """The nondominated points of several fronts (the least violating ones where none is feasible)."""
    points = parts[0]
    for part in parts[1:]:
        points = points.join(part)
    points = points.select(~points.failed)
    if not len(points):
        return points
    points = points.select(nondominated_mask(points.f, points.violation))
    return points.select(first_of_equals(points.f))
