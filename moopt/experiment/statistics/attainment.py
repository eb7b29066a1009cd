"""Empirical attainment: which objective vectors a run reaches, and how often.

Grunert da Fonseca, Fonseca and Hall 2001 ("Inferential performance assessment of stochastic optimisers and the
attainment function"): a run attains z if one of its points is at least as good in every objective; the attainment
function of z is the share of runs that do. Objectives are minimised. Fronts are arrays f[n, m], one per run; a run
without points attains nothing and counts. Rows that are not finite count for nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from moopt.core.checks import InputError, number, whole
from moopt.experiment.statistics._runs import Array

# runs times the points of all runs, by number of objectives. Measured on three: about 4 us each, so 1.2 s at most
# (31 runs of 312 points, 51 of 115); on two: 51 runs of 1,000 points take 0.1 s.
LIMIT = {2: 10_000_000, 3: 300_000}


@dataclass(frozen=True)
class Attainment:
    """What `attainment` found: by level the points[k, m] that at least that share of the runs attains, none dominated.

    A level that no point reaches has no rows. runs: their number. points_per_run: what thinning left of larger
    fronts; None where nothing was thinned.
    """

    surfaces: dict[float, Array]
    runs: int
    points_per_run: int | None


def attainment(
    fronts: Sequence[Any], levels: Sequence[float] = (0.25, 0.5, 0.75), *, points_per_run: int | None = None
) -> Attainment:
    """Attainment surfaces of two- or three-objective fronts at `levels` in (0, 1].

    Level 0.5 is the median front. Exact, by moocore (Fonseca, Guerreiro, Lopez-Ibanez and Paquete 2011, "On the
    computation of the empirical attainment function"), unless larger fronts are thinned to `points_per_run`, by
    default to what keeps runs x points below LIMIT. Crowding distance chooses, extremes stay. Fewer points attain less:
    a thinned surface is nowhere better than the exact one (from 1,000 points to 160, three objectives, the hypervolume
    of a median surface fell by 5 %), so give algorithms that are compared the same number. Raises ValueError for no
    fronts, other numbers of objectives, or levels outside (0, 1].
    """
    import moocore

    runs = _fronts("fronts", fronts)
    levels = [number("levels", level, 1e-9, 1.0) for level in levels]
    m = runs[0].shape[1]
    if m not in LIMIT:
        raise InputError(f"fronts: expected two or three objectives, got {m}")
    capacity = _capacity([len(f) for f in runs], LIMIT[m] // len(runs))
    if points_per_run is not None:
        capacity = whole("points_per_run", points_per_run)
    thinned = capacity if any(len(f) > capacity for f in runs) else None
    if thinned is not None:
        runs = [_thin(f, thinned) for f in runs]
    found = [f for f in runs if len(f)]
    surfaces = {level: np.empty((0, m)) for level in levels}
    # runs without points are unknown to moocore: its percentiles are of the others
    needed = {level: max(1, math.ceil(level * len(runs) - 1e-9)) for level in levels}
    reached = {level: 100 * count / len(found) for level, count in needed.items() if count <= len(found)}
    if reached:
        sets = np.repeat(np.arange(len(found)), [len(f) for f in found])
        points = moocore.eaf(np.concatenate(found), sets, percentiles=sorted(set(reached.values())))
        surfaces |= {level: points[np.isclose(points[:, m], p), :m].copy() for level, p in reached.items()}
    return Attainment(surfaces, len(runs), thinned)


@dataclass(frozen=True)
class AttainmentDifference:
    """What `attainment_difference` found: difference[k, k] at first objective x[k] (columns), second y[k] (rows).

    The share of the first's runs that attain a point, less that of the second's: 1 where only the first gets.
    """

    x: Array
    y: Array
    difference: Array


def attainment_difference(
    first: Sequence[Any], second: Sequence[Any], *, cells: int = 100, low: Any = None, high: Any = None
) -> AttainmentDifference:
    """Attainment function of one algorithm's fronts less that of another's, on a grid of two objectives.

    Args:
        low, high: corners [2] of the grid; by default the least and the greatest of each objective over all fronts.

    Exact at the grid's nodes (Lopez-Ibanez, Paquete and Stuetzle 2010, "Exploratory analysis of stochastic local search
    algorithms in biobjective optimization"). `moocore.eafdiff` splits the plane into rectangles, up to 125,000 for 31
    runs, and takes both sides to have as many runs. Raises ValueError for no fronts, other numbers of objectives, no
    points at all, or corners that are not finite and in order.
    """
    sides = _fronts("first", first), _fronts("second", second)
    everything = np.concatenate([f for side in sides for f in side if f.shape[1] == 2] or [np.empty((0, 2))])
    if any(f.shape[1] != 2 for side in sides for f in side) or not len(everything):
        raise InputError("fronts: expected points of two objectives")
    low = np.asarray(everything.min(axis=0) if low is None else low, dtype=np.float64)
    high = np.asarray(everything.max(axis=0) if high is None else high, dtype=np.float64)
    if low.shape != (2,) or high.shape != (2,) or not np.isfinite([low, high]).all() or (low > high).any():
        raise InputError(f"low, high: expected two finite corners in order, got {low.tolist()} and {high.tolist()}")
    x, y = np.linspace(low, high, whole("cells", cells, 2)).T
    shares = [np.mean([_attained(f, x, y) for f in side], axis=0) for side in sides]
    return AttainmentDifference(x, y, shares[0] - shares[1])


def _attained(f: Array, x: Array, y: Array) -> Array:
    """Which grid nodes the points f[n, 2] attain: [len(y), len(x)], 0 or 1."""
    f = f[np.argsort(f[:, 0])]
    lowest = np.concatenate(([np.inf], np.minimum.accumulate(f[:, 1])))
    reached: Array = (lowest[np.searchsorted(f[:, 0], x, side="right")][None, :] <= y[:, None]).astype(np.float64)
    return reached


def _fronts(name: str, fronts: Sequence[Any]) -> list[Array]:
    """Fronts f[n, m] with one m, finite rows only."""
    try:
        arrays = [np.asarray(f, dtype=np.float64) for f in fronts]
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: expected a list of arrays f[n, m], got {error}") from None
    sizes = {f.shape[1] for f in arrays if f.ndim == 2}
    if len(sizes) != 1 or any(f.ndim != 2 and f.size for f in arrays):
        raise InputError(f"{name}: expected arrays f[n, m] with one m, got {sorted({f.shape for f in arrays})}")
    (m,) = sizes
    arrays = [f if f.ndim == 2 else np.empty((0, m)) for f in arrays]
    return [f[np.isfinite(f).all(axis=1)] for f in arrays]


def _capacity(sizes: Sequence[int], limit: int) -> int:
    """The largest c with sum(min(size, c)) <= limit, at least 1."""
    low, high = 1, max(1, *sizes)
    while low < high:
        middle = (low + high + 1) // 2
        fits = sum(min(size, middle) for size in sizes) <= limit
        low, high = (middle, high) if fits else (low, middle - 1)
    return low


def _thin(f: Array, capacity: int) -> Array:
    import torch

    from moopt.selection.truncation import thin

    points = torch.from_numpy(f)
    kept: Array = f[thin(points, torch.ones(len(f), dtype=torch.bool), min(capacity, len(f))).numpy()]
    return kept
