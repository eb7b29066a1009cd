"""What the statistics say of a study, as its report shows it and as tables."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moopt.experiment.report.protocols import Comparison, Ranking, higher_is_better, indicator_title
from moopt.experiment.study import Study
from moopt.storage.files import write_atomic

if TYPE_CHECKING:
    import pandas

ROPE = 0.01  # of the Bayesian test: scaled values that differ by less are equivalent (Benavoli et al. 2017)


def values_of(study: Study, indicator: str) -> pandas.DataFrame:
    """problem, algorithm, seed, value of one indicator at the end; a failed run is infinitely bad."""
    import pandas

    names = ["problem", "algorithm", "seed", "value"]
    found = study.results.loc[study.results["indicator"] == indicator, names]
    failed = study.runs.loc[study.runs["status"] == "failed", names[:3]]
    worst = -math.inf if higher_is_better(indicator) else math.inf
    return pandas.concat([found, failed.assign(value=worst)], ignore_index=True) if len(failed) else found


def sentences(study: Study) -> list[str]:
    """Who wins where, by how much and how sure; what failed, is missing, or found nothing."""
    from moopt.experiment.report.summary import summary_sentences

    said: dict[str, None] = {}
    for name in study.spec["indicators"]:
        words = indicator_title(name)
        words = words if words.isupper() else words.lower()
        said |= dict.fromkeys(summary_sentences(values_of(study, name), higher_is_better(name), indicator=words))
    counts = study.runs["status"].value_counts()
    verbs = {"missing": "have not ended yet", "infeasible": "found nothing feasible"}
    for status, verb in verbs.items():
        if counts.get(status, 0):
            said[f"{counts[status]:,} of {len(study.runs):,} runs {verb}."] = None
    return list(said)


def comparison(study: Study) -> Comparison:
    """Everything that the report shows of the statistics."""
    import pandas

    from moopt.experiment.statistics.inference import compare_by_problem

    baseline = study.spec["baseline"]
    marks, rankings = [], []
    for name in study.spec["indicators"]:
        values, higher = values_of(study, name), higher_is_better(name)
        if not len(values):
            continue
        if baseline in set(values["algorithm"]) and values["algorithm"].nunique() > 1:
            against = compare_by_problem(values, higher, baseline=baseline)
            against = against[against["second"] == baseline]
            columns = {"problem": against["problem"], "algorithm": against["first"], "indicator": name}
            marks.append(pandas.DataFrame({**columns, **{key: against[key] for key in ("mark", "a12")},
                                           "p": against["p_holm"]}))  # fmt: skip
        ranking = _ranking(values, name, higher)
        rankings += [ranking] if ranking is not None else []
    found = pandas.concat(marks, ignore_index=True) if marks else None
    return Comparison(sentences(study), baseline, found, rankings)


def _ranking(values: pandas.DataFrame, name: str, higher: bool) -> Ranking | None:
    from moopt.experiment.statistics.aggregates import aggregate_scores, performance_profiles
    from moopt.experiment.statistics.inference import bayes_over_problems, rank_over_problems

    ranked = rank_over_problems(values, higher)
    if values["algorithm"].nunique() < 2 or not len(ranked.ranks):
        return None
    scores = aggregate_scores(values, higher)
    scores = scores[scores["statistic"] == "iqm"].rename(columns={"estimate": "middle"})
    first, second = (str(label) for label in ranked.average.index[:2])
    notes = []
    if not math.isnan(ranked.p):
        friedman = f"chi² = {ranked.chi2:.3g}, p = {ranked.p:.2g}"
        notes.append(f"Friedman: {friedman}; Iman and Davenport: p = {ranked.f_p:.2g}.")
    pairs = bayes_over_problems(_scaled(values, higher), True, ROPE)
    pair = pairs[(pairs["first"] == first) & (pairs["second"] == second)].iloc[0]
    if not math.isnan(pair["p_first"]):
        notes.append(
            f"Bayesian signed-rank test of {first} against {second}, values scaled to [0, 1] by problem: better with "
            f"probability {pair['p_first']:.2g}, equivalent (within {ROPE:g}) {pair['p_equivalent']:.2g}, worse "
            f"{pair['p_second']:.2g}."
        )
    difference = None if math.isnan(ranked.critical_difference) else ranked.critical_difference
    average = {str(label): float(rank) for label, rank in ranked.average.items()}
    profiles = performance_profiles(values, higher)
    return Ranking(name, average, difference, ranked.cliques, scores, profiles, " ".join(notes))


def _scaled(values: pandas.DataFrame, higher: bool) -> pandas.DataFrame:
    from moopt.experiment.statistics.aggregates import scale

    return scale(values, higher)


def write_tests(study: Study, folder: Path) -> None:
    """One CSV for each test and aggregate of each indicator. Raises OSError."""
    for name, table in _tables(study):
        write_atomic(folder / f"{name}.csv", table.to_csv(index=False).encode())


def _tables(study: Study) -> Iterator[tuple[str, Any]]:
    from moopt.experiment.statistics import aggregates, inference

    for name in study.spec["indicators"]:
        values, higher = values_of(study, name), higher_is_better(name)
        if not len(values) or values["algorithm"].nunique() < 2:
            continue
        yield f"{name}-by-problem", inference.compare_by_problem(values, higher)
        ranks = inference.rank_over_problems(values, higher).ranks
        yield f"{name}-ranks", ranks.rename_axis("problem").reset_index()
        yield f"{name}-signed-rank", inference.wilcoxon_over_problems(values, higher)
        yield f"{name}-bayes", inference.bayes_over_problems(_scaled(values, higher), True, ROPE)
        yield f"{name}-aggregates", aggregates.aggregate_scores(values, higher)
        yield f"{name}-improvement", aggregates.probability_of_improvement(values, higher)
        yield f"{name}-profiles", aggregates.performance_profiles(values, higher)
