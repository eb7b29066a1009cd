"""Makes the folders of `tests/data/v010`, which moopt 0.1.0 wrote (commit ec3e89f) and later versions must read.

`python tests/support/old_folders.py FOLDER`. It ran once, with the moopt of that version, and is kept to say what
the folders hold: run by a later version it makes folders of that version.
"""

import subprocess
import sys
from pathlib import Path

import house_problems
import moopt
from moopt import experiment

STUDY = """\
name = "old"
seeds = 2
budget = { evaluations = 100 }
indicators = ["hypervolume", "igd"]
checkpoints = 4
problems = [{ name = "zdt1", options = { n_var = 5 } }]
algorithms = [{ name = "nsga2", options = { pop_size = 10 } }, { name = "random" }]
"""
OWN = """\
import moopt


def line(slope=1.0):
    return moopt.FunctionProblem(lambda x: (x, slope * (1 - x)), {"x": moopt.Real(0, 1)}, ["near", "far"])
"""
SLOPE = house_problems.Slope(moopt.Box([-1.0, 0.0], [2.0, 3.0]))
RUNS = {
    "catalogue": dict(
        problem=moopt.problem("zdt1", n_var=5), algorithm=moopt.algorithm("nsga2", pop_size=10),
        budget=moopt.Evaluations(100) | moopt.Seconds(3600), runs=2,
    ),
    "box": dict(
        problem=SLOPE, algorithm=moopt.algorithm("moead", pop_size=10),
        budget=moopt.Evaluations(80) | (moopt.Generations(50) & moopt.Reached("hypervolume", 0.9)),
    ),
    "plain": dict(
        problem=house_problems.Plain(), algorithm=moopt.algorithm("hype", pop_size=8),
        budget=moopt.Generations(8) | moopt.Stalled(50),
    ),
    "trials": dict(
        problem=house_problems.made(), algorithm=moopt.algorithm("random"), budget=12,
        initial=[{"r": 1.0, "n": 3, "kind": "solid"}, {"r": 0.5, "n": 9, "kind": "hollow"}],
    ),
    "bayesian": dict(problem=house_problems.made(), algorithm=moopt.algorithm("bayes"), budget=6),
    "learner": dict(
        problem=moopt.problem("deepseatreasure", front="concave"),
        algorithm=moopt.algorithm("qlearners", pop_size=3, n_steps=5, decay=10_000), budget=moopt.EnvSteps(75),
    ),
}  # fmt: skip


def spec_of_objects():
    """A study of objects, which its digests see by their classes."""
    return experiment.Spec(
        name="objects", seeds=2, checkpoints=3, budget=moopt.Evaluations(40) | moopt.Generations(30),
        problems={"slope": SLOPE, "zdt2": moopt.problem("zdt2", n_var=3), "beam": house_problems.made()},
        algorithms={
            "nsga2": moopt.algorithm("nsga2", pop_size=8), "random": moopt.algorithm("random", pop_size=8),
            "function": house_problems.grid,
        },
    )  # fmt: skip


class Interrupting(moopt.Monitor):
    """Ctrl-C at a step."""

    def __init__(self, step):
        self.left = step

    def on_step(self, snapshot):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def main():
    """Writes the folders; pictures and checkpoints, which nobody reads back, are thrown away."""
    root = Path(sys.argv[1])
    for name, asked in RUNS.items():
        moopt.minimize(**asked, out=root / name / "finished", progress=False)
        moopt.minimize(**asked, out=root / name / "begun", progress=False, monitors=[Interrupting(3)])
    file = root / "file" / "own.py"
    file.parent.mkdir()
    file.write_text(OWN)
    command = [sys.executable, "-m", "moopt.cli", "solve", f"{file}:line", "--algorithm", "nsga2"]
    settings = ["--evaluations", "20", "--set", "pop_size=10", "--set", "slope=2.5", "--no-progress"]
    subprocess.run([*command, *settings, "--out", str(file.with_name("run"))], check=True)
    root.joinpath("study.toml").write_text(STUDY)
    experiment.bench(root / "study.toml", root / "study", executor="inline", progress=False, report=False)
    experiment.bench(spec_of_objects(), root / "objects", executor="inline", progress=False, report=False)
    for path in [*root.rglob("*.png"), *root.rglob(".lock")]:
        path.unlink()
    for path in root.rglob("finished/checkpoints/*"):
        path.unlink()
    for folder in root.rglob("begun/checkpoints"):
        for path in sorted(folder.iterdir())[:-1]:
            path.unlink()


if __name__ == "__main__":
    main()
