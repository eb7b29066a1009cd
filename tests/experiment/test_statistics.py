"""Statistics of experiments against published examples, second implementations and brute force."""

import itertools
import math

import moocore
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from moopt.experiment.report.summary import summary_sentences
from moopt.experiment.statistics import aggregates, attainment, inference


def frame(table):
    """{(problem, algorithm): values} as a data frame of runs."""
    rows = [(p, a, seed, v) for (p, a), values in table.items() for seed, v in enumerate(values)]
    return pd.DataFrame(rows, columns=["problem", "algorithm", "seed", "value"])


def one_run(names, table):
    """One run of each algorithm on each row's problem."""
    return frame({(f"p{i}", name): [v] for i, row in enumerate(table) for name, v in zip(names, row, strict=True)})


def drawn(problems, algorithms, seeds, rng=0, step=0.02):
    """Normal scores, later algorithms better by `step`."""
    rng = np.random.default_rng(rng)
    return frame({
        (f"p{p}", f"a{a}"): rng.normal(0.7 + step * a, 0.02 * (1 + p), seeds)
        for p in range(problems) for a in range(algorithms)
    })  # fmt: skip


def pair(comparisons, first, second):
    found = comparisons[(comparisons["first"] == first) & (comparisons["second"] == second)]
    assert len(found) == 1
    return found.iloc[0]


# R's wilcox.test, examples: Hollander and Wolfe 1973, p. 69 (permeability) and p. 29 (depression)
TERM = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
EARLY = [1.15, 0.88, 0.90, 0.74, 1.21]
FIRST_VISIT = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
SECOND_VISIT = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]

