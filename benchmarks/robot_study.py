"""Algorithms on policies of robots: the shipped study "robot-control", its tables and its pictures.

`python benchmarks/robot_study.py [FOLDER]` runs what the folder lacks of it (two cores: an hour and a half; it can be
killed and started again), and writes `results/robot_study.md` and `.png`. `--smoke` does one short task and writes
nothing. Needs `pip install -e '.[benchmark]'`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import report

from moopt.core.budget import EnvSteps
from moopt.experiment import Entry, Spec, Study, bench, sentences
from moopt.experiment.report.comparison import comparison
from moopt.experiment.report.protocols import algorithms, indicator_title, problems
from moopt.experiment.report.tables import indicator_table, number
from moopt.physics import RobotControl
from moopt.render.plots import COLOURS, STYLE
from moopt.run.archives.pareto import merged_front

RESULT = "robot_study"


def smoke() -> Spec:
    """One task and two algorithms of it, for as long as it takes to say hello."""
    whole = Spec.read("robot-control")
    task = Entry("mohalfcheetah", {"horizon": 20})
    return Spec(
        name="smoke", problems=(task,), algorithms=whole.algorithms[:2], seeds=2, budget=EnvSteps(4000),
        indicators=whole.indicators,
    )  # fmt: skip


def tables(study: Study) -> str:
    """Medians and quartiles of every indicator, and what statistics say of them."""
    compared, parts = comparison(study), ["\n".join(f"- {sentence}" for sentence in sentences(study))]
    for indicator in study.spec["indicators"]:
        table = indicator_table(study, indicator, compared)
        rows = []
        for problem in table.problems:
            cells = [table.cells[problem, name] for name in table.algorithms]
            spread = [f"{number(cell.median)} [{number(cell.low)}, {number(cell.high)}]" for cell in cells]
            rows.append([problem, *(f"**{text}**" if c.best else text for text, c in zip(spread, cells, strict=True))])
        title = indicator_title(indicator)
        parts.append(f"{title[0].upper()}{title[1:]}, larger is better: median [quartiles] of the seeds.\n\n"
                     + report.table(["task", *table.algorithms], rows))  # fmt: skip
    ranges = {
        label: [f"{name} {number(best)} to {number(worst)}"
                for name, best, worst in zip(frame.objective_names, frame.ideal, frame.nadir, strict=True)]
        for label, frame in study.frames.items()
    }  # fmt: skip
    rows = [[label, ", ".join(words), study.frames[label].origin] for label, words in ranges.items()]
    parts.append("What the indicators refer to, minimised: 0 and 1 of each objective's scale, on which hypervolume is"
                 " measured from 1.1.\n\n" + report.table(["task", "objectives", "from"], rows))  # fmt: skip
    return "\n\n".join(parts)


def picture(study: Study, path: Path) -> None:
    """Above the front of all seeds together (two objectives of it), below the hypervolume over the budget."""
    names, labels = algorithms(study), problems(study)
    with matplotlib.rc_context(STYLE):
        figure, grid = plt.subplots(2, len(labels), figsize=(4.2 * len(labels), 7.6), squeeze=False, layout="tight")
        for column, label in enumerate(labels):
            above, below = grid[:, column]
            for name, colour in zip(names, COLOURS, strict=False):
                fronts = list(study.fronts(label, name).values())
                front = merged_front([front.points for front in fronts]).objectives.numpy()
                above.plot(front[:, 0], front[:, 1], "o", markersize=3, color=colour, label=name)
                trace = study.trace.query("problem == @label and algorithm == @name and indicator == 'hypervolume'")
                spread = trace.groupby("fraction").value.quantile([0.25, 0.5, 0.75]).unstack()
                end, way = spread.iloc[-1], spread.iloc[:-1]
                below.plot(way.index, way[0.5], color=colour)
                below.fill_between(way.index, way[0.25], way[0.75], color=colour, alpha=0.15, linewidth=0)
                below.plot(1.0, end[0.5], "o", markersize=5, color=colour)
            axes = study.frames[label].objective_names
            above.set(title=label, xlabel=axes[0], ylabel=axes[1] + (f" ({axes[2]} not shown)" if axes[2:] else ""))
            below.set(xlabel="share of the budget", ylabel="hypervolume")
        grid[0, 0].legend(markerscale=2)
        figure.savefig(path, dpi=110, metadata={"Software": "moopt"})


def main() -> None:
    folders = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    with tempfile.TemporaryDirectory() as temporary:
        study = bench(smoke() if report.SMOKE else "robot-control", folders[0] if folders else temporary)
        picture(study, (Path(temporary) if report.SMOKE else report.RESULTS) / f"{RESULT}.png")
        seeds, budget = len(study.spec["seeds"]), study.spec["budget"]["env_steps"]
        report.write(
            RESULT,
            "Policies of robots",
            f"{seeds} seeds, {budget:,} control steps of the worlds a run; populations of 40. Fronts are the runs'"
            f" archives, each policy measured on {RobotControl.held_out_episodes} held-out episodes, and values are of"
            " these measurements.\n\n"
            f"![Fronts and hypervolume over the budget]({RESULT}.png)\n\nAbove: the front of all seeds together. Below:"
            " medians and quartiles over the budget, lines on the episodes of the search and dots on the held-out ones"
            " at its end: what lies between is luck that did not last.\n\n" + tables(study),
            "mujoco", "gymnasium", "numba",
        )  # fmt: skip


if __name__ == "__main__":
    main()
