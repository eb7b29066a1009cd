"""A population of scalarised tabular Q-learners, one for each preference.

C. Watkins, P. Dayan (1992), "Q-learning", Machine Learning 8, 279-292; K. Van Moffaert, M. Drugan, A. Nowe (2013),
"Scalarized Multi-Objective Reinforcement Learning: Novel Design Techniques", IEEE ADPRL, 191-199, algorithms 1 and 2
with the linear scalarisation.

Papers                        here
Q(s, a, o)                    State.q [r, K, S, A, m], in the problem's directions
SQ(s, a) = sum_o w_o Q_o      utility
w                             preferences, one row for each of the K learners
alpha, gamma                  learning_rate, problem.discount
epsilon                       epsilon, from the first to the second value within `decay` steps of a learner

Each learner lives in a world of its own; all learners of all runs step together. Linear weights find the corners
of the front's convex hull and nothing else, whatever the weights and the number of steps.

Differences from the papers: rewards are divided by the width of the front (nadir - ideal) where the problem knows it,
so that equal weights mean equal shares of it; Q starts from the problem's ideal point where it is known, so that
what was never tried looks good (optimism, Sutton and Barto 2018, section 2.6); an episode that is cut at the horizon
is not taken for finished (Pardo et al. 2018, "Time Limits in Reinforcement Learning", section 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from moopt import _checks
from moopt.algorithm import Algorithm, Spent, spent_on
from moopt.learning import Worlds, advance, start
from moopt.operators.directions import directions
from moopt.population import Population
from moopt.problem import Problem
from moopt.random import Rng
from moopt.sequential import TabularProblem


@dataclass(frozen=True)
class State:
    """`q` [r, K, S, A, m]; the learners' `worlds` [r, K]; `first` int64[r, K], a state in which each began an episode;
    `age` int64[r], steps of each learner so far."""

    q: Tensor
    worlds: Worlds
    first: Tensor
    age: Tensor


@dataclass(frozen=True, kw_only=True)
class QLearners(Algorithm):
    """One Q-learner for each preference, `pop_size` of them; a step is `n_steps` steps of every learner's world.

    The preferences are weights of the objectives, spread evenly and all positive, or the given `weights`, m for each
    learner. The default of 200, half a hundredth apart, reaches every corner of the convex Deep Sea Treasure at
    discount 0.99: its treasures are best within weight intervals of 0.0060 or more.

    Raises ValueError for a value out of range or weights that do not suit the problem.
    """

    pop_size: int = 200
    learning_rate: float = 0.5
    epsilon: tuple[float, float] = (1.0, 0.1)
    decay: int = 10_000
    n_steps: int = 200
    optimism: bool = True
    weights: Sequence[Sequence[float]] | None = None

    needs = TabularProblem
    constraints = False

    def __post_init__(self) -> None:
        _checks.whole("pop_size", self.pop_size)
        _checks.whole("n_steps", self.n_steps)
        _checks.whole("decay", self.decay)
        if not 0 < _checks.number("learning_rate", self.learning_rate) <= 1:
            raise ValueError(f"learning_rate: expected a number in (0, 1], got {self.learning_rate!r}")
        for value in self.epsilon:
            _checks.number("epsilon", value, 0.0, 1.0)

    def preferences(self, problem: Problem) -> Tensor:
        if self.weights is None:
            k, m = self.pop_size, problem.n_obj
            return ((k - 1) * directions(k, m) + 1 / m) / k
        return torch.tensor(self.weights, dtype=torch.float64)

    def init(self, problem: Problem, rng: Rng) -> State:
        problem = cast(TabularProblem, problem)
        k = len(self.preferences(problem))
        worlds = start(problem, k, rng)
        q = torch.zeros(rng.runs, k, problem.n_states, problem.n_actions, problem.n_obj, dtype=rng.dtype, device=rng.device)
        if problem.ideal is not None and self.optimism:
            q += (problem.ideal * torch.tensor(problem.signs)).to(q)
        return State(q, worlds, problem.observe(worlds.state), torch.zeros(rng.runs, dtype=torch.int64, device=rng.device))

    def gains(self, problem, like):
        w = self.preferences(problem) * -torch.tensor(problem.signs)
        if problem.ideal is not None:
            w = w / (problem.nadir - problem.ideal)
        return w.to(like)

    def step(self, problem: Problem, state: State, rng: Rng) -> tuple[State, Spent]:
        problem = cast(TabularProblem, problem)
        runs, k, n_states, n_actions, m = state.q.shape
        gains = self.gains(problem, state.q)[:, None]
        q = state.q.clone()
        cells = q.view(-1, m)
        table = q.view(-1, n_actions, m)
        own = torch.arange(runs * k, device=q.device).view(runs, k) * n_states
        u = rng.fold(0).uniform(self.n_steps, 2, k)
        worlds = state.worlds
        for t in range(self.n_steps):
            here = own + problem.observe(worlds.state)
            greedy = (table[here] * gains).sum(-1).argmax(-1)
            action = torch.where(u[:, t, 0] < self._epsilon(state.age + t)[:, None], (u[:, t, 1] * n_actions).long(), greedy)
            worlds, seen = advance(problem, worlds, action, rng.fold(1, t))
            ahead = table[own + seen.observation]
            best = (ahead * gains).sum(-1).argmax(-1)
            future = torch.take_along_dim(ahead, best[..., None, None], -2)[..., 0, :]
            target = seen.reward + problem.discount * future.masked_fill(seen.terminated[..., None], 0.0)
            index = here * n_actions + action
            cells[index] += self.learning_rate * (target - cells[index])
        spent = torch.full((runs,), k * self.n_steps, dtype=torch.int64)
        return State(q, worlds, state.first, state.age + self.n_steps), {"env_steps": spent}

    def _epsilon(self, age):
        a, b = self.epsilon
        return a + (b - a) * (age / self.decay).clamp(max=1.0)

    def population(self, problem: Problem, state: State) -> Population:
        problem = cast(TabularProblem, problem)
        g = self.gains(problem, state.q)
        greedy = (state.q * g[:, None, None]).sum(-1).argmax(-1)
        x = problem.encode(greedy, state.q.dtype)
        rows = torch.take_along_dim(state.q, state.first[..., None, None, None], 2)[:, :, 0]
        a = greedy.gather(-1, state.first[..., None])
        f = torch.take_along_dim(rows, a[..., None], -2)[..., 0, :] * rows.new_tensor(problem.signs)
        return Population(x, f, f.new_zeros(*f.shape[:-1], problem.n_con), torch.isnan(f).any(-1), problem.signs)

    def measure(self, problem: Problem, state: State, rng: Rng) -> tuple[Population, Spent]:
        x = self.population(problem, state).x
        evaluation = problem.evaluate(x, rng)
        return Population.of(problem, x, evaluation), spent_on(problem, evaluation)
