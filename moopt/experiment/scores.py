"""Indicators of what runs found, against one frozen frame for each problem."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from moopt import indicators
from moopt.monitors.score import REFERENCE, scale
from moopt.problem import Problem
from moopt.reference import extent
from moopt.selection import nondominated_mask, thin

HIGHER_IS_BETTER = {
    "hypervolume": True, "igd": False, "igd_plus": False, "gd": False, "gd_plus": False, "epsilon_additive": False,
    "r2": False, "expected_utility": True,
}  # fmt: skip
FRONT_POINTS = 1000

_DISTANCES: dict[str, Callable[[Any, Any], Tensor]] = {
    "igd": indicators.igd, "igd_plus": indicators.igd_plus, "gd": indicators.gd, "gd_plus": indicators.gd_plus,
    "epsilon_additive": indicators.epsilon_additive,
}  # fmt: skip


@dataclass(frozen=True)
class Frame:
    """How one problem's objectives become comparable: scaled so that `ideal` is 0 and `nadir` 1 (minimised, m each).

    `nadir` is the problem's own where its reference point follows from it, else what puts that point at `reference`
    (`moopt.monitors.score.scale`). Hypervolume is measured from `reference` in each scaled objective; distances go to
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
        return len(self.front) > 0 or not _DISTANCES.keys() & set(names)

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
        found[name] = []
        for front in fronts:
            scaled = (front.double() - ideal) / width
            if name == "hypervolume":
                value = _hypervolume(scaled, frame.reference)
            elif not len(scaled):
                value = -torch.inf if HIGHER_IS_BETTER[name] else torch.inf
            elif name == "r2":
                value = float(indicators.r2(scaled, 0.0))
            elif name == "expected_utility":  # from 0 at the nadir to 1 at the ideal
                value = 1.0 - float(indicators.expected_utility(scaled))
            else:
                value = float(_DISTANCES[name](scaled, target)) if len(target) else torch.nan
            found[name].append(value)
    return found


def _hypervolume(scaled: Tensor, reference: float) -> float:
    """Exact up to four objectives, else approximated as for results."""
    from moopt.monitors.score import EXACT_OBJECTIVES, SAMPLES

    if scaled.shape[-1] <= EXACT_OBJECTIVES:
        return float(indicators.hypervolume(scaled, reference))
    import moocore

    inside, corner = scaled[(scaled < reference).all(-1)].numpy(), [reference] * scaled.shape[-1]
    return float(moocore.hv_approx(inside, ref=corner, nsamples=SAMPLES)) if len(inside) else 0.0
