"""What it costs to begin again only where an episode ended, beside fresh starts for all worlds at every step.

    python benchmarks/restart.py [--smoke]

Both ways give the same bits (`tests/learning/test_environment.py`). Random actions; medians of five alternations,
processor time on one thread, for the core may be shared.
"""

import statistics
import time

import report
import torch

import moopt
from moopt.core.random import Rng
from moopt.learning import Continuous, Worlds, advance, start
from moopt.learning.environment import chosen

CASES = [  # problem, worlds, steps
    ("deepseatreasure", 200, 600), ("deepseatreasure", 20_000, 40),
    ("mohalfcheetah", 64, 60), ("mohopper2", 64, 60), ("mowalker2d", 512, 15), ("mopusher", 64, 60),
]  # fmt: skip
ROUNDS = 5


def everywhere(environment, worlds, action, rng):
    """`advance` with fresh starts for all worlds, of which those are taken that are needed."""
    state, reward, terminated = environment.step(worlds.state, action, rng.fold(0))
    age = worlds.age + 1
    ended = terminated | (age >= environment.horizon)
    environment.observe(state)
    fresh = environment.reset(age.shape[1], rng.fold(1))
    return Worlds(chosen(ended, fresh, state), age.masked_fill(ended, 0)), ended


def where_ended(environment, worlds, action, rng):
    worlds, seen = advance(environment, worlds, action, rng)
    return worlds, seen.terminated | seen.truncated


def lived(way, environment, actions, rng):
    """Seconds of all steps, and the share of them that ended an episode."""
    worlds, ended = start(environment, actions.shape[1], rng.fold(0)), []
    begun = time.process_time()
    for t, action in enumerate(actions):
        worlds, over = way(environment, worlds, action[None], rng.fold(1, t))
        ended.append(over)
    seconds = time.process_time() - begun
    return seconds, float(torch.stack(ended).double().mean())


def main():
    torch.set_num_threads(1)
    print("| environment | worlds | ends a step | all anew, us a step | where ended, us a step | ratio |")
    print("|---|---|---|---|---|---|")
    for name, worlds, steps in CASES[:1] if report.SMOKE else CASES:
        environment, rng = moopt.problem(name), Rng(1)
        steps = 5 if report.SMOKE else steps
        actions = environment.actions
        if isinstance(actions, Continuous):
            low, high = torch.tensor(actions.low), torch.tensor(actions.high)
            drawn = low + (high - low) * rng.fold(2).uniform(steps, worlds, actions.n)[0]
        else:
            drawn = rng.fold(2).integers(actions.n, steps, worlds)[0]
        taken = {way: [] for way in (everywhere, where_ended)}
        for k in range(ROUNDS + 1):
            for way, seconds in taken.items():
                one, share = lived(way, environment, drawn, rng)
                seconds += [one] if k else []  # the first compiles
        before, after = (1e6 * statistics.median(seconds) / steps for seconds in taken.values())
        print(f"| {name} | {worlds:,} | {share:.1%} | {before:,.0f} | {after:,.0f} | {after / before:.2f} |")


if __name__ == "__main__":
    main()
