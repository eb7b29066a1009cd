"""Fifty evaluations: `bayes` beside BoTorch's recipe, Optuna's samplers, NSGA-II and Sobol points, in one study.

`python benchmarks/bayesian.py [FOLDER]` runs what the folder lacks of the shipped studies "expensive" (in
FOLDER/expensive) and "batches" (constrained problems, batches of eight), and writes `results/bayesian.md` and `.png`.
Both can be killed and started again. On two cores all of it takes hours, most of them BoTorch's recipe, so the peers'
runs lie in `results/bayesian.tar.xz`: a new folder begins with them unless `--anew` is given, and what is left takes
three quarters of an hour. Seconds are compared anew in any case. `--smoke` does a little of one problem and writes
nothing. Needs `pip install -e '.[benchmark]'`.

The gap of a run is what its hypervolume lacks of the best that is known, and stands as its decimal logarithm. `bayes`
is not inferior on a problem where a one-sided 95 % bound (Welch, Holm over the problems) of how much its mean gap is
larger is below a tenth.
"""

from __future__ import annotations

import sys
import tarfile
import tempfile
from pathlib import Path
from time import perf_counter

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import report
import torch
from scipy.stats import bootstrap, ttest_ind

from moopt import Problem, Run
from moopt.bridges import botorch
from moopt.experiment import Entry, Spec, Study, bench
from moopt.experiment.report.protocols import algorithms, problems
from moopt.experiment.statistics import inference
from moopt.indicators import hypervolume
from moopt.render.plots import COLOURS, STYLE

KEPT = report.RESULTS / "bayesian.tar.xz"
MARGIN = 0.1
MOMENTS = [7] if report.SMOKE else [20, 21, 22, 34, 35, 36, 47, 48, 49]  # points known when seconds are compared
# Of hypervolume, from the problem's reference point: exact, or of the union of searches by NSGA-II and NSGA-III of up
# to two million evaluations, which is more than what is published (Branin-Currin 59.3601, VehicleSafety 246.8161,
# Penicillin 2183456).
BEST = {
    "branincurrin": 59.4053, "dtlz2": 1.21 - np.pi / 4, "c2dtlz2": 0.3996406303723544, "re37": 1.1346,
    "steelbeam": 0.5546, "vehiclesafety": 247.1859, "penicillin": 2242931.66,
    "zdt1": 1.21 - 1 / 3, "mw3": 0.6650, "mw5": 0.6228, "mw7": 0.5044,
}  # fmt: skip
PUBLISHED = {"mw3": "0.629 / 0.624", "mw5": "0.477 / 0.497", "mw7": "0.410 / 0.430"}  # EGBO with two inner algorithms


def smoke() -> Spec:
    """One problem, and as little as it takes to say hello."""
    return Spec(
        name="smoke", problems=("branincurrin",), seeds=2, budget=8,
        algorithms=(Entry("bayes"), Entry("botorch:qLogNEHVI", {"num_restarts": 1, "raw_samples": 8}, "botorch"),
                    Entry("optuna:GPSampler", label="optuna-gp"), Entry("botorch:Sobol", label="sobol")),
    )  # fmt: skip


def volumes(study: Study, problem: str, name: str) -> np.ndarray:
    """Hypervolume of each run's front, from the problem's reference point."""
    fronts = study.fronts(problem, name).values()
    return np.array([float(hypervolume(f.f[f.points.feasible.numpy()], f.problem.reference_point)) for f in fronts])


def gaps(study: Study, problem: str, name: str) -> np.ndarray:
    """Decimal logarithms of what runs lack of the best."""
    return np.log10(np.maximum(BEST[problem] - volumes(study, problem, name), 1e-12))


def seconds(study: Study, problem: str, name: str) -> float:
    """Median of a suggestion: the first 2 (d + 1) points take no time."""
    runs = study.runs.query("problem == @problem and algorithm == @name")
    first = 2 * (next(iter(study.fronts(problem, name).values())).problem.n_var + 1)
    return float(np.median(runs.seconds / np.maximum(runs.spent - first, 1)))


