"""The numbers that a report draws, as JSON: fronts, attainment surfaces, convergence, final values.

Attainment surfaces: V. Grunert da Fonseca, C. M. Fonseca, A. O. Hall (2001), "Inferential performance assessment of
stochastic optimisers and the attainment function".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from moopt.experiment.report.protocols import (
    Floats,
    FrameView,
    FrontView,
    Key,
    StudyView,
    algorithms,
    higher_is_better,
    indicator_title,
    problems,
    quantiles,
)

if TYPE_CHECKING:
    import pandas

DIGITS = 6
FRONT_POINTS, FEWEST_POINTS = 300, 30
NUMBERS = 800_000  # of all fronts together; about 2 MB in the page
CORNERS = 150  # of one attainment surface
CHECKPOINTS = 60
LEVELS = {"best": 25, "middle": 50, "worst": 75}  # percent of the runs that attain what lies beyond the surface


def rounded(value: float) -> float | int | None:
    """A number for JSON: DIGITS significant digits, None where it is not finite."""
    if not math.isfinite(value):
        return None
    short = float(f"{value:.{DIGITS}g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short


def numbers(values: Any) -> list[float | int | None]:
    """Those of an array [n]."""
    return [rounded(float(value)) for value in values]


def columns(points: Floats) -> list[list[float | int | None]]:
    """points[n, k] column by column."""
    return [numbers(column) for column in points.T]


def points_per_front(study: StudyView) -> int:
    """How many points of each front are drawn: FRONT_POINTS, or fewer where that would make the page too large."""
    width = sum(len(frame.objective_names) + len(frame.variable_names) for frame in study.frames.values())
    return max(FEWEST_POINTS, min(FRONT_POINTS, NUMBERS // max(1, width * len(algorithms(study)))))


def thinned(f: Floats, most: int) -> Any:
    """Places of at most so many of the points f[n, m], spread out: int[k], ascending.

    Each in turn is the one furthest from those already taken, in objectives scaled to their range (T. F. Gonzalez
    (1985), "Clustering to minimize the maximum intercluster distance"); the best in each objective come first.
    """
    n = len(f)
    if n <= most:
        return np.arange(n)
    scaled = np.ascontiguousarray(_scaled(f).T)
    taken = list(dict.fromkeys(int(i) for i in scaled.argmin(1)))[:most]
    distance = np.min([((scaled - scaled[:, [i]]) ** 2).sum(0) for i in taken], 0)
    while len(taken) < most:
        i = int(distance.argmax())
        taken.append(i)
        distance = np.minimum(distance, ((scaled - scaled[:, [i]]) ** 2).sum(0))
    return np.unique(taken)


def _scaled(f: Floats) -> Floats:
    """f[n, m] with each objective in [0, 1]."""
    width = np.ptp(f, 0)
    answer: Floats = (f - f.min(0)) / np.where(width > 0, width, 1.0)
    return answer


def thinned_stairs(corners: Floats, most: int) -> Any:
    """Places of at most so many of the corners [n, 2] of a staircase, ordered, evenly along its length: int[k]."""
    if len(corners) <= most:
        return np.arange(len(corners))
    length = np.concatenate(([0.0], np.abs(np.diff(_scaled(corners), axis=0)).sum(1).cumsum()))
    return np.unique(np.searchsorted(length, np.linspace(0, length[-1], most)).clip(max=len(corners) - 1))


def median_seed(values: Mapping[int, float], larger: bool) -> int | None:
    """The seed whose value is the median of all, the worse one of two; None where it has no value."""
    finite = {seed: value for seed, value in values.items() if math.isfinite(value)}
    best_first = sorted(finite, key=lambda seed: (-finite[seed] if larger else finite[seed], seed))
    place = len(values) // 2
    return best_first[place] if place < len(best_first) else best_first[-1] if best_first else None


def study_data(study: StudyView, indicators: Sequence[str]) -> dict[str, Any]:
    """What the page knows at once: labels, and seconds by run."""
    done = study.runs[study.runs["status"].isin(["finished", "infeasible"])]
    groups = {key: group["seconds"].to_numpy(float) for key, group in done.groupby(["problem", "algorithm"])}
    names = algorithms(study), problems(study)
    seconds = [
        [rounded(float(np.nanmedian(v))) if len(v) and not np.isnan(v).all() else None for v in row]
        for row in ([groups.get((p, a), np.zeros(0)) for p in names[1]] for a in names[0])
    ]
    return {
        "algorithms": names[0], "problems": names[1], "indicators": list(indicators),
        "titles": [indicator_title(name) for name in indicators],
        "larger": [higher_is_better(name) for name in indicators], "seconds": seconds,
    }  # fmt: skip


def problem_data(
    study: StudyView, problem: str, indicators: Sequence[str], final: Mapping[Key, Mapping[int, float]],
    trace: Mapping[Key, pandas.DataFrame], points: int,
) -> dict[str, Any]:  # fmt: skip
    """Everything that the page draws of one problem."""
    names = algorithms(study)
    frame = study.frames.get(problem)
    fronts = {name: _usable(study.fronts(problem, name)) for name in names} if frame is not None else {}
    data: dict[str, Any] = {
        "final": {
            indicator: [_final(final.get((problem, name, indicator), {})) for name in names]
            for indicator in indicators
        },
        "convergence": {
            indicator: [
                _convergence(trace.get((problem, name, indicator)), higher_is_better(indicator)) for name in names
            ]
            for indicator in indicators
        },
    }  # fmt: skip
    if frame is None:
        return data | {"objectives": [], "variables": [], "constraints": [], "fronts": []}
    chosen = _chosen(names, fronts, problem, indicators, final)
    tables = _tables(frame, [fronts[name][seed] for name, seed in chosen])
    drawn = [
        _front(names.index(name), seed, fronts[name][seed], table, points)
        for (name, seed), table in zip(chosen, tables["columns"], strict=True)
    ]
    data |= {
        "objectives": [list(pair) for pair in zip(frame.objective_names, frame.directions, strict=True)],
        "variables": tables["variables"], "constraints": tables["constraints"], "fronts": drawn,
        "reference": _reference(frame, points),
    }  # fmt: skip
    if len(frame.objective_names) == 2:
        data["attainment"] = [_attainment(list(fronts[name].values()), names.index(name)) for name in names]
    return data


def _usable(fronts: Mapping[int, FrontView]) -> dict[int, FrontView]:
    """Fronts with at least one point."""
    return {int(seed): front for seed, front in fronts.items() if len(front.f)}


def _chosen(
    names: Sequence[str], fronts: Mapping[str, Mapping[int, FrontView]], problem: str, indicators: Sequence[str],
    final: Mapping[Key, Mapping[int, float]],
) -> list[tuple[str, int]]:  # fmt: skip
    """Algorithm and seed of its median run by the leading indicator, or of its first one with a front."""
    chosen = []
    for name in names:
        if fronts[name]:
            values = final.get((problem, name, indicators[0]), {}) if indicators else {}
            seed = median_seed(values, higher_is_better(indicators[0])) if values else None
            chosen.append((name, min(fronts[name]) if seed is None or seed not in fronts[name] else seed))
    return chosen


def _tables(frame: FrameView, fronts: Sequence[FrontView]) -> dict[str, Any]:
    """Variables and constraints of several fronts as numbers; values that are no numbers become places in a list."""
    d, m = len(frame.variable_names), len(frame.objective_names)
    variables: list[dict[str, Any]] = []
    made: list[list[Floats]] = [[] for _ in fronts]
    for i, name in enumerate(frame.variable_names):
        parts = [list(front.table.iloc[:, i]) for front in fronts]
        values = [value for part in parts for value in part]
        plain = all(isinstance(value, int | float | np.number) and not isinstance(value, bool) for value in values)
        kinds = [] if plain else sorted({str(value) for value in values})
        place = {kind: float(k) for k, kind in enumerate(kinds)}
        for column, part in zip(made, parts, strict=True):
            column.append(np.array([float(v) if plain else place[str(v)] for v in part], dtype=float))
        variables.append({"name": name} if plain else {"name": name, "categories": kinds})
    rest = [str(name) for name in fronts[0].table.columns[d + m :]] if fronts else []
    for column, front in zip(made, fronts, strict=True):
        column += [front.table.iloc[:, d + m + i].to_numpy(float) for i in range(len(rest))]
    return {"variables": variables, "constraints": rest, "columns": made}


def _front(algorithm: int, seed: int, front: FrontView, table: Sequence[Floats], points: int) -> dict[str, Any]:
    rows = np.flatnonzero(np.isfinite(front.f).all(1))
    places = rows[thinned(front.f[rows], points)]
    return {
        "algorithm": algorithm, "seed": seed, "found": len(rows), "objectives": columns(front.objectives[places]),
        "values": [numbers(column[places]) for column in table],
    }  # fmt: skip


def _reference(frame: FrameView, points: int) -> list[list[float | int | None]]:
    """The front that distances go to, in the user's sign; empty where there is none."""
    front = np.asarray(frame.front, dtype=np.float64).reshape(-1, len(frame.objective_names))
    signs = np.array([-1.0 if direction == "max" else 1.0 for direction in frame.directions])
    return columns(front[thinned(front, points)] * signs) if len(front) else []


