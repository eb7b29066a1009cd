"""The one number that tells how good the archive is: normalised where that is possible, frozen once chosen."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from moopt.core.checks import InputError
from moopt.core.points import Points
from moopt.core.problem import Problem
from moopt.core.reference import MARGIN, reference_point
from moopt.indicators.hypervolume import EXACT_OBJECTIVES, SAMPLES, hypervolume
from moopt.indicators.table import indicator

FRONT_POINTS = 1000
REFERENCE = 1 + MARGIN  # of hypervolume, in each scaled objective


def scale(problem: Problem) -> tuple[Tensor, Tensor] | None:
    """What becomes 0 and 1 of each objective, float64[m], where the problem knows it.

    That is its ideal and its nadir, or instead of the nadir what puts the reference point that it publishes at
    `REFERENCE`: fronts may be worth something that are far from the best one.
    """
    ideal, nadir, reference = problem.ideal, problem.nadir, problem.reference_point
    if ideal is None or nadir is None:
        return None
    end = nadir
    if reference is not None and bool((reference > ideal).all()):
        end = ideal + (reference - ideal) / REFERENCE
        rounding = (end - nadir).abs() <= 1e-9 * (end - ideal)
        end = torch.where(rounding, nadir, end)
    return (ideal.double(), end.double()) if bool((end > ideal).all()) else None


class Scorer:
    """Indicators of fronts against one frame of reference.

    Where the problem knows ideal and nadir, objectives are scaled (`scale`) and hypervolume is measured from 1.1 in
    each (so it is below 1.1^m). Else it is raw, from the problem's reference point, or from one inferred of the
    first evaluated points: their front's nadir and a tenth of its range. Above four objectives it is approximate.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.scale = scale(problem)
        self.reference_point: Tensor | None = problem.reference_point
        self.exact = problem.n_obj <= EXACT_OBJECTIVES
        self._front: Tensor | None = None

    @property
    def convention(self) -> str:
        """What the hypervolume means, in words."""
        if self.scale is not None and self.problem.nadir is not None:
            own = torch.equal(self.scale[1], self.problem.nadir.double())
            text = f"scaled by ideal and {'nadir' if own else 'reference point'}, reference 1.1"
        elif self.reference_point is None:
            return "none yet: no feasible point to infer a reference point from"
        else:
            text = f"not scaled, reference {[float(f'{v:.6g}') for v in self.reference_point]} (minimised)"
        return text if self.exact else text + ", approximate"

    @property
    def is_frozen(self) -> bool:
        """Whether hypervolume has something that it is measured from."""
        return self.reference_point is not None or self.scale is not None

    def frozen(self, fronts: Sequence[Points]) -> Scorer:
        """The same with a reference point, inferred from the first feasible points where it has none."""
        points = torch.cat([front.f[front.feasible].double().cpu() for front in fronts])
        if self.is_frozen or not len(points):
            return self
        return self._with(reference_point(points.amin(0), points.amax(0)))

    def _with(self, reference: Tensor | None) -> Scorer:
        other = copy.copy(self)
        other.reference_point = reference
        return other

    def __call__(self, name: str, fronts: Sequence[Points]) -> Tensor:
        """The indicator of each front, float64[len(fronts)]; of a front without feasible points the worst.

        Raises InputError for an unknown one, or where the problem does not know what it needs.
        """
        if name == "hypervolume":
            return torch.cat([self.hypervolume(front.f[None], front.feasible[None]) for front in fronts])
        return torch.stack([self._told(name, front.f[front.feasible].double().cpu()) for front in fronts])

    def hypervolume(self, f: Tensor, counts: Tensor, samples: int = SAMPLES) -> Tensor:
        """Of those points of f[r, k, m] that count, bool[r, k]: float64[r]; `samples` matter where it is not exact."""
        f = f.double().masked_fill(~counts[..., None], torch.nan).cpu()
        if self.scale is not None:
            zero, one = self.scale
            f = (f - zero) / (one - zero)
            reference = torch.full((self.problem.n_obj,), REFERENCE, dtype=torch.float64)
        elif self.reference_point is None:
            return torch.zeros(len(f), dtype=torch.float64)
        else:
            reference = self.reference_point
        return hypervolume(f, reference, samples=samples)

    def _told(self, name: str, f: Tensor) -> Tensor:
        """An indicator but hypervolume of feasible points f[k, m]: distances not scaled, utilities scaled."""
        chosen = indicator(name)
        if chosen.needs == "scale":
            if self.scale is None:
                raise InputError(f"{name}: expected a problem that knows ideal and nadir, got {self.problem.name}")
            zero, one = self.scale
            return chosen.function((f - zero) / (one - zero), None)
        if self._front is None:
            self._front = self.problem.pareto_front(FRONT_POINTS)
        if self._front is None:
            raise InputError(f"{name}: expected a problem that knows its Pareto front, got {self.problem.name}")
        return chosen.function(f, self._front)

    def state(self) -> Any:
        """What a checkpoint must keep."""
        return {"reference_point": self.reference_point}

    def restored(self, saved: Any) -> Scorer:
        """The scorer that `state` described."""
        return self._with(saved["reference_point"])
