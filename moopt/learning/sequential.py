"""Environments that are their own search problem: one class, whose points are policies."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from moopt.core.space import Space
from moopt.learning.environment import Discrete, Environment
from moopt.learning.policies import Policy, Tabular
from moopt.learning.policysearch import PolicyProblem


class SequentialProblem(PolicyProblem, Environment):
    """A Markov decision process with vector rewards, in worlds that step together as tensors, and its policies.

    It is an `Environment` and searches it (`PolicyProblem`). A point of `space` is a policy, its objectives are the
    discounted returns of an episode (a mean over `episodes` of them where the problem is `stochastic`), its cost the
    steps that were lived. A subclass declares `space`, `n_obj`, `directions`, `horizon`, the step at which an episode
    is cut, `discount` in (0, 1], and writes `reset`, `step`, `observe` and `act`. `steps_draw=False` says that steps
    draw nothing, so that finished worlds need not be stepped along. Algorithms that train by themselves want to know
    `actions`, too. With `held_out_episodes` fronts are measured on so many, the same for every run and algorithm, else
    on fresh ones; such a problem is a dataclass with `episodes` among its fields.

    Shapes: `r` runs, `w` worlds of each run; a world state is a tree of tensors [r, w, ...], r = rng.runs, on
    rng.device and of rng.dtype. Draws come from the given `rng` only.
    """

    @property
    def environment(self) -> Environment:  # type: ignore[override]
        """Itself."""
        return self

    @property
    def policy(self) -> Policy:  # type: ignore[override]
        """What `space` and `act` say."""
        return _Own(self)

    @abstractmethod
    def act(self, x: Tensor, observation: Tensor) -> Tensor:
        """What the policies x[r, n, d] do, each in e worlds: observation[r, n, e, ...] -> action[r, n, e, ...].

        With an `action_mask` of its own it takes that as third argument, bool[r, n, e, k].
        """

    def decide(self, x: Tensor, observation: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.act(x, observation) if mask is None else self.act(x, observation, mask)  # type: ignore[call-arg]


class TabularProblem(SequentialProblem):
    """A sequential problem of finitely many states and actions, which `observe` and `step` number from 0.

    Its policies are tables: column s of `space`, a `Choice` of `n_actions` options, is the action in state s. A
    subclass with another policy space writes `act` and `encode` anew.
    """

    n_states: int
    n_actions: int

    @cached_property
    def actions(self) -> Discrete:  # type: ignore[override]
        return Discrete(self.n_actions)

    @property
    def policy(self) -> Tabular:  # type: ignore[override]
        """What `space`, `act` and `encode` say."""
        return _OwnTable(self)

    def act(self, x: Tensor, observation: Tensor) -> Tensor:
        return x.gather(-1, observation).long()

    def encode(self, actions: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
        """The policy that takes these actions: int64[..., n_states] -> x[..., d]."""
        return actions.to(dtype)


@dataclass(frozen=True)
class _Own(Policy):
    """What the points of a sequential problem mean."""

    problem: SequentialProblem

    @property
    def space(self) -> Space:
        return self.problem.space

    def act(self, x: Tensor, observation: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.problem.decide(x, observation, mask)


@dataclass(frozen=True)
class _OwnTable(_Own, Tabular):
    """What the points of a tabular problem mean."""

    problem: TabularProblem

    def encode(self, actions: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
        return self.problem.encode(actions, dtype)
