"""The best points found so far, of bounded number."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from moopt.core import tree
from moopt.core.points import Points
from moopt.core.problem import Problem
from moopt.kernels.archive import first_of_equals, keepers
from moopt.selection import nondominated_mask

ARCHIVE_CAPACITY = 1000  # points that a run keeps, where they are small
ARCHIVE_BYTES = 256 * 2**20  # what they may take: 1,000 points of 33,000 variables in float64


def capacity(problem: Problem, dtype: torch.dtype) -> int:
    """How many points the archive of a run keeps: 1,000, or fewer where these would take more than 256 MiB.

    However large a point is, the best of each objective and one between them have a place.
    """
    numbers = problem.n_var + problem.n_obj + problem.n_con
    return max(problem.n_obj + 1, min(ARCHIVE_CAPACITY, ARCHIVE_BYTES // (numbers * dtype.itemsize + 1)))


@dataclass(frozen=True)
class Archive:
    """Nondominated feasible points of each run, or the least violating ones while nothing is feasible.

    A value: an insertion gives another archive. At most `capacity` points a run: the most crowded go first. New points
    wait until there are `patience` of them and are merged then, so that an insertion costs little; asking for the front
    in between merges them for that look only. `kept` [r, k, ...] and which of them count, `valid` bool[r, k]; `merges`:
    how often waiting points were merged.
    """

    kept: Points
    valid: Tensor
    capacity: int
    patience: int
    waiting: tuple[Points, ...] = ()
    merges: int = 0

    @staticmethod
    def empty(
        problem: Problem,
        runs: int,
        device: torch.device,
        dtype: torch.dtype,
        capacity: int,
        patience: int | None = None,
    ) -> Archive:
        """An archive without points; `patience` is `capacity` unless given."""
        kept = Points.empty(problem, runs, device=device, dtype=dtype)
        valid = torch.zeros(runs, 0, dtype=torch.bool, device=device)
        return Archive(kept, valid, capacity, patience or capacity)

    def insert(self, points: Points) -> Archive:
        """The archive that has taken notice of evaluated points [r, k, ...]."""
        waiting = (*self.waiting, points)
        more = replace(self, waiting=waiting)
        if sum(map(len, waiting)) < self.patience:
            return more
        kept, valid = more._merged
        return Archive(kept, valid, self.capacity, self.patience, (), self.merges + 1)

    def renewed(self, points: Points) -> Archive:
        """The archive of the best of these points [r, k, ...] alone, merged."""
        kept, valid = tree.map_tensors(lambda leaf: leaf[:, :0], (self.kept, self.valid))
        kept, valid = Archive(kept, valid, self.capacity, self.patience, (points,))._merged
        return Archive(kept, valid, self.capacity, self.patience, (), self.merges + 1)

    @property
    def is_merged(self) -> bool:
        """Whether no point waits, as after an insertion that led to a merge."""
        return not self.waiting

    @cached_property
    def _merged(self) -> tuple[Points, Tensor]:
        old = self.kept.violation.masked_fill(~self.valid, torch.inf)
        f = torch.cat([part.f for part in (self.kept, *self.waiting)], 1)
        violation = torch.cat([old, *(part.violation for part in self.waiting)], 1)
        index, valid = keepers(f, violation, self.capacity)
        if f.device.type == "cpu":  # elsewhere the rows that do not count cost less than waiting for their number
            width = int(valid.sum(-1).max())
            index, valid = index[:, :width], valid[:, :width]
        return self.kept.select(index, *self.waiting), valid

    def padded(self) -> tuple[Points, Tensor]:
        """All runs side by side: points [r, k, ...] and which of them count, bool[r, k]."""
        return self._merged if self.waiting else (self.kept, self.valid)

    def front(self, run: int) -> Points:
        """The points of one run, [n, ...]."""
        points, valid = self.padded()
        one: Points = tree.map_tensors(lambda leaf: leaf[run], points)
        return one.select(valid[run])

    def take(self, index: Tensor) -> Archive:
        """The archive of some of the runs."""
        kept, valid, waiting = tree.take((self.kept, self.valid, self.waiting), index)
        return replace(self, kept=kept, valid=valid, waiting=waiting)

    def state(self) -> Any:
        """A tree of everything, for a checkpoint."""
        return {"kept": self.kept, "valid": self.valid, "waiting": list(self.waiting), "merges": self.merges}

    def restored(self, saved: Any) -> Archive:
        """The archive that `state` described as a plain tree."""
        return replace(
            self, kept=tree.restore(self.kept, saved["kept"]), valid=tree.restore(self.valid, saved["valid"]),
            waiting=tuple(tree.restore(self.kept, points) for points in saved["waiting"]), merges=saved["merges"],
        )  # fmt: skip


def merged_front(parts: list[Points]) -> Points:
    """The nondominated points of several fronts (the least violating ones where none is feasible)."""
    points = parts[0].join(*parts[1:])
    points = points.select(~points.failed)
    if not len(points):
        return points
    front = nondominated_mask(points.f, points.violation)
    return points.select(front & first_of_equals(points.f, front))
