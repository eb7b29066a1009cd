"""A population of scalarised tabular Q-learners, one for each preference.

C. Watkins, P. Dayan (1992), "Q-learning", Machine Learning 8, 279-292; K. Van Moffaert, M. Drugan, A. Nowé (2013),
"Scalarized Multi-Objective Reinforcement Learning: Novel Design Techniques", IEEE ADPRL, 191-199 (linear form).

Papers                         here
Q(s, a, o)                     State.q [r, K, S, A, m], in the problem's directions
w                              preferences, one row for each of the K learners
SQ(s, a) = sum_o w_o Q(s,a,o)  _utility
alpha, gamma                   learning_rate, environment.discount
epsilon-greedy                 epsilon, its first and last value; decay, the steps between

Linear preferences find the corners of the front's convex hull and nothing else. Of Deep Sea Treasure that is: all
ten points of the convex front at discount 0.99, nine at discount 1 (20.3 lies on the line from 19.6 to 22.4); two of
the concave front, the nearest and the richest treasure.

Differences from the papers: weights count shares of the front's width, nadir - ideal, where the problem knows it;
Q starts better than the ideal point (optimistic initial values: Sutton and Barto 2018, "Reinforcement Learning",
section 2.6); an episode cut at the horizon is not taken for finished (Pardo et al. 2018, "Time Limits in
Reinforcement Learning"). Defaults come from Deep Sea Treasure, where the front was right for eight seeds of eight
after 8,800 steps of each of the 200 learners at discount 0.99, and after 13,000 at discount 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from moopt.core import checks
from moopt.core.algorithm import Algorithm, Spent, Turn, spent_on
from moopt.core.checks import InputError
from moopt.core.points import Points
from moopt.core.problem import Problem
from moopt.core.random import Rng
from moopt.learning import PolicyProblem, Worlds, advance, start
from moopt.learning.policysearch import without_tables
from moopt.operators.weights import preferences

DECAY = 10_000  # steps, where the budget does not tell


@dataclass(frozen=True)
class State:
    """`q` [r, K, S, A, m]; `worlds` [r, K]; `first` int64[r, K], where episodes begin; `age` int64[r], steps so far."""

    q: Tensor
    worlds: Worlds
    first: Tensor
    age: Tensor


@dataclass(frozen=True, kw_only=True)
class QLearners(Algorithm[PolicyProblem, State]):
    """One Q-learner for each of K preferences, in a world of its own; a step is `n_steps` steps of each.

    The preferences are `pop_size` weight vectors, spread evenly and all positive, or the given `weights`, m of each
    learner. The default, 200 in steps of 0.005, meets every treasure of the convex Deep Sea Treasure at discount
    0.99: the one that is best for the fewest weights, 20.3, is so for 0.0059 of them.

    `epsilon`: share of random actions at first and after `decay` steps, linear in between (default: at the end of the
    budget, or after 10,000 steps where that is not counted). `optimism`: by how many widths of the front Q starts
    beyond the ideal point; where the problem does not know its ideal Q starts at 0.

    Raises ValueError for a value out of range or weights that do not suit the problem.
    """

    pop_size: int = 200
    learning_rate: float = 0.5
    epsilon: tuple[float, float] = (0.3, 0.05)
    decay: int | None = None
    optimism: float = 0.2
    n_steps: int = 200
    weights: Sequence[Sequence[float]] | None = None

    needs = PolicyProblem
    constraints = False

    def __post_init__(self) -> None:
        for name in ("pop_size", "n_steps", *(["decay"] if self.decay is not None else [])):
            checks.whole(name, getattr(self, name))
        if not 0 < checks.number("learning_rate", self.learning_rate) <= 1:
            raise InputError(f"learning_rate: expected a number in (0, 1], got {self.learning_rate!r}")
        if not isinstance(self.epsilon, Sequence) or len(self.epsilon) != 2:
            raise InputError(f"epsilon: expected a first and a last value, got {self.epsilon!r}")
        for value in self.epsilon:
            checks.number("epsilon", value, 0.0, 1.0)
        checks.number("optimism", self.optimism)

    @classmethod
    def unfit(cls, problem: PolicyProblem) -> str | None:
        return without_tables(problem)

    def looks_every(self, problem: PolicyProblem) -> int:
        """An episode for each twentieth part of what is learned from."""
        return max(1, round(20 * problem.episodes * problem.environment.horizon / self.n_steps))

    def preferences(self, problem: Problem) -> Tensor:
        """The weights of the objectives, float64[K, m]. Raises ValueError where given ones do not fit."""
        return preferences(self.weights, self.pop_size, problem.n_obj, positive=True)

    def init(self, problem: PolicyProblem, rng: Rng) -> State:
        environment = problem.environment
        worlds = start(environment, len(self.preferences(problem)), rng)
        first = environment.observe(worlds.state)
        value = torch.zeros(problem.n_obj, dtype=rng.dtype, device=rng.device)
        if problem.ideal is not None:
            best = problem.ideal - self.optimism * _width(problem)
            value = (best * best.new_tensor(problem.signs)).to(value)
        q = value.expand(*first.shape, environment.n_states, environment.actions.n, problem.n_obj).clone()  # type: ignore[arg-type, union-attr]
        return State(q, worlds, first, torch.zeros(rng.runs, dtype=torch.int64, device=rng.device))

    def step(self, problem: PolicyProblem, state: State, turn: Turn) -> tuple[State, Spent]:
        environment = problem.environment
        runs, k, n_states, n_actions, m = state.q.shape
        gains = self._gains(problem, state.q)
        q = state.q.clone()
        rows, cells = q.view(-1, n_actions, m), q.view(-1, m)  # by learner and state; by action, too
        own = torch.arange(runs * k, device=q.device).view(runs, k) * n_states
        used = turn.fraction.to(q.device)
        draws = turn.rng.fold(0).uniform(self.n_steps, 2, k)
        worlds = state.worlds
        for t in range(self.n_steps):
            explores = draws[:, t, 0] < self._epsilon(state.age + t, used).to(draws)[:, None]
            here = own + environment.observe(worlds.state)
            greedy = _utility(rows[here], gains).argmax(-1)
            action = torch.where(explores, (draws[:, t, 1] * n_actions).long(), greedy)
            worlds, seen = advance(environment, worlds, action, turn.rng.fold(1, t))
            there = rows[own + seen.observation]
            best = _utility(there, gains).argmax(-1)
            future = _of_action(there, best).masked_fill(seen.terminated[..., None], 0.0)
            taken = here * n_actions + action
            target = seen.reward + environment.discount * future
            cells[taken] += self.learning_rate * (target - cells[taken])
        spent = torch.full((runs,), k * self.n_steps, dtype=torch.int64)
        return State(q, worlds, state.first, state.age + self.n_steps), {"env_steps": spent}

    def _epsilon(self, age: Tensor, used: Tensor) -> Tensor:
        """Share of random actions of each run, [r], after `age` steps and the `used` share of its budget."""
        early, late = self.epsilon
        by_steps = age.double() / (self.decay or DECAY)
        share = by_steps if self.decay else torch.where(used.isnan(), by_steps, used)
        return early + (late - early) * share.clamp(max=1.0)

    def _gains(self, problem: Problem, q: Tensor) -> Tensor:
        """What a learner gains from one more of an objective in the problem's directions: [K, m]."""
        weights = self.preferences(problem)
        return (weights * -weights.new_tensor(problem.signs) / _width(problem)).to(q)

    def _policies(self, problem: PolicyProblem, q: Tensor) -> tuple[Tensor, Tensor]:
        """The greedy action in each state, int64[r, K, S], and these policies x[r, K, d]."""
        actions = _utility(q, self._gains(problem, q)[:, None]).argmax(-1)
        return actions, problem.policy.encode(actions, q.dtype)  # type: ignore[attr-defined]

    def population(self, problem: PolicyProblem, state: State) -> Points:
        """The greedy policies, f estimated by Q."""
        actions, x = self._policies(problem, state.q)
        first = state.first[..., None]
        rows = torch.take_along_dim(state.q, first[..., None, None], 2).squeeze(2)
        f = _of_action(rows, actions.gather(-1, first).squeeze(-1)) * rows.new_tensor(problem.signs)
        g = f.new_zeros(*f.shape[:-1], problem.n_con)
        return Points(x, f, g, torch.isnan(f).any(-1), problem.signs)

    def measure(self, problem: PolicyProblem, state: State, rng: Rng) -> tuple[Points, Spent]:
        """The greedy policies with what they return in episodes of their own."""
        _, x = self._policies(problem, state.q)
        evaluation = problem.evaluate(x, rng)
        return evaluation, spent_on(problem, evaluation)


def _width(problem: Problem) -> Tensor:
    """Of the front in each objective, float64[m], 1 where unknown or without extent."""
    if problem.ideal is None or problem.nadir is None:
        return torch.ones(problem.n_obj, dtype=torch.float64)
    width = problem.nadir - problem.ideal
    return torch.where(width > 0, width, 1.0)


def _utility(q: Tensor, gains: Tensor) -> Tensor:
    """q[r, K, ..., A, m] as the learners value it: [r, K, ..., A]."""
    return (q * gains[..., None, :]).sum(-1)


def _of_action(rows: Tensor, action: Tensor) -> Tensor:
    """The entries of an action: rows[..., A, m], action[...] -> [..., m]."""
    return torch.take_along_dim(rows, action[..., None, None], -2).squeeze(-2)
