"""Which algorithm is better: tests and effect sizes within one problem and across problems.

Every function takes `values`, a data frame with columns problem, algorithm, seed and value of *one* indicator, and
`higher`, whether larger values are better. Algorithms may differ in their number of runs. A row with NaN is a run that
is not there; infinity in the bad sense is a run worse than every other (give it to runs that failed). Differences are
turned so that a positive one is in favour of the algorithm named `first`. Pairs appear in both orders, so that a table
can look up either; corrections for several tests count a pair once.

Across problems, one problem is one observation: the median of its runs. Problems where an algorithm has no run are
left out. Tests on ranks need no common scale; the sizes of differences (`bayes_over_problems`,
`wilcoxon_over_problems`) do: give values that mean the same on every problem, or `aggregates.scale` them first.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from moopt.core.checks import InputError, number, whole
from moopt.experiment.statistics._runs import Array, Runs, checked, difference

if TYPE_CHECKING:
    import pandas

EXACT_RUNS = 50  # above, p values are asymptotic; R's wilcox.test goes on so from 50
EXACT_PAIRS = 10_000  # above, the bound of a shift is asymptotic: the exact one takes time n^2 m^2


def holm(p: Any) -> Array:
    """p values p[n] corrected for n tests; the chance of any false alarm stays below the level: [n].

    The step-down procedure of Holm 1979 ("A simple sequentially rejective multiple test procedure"). NaN is a test
    that was not made: it stays NaN and does not count.
    """
    p = np.asarray(p, dtype=np.float64)
    made = np.flatnonzero(~np.isnan(p))
    order = made[np.argsort(p[made], kind="stable")]
    corrected = np.full(p.shape, np.nan)
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1.0)
    return corrected


def a12(x: Any, y: Any, higher: bool = True) -> float:
    """Probability that a run of x[n] is better than one of y[k], ties counting half; NaN if either is empty.

    Vargha and Delaney 2000 ("A critique and improvement of the CL common language effect size statistics of McGraw
    and Wong"). They call 0.56 small, 0.64 medium and 0.71 large.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    signs = np.sign(difference(x[:, None], y[None, :]))
    return float(0.5 + (0.5 if higher else -0.5) * signs.mean()) if signs.size else math.nan


def hodges_lehmann(x: Any, y: Any, level: float = 0.05) -> tuple[float, float]:
    """How much larger x[n] is than y[k], and a bound that the truth is below with probability `level` only.

    The median of all differences x_i - y_j (Hodges and Lehmann 1963, "Estimates of location based on rank tests"),
    and that one of the ordered differences which inverts the one-sided Mann-Whitney test (Hollander and Wolfe 1999,
    sections 4.2 and 4.3); with ties the bound is cautious. The bound is -inf where so few runs allow none, and both
    are NaN if either sample is empty.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if not x.size * y.size:
        return math.nan, math.nan
    ordered = np.sort(difference(x[:, None], y[None, :]), axis=None)
    k = _order_of_bound(min(len(x), len(y)), max(len(x), len(y)), level)
    return float(np.median(ordered)), float(ordered[k - 1]) if k else -math.inf


@lru_cache(maxsize=1024)
def _order_of_bound(n: int, k: int, level: float) -> int:
    """The largest i with P(U < i) <= level for the Mann-Whitney statistic U of samples of n and k; 0 if none."""
    if n * k > EXACT_PAIRS:
        from scipy.stats import norm

        return max(0, int(n * k / 2 + norm.ppf(level) * math.sqrt(n * k * (n + k + 1) / 12)))
    below = np.cumsum(_mann_whitney_distribution(n, k))
    return int((below <= level * (1 + 1e-9)).sum())


def _mann_whitney_distribution(n: int, k: int) -> Array:
    """P(U = u), u = 0 .. n k: the largest of all is an x, which beats k y's, or a y (Mann and Whitney 1947)."""
    rows = [np.ones(1) for _ in range(k + 1)]
    for i in range(1, n + 1):
        rows[0] = np.ones(1)
        for j in range(1, k + 1):
            p = np.zeros(i * j + 1)
            p[j:] = rows[j] * (i / (i + j))
            p[: i * (j - 1) + 1] += rows[j - 1] * (j / (i + j))
            rows[j] = p
    return rows[k]


def compare_by_problem(
    values: Any, higher: bool, *, baseline: str | None = None, family: Literal["problem", "all"] = "problem",
    margin: float = 0.0, share: bool = True, level: float = 0.05,
) -> pandas.DataFrame:  # fmt: skip
    """Each pair of algorithms on each problem: how different they are and how sure that is.

    Args:
        baseline: only pairs with this algorithm; without it all pairs.
        family: over which tests Holm corrects, those of a problem or all.
        margin: what loss does not matter: a share of the absolute median of the second or, without `share`, a size
            in units of the indicator. 0 asks for superiority.
        level: of the tests; bounds hold with confidence 1 - level.

    Columns: problem, first, second; runs_first, runs_second; median_first, median_second (as the indicator is); p, of
    the two-sided Mann-Whitney test (Mann and Whitney 1947; exact without ties up to 50 runs, else normal with
    corrections for ties and continuity); p_holm; a12; mark: "+" if the first is significantly better, "-" worse, "="
    neither, "" without runs; shift and bound, of `hodges_lehmann` in favour of the first; margin, in units of the
    indicator; non_inferior: bound > -margin. Raises ValueError for bad values or options.
    """
    import pandas

    runs = checked(values, higher)
    level = number("level", level, 1e-6, 0.5)
    margin = number("margin", margin, 0.0)
    if family not in ("problem", "all"):
        raise InputError(f"family: expected 'problem' or 'all', got {family!r}")
    pairs = list(itertools.combinations(runs.algorithms, 2))
    if baseline is not None:
        if baseline not in runs.algorithms:
            raise InputError(f"baseline: expected one of {', '.join(runs.algorithms)}, got {baseline!r}")
        pairs = [(a, baseline) for a in runs.algorithms if a != baseline]
    keys = [(problem, *pair) for problem in runs.problems for pair in pairs]
    samples = [(runs.scores[p, a], runs.scores[p, b]) for p, a, b in keys]
    p = _mann_whitney(samples)
    block = len(pairs) if family == "problem" else len(keys)
    corrected = np.concatenate([holm(p[i : i + block]) for i in range(0, len(keys), block or 1)] or [p])
    rows = []
    for (problem, first, second), (x, y), p_raw, p_holm in zip(keys, samples, p, corrected, strict=True):
        effect = a12(x, y)
        for a, b, xs, ys, better in ((first, second, x, y, effect), (second, first, y, x, 1 - effect)):
            medians = [runs.sign * float(np.median(z)) if len(z) else math.nan for z in (xs, ys)]
            allowed = margin * (abs(medians[1]) if share else 1.0) if margin else 0.0
            shift, bound = hodges_lehmann(xs, ys, level)
            verdict = bound > -allowed and math.isfinite(allowed)
            mark = "" if math.isnan(p_raw) else "=" if not p_holm < level else "+" if better > 0.5 else "-"
            sizes = (len(xs), len(ys), *medians)
            rows.append((problem, a, b, *sizes, p_raw, p_holm, better, mark, shift, bound, allowed, verdict))
    names = "problem first second runs_first runs_second median_first median_second p p_holm a12 mark shift bound "
    return pandas.DataFrame(rows, columns=[*names.split(), "margin", "non_inferior"])


def _mann_whitney(samples: Sequence[tuple[Array, Array]]) -> Array:
    """Two-sided p values; samples of one size are tested in one call."""
    from scipy.stats import mannwhitneyu

    groups: dict[tuple[int, int, bool], list[int]] = {}
    for i, (x, y) in enumerate(samples):
        tied = len(np.unique(np.concatenate((x, y)))) < len(x) + len(y)
        groups.setdefault((len(x), len(y), not tied and max(len(x), len(y)) <= EXACT_RUNS), []).append(i)
    p = np.full(len(samples), np.nan)
    for (n, k, exact), members in groups.items():
        if n and k:
            x, y = (np.stack([samples[i][side] for i in members]) for side in (0, 1))
            with np.errstate(invalid="ignore", divide="ignore"):
                found = mannwhitneyu(x, y, axis=-1, method="exact" if exact else "asymptotic").pvalue
            p[members] = np.where(np.isnan(found), 1.0, found)  # all values equal
    return p


@dataclass(frozen=True)
class Ranking:
    """What `rank_over_problems` found; a critical-difference diagram draws average, critical_difference, cliques.

    ranks: problems x algorithms, 1 is best. average: mean rank by algorithm, best first. chi2, p: Friedman's test.
    f, f_p: the form of Iman and Davenport. critical_difference: of two average ranks, after Nemenyi. cliques: the
    largest groups of algorithms, best first, whose average ranks differ by less. left_out: problems where an
    algorithm has no run. NaN is what so few problems or algorithms do not allow.
    """

    ranks: pandas.DataFrame
    average: pandas.Series[float]
    chi2: float
    p: float
    f: float
    f_p: float
    critical_difference: float
    cliques: tuple[tuple[str, ...], ...]
    left_out: tuple[str, ...]


def rank_over_problems(values: Any, higher: bool, level: float = 0.05) -> Ranking:
    """Average ranks of the median values, Friedman's test and the Nemenyi critical difference at `level`.

    Demsar 2006 ("Statistical comparisons of classifiers over multiple data sets", section 3.2.2), with Friedman's
    statistic corrected for ties. Friedman needs three algorithms and two problems, the critical difference two and
    two; their p values are approximations, for which Demsar wants more than ten problems and five algorithms.
    """
    import pandas
    from scipy import stats

    runs, level = checked(values, higher), number("level", level, 1e-6, 0.5)
    problems, table = _complete_medians(runs)
    ranks = pandas.DataFrame(stats.rankdata(-table, axis=1), index=list(problems), columns=list(runs.algorithms))
    (n, k), matrix = table.shape, ranks.to_numpy()
    chi2 = p = f = f_p = cd = math.nan
    if k >= 3 and n >= 2:
        if (matrix == matrix[:, :1]).all():  # every rank is tied
            chi2, p = 0.0, 1.0
        else:
            chi2, p = (float(number) for number in stats.friedmanchisquare(*matrix.T))
        rest = n * (k - 1) - chi2
        f = (n - 1) * chi2 / rest if rest > 1e-9 * n else math.inf
        # the rankings may agree fully: F is infinite, yet this happens by chance once in k!^(n - 1)
        f_p = max(float(stats.f.sf(f, k - 1, (k - 1) * (n - 1))), math.factorial(k) ** -(n - 1.0))
    if k >= 2 and n >= 2:
        cd = float(stats.studentized_range.ppf(1 - level, k, np.inf)) * math.sqrt(k * (k + 1) / (12 * n))
    average = ranks.mean().sort_values(kind="stable")
    left_out = tuple(problem for problem in runs.problems if problem not in problems)
    return Ranking(ranks, average, chi2, p, f, f_p, cd, _cliques(average, cd), left_out)


def _cliques(average: Any, cd: float) -> tuple[tuple[str, ...], ...]:
    """Maximal groups of two and more whose average ranks lie within less than `cd`; everything if that is NaN."""
    names, ranks = list(average.index), average.to_numpy()
    groups, reached = [], 0
    for i in range(len(names)):
        end = max(j + 1 for j in range(i, len(names)) if not ranks[j] - ranks[i] >= cd)
        if end > reached and end - i > 1:
            groups.append(tuple(names[i:end]))
        reached = max(reached, end)
    return tuple(groups)


def _complete_medians(runs: Runs) -> tuple[tuple[str, ...], Array]:
    """Median scores on the problems where every algorithm has a run."""
    table = runs.medians()
    return runs.complete(), table[~np.isnan(table).any(axis=1)]


def wilcoxon_over_problems(values: Any, higher: bool) -> pandas.DataFrame:
    """Wilcoxon's signed-rank test on the median values of each pair of algorithms, problem by problem.

    Columns: first, second; wins, ties, losses of the first in problems; difference, the median over problems; rank_sum
    of the problems where the first is better (R calls it V); p, two-sided; p_holm over all pairs. Problems without a
    difference are dropped (Wilcoxon 1945); p is exact, with ties as well: the sum's distribution over all signs.
    Demsar 2006, section 3.1.3; Benavoli, Corani and Mangili 2016 on why rather than comparing average ranks.
    """
    import pandas

    runs = checked(values, higher)
    _, table = _complete_medians(runs)
    rows = []
    for (i, first), (j, second) in itertools.combinations(enumerate(runs.algorithms), 2):
        d = difference(table[:, i], table[:, j])
        rank_sum, mirrored, p = _signed_rank(d)
        with np.errstate(invalid="ignore"):  # the middle of inf and -inf
            median = float(np.median(d)) if len(d) else math.nan
        wins, losses = int((d > 0).sum()), int((d < 0).sum())
        rows.append((first, second, wins, len(d) - wins - losses, losses, median, rank_sum, p))
        rows.append((second, first, losses, len(d) - wins - losses, wins, -median, mirrored, p))
    frame = pandas.DataFrame(rows, columns="first second wins ties losses difference rank_sum p".split())
    frame["p_holm"] = np.repeat(holm(frame["p"].to_numpy(dtype=float)[::2]), 2)
    return frame


def _signed_rank(d: Array) -> tuple[float, float, float]:
    """Rank sums of the positive and of the negative differences d[n], and the exact two-sided p."""
    from scipy.stats import rankdata

    if not len(d):
        return math.nan, math.nan, math.nan
    d = d[d != 0]
    doubled = np.rint(2 * rankdata(np.abs(d))).astype(int)  # mean ranks are halves
    chance = np.ones(1)
    for rank in doubled:
        grown = np.zeros(len(chance) + rank)
        grown[: len(chance)] = chance / 2
        grown[rank:] += chance / 2
        chance = grown
    w = int(doubled[d > 0].sum())
    p = min(1.0, 2 * min(float(chance[: w + 1].sum()), float(chance[w:].sum())))
    return w / 2, (int(doubled.sum()) - w) / 2, p


def bayes_over_problems(
    values: Any, higher: bool, rope: float = 0.01, *, prior: float = 0.5, samples: int = 20_000, seed: int = 0
) -> pandas.DataFrame:
    """Probabilities that the first is better over problems, that both are equivalent, that the second is better.

    Args:
        rope: differences up to this size, in units of the indicator, are equivalent; 0: only equality is.
        prior: weight of one imagined problem without a difference.
        samples: draws from the posterior; the standard error of a probability p is sqrt(p (1 - p) / samples).

    The Bayesian signed-rank test: Benavoli, Corani, Demsar and Zaffalon 2017 ("Time for a change: a tutorial for
    comparing multiple classifiers through Bayesian analysis"): Dirichlet weights of the problems, and in each draw the
    hypothesis with the greatest weighted share of the problems' pairwise mean differences wins. All pairs see the same
    draws, of a generator with the given seed.
    Columns: first, second, p_first, p_equivalent, p_second.
    """
    import pandas

    runs = checked(values, higher)
    rope, prior = number("rope", rope, 0.0), number("prior", prior, 1e-9)
    rng = np.random.default_rng(whole("seed", seed, 0))
    _, table = _complete_medians(runs)
    weights = rng.dirichlet([prior, *[1.0] * len(table)], whole("samples", samples))
    rows = []
    for (i, first), (j, second) in itertools.combinations(enumerate(runs.algorithms), 2):
        z = np.concatenate(([0.0], difference(table[:, i], table[:, j])))
        sums = difference(z[:, None], -z[None, :])
        better, worse = (_share(weights, np.heaviside(s - 2 * rope, 0.5)) for s in (sums, -sums))
        same = 1 - better - worse
        wins = float((better > np.maximum(worse, same)).mean()) if len(table) else math.nan
        losses = float((worse > np.maximum(better, same)).mean()) if len(table) else math.nan
        rows.append((first, second, wins, 1 - wins - losses, losses))
        rows.append((second, first, losses, 1 - wins - losses, wins))
    return pandas.DataFrame(rows, columns=["first", "second", "p_first", "p_equivalent", "p_second"])


def _share(weights: Array, pairs: Array) -> Array:
    """Weighted share of pairs[q, q] under weights[s, q]: [s]."""
    share: Array = ((weights @ pairs) * weights).sum(axis=1)
    return share
