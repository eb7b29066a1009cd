"""Indicators of what runs found, against one frozen frame for each problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from moopt.core.problem import Problem
from moopt.core.reference import extent
from moopt.indicators.table import INDICATORS
from moopt.run.scorer import REFERENCE, scale
from moopt.selection import nondominated_mask, thin

FRONT_POINTS = 1000


@dataclass(frozen=True)
class Frame:
    """How one problem's objectives become comparable: scaled so that `ideal` is 0 and `nadir` 1 (minimised, m each).

    `nadir` is the problem's own where its reference point follows from it, else what puts that point at `reference`
    (`moopt.run.scorer.scale`). Hypervolume is measured from `reference` in each scaled objective; distances go to
    `front`, float64[k, m], not scaled here. `origin`: where all of that comes from, in words. Names and directions are
    what the user sees.
    """

    problem: str
    objective_names: list[str]
    directions: list[str]
    variable_names: list[str]
    ideal: list[float]
    nadir: list[float]
    origin: str
    front: Tensor
    reference: float = REFERENCE

    def measures(self, names: Sequence[str]) -> bool:
        """Whether these indicators can be told: distances need a front."""
        return len(self.front) > 0 or all(INDICATORS[name].needs != "front" for name in names)

    def summary(self) -> dict[str, Any]:
        """Everything but the front, as JSON."""
        return {name: value for name, value in vars(self).items() if name != "front"} | {"front": len(self.front)}


def known_frame(problem: Problem, label: str) -> Frame | None:
    """The frame of a problem that knows its ideal and nadir, with its front where it knows that too."""
    if (ends := scale(problem)) is None:
        return None
    front = problem.pareto_front(FRONT_POINTS)
    parts = ("ideal and reference point", "ideal, reference point and front")
    origin = f"the problem's own {parts[front is not None]}"
    found = replace(_blank(problem, label, origin), ideal=ends[0].tolist(), nadir=ends[1].tolist())
    return found if front is None else replace(found, front=front.double().cpu())


def inferred_frame(problem: Problem, label: str, fronts: Sequence[Tensor]) -> Frame:
    """The frame of a problem from everything that was found: fronts [k, m], minimised, feasible.

    The ideal and nadir that the problem itself knows are kept.
    """
    found = _blank(problem, label, "the best points of all runs of this study")
    points = torch.cat([front.double() for front in fronts]) if fronts else torch.zeros(0, problem.n_obj).double()
    points = points[nondominated_mask(points)]
    if not len(points):
        return replace(found, origin="nothing feasible was found", front=points)
    points = points.unique(dim=0)
    ideal, nadir = points.amin(0), points.amax(0)
    if (ends := scale(problem)) is not None:
        ideal, nadir = ends
        origin = "the problem's own ideal and reference point; the front of all runs of this study"
        found = replace(found, origin=origin)
    nadir = torch.where(nadir > ideal, nadir, ideal + extent(ideal, nadir))
    front = points[thin(points, torch.ones(len(points), dtype=torch.bool), FRONT_POINTS)]
    return replace(found, ideal=ideal.tolist(), nadir=nadir.tolist(), front=front)


def _blank(problem: Problem, label: str, origin: str) -> Frame:
    directions = ["min" if sign > 0 else "max" for sign in problem.signs]
    zeros = [0.0] * problem.n_obj
    front = torch.zeros(0, problem.n_obj, dtype=torch.float64)
    names = list(problem.space.names)
    return Frame(label, problem.objective_labels, directions, names, zeros, [1.0] * problem.n_obj, origin, front)


def scores(frame: Frame, names: Sequence[str], fronts: Sequence[Tensor]) -> dict[str, list[float]]:
    """Each indicator of each set of feasible points [k, m], minimised; an empty set has hypervolume 0, else the worst.
    """
    ideal = torch.tensor(frame.ideal, dtype=torch.float64)
    width = torch.tensor(frame.nadir, dtype=torch.float64) - ideal
    target = (frame.front - ideal) / width
    found: dict[str, list[float]] = {}
    for name in names:
        chosen = INDICATORS[name]
        needed = {"reference point": frame.reference, "front": target, "scale": None}[chosen.needs]
        if chosen.needs == "front" and not len(target):
            found[name] = [torch.nan if len(front) else torch.inf for front in fronts]
        else:
            found[name] = [float(chosen.function((front.double() - ideal) / width, needed)) for front in fronts]
    return found
