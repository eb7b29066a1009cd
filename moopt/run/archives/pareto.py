"""The best points found so far, of bounded number."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from moopt.core import tree
from moopt.core.points import Points
from moopt.core.problem import Problem
from moopt.kernels.archive import first_of_equals, keepers
from moopt.selection import nondominated_mask


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
        self._kept = Points.empty(problem, runs, device=device, dtype=dtype)
        self._valid = torch.zeros(runs, 0, dtype=torch.bool, device=device)
        self._waiting: list[Points] = []
        self._view: tuple[Points, Tensor] | None = None

    def insert(self, points: Points) -> None:
        """Takes notice of evaluated points [r, k, ...]."""
        self._waiting.append(points)
        self._view = None
        if sum(map(len, self._waiting)) >= self.patience:
            self._kept, self._valid = self._merged()
            self._waiting = []
            self.merges += 1

    def replace(self, points: Points) -> None:
        """Holds the best of these points [r, k, ...] alone, merged."""
        self._kept, self._valid = tree.map_tensors(lambda leaf: leaf[:, :0], (self._kept, self._valid))
        self._waiting, self._view = [points], None
        self._kept, self._valid = self._merged()
        self._waiting = []
        self.merges += 1

    @property
    def is_merged(self) -> bool:
        """Whether no point waits, as after an insertion that led to a merge."""
        return not self._waiting

    def _merged(self) -> tuple[Points, Tensor]:
        old = self._kept.violation.masked_fill(~self._valid, torch.inf)
        f = torch.cat([part.f for part in (self._kept, *self._waiting)], 1)
        violation = torch.cat([old, *(part.violation for part in self._waiting)], 1)
        index, valid = keepers(f, violation, self.capacity)
        if f.device.type == "cpu":  # elsewhere the rows that do not count cost less than waiting for their number
            width = int(valid.sum(-1).max())
            index, valid = index[:, :width], valid[:, :width]
        return self._kept.select(index, *self._waiting), valid

    def padded(self) -> tuple[Points, Tensor]:
        """All runs side by side: points [r, k, ...] and which of them count, bool[r, k]."""
        if not self._waiting:
            return self._kept, self._valid
        if self._view is None:
            self._view = self._merged()
        return self._view

    def front(self, run: int) -> Points:
        """The points of one run, [n, ...]."""
        points, valid = self.padded()
        one: Points = tree.map_tensors(lambda leaf: leaf[run], points)
        return one.select(valid[run])

    def take(self, index: Tensor | slice) -> Archive:
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


def merged_front(parts: list[Points]) -> Points:
    """The nondominated points of several fronts (the least violating ones where none is feasible)."""
    points = parts[0].join(*parts[1:])
    points = points.select(~points.failed)
    if not len(points):
        return points
    front = nondominated_mask(points.f, points.violation)
    return points.select(front & first_of_equals(points.f, front))