def side_by_side(problem: Problem) -> tuple[float, float, float]:
    """Seconds of a suggestion of `bayes` and of BoTorch's recipe for the same data, one right after the other on one
    thread, and how many times as long the recipe takes: medians over moments of one run.
    """
    torch.set_num_threads(1)
    run = Run(problem, "bayes", max(MOMENTS) + 1, seed=0, progress=False)
    told, taken = [], []
    for n in range(max(MOMENTS) + 1):
        began = perf_counter()
        (trial,) = run.ask(1)
        ours = perf_counter() - began
        if n in MOMENTS:
            x, f, g = (torch.tensor(rows, dtype=torch.float64) for rows in zip(*told, strict=True))
            began = perf_counter()
            botorch.suggestion(problem.space, x, f, g, problem.reference_point, 1, 10, 512, 128, 200)
            taken.append((ours, perf_counter() - began))
        f, g = problem.trial(trial.x, trial.values)[:2]
        told.append((trial.x, f, g))
        trial.finish([sign * value for sign, value in zip(problem.signs, f, strict=True)], g)
        run.tell(trial)
    ours, theirs = np.array(taken).T
    return float(np.median(ours)), float(np.median(theirs)), float(np.median(theirs / ours))


def interval(values: np.ndarray) -> str:
    """Mean with its bootstrap interval."""
    if np.ptp(values) == 0:
        return f"{values.mean():.2f}"
    low, high = bootstrap((values,), np.mean, rng=np.random.default_rng(0), method="percentile").confidence_interval
    return f"{values.mean():.2f} [{low:.2f}, {high:.2f}]"


def compared(study: Study) -> str:
    """Three tables: gaps, seconds, and whether `bayes` is inferior to BoTorch's recipe."""
    names, labels = algorithms(study), problems(study)
    pairs = {label: side_by_side(next(iter(study.fronts(label, "bayes").values())).problem) for label in labels}
    rows = [
        [label, str(len(study.seeds(label))), *(interval(gaps(study, label, name)) for name in names),
         f"{pairs[label][2]:.1f}"]
        for label in labels
    ]  # fmt: skip
    worst = [[label, *(f"{gaps(study, label, name).max():.2f}" for name in names)] for label in labels]
    times = {label: {name: seconds(study, label, name) for name in names} for label in labels}
    tests = []
    for label in labels:
        ours, theirs = gaps(study, label, "bayes"), gaps(study, label, "botorch")
        better = ttest_ind(ours, theirs, equal_var=False, alternative="less")
        inferior = ttest_ind(ours - MARGIN, theirs, equal_var=False, alternative="less")
        bound = better.confidence_interval(0.95).high
        tests.append((ours.mean() - theirs.mean(), bound, inferior.pvalue, better.pvalue))
    difference, bound, p, better = (np.array(column) for column in zip(*tests, strict=True))
    p, better = inference.holm(p), inference.holm(better)
    verdicts = [
        [label, f"{difference[i]:+.2f}", f"{bound[i]:+.2f}", f"{p[i]:.3f}", f"{better[i]:.3f}",
         *(f"{value:.2f}" for value in pairs[label][:2]), f"{pairs[label][2]:.1f}"]
        for i, label in enumerate(labels)
    ]  # fmt: skip
    return "\n\n".join([
        "Gap, log10: mean [bootstrap 95 %] of the seeds; less is better. Last, how many times as long the recipe takes"
        " for a suggestion.",
        report.table(["problem", "seeds", *names, "botorch / bayes, time"], rows),
        "The worst seed's gap.",
        report.table(["problem", *names], worst),
        "Seconds a suggestion, median of the runs, two at a time on two cores.",
        report.table(["problem", *names], [[label, *(f"{times[label][n]:.2f}" for n in names)] for label in labels]),
        f"`bayes` against `botorch`: difference of mean gaps, its one-sided 95 % bound, p that it is above {MARGIN} and"
        " that it is above 0 (both Holm); seconds a suggestion for the same data, one right after the other on one"
        " thread, and how many times as long the recipe takes (medians).",
        report.table(["problem", "difference", "bound", "p inferior", "p not better", "bayes, s", "botorch, s",
                      "times as fast"], verdicts),
    ])  # fmt: skip


