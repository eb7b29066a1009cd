"""The best points found so far, of bounded number."""

from __future__ import annotations

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


def _valid_first(valid: Tensor) -> Tensor:
    """Indices that move what is valid to the front, as many as the fullest row has: bool[r, n] -> int64[r, k]."""
    width = int(valid.sum(-1).max()) if valid.numel() else 0
    return torch.argsort(~valid, dim=-1, stable=True)[:, :width]


def _rows(leaf: Tensor, index: Tensor) -> Tensor:
    """leaf[r, n, ...], index[r, k] -> [r, k, ...]; whole rows are copied, twice as fast as element by element."""
    place = index + leaf.shape[1] * torch.arange(len(leaf), device=leaf.device)[:, None]
    return leaf.flatten(0, 1).index_select(0, place.flatten()).reshape(*index.shape, *leaf.shape[2:])


class Archive:
    """Nondominated feasible points of each run, or the least violating ones while nothing is feasible.

    At most `capacity` a run: the most crowded go first. New points wait until there are `patience` of them (default:
    `capacity`) and are merged then, so that an insertion costs little; asking for the front in between merges a copy.
    `merges`: how often that was done.
    """

    def __init__(
        self,
        problem: Problem,
        runs: int,
        device: torch.device,
        dtype: torch.dtype,
        capacity: int,
        patience: int | None = None,
    ) -> None:
        self.capacity, self.patience, self.merges = capacity, patience or capacity, 0
        self._kept = Population.empty(problem, runs, device=device, dtype=dtype)
        self._valid = torch.zeros(runs, 0, dtype=torch.bool, device=device)
        self._waiting: list[Population] = []
        self._view: tuple[Population, Tensor] | None = None

    def insert(self, points: Population) -> None:
        """Takes notice of evaluated points [r, k, ...]."""
        self._waiting.append(points)
        self._view = None
        if sum(map(len, self._waiting)) >= self.patience:
            self._kept, self._valid = self._merged()
            self._waiting = []
            self.merges += 1

    @property
    def is_merged(self) -> bool:
        """Whether no point waits, as after an insertion that led to a merge."""
        return not self._waiting

    def _merged(self) -> tuple[Population, Tensor]:
        parts = [self._kept, *self._waiting]
        leaves = zip(*((part.x, part.f, part.g, part.failed) for part in parts), strict=True)
        x, f, g, failed = (torch.cat(leaf, 1) for leaf in leaves)
        points = Population(x, f, g, failed, self._kept.signs)
        new = torch.ones_like(points.failed[:, len(self._kept) :])
        valid = torch.cat((self._valid, new), -1) & ~points.failed
        violation = torch.where(valid, points.violation, torch.inf)
        f = torch.where(valid[..., None], points.f, torch.inf)
        valid = valid & nondominated_mask(f, violation)
        order = _valid_first(valid)  # what follows takes time by the points it looks at, valid or not
        f, valid = torch.take_along_dim(f, order[..., None], 1), valid.gather(-1, order)
        valid = valid & first_of_equals(torch.where(valid[..., None], f, torch.inf))
        if valid.shape[-1] > self.capacity:
            valid = thin(f, valid, self.capacity)
        last = _valid_first(valid)
        return tree.map_tensors(partial(_rows, index=order.gather(-1, last)), points), valid.gather(-1, last)

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

    def take(self, index: Tensor) -> Archive:
        """The archive of some of the runs."""
        part = object.__new__(Archive)
        part.capacity, part.patience, part.merges = self.capacity, self.patience, self.merges
        part._kept, part._valid, part._waiting = tree.take((self._kept, self._valid, self._waiting), index)
        part._view = None
        return part

    def state(self) -> Any:
        """A tree of everything, for a checkpoint."""
        return {"kept": self._kept, "valid": self._valid, "waiting": list(self._waiting), "merges": self.merges}

    def restore(self, saved: Any) -> None:
        """Takes back a plain tree of `state`."""
        self._kept = tree.restore(self._kept, saved["kept"])
        self._valid = tree.restore(self._valid, saved["valid"])
        self._waiting = [tree.restore(self._kept, points) for points in saved["waiting"]]
        self._view, self.merges = None, saved["merges"]


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
