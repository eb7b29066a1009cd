"""What problems/robots/robot_control_v1.json publishes: moments of observations, ideal, nadir and reference points.

    python benchmarks/robot_reference.py moments [TASK ...]
    python benchmarks/robot_reference.py points [TASK ...] [--study FOLDER]

Moments are those of what the policies of a front see, found by NSGA-II, which starts without any and learns them.
Points come from policies on held-out episodes: the fronts of the study "robot-control" (`robot_study.py`) for the tasks
in it, and of every task what NSGA-II and a decomposition end with, fronts and populations, each policy judged by one
episode and by five: one leaves time for more generations, but where objectives rise together its front is the luckiest
policy. Ideal and nadir are those of the merged front; the reference point is the worse of the nadir with a tenth of its
distance from the ideal and of the worst twentieth of random policies. Numbers are in the user's sign, rounded to four
digits. Those of the double pendulum, the walker and both humanoids came from five episodes alone.
"""

import argparse
import json
import sys
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import torch

import moopt
from moopt import catalogue
from moopt.core import tree
from moopt.core.random import Rng
from moopt.experiment import read
from moopt.learning.moments import Moments
from moopt.problems.robots import control
from moopt.run.archives.pareto import merged_front

FILE = Path(__file__).resolve().parent.parent / "problems" / "robots" / "robot_control_v1.json"
TASKS = [
    name for name in catalogue.table("problems")
    if catalogue.load("problems", name).__module__ == control.__name__
]  # fmt: skip
EPISODES = 5  # that a policy is judged by in a search for points
STEPS = {  # of each such search
    "moinverteddoublependulum": 10_000_000, "mowalker2d": 4_000_000,
    "mohopper2": 1_000_000, "mohalfcheetah": 1_000_000, "moswimmer": 1_000_000, "mopusher": 1_000_000,
}  # fmt: skip
STARTS = 10  # that policies are seen from: targets and objects lie elsewhere in each
COMMON = {"progress": False}


def rounded(values):
    return [float(f"{value:.4g}") for value in values]


def unknowing(name):
    """The task for one that has never seen it."""
    task = catalogue.load("problems", name)

    @dataclass(frozen=True, kw_only=True)
    class Unknowing(task):
        normalise: str = "learned"
        name = "unknowing"

    return Unknowing()


def moments(name, steps):
    run = moopt.Run(unknowing(name), moopt.algorithm("nsga2", pop_size=40), moopt.EnvSteps(steps), seed=1, **COMMON)
    front = run.run().front
    learned = run.progress.groups[0].memory
    nothing = Moments(learned.count * 0 + 1e-9, learned.mean, learned.squares / learned.count * 1e-9)
    _, found = replace(run.problem, episodes=STARTS).answer(front.x[None], Rng([2]), nothing)
    return {"mean": rounded(found.mean[0].tolist()), "std": rounded(found.std[0].tolist())}


def found_by(study, name):
    """Fronts of all runs of the study on a task; none where it has none."""
    pairs = [pair for pair in study.pairs if pair[0] == name] if study else []
    return [front.points for pair in pairs for front in study.fronts(*pair).values()]


def searched(name, steps):
    found = []
    for episodes, algorithm in product((1, EPISODES), ("nsga2", "moead")):
        problem = moopt.problem(name, episodes=episodes)
        chosen = moopt.algorithm(algorithm, pop_size=40)
        result = moopt.minimize(problem, chosen, moopt.EnvSteps(steps), seed=1, **COMMON)
        x = result.population.x[None]
        population = moopt.problem(name).measure(x, Rng([1]))
        found += [result.front, merged_front([row(population)])]
    return found


def row(points):
    return tree.map_tensors(lambda leaf: leaf[0], points)


def points(name, steps, study=None):
    problem = moopt.problem(name)
    front = merged_front(found_by(study, name) + searched(name, steps))
    drawn = problem.evaluate(problem.space.sample(Rng([1]).uniform(200, problem.n_var)), Rng([2])).f[0]
    ideal, nadir = front.f.amin(0), front.f.amax(0)
    reference = torch.maximum(nadir + 0.1 * (nadir - ideal), drawn.quantile(0.95, 0))
    found = {"ideal": ideal, "nadir": nadir, "reference_point": reference}
    return {key: rounded((-value).tolist()) for key, value in found.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", nargs="?", choices=["moments", "points"])
    parser.add_argument("tasks", nargs="*", default=TASKS)
    parser.add_argument("--steps", type=float)
    parser.add_argument("--study", type=read, help="folder of the study")
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    if options.smoke:
        print(moments("moreacher", 2000), points("moreacher", 100_000))
        return
    for name in options.tasks:
        if options.what == "moments":
            found = moments(name, int(options.steps or 1_500_000))
        else:
            found = points(name, int(options.steps or STEPS.get(name, 2_000_000)), options.study)
        content = json.loads(FILE.read_text())
        content[name] = content.get(name, {}) | found
        FILE.write_text(json.dumps(dict(sorted(content.items())), indent=1) + "\n")
        print(name, found, flush=True)


if __name__ == "__main__":
    sys.exit(main())
