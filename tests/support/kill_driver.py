"""A run of one kind in a folder, begun or resumed; `test_kill.py` starts and kills it."""

import hashlib
import json
import os
import random
import sys
import time
from pathlib import Path

import moopt
import moopt.storage.keeper

moopt.storage.keeper.CHECKPOINT_SECONDS = 0.02  # so that a kill lands between many checkpoints
moopt.storage.keeper.CHECKPOINT_SHARE = 0.5


def note(path, **entry):
    with open(path, "a", encoding="utf-8") as stream:
        stream.write(json.dumps(entry) + "\n")
        stream.flush()
        os.fsync(stream.fileno())


def expensive_problem(folder):
    def train(rate, units, kind):
        time.sleep(random.Random(f"{rate}{units}").uniform(0.05, 0.4))
        note(folder / "calls.jsonl", x=train_x(rate, units, kind), when=time.time())
        return {"loss": (1 - rate) ** 2 + 0.1 * units, "cost": rate + units / 9, "memory": units * 3}

    return moopt.FunctionProblem(
        train,
        {"rate": moopt.Real(0.1, 2.0), "units": moopt.Integer(1, 9), "kind": moopt.Choice(["a", "b"])},
        {"loss": "min", "cost": "min"},
        {"memory": ("<=", 20)},
    )


def train_x(rate, units, kind):
    return [rate, float(units), float(["a", "b"].index(kind))]


class Heard(moopt.Monitor):
    """Notes which results the loop knows; they are in the journal by then."""

    def __init__(self, folder, run):
        self.folder, self.run, self.seen = folder, run, set()

    def on_step(self, snapshot):
        for trial in self.run[0].trials:
            if trial.status != "asked" and trial.id not in self.seen:
                self.seen.add(trial.id)
                note(self.folder / "heard.jsonl", id=trial.id, when=time.time())


def build(kind, folder):
    """Problem, algorithm, budget and options of a kind."""
    if kind == "population":
        return moopt.problem("dtlz2"), moopt.algorithm("nsga2", pop_size=60), 30_000, {"runs": 3}
    if kind == "sequential":
        problem = moopt.problem("deepseatreasure", front="convex", discount=0.99)
        return problem, moopt.algorithm("qlearners"), moopt.EnvSteps(300_000), {"runs": 2}
    if kind == "robots":
        problem = moopt.problem("mohopper2", horizon=100, normalise="learned")
        return problem, moopt.algorithm("nsga2", pop_size=20), moopt.EnvSteps(60_000), {"runs": 2}
    if kind == "generative":
        return moopt.problem("exactalignment"), moopt.algorithm("policygradient"), moopt.Tokens(400_000), {"runs": 2}
    return expensive_problem(folder), moopt.algorithm("bayes"), 16, {"executor": "processes:2"}


def main():
    kind, folder = sys.argv[1], Path(sys.argv[2])
    problem, algorithm, budget, options = build(kind, folder)
    slot = [None]
    monitors = [Heard(folder, slot)] if kind == "expensive" else []
    if (folder / "run" / "config.json").exists():
        run = moopt.Run.reopen(folder / "run", problem=problem, monitors=monitors, progress=False)
    else:
        run = moopt.Run(problem, algorithm, budget, out=folder / "run", monitors=monitors, progress=False, **options)
    slot[0] = run
    result = run.run()
    bits = hashlib.sha256()
    for points in (result.population, result.front):
        for leaf in (points.x, points.f, points.g):
            bits.update(leaf.numpy().tobytes())
    print(bits.hexdigest(), json.dumps(dict(result.spent)))


if __name__ == "__main__":
    main()
