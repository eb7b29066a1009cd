"""Aggregates over problems with bootstrap intervals: how good, how often better, how the runs are spread.

After Agarwal, Schwarzer, Castro, Courville and Bellemare 2021 ("Deep reinforcement learning at the edge of the
statistical precipice"). `values` and `higher` are as in `statistics`. Each problem has the same weight, however many
runs it has; with equal numbers of runs all figures are those of the paper. Problems where an algorithm has no run are
left out.

Intervals come from the stratified percentile bootstrap: the runs of each problem are drawn anew, with replacement.
They speak of other seeds on the same problems, not of other problems. A single run says nothing about chance: where one
stands alone on a problem, the interval is NaN. (`scipy.stats.bootstrap` refuses such samples; and how often each run
was drawn, in place of copies of its value, lets one sort serve all resamples.)
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from moopt.core.checks import InputError, number, whole
from moopt.experiment.statistics._runs import Array, Runs, checked, difference

if TYPE_CHECKING:
    import pandas


def scale(values: Any, higher: bool, limits: Any = None) -> pandas.DataFrame:
    """The same frame with values scaled per problem to [0, 1], where 1 is best.

    Args:
        limits: data frame with columns problem, worst, best: what becomes 0 and 1, as the indicator is. What lies
            outside is cut off. By default the worst and the best finite value of all runs on that problem.

    Without `limits`, a problem where all runs have one value tells nothing apart: its values become NaN. An infinitely
    bad run becomes 0. Raises ValueError for limits that lack a problem, are not finite, or whose best is not better
    than their worst.
    """
    runs = checked(values, higher)
    known = None if limits is None else _limits(limits, runs.sign)
    labels = values["problem"].astype(str).to_numpy()
    scores = runs.sign * values["value"].to_numpy(dtype=np.float64, na_value=np.nan)
    scaled = np.full(len(scores), np.nan)
    for problem in runs.problems:
        if known is not None and problem not in known:
            raise InputError(f"limits: expected a row for every problem, got none for {problem!r}")
        rows = (labels == problem) & ~np.isnan(scores)
        scaled[rows] = _scaled(scores[rows], known[problem] if known else None)
    frame: pandas.DataFrame = values.assign(value=scaled)
    return frame


def _scaled(scores: Array, limits: tuple[float, float] | None) -> Array:
    if limits is None:
        finite = scores[np.isfinite(scores)]
        if not len(finite) or (scores == scores[0]).all():
            return np.full(len(scores), np.nan)
        limits = float(finite.min()), float(finite.max())
    worst, best = limits
    return np.clip(1 - (best - scores) / (best - worst or 1.0), 0.0, 1.0)  # 1.0: equal, but for failed runs


def _limits(limits: Any, sign: float) -> dict[str, tuple[float, float]]:
    """Worst and best score by problem."""
    try:
        rows = zip(limits["problem"], limits["worst"], limits["best"], strict=True)
        known = {str(problem): (sign * float(worst), sign * float(best)) for problem, worst, best in rows}
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(f"limits: expected a data frame with columns problem, worst, best, got {error!r}") from None
    for problem, (worst, best) in known.items():
        if not (math.isfinite(worst) and math.isfinite(best) and worst < best):
            raise InputError(f"limits: expected finite numbers and a best better than the worst for {problem!r}")
    return known


def aggregate_scores(
    values: Any, higher: bool, limits: Any = None, *, level: float = 0.05, resamples: int = 2000, seed: int = 0
) -> pandas.DataFrame:
    """Median, interquartile mean, mean and optimality gap of the scaled values, with intervals of 1 - level.

    Columns: algorithm, statistic, estimate, low, high, problems (their number). "median": over problems, of the mean
    over runs; "iqm": mean of all runs but the lowest and the highest quarter; "mean"; "optimality_gap": what the mean
    lacks of 1 (Agarwal et al. 2021, section 4.3). Values are scaled as in `scale`; the scale is not drawn anew.
    """
    import pandas

    level, resamples, seed = _options(level, resamples, seed)
    runs = _scaled_runs(values, higher, limits)
    problems, rows = runs.complete(), []
    for j, algorithm in enumerate(runs.algorithms):
        blocks = [runs.scores[problem, algorithm] for problem in problems]
        weights = _weights([len(b) for b in blocks], resamples, [seed, j])
        scores = np.concatenate([np.empty(0), *blocks])
        mean = weights @ scores if len(scores) else np.full(1 + resamples, math.nan)
        found = {"median": _median(scores, weights, blocks), "iqm": _interquartile_mean(scores, weights)}
        for name, drawn in (*found.items(), ("mean", mean), ("optimality_gap", 1 - mean)):
            rows.append((algorithm, name, *_interval(drawn, blocks, level), len(problems)))
    return pandas.DataFrame(rows, columns=["algorithm", "statistic", "estimate", "low", "high", "problems"])


def performance_profiles(
    values: Any, higher: bool, limits: Any = None, *, taus: Any = None, level: float = 0.05, resamples: int = 2000,
    seed: int = 0,
) -> pandas.DataFrame:  # fmt: skip
    """Share of runs with a scaled value above tau, for each algorithm and tau, with pointwise bands of 1 - level.

    Columns: algorithm, tau, share, low, high. `taus` are 0, 0.01, .. 1 by default. Agarwal et al. 2021, section 4.2:
    run-score distributions, averaged over problems. Values are scaled as in `scale`.
    """
    import pandas

    level, resamples, seed = _options(level, resamples, seed)
    taus = np.linspace(0, 1, 101) if taus is None else np.asarray(taus, dtype=np.float64)
    if taus.ndim != 1 or not np.isfinite(taus).all():
        raise InputError(f"taus: expected a list of finite numbers, got shape {list(taus.shape)}")
    runs = _scaled_runs(values, higher, limits)
    problems, columns = runs.complete(), ["algorithm", "tau", "share", "low", "high"]
    parts = [pandas.DataFrame(columns=columns)] if not runs.algorithms else []
    for j, algorithm in enumerate(runs.algorithms):
        blocks = [runs.scores[problem, algorithm] for problem in problems]
        weights = _weights([len(b) for b in blocks], resamples, [seed, j])
        above = np.concatenate([np.empty(0), *blocks])[:, None] > taus
        drawn = weights @ above if len(above) else np.full((1 + resamples, len(taus)), math.nan)
        cells = (algorithm, taus, *_interval(drawn, blocks, level))
        parts.append(pandas.DataFrame(dict(zip(columns, cells, strict=True))))
    frame: pandas.DataFrame = pandas.concat(parts, ignore_index=True)
    return frame


def probability_of_improvement(
    values: Any, higher: bool, *, level: float = 0.05, resamples: int = 2000, seed: int = 0
) -> pandas.DataFrame:
    """Probability that a run of the first is better than one of the second, averaged over problems.

    Columns: first, second, estimate, low, high (interval of 1 - level), problems (their number); each pair in both
    orders. The mean of `statistics.a12` over problems (Agarwal et al. 2021, section 4.3); no scale is needed. Where the
    runs of two algorithms do not overlap, every resample agrees: an interval without width does not mean certainty.
    """
    import pandas

    level, resamples, seed = _options(level, resamples, seed)
    runs = checked(values, higher)
    problems, pairs = runs.complete(), list(itertools.combinations(range(len(runs.algorithms)), 2))
    total = np.zeros((len(pairs), 1 + resamples))
    for i, problem in enumerate(problems):
        scores = [runs.scores[problem, algorithm] for algorithm in runs.algorithms]
        weights = [_weights([len(x)], resamples, [seed, i, j]) for j, x in enumerate(scores)]
        for row, (a, b) in zip(total, pairs, strict=True):
            better = 0.5 + 0.5 * np.sign(difference(scores[a][:, None], scores[b][None, :]))
            row += ((weights[a] @ better) * weights[b]).sum(axis=1)
    rows = []
    for drawn, (a, b) in zip(total, pairs, strict=True):
        drawn = drawn / len(problems) if problems else np.full(len(drawn), math.nan)
        blocks = [runs.scores[problem, runs.algorithms[j]] for problem in problems for j in (a, b)]
        for x, y, p in ((a, b, drawn), (b, a, 1 - drawn)):
            rows.append((runs.algorithms[x], runs.algorithms[y], *_interval(p, blocks, level), len(problems)))
    return pandas.DataFrame(rows, columns=["first", "second", "estimate", "low", "high", "problems"])


def _options(level: Any, resamples: Any, seed: Any) -> tuple[float, int, int]:
    return number("level", level, 1e-6, 0.5), whole("resamples", resamples), whole("seed", seed, 0)


def _scaled_runs(values: Any, higher: bool, limits: Any) -> Runs:
    """Scaled runs, without the problems that tell nothing apart."""
    return checked(scale(values, higher, limits), True)


def _weights(sizes: Sequence[int], resamples: int, seed: Sequence[int]) -> Array:
    """Weight of each run in the data (row 0) and in each resample, strata side by side: [1 + resamples, sum(sizes)].

    Each row sums to 1 and each stratum to the same.
    """
    rng = np.random.default_rng(seed)
    strata: list[Array] = [np.empty((1 + resamples, 0))]
    for n in sizes:
        drawn = rng.integers(n, size=(resamples, n)) + n * np.arange(resamples)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=resamples * n).reshape(resamples, n)
        strata.append(np.vstack((np.ones((1, n)), counts.astype(np.float64))) / (n * len(sizes)))
    return np.hstack(strata)


def _median(scores: Array, weights: Array, blocks: Sequence[Array]) -> Array:
    """Median over problems of the mean over runs: [b] for weights[b, n] of scores[n]."""
    if not blocks:
        return np.full(len(weights), math.nan)
    starts = np.cumsum([0, *(len(block) for block in blocks[:-1])])
    medians: Array = np.median(np.add.reduceat(weights * scores, starts, axis=1) * len(blocks), axis=1)
    return medians


def _interquartile_mean(scores: Array, weights: Array) -> Array:
    """Mean between the quarters: [b] for weights[b, n] of scores[n].

    Cut off at either end is the weight of n / 4 runs, rounded down; with equal weights that is scipy's trim_mean.
    """
    n = len(scores)
    if not n:
        return np.full(len(weights), math.nan)
    order, cut = np.argsort(scores), n // 4 / n
    kept = np.diff(np.clip(np.cumsum(weights[:, order], axis=1), cut, 1 - cut), axis=1, prepend=cut)
    mean: Array = kept @ scores[order] / (1 - 2 * cut)
    return mean


def _interval(drawn: Array, blocks: Sequence[Array], level: float) -> tuple[Any, Any, Any]:
    """Estimate drawn[0] and the percentile bounds of drawn[1:]; without bounds where a run stands alone."""
    if min(map(len, blocks), default=0) < 2:
        return drawn[0], np.nan * drawn[0], np.nan * drawn[0]
    low, high = np.quantile(drawn[1:], (level / 2, 1 - level / 2), axis=0)
    return drawn[0], low, high
