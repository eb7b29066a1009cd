"""What a report reads of a study: any object with these attributes will do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from moopt.indicators.table import INDICATORS

if TYPE_CHECKING:
    import pandas

Floats = NDArray[np.float64]


class FrameView(Protocol):
    """How the objectives of one problem are named and scaled.

    `ideal`, `nadir` (m numbers each) and `front` (array or tensor [k, m], what distances go to) are minimised.
    """

    @property
    def objective_names(self) -> Sequence[str]: ...
    @property
    def directions(self) -> Sequence[str]: ...
    @property
    def ideal(self) -> Sequence[float]: ...
    @property
    def nadir(self) -> Sequence[float]: ...
    @property
    def reference(self) -> float | Sequence[float]: ...
    @property
    def origin(self) -> str: ...
    @property
    def variable_names(self) -> Sequence[str]: ...
    @property
    def front(self) -> Any: ...


class FrontView(Protocol):
    """Nondominated points of one run: x[n, d], f[n, m] minimised, objectives[n, m] in the user's sign.

    `table`: variables, then objectives, then constraints, a column each, by name.
    """

    @property
    def x(self) -> Floats: ...
    @property
    def f(self) -> Floats: ...
    @property
    def objectives(self) -> Floats: ...
    @property
    def table(self) -> pandas.DataFrame: ...


class StudyView(Protocol):
    """A study's tables, and its fronts on demand.

    `results`: problem, algorithm, seed, indicator, value. `trace`: the same at every `fraction` of the budget.
    `runs`: problem, algorithm, seed, status (finished, infeasible, failed, missing), spent, unit, seconds, failures,
    message; problems and algorithms appear there in the order in which a report shows them.
    """

    @property
    def folder(self) -> Path: ...
    @property
    def name(self) -> str: ...
    @property
    def spec(self) -> Mapping[str, Any]: ...
    @property
    def results(self) -> pandas.DataFrame: ...
    @property
    def trace(self) -> pandas.DataFrame: ...
    @property
    def runs(self) -> pandas.DataFrame: ...
    @property
    def frames(self) -> Mapping[str, FrameView]: ...
    @property
    def environment(self) -> Mapping[str, Any]: ...
    def fronts(self, problem: str, algorithm: str) -> Mapping[int, FrontView]: ...


@dataclass(frozen=True)
class Ranking:
    """Who is ahead over all problems, judged by one indicator.

    `ranks`: algorithm -> average rank, 1 is best. `critical_difference`: ranks further apart than this differ, where
    one number says so (Nemenyi). `cliques`: groups of algorithms that the test could not tell apart. `scores`:
    algorithm, low, middle, high, an aggregate over all runs with its interval. `profiles`: algorithm, tau, share,
    low, high, the share of runs that score above tau. `note`: sentences on the tests; `score`: what the aggregate is
    called.
    """

    indicator: str
    ranks: Mapping[str, float]
    critical_difference: float | None = None
    cliques: Sequence[Sequence[str]] = ()
    scores: pandas.DataFrame | None = None
    profiles: pandas.DataFrame | None = None
    note: str = ""
    score: str = "interquartile mean"


@dataclass(frozen=True)
class Comparison:
    """What statistics say of a study; a report shows what is there.

    `summary`: sentences for its head. `marks`: problem, algorithm, indicator, mark ("+", "-" or "=" against
    `baseline`), p, a12.
    """

    summary: Sequence[str] = ()
    baseline: str | None = None
    marks: pandas.DataFrame | None = None
    rankings: Sequence[Ranking] = ()


def higher_is_better(indicator: str) -> bool:
    """Whether larger values of an indicator are better."""
    return INDICATORS[indicator].higher_is_better


def indicator_title(indicator: str) -> str:
    """How a page or a paper writes an indicator."""
    known = {"igd": "IGD", "igd_plus": "IGD+", "gd": "GD", "gd_plus": "GD+", "r2": "R2"}
    return known.get(indicator, indicator.replace("_", " "))


def problems(study: StudyView) -> list[str]:
    """Labels in the order of the spec."""
    return [str(name) for name in study.runs["problem"].unique()]


def algorithms(study: StudyView) -> list[str]:
    """Labels in the order of the spec."""
    return [str(name) for name in study.runs["algorithm"].unique()]


def indicators(study: StudyView) -> list[str]:
    """Those with any value, the leading one first; what only checkpoints know comes last."""
    return [str(name) for name in dict.fromkeys([*study.results["indicator"], *study.trace["indicator"]])]


Key = tuple[str, str, str]  # problem, algorithm, indicator


def final_values(study: StudyView) -> dict[Key, dict[int, float]]:
    """(problem, algorithm, indicator) -> seed -> value at the end of the budget; NaN where a run failed.

    A failed run counts, with the worst value there is; a run that has not been made does not.
    """
    names = ("problem", "algorithm", "indicator", "seed", "value")
    found: dict[Key, dict[int, float]] = {}
    for problem, algorithm, indicator, seed, value in zip(*(study.results[name] for name in names), strict=True):
        found.setdefault((problem, algorithm, indicator), {})[int(seed)] = float(value)
    judged = [str(name) for name in study.results["indicator"].unique()]
    failed = study.runs[study.runs["status"] == "failed"]
    for problem, algorithm, seed in zip(failed["problem"], failed["algorithm"], failed["seed"], strict=True):
        for indicator in judged:
            found.setdefault((problem, algorithm, indicator), {}).setdefault(int(seed), float("nan"))
    return found


def quantiles(values: Floats, shares: Sequence[float], larger: bool) -> Floats:
    """Quantiles of values[..., n] along the last axis, [..., k]; NaN counts as worst, and is the answer beyond it.

    Linear between neighbours (R. J. Hyndman, Y. Fan (1996), type 7). `larger`: whether larger values are better.
    """
    worst = -np.inf if larger else np.inf
    ordered = np.sort(np.where(np.isfinite(values), values, worst), -1)
    n = ordered.shape[-1]
    if n == 0:
        return np.full((*values.shape[:-1], len(shares)), np.nan)
    answer = []
    for share in shares:
        place = share * (n - 1)
        below = int(place)
        left, right, part = ordered[..., below], ordered[..., min(below + 1, n - 1)], place - below
        with np.errstate(invalid="ignore"):
            answer.append(left if part == 0 else left + part * (right - left))
    stacked: Floats = np.stack(answer, -1)
    return np.where(np.isfinite(stacked), stacked, np.nan)
