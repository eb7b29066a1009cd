"""What the runs say about one indicator, in plain sentences for the top of a report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from moopt.core.checks import number
from moopt.experiment.statistics._runs import Runs, checked
from moopt.experiment.statistics.aggregates import probability_of_improvement
from moopt.experiment.statistics.inference import compare_by_problem, rank_over_problems, wilcoxon_over_problems

NAMES = 5  # a longer list is cut


def summary_sentences(
    values: Any, higher: bool, *, indicator: str = "hypervolume", level: float = 0.05, resamples: int = 2000,
    seed: int = 0,
) -> list[str]:  # fmt: skip
    """Who is best where, by how much and how sure, and what the data do not allow to say.

    Args:
        values, higher: the runs, as in `statistics`; an infinitely bad value is a run that failed.
        indicator: its name in the sentences.
        level: of all tests, and 1 - level of the intervals (`resamples`, `seed`: of their bootstrap).

    In this order, as far as they apply: the best medians and their significance by problem; the first in average rank
    against the next; the ranks; what limits the conclusions. Comparisons take only problems with runs of all
    algorithms. Raises ValueError for bad values.
    """
    runs, level = checked(values, higher), number("level", level, 1e-6, 0.5)
    if not any(np.isfinite(scores).any() for scores in runs.scores.values()):
        return [f"No run has a value of {indicator}."]
    complete, said = runs.complete(), []
    if len(runs.algorithms) == 1:
        said.append(f"Only {runs.algorithms[0]} was run: there is nothing to compare it with.")
    elif not complete:
        said.append("On no problem do all algorithms have runs: nothing is compared.")
    else:
        kept = values[values["problem"].astype(str).isin(complete)]
        runs_kept = checked(kept, higher)
        noun = "problems" if len(complete) == len(runs.problems) else "compared problems"
        said += _winners(kept, higher, runs_kept, indicator, level, noun)
        said += _ranks(kept, higher, runs_kept, indicator, level, {"resamples": resamples, "seed": seed}, noun)
    return said + _limits(runs, level)


def _winners(values: Any, higher: bool, runs: Runs, indicator: str, level: float, noun: str) -> list[str]:
    medians = runs.medians()
    best = medians == medians.max(axis=1, keepdims=True)
    alone = best & (best.sum(axis=1, keepdims=True) == 1)
    wins = {name: int(alone[:, j].sum()) for j, name in enumerate(runs.algorithms)}
    tested = max(map(len, runs.scores.values())) > 1
    marks = compare_by_problem(values, higher, level=level)
    beaten = marks[marks["mark"] == "+"].groupby(["problem", "first"])["second"].agg(set).to_dict()
    clear = dict.fromkeys(runs.algorithms, 0)
    for i, j in np.argwhere(alone):
        clear[runs.algorithms[j]] += len(beaten.get((runs.problems[i], runs.algorithms[j]), ())) == len(clear) - 1
    order = sorted((name for name in wins if wins[name]), key=lambda name: (-wins[name], -clear[name]))
    what, test = ("median " if tested else "") + indicator, f"(Mann-Whitney, Holm, {_percent(level)})"
    shared = len(runs.problems) - sum(wins.values())
    if not order:
        where = f"on {runs.problems[0]}" if shared == 1 else f"on each of the {shared} {noun}"
        return [f"Several algorithms share the best {what} {where}."]
    first, others = order[0], [name for name in runs.algorithms if name != order[0]]
    rivals = others[0] if len(others) == 1 else "every other algorithm"
    if len(runs.problems) == 1:
        problem = runs.problems[0]
        score = {name: runs.sign * float(np.median(runs.scores[problem, name])) for name in runs.algorithms}
        sentence = f"{first} has the best {what} on {problem} ({_short(score[first])})"
        if tested:
            even = [name for name in others if name not in beaten.get((problem, first), ())]
            sentence += f", significantly better than {rivals} {test}" if not even else ""
            sentence += f"; no significant difference from {_list(even)} is shown {test}" if even else ""
        return [sentence + "."]
    count = f"{wins[first]} of" if wins[first] < len(runs.problems) else "all"
    sentence = f"{first} has the best {what} on {count} {len(runs.problems)} {noun}"
    if tested:
        sentence += f", significantly better than {rivals} on {clear[first] or 'none'} {test}"
    said = [sentence + "."]
    if order[1:]:
        sure = {name: f" (significantly on {clear[name] or 'none'})" if tested else "" for name in order[1:]}
        parts = [f"{name} on {wins[name]}{sure[name]}" for name in order[1:]]
        said.append(f"The best on others: {_list(parts)}.")
    if shared:
        said.append(f"On {_count(shared, 'problem')} several algorithms share the best {what}.")
    return said


def _against(
    values: Any, higher: bool, runs: Runs, pair: tuple[str, str], indicator: str, level: float, options: dict[str, int]
) -> list[str]:
    """How far the first of a pair is ahead of the second; nothing where that is beyond numbers."""
    first, second = pair
    n, values = len(runs.problems), values[values["algorithm"].astype(str).isin(pair)]
    detail = ""
    if n == 1:
        row = compare_by_problem(values, higher, level=level).set_index(["first", "second"]).loc[pair]
        size, what = row["shift"], f"the shift in {indicator}"
        if size > 0 and math.isfinite(row["bound"]):
            detail = f" (more than {_short(row['bound'])} with {_percent(1 - level)} confidence)"
    else:
        size = wilcoxon_over_problems(values, higher).set_index(["first", "second"]).loc[pair, "difference"]
        what = f"the median difference in {indicator} over {n} problems"
    parts = []
    if math.isfinite(size):
        favour = "" if size == 0 else f" in favour of {first if size > 0 else second}"
        parts.append(f"{what} is {_short(abs(size))}{favour}{detail}")
    if max(map(len, runs.scores.values())) > 1:
        odds = probability_of_improvement(values, higher, level=level, **options)
        p = odds.set_index(["first", "second"]).loc[pair]
        interval = f" ({_percent(1 - level)} interval {p['low']:.2f} to {p['high']:.2f})"
        # no width: runs that never overlap, of which the bootstrap cannot tell how sure they are
        sure = interval if p["high"] - p["low"] > 1e-9 else ""
        parts.append(f"a run of {first} is the better one with probability {p['estimate']:.2f}{sure}")
    return [f"Against {second}, the next, {', and '.join(parts)}."] if parts else []


def _ranks(
    values: Any, higher: bool, runs: Runs, indicator: str, level: float, options: dict[str, int], noun: str
) -> list[str]:
    ranking, n = rank_over_problems(values, higher, level), len(runs.problems)
    ranks, cd = ranking.average, ranking.critical_difference
    first, second = ranks.index[:2]
    lesson = ["One problem says nothing about others."]
    if ranks[first] == ranks[second]:
        share = _list([name for name in ranks.index if ranks[name] == ranks[first]])
        return lesson if n == 1 else [f"Over {n} {noun} {share} share the first rank (average {ranks[first]:.2f})."]
    said = _against(values, higher, runs, (first, second), indicator, level, options)
    if n == 1:
        return said + lesson
    if len(ranks) == 2:
        row = wilcoxon_over_problems(values, higher).set_index(["first", "second"]).loc[(first, second)]
        balance = f"better on {row['wins']:.0f}, equal on {row['ties']:.0f}, worse on {row['losses']:.0f}"
        verdict = "they differ" if row["p"] < level else "no difference is shown"
        if 2.0 ** (1 - n) >= level:  # the least p of n signs
            verdict = "so few problems cannot show a difference"
        return [*said, f"Over {n} {noun} {first} is {balance} (Wilcoxon signed-rank, {_p(row['p'])}: {verdict})."]
    apart = [name for name in ranks.index if ranks[name] - ranks[first] >= cd]
    if not ranking.f_p < level:
        verdict = f"Friedman's test shows no difference between the algorithms, {_p(ranking.f_p)}"
    elif second in apart:
        verdict = "they differ"
    else:
        verdict = "no difference between these two is shown" + (f", one from {_list(apart)} is" if apart else "")
    figures = f"average rank {ranks[first]:.2f}; the next, {second}, {ranks[second]:.2f}; critical difference {cd:.2f}"
    return [*said, f"Over {n} {noun} {first} ranks first ({figures}: {verdict})."]


def _limits(runs: Runs, level: float) -> list[str]:
    """What the data do not allow, or what was left out."""
    said = []
    sizes = [len(scores) for scores in runs.scores.values() if len(scores)]
    if max(sizes) == 1:
        within = "" if len(runs.problems) == 1 else " within a problem"
        said.append(f"One run each: nothing can be said about chance{within}.")
    elif min(sizes) < max(sizes):
        said.append(f"Runs per problem and algorithm vary from {min(sizes)} to {max(sizes)}.")
    pairs, most = math.comb(len(runs.algorithms), 2), max(sizes)
    if most > 1 and pairs and 2 * pairs / math.comb(2 * most, most) >= level:  # the least p of two separate samples
        said.append(f"With {most} runs each no difference on one problem can be significant at {_percent(level)}.")
    gaps = {p: [a for a in runs.algorithms if not len(runs.scores[p, a])] for p in runs.problems}
    missing = [f"{problem} ({_list(names)})" for problem, names in gaps.items() if names]
    if missing:
        said.append(f"Problems where an algorithm has no run are left out: {_list(missing)}.")
    failed, total = sum(int(np.isinf(scores).sum()) for scores in runs.scores.values()), sum(sizes)
    if failed:
        said.append(f"{failed} of {total} runs failed and count as worse than all others.")
    every = {p: np.concatenate([runs.scores[p, a] for a in runs.algorithms]) for p in runs.problems}
    constant = [problem for problem, scores in every.items() if len(scores) > 1 and (scores == scores[0]).all()]
    if constant:
        said.append(f"All runs have the same value on {_list(constant)}.")
    return said


def _list(names: Sequence[str]) -> str:
    """a; a and b; a, b and c; a, b, c, d, e and 3 more."""
    if len(names) > NAMES + 1:
        names = [*names[:NAMES], f"{len(names) - NAMES} more"]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" + ("" if n == 1 else "s")


def _short(number: float) -> str:
    return f"{number:.3g}"


def _percent(share: float) -> str:
    return f"{100 * share:g} %"


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"
