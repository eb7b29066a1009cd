"""A study that nobody ran: realistic numbers from one seed, and labels that try to break out of the page."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from moopt.experiment.report.protocols import Comparison, Ranking

NASTY = "<b>x</b></script><script>alert(1)</script>"
ALGORITHMS = ("nsga2", "rvea & co", "moead %{x}", "<b>mine</b>")
PROBLEMS = (
    ("zdt1", 2, 8), ("beam", 2, 4), ("dtlz2", 3, 7), (f"crash {NASTY}", 3, 5), ("wfg4", 5, 10), ("five", 5, 6),
)  # fmt: skip
ERROR = 'Traceback (most recent call last):\n  File "beam.py", line 3, in beam\nZeroDivisionError: <i>zero</i> division'


@dataclass(frozen=True)
class Frame:
    problem: str
    objective_names: list
    directions: list
    variable_names: list
    ideal: list
    nadir: list
    front: Any
    origin: str = "the problem's own ideal point, nadir and front"
    reference: float = 1.1


@dataclass(frozen=True)
class Front:
    x: Any
    f: Any
    objectives: Any
    table: Any


@dataclass(frozen=True)
class Study:
    folder: Path
    name: str
    spec: dict
    results: Any
    trace: Any
    runs: Any
    frames: dict
    environment: dict
    kept: dict = field(default_factory=dict)

    def fronts(self, problem, algorithm):
        return self.kept.get((problem, algorithm), {})


def sphere(rng, n, m):
    """n points of the positive unit sphere, each component at most 1."""
    points = np.abs(rng.normal(size=(n, m)))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def frame(rng, problem, m, d):
    if m == 2:
        x = np.linspace(0, 1, 200)
        front = np.stack((x, 1 - np.sqrt(x)), 1)
    else:
        front = sphere(rng, 500, m)
    names = ["mass", "stiffness", "cost <b>€</b>", "noise", "risk"][:m]
    directions = ["max" if problem == "beam" and i == 1 else "min" for i in range(m)]
    variables = [f"x{i + 1}" for i in range(d)]
    if problem == "beam":
        variables = ["radius", "number", "material", "rate"]
    return Frame(problem, names, directions, variables, [0.0] * m, [1.0] * m, front)


def front(rng, known, quality, n):
    """A front whose distance to the known one grows with 1 - quality."""
    m, d = len(known.objective_names), len(known.variable_names)
    f = known.front[np.sort(rng.permutation(len(known.front))[:n])]
    f = f + (1 - quality) * rng.gamma(2.0, 0.5, (len(f), 1)) * (0.4 + 0.6 * rng.random((len(f), m)))
    f = f[[not ((f <= row).all(1) & (f < row).any(1)).any() for row in f]]
    x = np.clip(f[:, :1] * np.linspace(1, 0.2, d) + 0.15 * rng.normal(size=(len(f), d)), 0, 1)
    signs = np.array([-1.0 if sense == "max" else 1.0 for sense in known.directions])
    columns = dict(zip(known.variable_names, x.T, strict=True))
    if known.problem == "beam":
        columns["number"] = [int(v) for v in 1 + 8 * x[:, 1]]
        columns["material"] = [("steel", "wood", NASTY)[int(v)] for v in 2.99 * x[:, 2]]
        columns["rate"] = 10.0 ** (5 * x[:, 3] - 5)
    columns |= dict(zip(known.objective_names, (f * signs).T, strict=True)) | {"stress": f.sum(1)}
    return Front(x, f, f * signs, pd.DataFrame(columns))


def study(
    algorithms=ALGORITHMS, problems=PROBLEMS, seeds=11, indicators=("hypervolume", "igd_plus"), points=150,
    failed=True, missing=0, folder=Path("results"), seed=0,
):  # fmt: skip
    """A study of the given size; `failed`: the run of seed 3 of the last algorithm on the second problem."""
    rng = np.random.default_rng(seed)
    frames = {name: frame(rng, name, m, d) for name, m, d in problems}
    fractions = np.arange(1, 11) / 10
    trace, runs, kept = [], [], {}
    for p, (problem, m, _) in enumerate(problems):
        for a, algorithm in enumerate(algorithms):
            kept[problem, algorithm] = {}
            level = 0.97 - 0.03 * a - 0.05 * rng.random() - 0.01 * p
            for s in range(seeds):
                breaks = failed and (a, p, s) == (len(algorithms) - 1, min(1, len(problems) - 1), min(3, seeds - 1))
                gone = s >= seeds - missing
                status = "failed" if breaks else "missing" if gone else "finished"
                seconds = np.nan if gone else float((0.4 + 0.5 * a) * (1 + 0.4 * m) * rng.lognormal(0, 0.1))
                spent = 0 if breaks or gone else 20_000
                runs.append((problem, algorithm, s, status, spent, "evaluations", seconds, 0, ERROR if breaks else ""))
                if breaks or gone:
                    continue
                quality = min(0.995, level + 0.01 * rng.normal())
                kept[problem, algorithm][s] = front(rng, frames[problem], quality, points)
                rise = 1 - np.exp(-(3 + a) * fractions) * (0.8 + 0.1 * rng.random())
                for name in indicators:
                    values = 0.87 * quality * rise if name == "hypervolume" else (1.01 - quality) / rise**4
                    trace += [(problem, algorithm, s, name, f, v) for f, v in zip(fractions, values, strict=True)]
    trace = pd.DataFrame(trace, columns=["problem", "algorithm", "seed", "indicator", "fraction", "value"])
    names = ["problem", "algorithm", "seed", "status", "spent", "unit", "seconds", "failures", "message"]
    results = trace[trace["fraction"] == 1.0].drop(columns="fraction").reset_index(drop=True)
    spec = {
        "name": "four algorithms", "seeds": list(range(seeds)), "budget": {"evaluations": 20_000}, "timeout": None,
        "indicators": list(indicators),
        "problems": [{"label": n, "name": n, "options": {"n_obj": m}} for n, m, _ in problems],
        "algorithms": [{"label": n, "name": n, "options": {}} for n in algorithms], "cells": [["a", "b", "c"]],
    }  # fmt: skip
    environment = {
        "date": "2026-11-21", "moopt": "0.1.0", "torch": "2.13.0", "python": "3.11.7", "device": "cpu", "format": 1,
        "processor": "a processor, 2 cores",
    }  # fmt: skip
    table = pd.DataFrame(runs, columns=names)
    return Study(folder, "Four <i>algorithms</i>", spec, results, trace, table, frames, environment, kept)


def comparison(of, level=0.05):
    """Plausible statistics of a study; the right ones are another module's."""
    from scipy import stats

    labels, rankings, marks = list(of.runs["algorithm"].unique()), [], []
    for indicator in of.results["indicator"].unique():
        larger = indicator == "hypervolume"
        rows = of.results[of.results["indicator"] == indicator]
        medians = rows.pivot_table(index="problem", columns="algorithm", values="value", aggfunc="median", sort=False)
        ranks = medians.rank(axis=1, ascending=not larger).mean()
        average = {name: float(ranks[name]) for name in labels}
        difference = 2.569 * np.sqrt(len(labels) * (len(labels) + 1) / (6 * len(medians)))
        ordered = sorted(labels, key=lambda name: average[name])
        groups = [[b for b in ordered[i:] if average[b] - average[a] < difference] for i, a in enumerate(ordered)]
        cliques = [g for g in groups if len(g) > 1 and not any(set(g) < set(h) for h in groups)]
        by_problem = rows.groupby("problem")["value"]
        scaled = rows.assign(value=by_problem.transform(lambda v: (v - v.min()) / max(1e-12, v.max() - v.min())))
        if not larger:
            scaled["value"] = 1 - scaled["value"]
        scores, profiles, taus = [], [], np.linspace(0, 1, 41)
        for name in labels:
            values = scaled[scaled["algorithm"] == name]["value"].to_numpy()
            middle = stats.trim_mean(values, 0.25)
            half = 1.96 * values.std() / np.sqrt(len(values))
            scores.append((name, middle - half, middle, middle + half))
            for tau in taus:
                share = (values > tau).mean()
                band = 1.96 * np.sqrt(share * (1 - share) / len(values))
                profiles.append((name, tau, share, max(0.0, share - band), min(1.0, share + band)))
        scores = pd.DataFrame(scores, columns=["algorithm", "low", "middle", "high"])
        profiles = pd.DataFrame(profiles, columns=["algorithm", "tau", "share", "low", "high"])
        note = "Nemenyi's test at 5 %."
        rankings.append(Ranking(indicator, average, float(difference), cliques, scores, profiles, note))
        for (problem, name), part in rows.groupby(["problem", "algorithm"], sort=False):
            base = rows[(rows["problem"] == problem) & (rows["algorithm"] == labels[0])]["value"]
            if name != labels[0] and len(base) and len(part):
                test = stats.mannwhitneyu(part["value"], base)
                a12 = test.statistic / (len(part) * len(base))
                a12 = a12 if larger else 1 - a12
                mark = "=" if test.pvalue >= level else "+" if a12 > 0.5 else "-"
                marks.append((problem, name, indicator, mark, test.pvalue, a12))
    best = min(rankings[0].ranks, key=rankings[0].ranks.get)
    sentences = (
        f"By hypervolume {best} is ahead, with an average rank of {rankings[0].ranks[best]:.2f}.",
        "The Nemenyi test tells it apart from the last one only, at a level of 5 %.",
        f"Labels are shown as they are: {NASTY}.",
    )
    frame = pd.DataFrame(marks, columns=["problem", "algorithm", "indicator", "mark", "p", "a12"])
    return Comparison(sentences, labels[0], frame, rankings)