# Demsar 2006, table 6: AUC of C4.5 with and without two ways of tuning
VARIANTS = ["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"]
AUC = [
    [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
    [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
    [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
    [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
    [0.972, 0.981, 0.975, 0.973], [0.957, 0.978, 0.946, 0.970],
]  # fmt: skip


def test_permeability_example_of_r():
    values = frame({("membrane", "term"): TERM, ("membrane", "early"): EARLY})
    row = pair(inference.compare_by_problem(values, True), "term", "early")
    assert row["a12"] == pytest.approx(35 / 50)  # W = 35
    assert row["p"] == pytest.approx(2 * 0.1272, abs=1e-4) and row["p_holm"] == row["p"] and row["mark"] == "="
    assert row["shift"] == pytest.approx(0.305)  # Hollander and Wolfe, section 4.2
    assert (row["runs_first"], row["runs_second"]) == (10, 5)
    assert row["median_first"] == pytest.approx(1.415) and row["median_second"] == 0.90


def test_depression_example_of_r():
    values = one_run(["first", "second"], zip(FIRST_VISIT, SECOND_VISIT, strict=True))
    row = pair(inference.wilcoxon_over_problems(values, True), "first", "second")
    assert row["rank_sum"] == 40 and row["p"] == pytest.approx(2 * 0.01953, abs=1e-5)
    assert (row["wins"], row["ties"], row["losses"]) == (7, 0, 2) and row["difference"] == pytest.approx(0.49)
    mirrored = pair(inference.wilcoxon_over_problems(values, True), "second", "first")
    assert mirrored["rank_sum"] == 5 and mirrored["p"] == row["p"] and mirrored["wins"] == 2


def test_friedman_and_nemenyi_example_of_demsar():
    ranking = inference.rank_over_problems(one_run(VARIANTS, AUC), True)
    assert ranking.average[VARIANTS].round(3).tolist() == [3.143, 2.0, 2.893, 1.964]
    assert list(ranking.average.index) == ["C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5"]
    n, k, ranks = 14, 4, ranking.ranks.to_numpy()
    plain = 12 * n / (k * (k + 1)) * ((ranks.mean(0) ** 2).sum() - k * (k + 1) ** 2 / 4)
    assert round(plain, 2) == 9.28 and round((n - 1) * plain / (n * (k - 1) - plain), 2) == 3.69  # without ties
    ties = sum(c**3 - c for row in ranks for c in np.unique(row, return_counts=True)[1])
    assert ranking.chi2 == pytest.approx(plain / (1 - ties / (n * (k**3 - k))))
    assert (ranking.chi2, ranking.p) == pytest.approx(stats.friedmanchisquare(*np.transpose(AUC)))
    assert round(ranking.critical_difference, 2) == 1.25 and ranking.left_out == ()
    assert ranking.cliques == (("C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5"),)
    at_ten = inference.rank_over_problems(one_run(VARIANTS, AUC), True, level=0.10)
    assert round(at_ten.critical_difference, 2) == 1.12  # figure 1(a) of Demsar
    assert at_ten.cliques == (("C4.5+m+cf", "C4.5+m", "C4.5+cf"), ("C4.5+cf", "C4.5"))


# scikit-posthocs 0.17.1: posthoc_nemenyi_friedman(AUC)
@pytest.mark.parametrize(("i", "j", "p"), [(0, 1, 0.088673), (0, 3, 0.074185), (1, 2, 0.259228), (2, 3, 0.226697)])
def test_critical_difference_agrees_with_scikit_posthocs(i, j, p):
    ranking = inference.rank_over_problems(one_run(VARIANTS, AUC), True, level=p)
    gap = abs(ranking.average[VARIANTS[i]] - ranking.average[VARIANTS[j]])
    assert ranking.critical_difference == pytest.approx(gap, abs=2e-5)


def test_iman_davenport_is_the_analysis_of_variance_of_ranks():
    ranking = inference.rank_over_problems(one_run(VARIANTS, AUC), True)
    ranks = ranking.ranks.to_numpy()
    n, k = ranks.shape
    between = n * ((ranks.mean(0) - ranks.mean()) ** 2).sum()
    within = ((ranks - ranks.mean()) ** 2).sum() - between
    assert ranking.f == pytest.approx((between / (k - 1)) / (within / ((n - 1) * (k - 1))))
    assert ranking.f_p == pytest.approx(stats.f.sf(ranking.f, k - 1, (n - 1) * (k - 1)))


def test_full_agreement_claims_no_more_than_counting_allows():
    ranking = inference.rank_over_problems(one_run("abc", [[1, 2, 3], [4, 5, 6]]), False)
    assert ranking.f == math.inf and ranking.f_p == pytest.approx(1 / 6)
    tied = inference.rank_over_problems(one_run("abc", [[1, 1, 1], [4, 4, 4]]), False)
    assert (tied.chi2, tied.p, tied.f) == (0, 1, 0) and tied.f_p == 1 and tied.cliques == (("a", "b", "c"),)


def test_holm_example():
    corrected = inference.holm([0.01, 0.04, math.nan, 0.03, 0.005])  # 0.01, 0.04, 0.03, 0.005 in R's p.adjust
    np.testing.assert_allclose(corrected, [0.03, 0.06, math.nan, 0.06, 0.02])
    assert inference.holm([]).shape == (0,) and inference.holm([0.9, 0.8]).tolist() == [1, 1]


def test_holm_families():
    values = drawn(3, 3, 6)
    alone, all_ = (inference.compare_by_problem(values, True, family=f) for f in ("problem", "all"))
    for _, rows in alone.groupby("problem"):
        np.testing.assert_array_equal(rows["p_holm"][::2], inference.holm(rows["p"][::2]))
    np.testing.assert_array_equal(all_["p_holm"][::2], inference.holm(all_["p"][::2]))
    few = inference.compare_by_problem(values, True, baseline="a1")
    assert len(few) == 3 * 2 * 2 and {"a1"} == set(few["first"][1::2]) == set(few["second"][::2])


def test_a12_is_the_rank_sum_formula_of_vargha_and_delaney():
    rng = np.random.default_rng(3)
    x, y = rng.integers(0, 6, 7), rng.integers(1, 8, 11)
    rank_sum = stats.rankdata(np.concatenate((x, y)))[:7].sum()
    assert inference.a12(x, y) == pytest.approx((rank_sum / 7 - (7 + 1) / 2) / 11)  # their equation 14
    assert inference.a12([1, 2, 3], [4, 5]) == 0 and inference.a12([1, 2, 3], [4, 5], higher=False) == 1
    assert math.isnan(inference.a12([], [1.0]))
    assert inference.a12([-np.inf, 1.0], [-np.inf, -np.inf]) == pytest.approx((0.5 + 0.5 + 1 + 1) / 4)


@pytest.mark.parametrize(("n", "k"), [(3, 3), (4, 6), (8, 5), (9, 9)])
@pytest.mark.parametrize("level", [0.05, 0.01])
def test_bound_inverts_the_exact_test_of_scipy(n, k, level):
    rng = np.random.default_rng(n * k)
    x, y = rng.normal(0.5, 1, n), rng.normal(0, 1, k)
    shift, bound = inference.hodges_lehmann(x, y, level)
    assert shift == np.median([a - b for a in x for b in y])

    def p(at):
        return stats.mannwhitneyu(x - at, y, alternative="greater", method="exact").pvalue

    if math.isinf(bound):
        assert p(-1e9) > level
    else:
        assert p(bound - 1e-9) <= level * (1 + 1e-9) and p(bound + 1e-9) > level


def test_distribution_of_u_is_that_of_all_arrangements():
    counts = np.zeros(4 * 3 + 1)
    for chosen in itertools.combinations(range(7), 4):
        others = set(range(7)) - set(chosen)
        counts[sum(a > b for a in chosen for b in others)] += 1
    np.testing.assert_allclose(inference._mann_whitney_distribution(4, 3), counts / counts.sum())
    large = inference._mann_whitney_distribution(51, 51)
    assert large.sum() == pytest.approx(1) and (large > 0).all()
    np.testing.assert_allclose(large[:6], np.array([1, 1, 2, 3, 5, 7]) / math.comb(102, 51))  # partitions


def test_bound_of_many_runs_joins_the_exact_one(monkeypatch):
    exact = inference._order_of_bound(60, 80, 0.05)
    monkeypatch.setattr(inference, "EXACT_PAIRS", 0)
    inference._order_of_bound.cache_clear()
    assert inference._order_of_bound(60, 80, 0.05) == pytest.approx(exact, abs=2)
    inference._order_of_bound.cache_clear()


def test_bound_covers_as_often_as_it_says():
    rng, missed, trials = np.random.default_rng(5), 0, 2000
    for _ in range(trials):
        bound = inference.hodges_lehmann(rng.gumbel(0.3, 1, 9), rng.gumbel(0.0, 1, 7))[1]
        missed += bound > 0.3
    assert 0.025 < missed / trials < 0.05 + 3 * math.sqrt(0.05 * 0.95 / trials)  # discrete: below the level


def test_p_with_ties_is_the_corrected_normal():
    x, y = [1.0, 2, 2, 3, 5, 5, 6], [2.0, 3, 3, 4, 7, 7, 8, 9]
    row = inference.compare_by_problem(frame({("p", "x"): x, ("p", "y"): y}), True).iloc[0]
    n, k, both = 7, 8, np.array(x + y)
    u = sum((a > b) + 0.5 * (a == b) for a in x for b in y)
    ties = sum(c**3 - c for c in np.unique(both, return_counts=True)[1])
    deviation = math.sqrt(n * k / 12 * (n + k + 1 - ties / ((n + k) * (n + k - 1))))
    assert row["p"] == pytest.approx(2 * stats.norm.sf((abs(u - n * k / 2) - 0.5) / deviation))


@pytest.mark.parametrize(("n", "k", "exact"), [(9, 12, True), (50, 31, True), (51, 31, False)])
def test_p_without_ties_is_scipys(n, k, exact):
    rng = np.random.default_rng(1)
    x, y = rng.random(n), rng.random(k) + 0.1
    row = inference.compare_by_problem(frame({("p", "x"): x, ("p", "y"): y}), False).iloc[0]
    assert row["p"] == stats.mannwhitneyu(x, y, method="exact" if exact else "asymptotic").pvalue


def test_non_inferiority_margin():
    x, y = np.linspace(0.98, 1.00, 21), np.linspace(0.99, 1.011, 21)
    values = frame({("p", "x"): x, ("p", "y"): y})

    def verdicts(**options):
        table = inference.compare_by_problem(values, True, **options)
        return [bool(pair(table, *names)["non_inferior"]) for names in (("x", "y"), ("y", "x"))]

    row = pair(inference.compare_by_problem(values, True, margin=0.02), "x", "y")
    assert row["shift"] == pytest.approx(-0.0105) and row["bound"] < row["shift"]
    assert row["margin"] == pytest.approx(0.02 * np.median(y)) and row["mark"] == "-"
    assert verdicts() == [False, True] and verdicts(margin=0.02) == [True, True]
    assert verdicts(margin=0.011, share=False) == [False, True] and verdicts(margin=0.02, share=False) == [True, True]
    lower = inference.compare_by_problem(values, False)
    assert pair(lower, "x", "y")["shift"] == pytest.approx(0.0105) and pair(lower, "x", "y")["mark"] == "+"


def test_marks_of_a_table():
    values = frame({("p2", "a"): range(8), ("p2", "b"): range(20, 28), ("p2", "c"): np.arange(8) + 0.5,
                    ("p1", "a"): range(8), ("p1", "b"): range(-20, -12), ("p1", "c"): []})  # fmt: skip
    table = inference.compare_by_problem(values, True, baseline="a")
    against = table[table["second"] == "a"]
    marks = list(zip(against["problem"], against["first"], against["mark"], strict=True))
    assert marks == [("p2", "b", "+"), ("p2", "c", "="), ("p1", "b", "-"), ("p1", "c", "")]
    values.loc[len(values)] = ["p1", "c", 0, math.nan]
    again = inference.compare_by_problem(values, True, baseline="a")
    medians = again[(again["problem"] == "p1") & (again["second"] == "a")].set_index("first")["median_first"]
    assert medians["b"] == -16.5 and math.isnan(medians["c"])


def test_signed_rank_with_ties_is_exact_over_all_signs():
    d = np.array([0.5, -0.5, 1.0, 1.0, 2.0, 0.0, 3.0, -0.25, 3.0])
    row = inference.wilcoxon_over_problems(one_run("ab", [[v, 0.0] for v in d]), True).iloc[0]
    kept = d[d != 0]
    ranks = stats.rankdata(abs(kept))
    seen, sums = ranks[kept > 0].sum(), [np.dot(s, ranks) for s in itertools.product((0, 1), repeat=len(kept))]
    p = 2 * min(np.mean(np.array(sums) >= seen - 1e-9), np.mean(np.array(sums) <= seen + 1e-9))
    assert row["p"] == pytest.approx(p) and row["rank_sum"] == seen and row["ties"] == 1


@pytest.mark.parametrize("n", [4, 11, 40])
def test_signed_rank_without_ties_is_scipys(n):
    d = np.random.default_rng(n).normal(0.4, 1, n)
    row = inference.wilcoxon_over_problems(one_run("ab", [[0.0, v] for v in d]), False).iloc[0]
    assert row["p"] == pytest.approx(stats.wilcoxon(d, method="exact").pvalue)


def test_bayes_agrees_with_baycomp():
    x = [0.83, 0.71, 0.90, 0.66, 0.78, 0.59, 0.95, 0.74]
    y = [0.80, 0.72, 0.85, 0.66, 0.70, 0.575, 0.93, 0.752]
    values = one_run("xy", zip(x, y, strict=True))
    row = pair(inference.bayes_over_problems(values, True, rope=0.01), "x", "y")
    # baycomp 1.0.3, SignedRankTest.probs(x, y, rope), mean over random_state 1 and 2, 50,000 samples each
    expected = [0.75668, 0.23297, 0.01035]
    assert row[["p_first", "p_equivalent", "p_second"]].tolist() == pytest.approx(expected, abs=0.012)
    strict = pair(inference.bayes_over_problems(values, True, rope=0.0), "x", "y")
    assert [strict["p_first"], strict["p_second"]] == pytest.approx([0.97711, 0.02289], abs=0.004)


def test_bayes_of_one_problem_is_a_beta_distribution():
    row = inference.bayes_over_problems(one_run("ab", [[1.0, 0.0]]), True, rope=0.4, samples=50_000).iloc[0]
    # the first has 1 - w^2, the rest w^2, for the prior's weight w ~ Beta(1/2, 1): P(w < 2^-1/2) = 2^-1/4
    assert row["p_first"] == pytest.approx(2**-0.25, abs=0.006) and row["p_second"] == 0
    assert inference.bayes_over_problems(one_run("ab", [[1.0, 1.0]] * 3), True, rope=0).iloc[0]["p_equivalent"] == 1


# Aggregates: rliable's definitions in loops


def test_aggregates_are_those_of_the_paper():
    values = drawn(5, 3, 7, rng=2)
    table = aggregates.aggregate_scores(values, True, resamples=50).set_index(["algorithm", "statistic"])["estimate"]
    for name, rows in aggregates.scale(values, True).groupby("algorithm"):
        means = [sum(v) / len(v) for _, v in rows.groupby("problem")["value"]]
        every = sorted(rows["value"])
        middle = every[len(every) // 4 : len(every) - len(every) // 4]
        assert table[name, "median"] == pytest.approx(sorted(means)[2])
        assert table[name, "iqm"] == pytest.approx(sum(middle) / len(middle))
        assert table[name, "iqm"] == pytest.approx(stats.trim_mean(every, 0.25))
        assert table[name, "mean"] == pytest.approx(sum(every) / len(every))
        assert table[name, "optimality_gap"] == pytest.approx(sum(1 - min(v, 1) for v in every) / len(every))


def test_probability_of_improvement_is_that_of_the_paper():
    values = drawn(4, 3, 6, rng=4)
    values["value"] = values["value"].round(2)  # ties
    table = aggregates.probability_of_improvement(values, True, resamples=200)
    runs = {key: list(v) for key, v in values.groupby(["problem", "algorithm"])["value"]}
    for _, row in table.iterrows():
        total = 0.0
        for p in ("p0", "p1", "p2", "p3"):
            for x, y in itertools.product(runs[p, row["first"]], runs[p, row["second"]]):
                total += (1.0 if x > y else 0.5 if x == y else 0.0) / 36
        assert row["estimate"] == pytest.approx(total / 4) and row["low"] <= row["estimate"] <= row["high"]


def test_performance_profile_counts_runs_above():
    values = drawn(3, 2, 5)
    table = aggregates.performance_profiles(values, True, taus=[0.0, 0.3, 0.71, 1.0], resamples=300)
    scaled = aggregates.scale(values, True)
    for _, row in table.iterrows():
        above = [v > row["tau"] for v in scaled[scaled["algorithm"] == row["algorithm"]]["value"]]
        assert row["share"] == pytest.approx(sum(above) / len(above)) and row["low"] <= row["share"] <= row["high"]
    assert len(aggregates.performance_profiles(values, True, resamples=1)) == 2 * 101


def test_problems_weigh_the_same_whatever_their_runs():
    values = frame({("p", "a"): [0.0, 1.0], ("q", "a"): [1.0] * 6, ("p", "b"): [0.5], ("q", "b"): [0.0, 0.5, 0.5]})
    table = aggregates.aggregate_scores(values, True).set_index(["algorithm", "statistic"])
    assert table.loc[("a", "mean"), "estimate"] == pytest.approx((0.5 + 1) / 2)
    assert table.loc[("b", "mean"), "estimate"] == pytest.approx((0.5 + 1 / 3) / 2)
    assert table.loc[("b", "median"), "estimate"] == pytest.approx((0.5 + 1 / 3) / 2)
    # b: 0.0, 0.5, 0.5 of weight 1/6 and 0.5 of 1/2, a quarter cut off at either end
    assert table.loc[("b", "iqm"), "estimate"] == pytest.approx(0.5)
    profile = aggregates.performance_profiles(values, True, taus=[0.4], resamples=1).set_index("algorithm")["share"]
    assert profile.to_dict() == pytest.approx({"a": 0.75, "b": (1 + 2 / 3) / 2})
    assert table.loc["b"]["low"].isna().all() and table.loc["a"]["low"].notna().all()  # b: a run stands alone


@pytest.mark.parametrize("statistic", ["iqm", "mean"])
def test_interval_agrees_with_scipys_bootstrap(statistic):
    values = drawn(6, 2, 12, rng=9)
    table = aggregates.aggregate_scores(values, True, resamples=4000).set_index(["algorithm", "statistic"])
    blocks = [v for _, v in aggregates.scale(values, True).query("algorithm == 'a0'").groupby("problem")["value"]]
    cut = 0.25 if statistic == "iqm" else 0.0

    def whole(*samples, axis=-1):
        return stats.trim_mean(np.concatenate(samples, axis=axis), cut, axis=axis)

    theirs = stats.bootstrap(blocks, whole, n_resamples=4000, method="percentile", random_state=1).confidence_interval
    row = table.loc[("a0", statistic)]
    assert [row["low"], row["high"]] == pytest.approx([theirs.low, theirs.high], abs=0.08 * (theirs.high - theirs.low))


def test_interval_covers_as_often_as_it_says():
    rng, trials = np.random.default_rng(11), 400
    limits = pd.DataFrame({"problem": ["p", "q"], "worst": [-10.0, -20.0], "best": [10.0, 20.0]})
    seen = {"mean": 0, "improvement": 0}
    for _ in range(trials):
        values = frame({("p", "a"): rng.normal(1, 1, 15), ("q", "a"): rng.normal(2, 3, 15),
                        ("p", "b"): rng.normal(0, 1, 15), ("q", "b"): rng.normal(0, 3, 15)})  # fmt: skip
        table = aggregates.aggregate_scores(values, True, limits, resamples=300, seed=int(rng.integers(2**31)))
        row = table[(table["algorithm"] == "a") & (table["statistic"] == "mean")].iloc[0]
        seen["mean"] += row["low"] <= (11 / 20 + 22 / 40) / 2 <= row["high"]
        row = aggregates.probability_of_improvement(values, True, resamples=300).iloc[0]
        truth = (stats.norm.cdf(1 / math.sqrt(2)) + stats.norm.cdf(2 / math.sqrt(18))) / 2
        seen["improvement"] += row["low"] <= truth <= row["high"]
    # percentile intervals of 15 runs are a little narrow: 93 % where 95 % is asked
    assert all(0.90 < count / trials < 0.98 for count in seen.values()), seen


def test_scale_of_odd_problems():
    table = {("even", "a"): [2.0, 2.0], ("even", "b"): [2.0], ("failed", "a"): [3.0, np.inf], ("failed", "b"): [3.0],
             ("usual", "a"): [1.0, 5.0], ("usual", "b"): [2.0], ("lost", "a"): [np.inf], ("lost", "b"): [np.inf]}
    scaled = aggregates.scale(frame(table), False)
    for problem, expected in {"even": [math.nan] * 3, "failed": [1, 0, 1], "usual": [1, 0, 0.75]}.items():
        np.testing.assert_array_equal(scaled[scaled["problem"] == problem]["value"], expected)
    assert scaled[scaled["problem"] == "lost"]["value"].isna().all()
    assert (aggregates.aggregate_scores(frame(table), False)["problems"] == 2).all()
    limits = pd.DataFrame({"problem": list("eful"), "worst": 4.0, "best": 2.0})
    limits["problem"] = ["even", "failed", "usual", "lost"]
    clipped = aggregates.scale(frame(table), False, limits)
    assert clipped["value"].tolist() == [1, 1, 1, 0.5, 0, 0.5, 1, 0, 1, 0, 0]


# Attainment


def brute_attained(fronts, z):
    return sum(any((point <= z).all() for point in f) for f in fronts)


@pytest.mark.parametrize("m", [2, 3])
@pytest.mark.parametrize("empty", [0, 2])
def test_surface_bounds_what_enough_runs_attain(m, empty):
    rng = np.random.default_rng(m)
    fronts = [rng.integers(0, 6, (4, m)).astype(float) for _ in range(5)] + [np.empty((0, m))] * empty
    found = attainment.attainment(fronts, (0.2, 0.5, 0.7, 1.0))
    assert found.runs == 5 + empty and found.points_per_run is None
    for level, surface in found.surfaces.items():
        needed = math.ceil(level * found.runs - 1e-9)
        for z in itertools.product(range(7), repeat=m):
            attained = bool(len(surface)) and bool((surface <= np.array(z)).all(1).any())
            assert attained == (brute_attained(fronts, z) >= needed), (level, z)
        if len(surface):
            assert len(moocore.filter_dominated(surface, keep_weakly=True)) == len(surface)
    assert len(found.surfaces[1.0]) == 0 or not empty


@pytest.mark.parametrize("runs", [2, 7, 29, 31, 51])
def test_levels_reach_moocore_as_counts(runs):
    fronts = [np.array([[float(i), float(i)]]) for i in range(runs)]  # k runs attain (k - 1, k - 1)
    levels = [0.25, 1 / 3, 0.5, 0.75, 0.9, 1.0, *(k / runs for k in range(1, runs + 1))]
    for level, surface in attainment.attainment(fronts, levels).surfaces.items():
        assert surface.tolist() == [[math.ceil(level * runs - 1e-9) - 1.0] * 2]


def test_attainment_thins_what_is_too_much_and_says_so(monkeypatch):
    angle = np.linspace(0, math.pi / 2, 90)
    fronts = [(1 + 0.1 * i) - np.stack((np.cos(angle), np.sin(angle)), 1) for i in range(3)] + [np.zeros((2, 2)) + 0.9]
    exact = attainment.attainment(fronts, [0.5]).surfaces[0.5]
    monkeypatch.setitem(attainment.LIMIT, 2, 4 * 77)
    found = attainment.attainment(fronts, [0.5])
    assert found.points_per_run == 25  # 3 x 25 + 2 points
    thin = found.surfaces[0.5]
    assert all((exact <= z).all(1).any() for z in thin)  # nowhere better
    volumes = [moocore.hypervolume(s, ref=[1.2, 1.2]) for s in (thin, exact)]
    assert 0.95 * volumes[1] < volumes[0] < volumes[1]
    assert attainment.attainment(fronts, [0.5], points_per_run=40).points_per_run == 40
    assert attainment.attainment(fronts, [0.5], points_per_run=90).points_per_run is None


def test_difference_of_attainment_is_moocores():
    rng = np.random.default_rng(8)
    first, second = ([rng.random((5, 2)) + 0.1 * side for _ in range(4)] for side in (0, 1))
    found = attainment.attainment_difference(first, second, cells=23)
    sets = [np.column_stack((np.concatenate(s), np.repeat(np.arange(4), 5))) for s in (first, second)]
    rectangles = moocore.eafdiff(*sets, rectangles=True)
    for (i, y), (j, x) in itertools.product(enumerate(found.y), enumerate(found.x)):
        z = np.array([x, y])
        inside = (rectangles[:, :2] <= z).all(1) & (z < rectangles[:, 2:4]).all(1)
        expected = rectangles[inside, 4][0] if inside.any() else 0.0
        assert found.difference[i, j] == pytest.approx(expected / 4)
    uneven = attainment.attainment_difference(first, [*second, np.empty((0, 2))], cells=5, low=[0, 0], high=[2, 2])
    assert uneven.difference[-1, -1] == pytest.approx(1 - 4 / 5) and uneven.x.tolist() == [0, 0.5, 1, 1.5, 2]


def test_attainment_of_nothing():
    found = attainment.attainment([np.empty((0, 3)), [[math.nan, 1, 2]]])
    assert [s.shape for s in found.surfaces.values()] == [(0, 3)] * 3 and found.runs == 2


# Sentences


def test_sentences_of_a_clear_winner():
    base = np.arange(12) / 1000
    values = frame({(f"zdt{p}", a): shift + base + 0.1 * p for p in range(1, 7)
                    for a, shift in (("nsga2", 0.5), ("moead", 0.4 if p < 6 else 0.6), ("random", 0.2))})  # fmt: skip
    assert summary_sentences(values, True) == [
        "nsga2 has the best median hypervolume on 5 of 6 problems, significantly better than every other algorithm "
        "on 5 (Mann-Whitney, Holm, 5 %).",
        "The best on others: moead on 1 (significantly on 1).",
        "Against moead, the next, the median difference in hypervolume over 6 problems is 0.1 in favour of nsga2, and "
        "a run of nsga2 is the better one with probability 0.83.",
        "Over 6 problems nsga2 ranks first (average rank 1.17; the next, moead, 1.83; critical difference 1.35: "
        "no difference between these two is shown, one from random is).",
    ]
    lower = summary_sentences(values.assign(value=-values["value"]), False, indicator="igd")
    assert [s.replace("igd", "hypervolume") for s in lower] == summary_sentences(values, True)


def test_sentences_of_two_algorithms():
    values = frame({(f"p{p}", a): p + shift + np.arange(9) for p in range(8) for a, shift in (("a", 0.0), ("b", 20.0))})
    said = summary_sentences(values, False, indicator="igd")
    assert said[0].startswith("a has the best median igd on all 8 problems, significantly better than b on 8 (Mann")
    assert said[2] == "Over 8 problems a is better on 8, equal on 0, worse on 0 (Wilcoxon signed-rank, p = 0.0078: " \
        "they differ)."  # fmt: skip
    few = summary_sentences(values[values["problem"].isin(["p1", "p2", "p3"])], False)
    assert "p = 0.25: so few problems cannot show a difference)" in few[2]


def test_sentences_of_one_problem():
    values = frame({("zdt1", "a"): np.arange(9) + 7.5, ("zdt1", "b"): np.arange(9), ("zdt1", "c"): np.arange(9) + 7.1})
    assert summary_sentences(values, True) == [
        "a has the best median hypervolume on zdt1 (11.5); no significant difference from c is shown "
        "(Mann-Whitney, Holm, 5 %).",
        "Against c, the next, the shift in hypervolume is 0.4 in favour of a (more than -1.6 with 95 % confidence), "
        "and a run of a is the better one with probability 0.56 (95 % interval 0.26 to 0.81).",
        "One problem says nothing about others.",
    ]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({("p", "a"): [1.0]}, ["Only a was run: there is nothing to compare it with.",
                               "One run each: nothing can be said about chance."]),
        ({("p", "a"): [1.0], ("p", "b"): [2.5]},
         ["b has the best hypervolume on p (2.5).", "Against a, the next, the shift in hypervolume is 1.5 in favour "
          "of b.", "One problem says nothing about others.", "One run each: nothing can be said about chance."]),
        ({("p", "a"): [3.0] * 5, ("p", "b"): [3.0] * 5},
         ["Several algorithms share the best median hypervolume on p.", "One problem says nothing about others.",
          "All runs have the same value on p."]),
        ({("p", "a"): [3.0] * 5, ("q", "b"): [3.0, 2.0]},
         ["On no problem do all algorithms have runs: nothing is compared.",
          "Runs per problem and algorithm vary from 2 to 5.",
          "Problems where an algorithm has no run are left out: p (b) and q (a).",
          "All runs have the same value on p."]),
        ({("p", "a"): [math.nan] * 3, ("p", "b"): [-math.inf]}, ["No run has a value of hypervolume."]),
        ({("p", "a"): [1.0], ("p", "b"): [-math.inf]},
         ["a has the best hypervolume on p (1).", "One problem says nothing about others.",
          "One run each: nothing can be said about chance.", "1 of 2 runs failed and count as worse than all others."]),
    ],
)  # fmt: skip
def test_sentences_claim_no_more_than_the_data_allow(table, expected):
    assert summary_sentences(frame(table), True) == expected


def test_sentences_count_only_wins_over_everybody():
    values = frame({(p, a): np.arange(9) + s for p, b in (("p", 7.1), ("q", 0.3), ("r", 0.6))
                    for a, s in (("a", 20 if p == "r" else 7.5), ("b", b), ("c", 0.0))})  # fmt: skip
    said = summary_sentences(values, True)
    assert said[0].startswith("a has the best median hypervolume on all 3 problems, significantly better than every "
                              "other algorithm on 2 (")  # fmt: skip


def test_sentences_of_too_few_runs():
    values = frame({("p", "a"): [1.0, 1.1, 1.2], ("p", "b"): [2.0, 2.1, 2.2]})
    assert "With 3 runs each no difference on one problem can be significant at 5 %." in summary_sentences(values, True)
    assert not [s for s in summary_sentences(drawn(2, 2, 4), True) if s.startswith("With 4 runs")]  # p = 2 / 70
    assert [s for s in summary_sentences(drawn(2, 3, 4), True) if s.startswith("With 4 runs")]  # three tests


# What must not matter


numbers = st.lists(st.integers(-50, 50).map(float), min_size=1, max_size=9)
tables = st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=4)


def of(table, names="abc"):
    return frame({(f"p{i}", n): v for i, row in enumerate(table) for n, v in zip(names, row, strict=True)})


@given(numbers, numbers)
def test_a12_and_shift_are_antisymmetric(x, y):
    assert inference.a12(x, y) == pytest.approx(1 - inference.a12(y, x))
    assert inference.a12(x, y, higher=False) == pytest.approx(inference.a12(y, x))
    assert inference.hodges_lehmann(x, y)[0] == -inference.hodges_lehmann(y, x)[0]
    assert inference.hodges_lehmann(x, y)[1] <= inference.hodges_lehmann(x, y)[0]


@settings(max_examples=25, deadline=None)
@given(tables)
def test_ranks_survive_monotone_rescaling(table):
    values = of(table)
    grown = values.assign(value=np.exp(values["value"] / 10) * 3 - 1)
    ranked = ["p", "p_holm", "a12", "mark"]
    first, second = (inference.compare_by_problem(v, True)[ranked] for v in (values, grown))
    pd.testing.assert_frame_equal(first, second)
    both = (aggregates.probability_of_improvement(v, True, resamples=20) for v in (values, grown))
    pd.testing.assert_frame_equal(*both)
    linear = values.assign(value=values["value"] * 4 + 9)
    both = (aggregates.aggregate_scores(v, True, resamples=20) for v in (values, linear))
    pd.testing.assert_frame_equal(*both)


@settings(max_examples=25, deadline=None)
@given(tables)
def test_sense_and_labels_do_not_matter(table):
    values = of(table)
    negated = values.assign(value=-values["value"])
    same = ["p", "a12", "shift", "bound", "mark", "margin", "non_inferior"]
    pd.testing.assert_frame_equal(
        inference.compare_by_problem(values, True, margin=0.1)[same],
        inference.compare_by_problem(negated, False, margin=0.1)[same],
    )
    for function in (inference.wilcoxon_over_problems, aggregates.probability_of_improvement):
        pd.testing.assert_frame_equal(function(values, True), function(negated, False))
    shuffled = values.sample(frac=1, random_state=0).assign(seed=range(len(values)))
    key, swap = ["problem", "first", "second"], {"a": "b", "b": "a"}
    ours, theirs = (inference.compare_by_problem(v, True).set_index(key) for v in (values, shuffled))
    pd.testing.assert_frame_equal(ours, theirs.loc[ours.index])
    renamed = values.replace({"algorithm": swap})
    theirs = inference.compare_by_problem(renamed, True).replace({"first": swap, "second": swap}).set_index(key)
    pd.testing.assert_frame_equal(ours, theirs.loc[ours.index])
    average = inference.rank_over_problems(values, True).average
    assert average.sum() == pytest.approx(6)
    assert average["a"] == inference.rank_over_problems(renamed, True).average["b"]


@settings(max_examples=20, deadline=None)
@given(tables, st.data())
def test_anything_missing_is_survived(table, data):
    values = of(table)
    for row in data.draw(st.lists(st.integers(0, len(values) - 1), max_size=6)):
        values.loc[row, "value"] = data.draw(st.sampled_from([math.nan, -math.inf]))
    compared = inference.compare_by_problem(values, True, margin=0.1)
    assert compared["p_holm"].dropna().between(0, 1).all() and compared["a12"].dropna().between(0, 1).all()
    assert not (compared["runs_first"] * compared["runs_second"] == 0).any() or (compared["mark"] == "").any()
    ranking = inference.rank_over_problems(values, True)
    assert len(ranking.ranks) + len(ranking.left_out) == len(table)
    bayes = inference.bayes_over_problems(values, True, samples=50)
    assert bayes[["p_first", "p_equivalent", "p_second"]].sum(axis=1, skipna=False).dropna().round(9).eq(1).all()
    scores = aggregates.aggregate_scores(values, True, resamples=20)
    assert scores["estimate"].dropna().between(-1e-9, 1 + 1e-9).all()
    assert not (scores["low"] > scores["high"]).any()
    aggregates.performance_profiles(values, True, resamples=5, taus=[0.5])
    inference.wilcoxon_over_problems(values, True)
    said = summary_sentences(values, True, resamples=20)
    assert said and all(s.endswith(".") and "nan" not in s and "inf " not in s for s in said)


def test_no_runs_give_empty_tables():
    nothing = frame({})
    for function in (inference.compare_by_problem, inference.wilcoxon_over_problems, inference.bayes_over_problems,
                     aggregates.aggregate_scores, aggregates.performance_profiles,
                     aggregates.probability_of_improvement, aggregates.scale):  # fmt: skip
        assert len(function(nothing, True)) == 0
    assert math.isnan(inference.rank_over_problems(nothing, True).critical_difference)


def test_inputs_and_the_global_generator_stay_as_they_are():
    values = drawn(3, 3, 4)
    before, state = values.copy(), np.random.get_state()[1].copy()
    results = [
        [f(values, True, seed=s) for s in (0, 0, 1)]
        for f in (aggregates.aggregate_scores, aggregates.probability_of_improvement, inference.bayes_over_problems)
    ]
    for first, again, other in results:
        pd.testing.assert_frame_equal(first, again)
        assert not first.equals(other)
    summary_sentences(values, True)
    pd.testing.assert_frame_equal(values, before)
    np.testing.assert_array_equal(np.random.get_state()[1], state)


GOOD = drawn(2, 2, 3)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: inference.compare_by_problem(GOOD.drop(columns="seed"), True), "problem, algorithm, seed, value"),
        (lambda: inference.compare_by_problem([1.0], True), "got list"),
        (lambda: inference.compare_by_problem(GOOD, "yes"), "higher"),
        (lambda: inference.compare_by_problem(pd.concat([GOOD, GOOD]), True), "twice"),
        (lambda: inference.compare_by_problem(GOOD.assign(value="much"), True), "numbers"),
        (lambda: inference.compare_by_problem(GOOD.assign(value=-np.inf), False), "infinitely good"),
        (lambda: inference.compare_by_problem(GOOD.assign(seed=np.nan), True), "empty cells"),
        (lambda: inference.compare_by_problem(GOOD, True, baseline="a9"), "baseline"),
        (lambda: inference.compare_by_problem(GOOD, True, family="none"), "family"),
        (lambda: inference.compare_by_problem(GOOD, True, margin=-0.1), "margin"),
        (lambda: inference.rank_over_problems(GOOD, True, level=1.0), "level"),
        (lambda: inference.bayes_over_problems(GOOD, True, rope=-1.0), "rope"),
        (lambda: aggregates.aggregate_scores(GOOD, True, resamples=0), "resamples"),
        (lambda: aggregates.performance_profiles(GOOD, True, taus=[np.nan]), "taus"),
        (lambda: aggregates.scale(GOOD, True, pd.DataFrame({"problem": ["p0"], "worst": [0], "best": [1]})), "every p"),
        (lambda: aggregates.scale(GOOD, True, pd.DataFrame({"problem": ["p0"], "worst": [1], "best": [0]})), "better"),
        (lambda: aggregates.scale(GOOD, True, {"p0": (0, 1)}), "limits"),
        (lambda: attainment.attainment([]), "fronts"),
        (lambda: attainment.attainment([np.ones((2, 4))]), "two or three"),
        (lambda: attainment.attainment([np.ones((2, 2)), np.ones((2, 3))]), "one m"),
        (lambda: attainment.attainment([np.ones((2, 2))], [0.0]), "levels"),
        (lambda: attainment.attainment_difference([np.ones((2, 3))], [np.ones((2, 2))]), "two objectives"),
        (lambda: attainment.attainment_difference([np.ones((2, 2))], [np.ones((2, 2))], low=[2, 2]), "in order"),
    ],
)
def test_bad_input_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()
