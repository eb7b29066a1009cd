"""Deep Sea Treasure: a submarine's choice between near and rich treasures.

P. Vamplew, R. Dazeley, A. Berry, R. Issabekov, E. Dekker (2011), "Empirical evaluation methods for multiobjective
reinforcement learning algorithms", Machine Learning 84, 51-80. The 11 x 11 maps and the order of the actions are
those of MO-Gymnasium 1.3 (`deep-sea-treasure-v0`, `deep-sea-treasure-concave-v0`): the convex treasures of Yang, Sun
and Narasimhan (2019), "A Generalized Algorithm for Multi-Objective Reinforcement Learning and Policy Adaptation",
the concave ones of Vamplew et al. (2018). A treasure on the t-th step counts discount^(t-1) of its value, and t steps
cost 1 + discount + ... + discount^(t-1).

Difference from MO-Gymnasium: episodes are cut after 50 steps instead of 100. An episode without a treasure then
returns (0, -50), the customary reference point, instead of something beyond it.

Policies are tables rather than plans, lists of moves: a learner's table is a point as it stands, without further
steps, and serves worlds with chance, too. A black-box search pays for it. The next deeper treasure takes several
columns at once that no episode has read so far, so a search must let equally good points replace each other. NSGA-II
with 100 individuals whose children win ties found all ten points of either map in 16 of 16 runs, after 36,000 to
272,000 evaluations (plans: 7,000 to 18,000); where parents win ties, in none after 200,000.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import ClassVar

import torch
from torch import Tensor

from moopt.core import checks
from moopt.core.checks import InputError
from moopt.core.random import Rng
from moopt.core.space import Choice, Space
from moopt.learning.sequential import TabularProblem

# Columns from the left; the treasure of a column lies on the floor, in this row. The last column is open water.
FLOOR = (1, 2, 3, 4, 4, 4, 7, 7, 9, 10)
TREASURES = {
    "convex": (0.7, 8.2, 11.5, 14.0, 15.1, 16.1, 19.6, 20.3, 22.4, 23.7),
    "concave": (1.0, 2.0, 3.0, 5.0, 8.0, 16.0, 24.0, 50.0, 74.0, 124.0),
}
SIZE = 11  # rows and columns
MOVES = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}  # rows grow downward

# Cells of water without treasure, row by row: the states, of which the first is the start.
CELLS = [(row, column) for row in range(SIZE) for column in range(SIZE) if row < ((*FLOOR, SIZE)[column])]


@dataclass(frozen=True, kw_only=True)
class DeepSeaTreasure(TabularProblem):
    """Objectives: the treasure (max) and the time, -1 a step (max). Option `front`: "convex" or "concave".

    A policy is a table, the action in each of the 62 cells of water. A move into rock or out of the map stays where
    it is; a treasure ends the episode. Raises ValueError for an unknown front, a horizon below 1 or a discount
    outside (0, 1].
    """

    front: str = "convex"
    discount: float = 1.0
    horizon: int = 50

    n_obj = 2
    directions = ("max", "max")
    objective_names = ("treasure", "time")
    n_states = len(CELLS)
    n_actions = len(MOVES)
    starts_draw: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.front not in TREASURES:
            raise InputError(f"front: expected one of {list(TREASURES)}, got {self.front!r}")
        if not 0 < checks.number("discount", self.discount) <= 1:
            raise InputError(f"discount: expected a number in (0, 1], got {self.discount!r}")
        object.__setattr__(self, "horizon", checks.whole("horizon", self.horizon))

    @cached_property
    def space(self) -> Space:  # type: ignore[override]
        return Space({f"row{row}column{column}": Choice(tuple(MOVES)) for row, column in CELLS})

    def reset(self, worlds: int, rng: Rng) -> Tensor:
        return torch.zeros(rng.runs, worlds, dtype=torch.int64, device=rng.device)

    def restart(self, state: Tensor, ended: Tensor, rng: Rng) -> Tensor:
        return state.masked_fill(ended, 0)

    def observe(self, state: Tensor) -> Tensor:
        return state

    def step(self, state: Tensor, action: Tensor, rng: Rng) -> tuple[Tensor, Tensor, Tensor]:
        follower, reward = _tables(self.front, rng.dtype, rng.device)
        move = state * self.n_actions + action
        gained = reward[move]
        return follower[move], gained, gained[..., 0] > 0

    @property
    def ideal(self) -> Tensor:
        return self.pareto_front(len(FLOOR)).amin(0)

    @property
    def nadir(self) -> Tensor:
        return self.pareto_front(len(FLOOR)).amax(0)

    @property
    def reference_point(self) -> Tensor:
        """No treasure and 50 steps, as in the literature: (0, -50) in the user's sign, whatever the discount."""
        return torch.tensor([0.0, 50.0], dtype=torch.float64)

    def pareto_front(self, n: int) -> Tensor:
        """All points of the front (at most ten, so `n` goes unheeded), float64[k, 2], minimised, by time.

        The shortest way to the treasure of a column takes column + row steps; a longer one gains nothing. A small
        discount or horizon leaves fewer points: each must be worth more than every nearer treasure.
        """
        points: list[tuple[float, float]] = []
        for column, (row, treasure) in enumerate(zip(FLOOR, TREASURES[self.front], strict=True)):
            steps = column + row
            worth = treasure * self.discount ** (steps - 1)
            if steps <= self.horizon and (not points or -worth < points[-1][0]):
                points.append((-worth, sum(self.discount**i for i in range(steps))))
        return torch.tensor(points, dtype=torch.float64)


@lru_cache(maxsize=8)
def _tables(front: str, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """For state * 4 + action: the next state, int64[248], and the reward, [248, 2]; a treasure leads to the start."""
    treasures = {(row, column): TREASURES[front][column] for column, row in enumerate(FLOOR)}
    follower, reward = [], []
    for row, column in CELLS:
        for down, right in MOVES.values():
            there = (row + down, column + right)
            follower.append(CELLS.index(there if there in CELLS else CELLS[0] if there in treasures else (row, column)))
            reward.append((treasures.get(there, 0.0), -1.0))
    return torch.tensor(follower, device=device), torch.tensor(reward, dtype=dtype, device=device)