def batched(study: Study) -> str:
    """Hypervolumes beside the published ones."""
    names = algorithms(study)
    rows = []
    for label in problems(study):
        found = [volumes(study, label, name) for name in names]
        cells = [f"{v.mean():.3f} ({', '.join(f'{x:.3f}' for x in v)})" for v in found]
        times = [f"{seconds(study, label, name):.2f}" for name in names]
        rows.append([label, PUBLISHED[label], f"{BEST[label]:.4f}", *cells, " / ".join(times)])
    return (
        "Constrained problems, d = 8: 18 Sobol points, then 24 batches of eight, as published."
        " Hypervolume, mean (seeds); seconds a suggestion in the same order.\n\n"
        + report.table(["problem", "EGBO, published", "best", *names, "seconds"], rows)
    )


def picture(study: Study, path: Path) -> None:
    """Gap over the evaluations: median and quartiles."""
    names, labels = algorithms(study), problems(study)
    columns = min(4, len(labels))
    with matplotlib.rc_context(STYLE):
        rows = -(-len(labels) // columns)
        size = (4 * columns, 3.2 * rows)
        figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
        for label, axes in zip(labels, grid.flat, strict=False):
            frame = study.frames[label]
            unit = float(np.prod(np.array(frame.nadir) - np.array(frame.ideal)))
            for name, colour in zip(names, COLOURS, strict=False):
                trace = study.trace.query("problem == @label and algorithm == @name")
                gap = np.log10(np.maximum(BEST[label] - trace.value * unit, 1e-12))
                spread = gap.groupby(trace.fraction).quantile([0.25, 0.5, 0.75]).unstack()
                at = spread.index * study.spec["budget"]["evaluations"]
                axes.plot(at, spread[0.5], color=colour, label=name)
                axes.fill_between(at, spread[0.25], spread[0.75], color=colour, alpha=0.15, linewidth=0)
            axes.set(title=label, xlabel="evaluations", ylabel="log10 gap")
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(names))
        figure.savefig(path, dpi=110, metadata={"Software": "moopt"})


def unpack(folder: Path) -> None:
    """Begins a folder with the runs that are kept."""
    if KEPT.exists() and not (folder / "expensive").exists():
        with tarfile.open(KEPT) as archive:
            archive.extractall(folder, filter="data")


def keep(folder: Path) -> None:
    """Keeps the peers' runs."""
    with tarfile.open(KEPT, "w:xz") as archive:
        for path in [folder / "expensive" / "spec.json", *sorted((folder / "expensive").glob("cells/*/*.*"))]:
            if "-bayes-" not in path.parent.name:
                archive.add(path, path.relative_to(folder), filter=_of_nobody)


def _of_nobody(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def main() -> None:
    folders = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(folders[0] if folders else temporary)
        if not report.SMOKE and "--anew" not in sys.argv:
            unpack(folder)
        study = bench(smoke() if report.SMOKE else "expensive", folder / "expensive")
        text = compared(study)
        if not report.SMOKE:
            text += "\n\n![Gap over the evaluations](bayesian.png)\n\n" + batched(bench("batches", folder / "batches"))
            keep(folder)
        picture(study, (folder if report.SMOKE else report.RESULTS) / "bayesian.png")
        report.write(
            "bayesian",
            "Fifty evaluations",
            f"{study.spec['budget']['evaluations']} evaluations a run, 2 (d + 1) Sobol points first."
            f" The peers' runs are those kept in bayesian.tar.xz.\n\n{text}",
            "botorch", "gpytorch", "optuna", "pymoo",
        )  # fmt: skip


if __name__ == "__main__":
    main()
