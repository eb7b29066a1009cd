"""Decisions in sequence: problems whose points are policies, and whose objectives are what episodes return."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from moopt.core.points import Points
from moopt.core.problem import Answer, Draw, Problem
from moopt.core.random import Rng
from moopt.learning.moments import Moments, normalised
from moopt.learning.rollout import play

HELD_OUT_SEED = 90210  # of the episodes that fronts are measured on


class SequentialProblem(Problem):
    """A Markov decision process with vector rewards, in worlds that step together as tensors.

    A point of `space` is a policy, its objectives are the discounted returns of an episode (a mean over `episodes`
    of them where the problem is `stochastic`), its cost the steps that were lived. Episodes end for good; all policies
    of one evaluation meet the same starts. A subclass declares `space`, `n_obj`, `directions`, `horizon`, the step at
    which an episode is cut, `discount` in (0, 1], and writes `reset`, `step`, `observe` and `act`. `steps_draw=False`
    says that steps draw nothing, so that finished worlds need not be stepped along. With `held_out_episodes` fronts are
    measured on so many, the same for every run and algorithm, else on fresh ones; such a problem is a dataclass with
    `episodes` among its fields.

    Where `moments` are given, policies see observations in standard deviations from the mean. With `learns_moments`
    these are the problem's memory: every evaluation adds what it saw, and a run keeps them with its state.

    Shapes: `r` runs, `w` worlds of each run; a world state is a tree of tensors [r, w, ...], r = rng.runs, on
    rng.device and of rng.dtype. Draws come from the given `rng` only.
    """

    cost_unit = "env_steps"
    horizon: int
    discount: float = 1.0
    episodes: int = 1
    steps_draw: ClassVar[bool] = True
    held_out_episodes: ClassVar[int] = 0

    @abstractmethod
    def reset(self, worlds: int, rng: Rng) -> Any:
        """World states [r, w, ...] at the start of an episode."""

    def embody(self, state: Any, x: Tensor) -> Any:
        """World states as the points x[r, w, d] shape them, one for each world, before the first step.

        Most points are policies and leave the world as it is. Not asked for by `rollout` and `start`, which know no
        points.
        """
        return state

    @abstractmethod
    def step(self, state: Any, action: Tensor, rng: Rng) -> tuple[Any, Tensor, Tensor]:
        """After an action[r, w, ...]: (world state, reward[r, w, m] in the declared directions, done bool[r, w]).

        A finished world may be stepped on: whatever it gives then is left out by the caller. A reward that is NaN
        makes the policy a failed point.
        """

    @abstractmethod
    def observe(self, state: Any) -> Tensor:
        """What a policy sees, before normalisation: [r, w, ...]."""

    @abstractmethod
    def act(self, x: Tensor, observation: Tensor) -> Tensor:
        """What the policies x[r, n, d] do, each in e worlds: observation[r, n, e, ...] -> action[r, n, e, ...]."""

    @property
    def learns_moments(self) -> bool:
        """Whether evaluations add to the moments."""
        return False

    def moments(self, runs: int, device: torch.device | str = "cpu") -> Moments | None:
        """Mean and spread of observations before anything was evaluated; `None`: policies see them as they are."""
        return None

    def measure(self, x: Tensor, rng: Rng, memory: Any = None) -> Points:
        if not self.held_out_episodes:
            return super().measure(x, rng, memory)
        held_out = Rng([HELD_OUT_SEED] * rng.runs, device=rng.device, dtype=rng.dtype)
        many: SequentialProblem = replace(self, episodes=self.held_out_episodes)  # type: ignore[type-var]
        return many.evaluate(x, held_out, memory)

    def memory(self, rng: Rng) -> Any:
        return self.moments(rng.runs, rng.device) if self.learns_moments else {}

    def respond(self, observation: Tensor, players: tuple[Tensor, ...]) -> Tensor:
        """Actions of `players`: policies x[r, w, d], one in each world, and the moments they see through."""
        x, *moments = players
        if moments:
            mean, std = (leaf.to(observation.dtype) for leaf in moments)
            observation = normalised(observation, mean, std)
        return self.act(x, observation[:, :, None])[:, :, 0]

    def _evaluate(self, x: Tensor, draw: Draw | None = None) -> Answer:
        runs, batch, e = x.shape[0] if x.ndim > 2 else 1, x.shape[:-1], self.episodes
        rng = Rng(range(runs), device=x.device, dtype=x.dtype) if draw is None else draw.rng
        memory: Moments | None = draw.memory or None if draw else None
        policies = (x.flatten(1, -2) if x.ndim > 2 else x[None]).to(rng.dtype)
        moments = memory or self.moments(runs, x.device)
        (value, steps), moments = play(self, policies, rng, moments, learn=memory is not None)
        worlds = value.to(x.dtype).reshape(*batch, e, self.n_obj)
        f = worlds.mean(-2)
        answer: dict[str, Any] = {"f": f, "cost": steps.reshape(*batch, e).sum(-1)}
        if e > 1:
            answer["f_var"] = worlds.var(-2) / e
        return answer if memory is None else {**answer, "memory": moments}


class TabularProblem(SequentialProblem):
    """A sequential problem of finitely many states and actions, which `observe` and `step` number from 0.

    Its policies are tables: column s of `space`, a `Choice` of `n_actions` options, is the action in state s. A
    subclass with another policy space writes `act` and `encode` anew.
    """

    n_states: int
    n_actions: int

    def act(self, x: Tensor, observation: Tensor) -> Tensor:
        return x.gather(-1, observation).long()

    def encode(self, actions: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
        """The policy that takes these actions: int64[..., n_states] -> x[..., d]."""
        return actions.to(dtype)
