"""An environment of your own: a mass on a line shall come to rest at 0, fast or with little force.

    python examples/own_environment.py [EVALUATIONS]

A black box searches its policies here; algorithms that train take the same environment.
"""

import sys
from dataclasses import dataclass

import torch

import moopt
from moopt.learning import Continuous, Environment, MLPPolicy, PolicySearch


@dataclass(frozen=True, kw_only=True)
class Mass(Environment):
    """Worlds are tensors [r, w, 2], place and speed; they step together, so nothing loops over them."""

    n_obj = 2
    directions = ("min", "min")
    objective_names = ("distance", "force")
    horizon = 60
    actions = Continuous(-1.0, 1.0, 1)
    steps_draw = False  # chance is in the starts only

    def reset(self, worlds, rng):
        return 2 * rng.uniform(worlds, 2) - 1

    def observe(self, state):
        return state

    def step(self, state, action, rng):
        speed = state[..., 1] + 0.2 * action[..., 0]
        place = state[..., 0] + 0.2 * speed
        return torch.stack((place, speed), -1), torch.stack((place**2, action[..., 0] ** 2), -1), place.abs() > 9


if __name__ == "__main__":
    problem = PolicySearch(Mass(), MLPPolicy.of(Mass(), hidden=(8,), bound=3.0), episodes=8)
    evaluations = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    result = moopt.minimize(problem, moopt.algorithm("nsga2", pop_size=60), evaluations, seed=1)
    print(result.message)
    print(result.to_dataframe()[["distance", "force"]].sort_values("distance").round(2).to_string(index=False))