def _attainment(fronts: Sequence[FrontView], algorithm: int) -> dict[str, Any]:
    """Corners of the surfaces that a quarter, half and three quarters of the runs attain, minimised, two objectives."""
    found: dict[str, Any] = {"algorithm": algorithm, "runs": len(fronts)}
    clean = [front.f[np.isfinite(front.f).all(1)] for front in fronts]
    clean = [f for f in clean if len(f)]
    if not clean:
        return found
    import moocore

    sets = np.repeat(np.arange(len(clean)), [len(f) for f in clean])
    surfaces = moocore.eaf(np.concatenate(clean), sets, percentiles=list(LEVELS.values()))
    for level, percent in LEVELS.items():
        corners = surfaces[np.isclose(surfaces[:, -1], percent), :2]
        corners = corners[np.argsort(corners[:, 0], kind="stable")]
        found[level] = columns(corners[thinned_stairs(corners, CORNERS)])
    return found


def _convergence(rows: pandas.DataFrame | None, larger: bool) -> dict[str, Any]:
    """Quartiles of an indicator by share of the budget; a run holds its last value until its next checkpoint."""
    if rows is None or not len(rows):
        return {}
    grid = np.unique(np.round(rows["fraction"].to_numpy(float), 9))
    if len(grid) > CHECKPOINTS:
        grid = np.unique(np.round(np.linspace(grid[0], grid[-1], CHECKPOINTS), 9))
    values = []
    for _, run in rows.groupby("seed", sort=True):
        run = run.sort_values("fraction")
        place = np.searchsorted(np.round(run["fraction"].to_numpy(float), 9), grid, side="right") - 1
        values.append(np.where(place >= 0, run["value"].to_numpy(float)[np.maximum(place, 0)], np.nan))
    spread = quantiles(np.stack(values, -1), (0.25, 0.5, 0.75), larger)
    return {"x": numbers(grid), "low": numbers(spread[:, 0]), "middle": numbers(spread[:, 1]),
            "high": numbers(spread[:, 2])}  # fmt: skip


def _final(values: Mapping[int, float]) -> list[float | int | None]:
    return numbers(values.values())
