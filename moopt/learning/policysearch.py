"""Searching policies of an environment as points: the objectives are what their episodes return."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from moopt.core import checks
from moopt.core.checks import InputError, InputTypeError
from moopt.core.points import Points
from moopt.core.problem import Answer, Draw, Problem
from moopt.core.random import Rng
from moopt.core.space import Space
from moopt.learning.environment import RUNS, WORLDS, Continuous, Discrete, Environment, check_environment, expect
from moopt.learning.moments import Moments, normalised
from moopt.learning.policies import Policy, Tabular
from moopt.learning.rollout import play

HELD_OUT_SEED = 90210  # of the episodes that fronts are measured on
PRIOR = 10_000.0  # observations that given moments count for where moments are learned


class PolicyProblem(Problem):
    """A problem whose points are policies in an environment; how they are evaluated is written here, once.

    The objectives of a policy are its discounted returns, a mean over `episodes` where the problem is `stochastic`, its
    cost the steps that were lived. Episodes end for good; all policies of one evaluation meet the same starts. With
    `held_out_episodes` fronts are measured on so many, the same for every run and algorithm, else on fresh ones; such a
    problem is a dataclass with `episodes` among its fields.

    Where `moments` are given, policies see observations in standard deviations from the mean. With `learns_moments`
    these are the problem's memory: every evaluation adds what it saw, and a run keeps them with its state.

    `environment` is where policies act and all that an algorithm needs that trains by itself; `policy` says what a
    point of `space` means. Both are fields of `PolicySearch` and properties of `SequentialProblem`.
    """

    environment: Environment
    policy: Policy
    cost_unit = "env_steps"
    episodes: int = 1
    held_out_episodes: ClassVar[int] = 0

    def decide(self, x: Tensor, observation: Tensor, mask: Tensor | None = None) -> Tensor:
        """What the policies x[r, n, d] do, each in e worlds: observation[r, n, e, ...] -> action[r, n, e, ...]."""
        return self.policy.act(x, observation) if mask is None else self.policy.act(x, observation, mask)

    def embody(self, state: Any, x: Tensor) -> Any:
        """World states as the points x[r, w, d] shape them, one for each world, before the first step.

        Most points are policies and leave the world as it is. Not asked for by `rollout` and `start`, which know no
        points.
        """
        return state

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
        many: PolicyProblem = replace(self, episodes=self.held_out_episodes)  # type: ignore[type-var]
        return many.evaluate(x, held_out, memory)

    def memory(self, rng: Rng) -> Any:
        return self.moments(rng.runs, rng.device) if self.learns_moments else {}

    def respond(self, observation: Tensor, players: tuple[Tensor, ...], mask: Tensor | None = None) -> Tensor:
        """Actions of `players`: policies x[r, w, d], one in each world, and the moments they see through."""
        x, *moments = players
        if moments:
            mean, std = (leaf.to(observation.dtype) for leaf in moments)
            observation = normalised(observation, mean, std)
        if mask is None:
            return self.decide(x, observation[:, :, None])[:, :, 0]
        return self.decide(x, observation[:, :, None], mask[:, :, None])[:, :, 0]

    def _evaluate(self, x: Tensor, draw: Draw | None = None) -> Answer:
        runs, batch, e = x.shape[0] if x.ndim > 2 else 1, x.shape[:-1], self.episodes
        rng = Rng(range(runs), device=x.device, dtype=x.dtype) if draw is None else draw.rng
        memory: Moments | None = draw.memory or None if draw else None
        policies = (x.flatten(1, -2) if x.ndim > 2 else x[None]).to(rng.dtype)
        moments = memory or self.moments(runs, x.device)
        returns, moments = play(self, policies, rng, moments, learn=memory is not None)
        worlds = returns.value.to(x.dtype).reshape(*batch, e, self.n_obj)
        f = worlds.mean(-2)
        answer: dict[str, Any] = {"f": f, "cost": returns.steps.reshape(*batch, e).sum(-1)}
        if e > 1:
            answer["f_var"] = worlds.var(-2) / e
        return answer if memory is None else {**answer, "memory": moments}


@dataclass(frozen=True)
class PolicySearch(PolicyProblem):
    """The problem of finding policies in an environment: objectives are the environment's discounted returns.

    `episodes`: of each policy, whose returns are averaged. `mean`, `std`: moments of observations, k numbers each,
    through which policies see them; with `learns_moments` they are learned during the search, from the given ones on.
    Where the environment draws, fronts are measured on `held_out_episodes`, or on fresh ones if that is 0.

    A subclass may write `embody`, for points that shape the world, too. Raises ValueError for an environment or a
    policy that is wrongly declared or does not fit the other.
    """

    environment: Environment
    policy: Policy
    episodes: int = 1
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    learns_moments: bool = False
    held_out_episodes: int = 5  # type: ignore[misc]

    def __post_init__(self) -> None:
        environment = check_environment(self.environment)
        if not isinstance(self.policy, Policy):
            raise InputTypeError(
                f"policy: expected a Policy such as MLPPolicy.of(environment), got {self.policy!r}"
            )
        object.__setattr__(self, "episodes", checks.whole("episodes", self.episodes))
        object.__setattr__(self, "held_out_episodes", checks.whole("held_out_episodes", self.held_out_episodes, low=0))
        checks.truth("learns_moments", self.learns_moments)
        shape = environment.observation_shape
        if (self.mean is None) != (self.std is None):
            raise InputError(f"mean and std: expected both or none, got mean {self.mean!r}, std {self.std!r}")
        if self._sees_through_moments and (len(shape) != 1 or environment.n_states is not None):
            raise InputError(
                f"moments: expected vectors to observe, got {environment.name} with observations {list(shape)}"
            )
        for name in ("mean", "std"):
            values = getattr(self, name)
            if values is not None:
                values = tuple(checks.number(name, value, 0.0 if name == "std" else -torch.inf) for value in values)
                if len(values) != shape[0]:
                    raise InputError(f"{name}: expected {shape[0]} numbers, got {len(values)}")
                object.__setattr__(self, name, values)
        self._try_policy()

    def _try_policy(self) -> None:
        """The policy in one fresh world of each point. Raises InputError for actions that the environment cannot take.
        """
        environment, actions = self.environment, self.environment.actions
        rng, lead = Rng(range(RUNS)), (RUNS, WORLDS)
        x = self.space.sample(rng.fold(0).uniform(WORLDS, self.n_var))
        state = environment.reset(WORLDS, rng.fold(1))
        mask = environment.action_mask(state)
        if self._sees_through_moments:
            action = self.respond(environment.observe(state), (x, torch.zeros(()), torch.ones(())), mask)
        else:
            action = self.respond(environment.observe(state), (x,), mask)
        name = f"{type(self.policy).__name__}.act in {environment.name}"
        if isinstance(actions, Continuous):
            expect(name, "actions", action, (*lead, actions.n))  # type: ignore[arg-type]
        else:
            expect(name, "actions", action, lead, torch.int64)

    @property
    def _sees_through_moments(self) -> bool:
        return self.mean is not None or self.learns_moments

    @property
    def stochastic(self) -> bool:  # type: ignore[override]
        return self.environment.starts_draw or self.environment.steps_draw or self.learns_moments

    @property
    def name(self) -> str:
        return self.environment.name

    @property
    def space(self) -> Space:  # type: ignore[override]
        return self.policy.space

    @property
    def n_obj(self) -> int:  # type: ignore[override]
        return self.environment.n_obj

    @property
    def directions(self) -> Sequence[str] | None:  # type: ignore[override]
        return self.environment.directions

    @property
    def objective_names(self) -> Sequence[str] | None:  # type: ignore[override]
        return self.environment.objective_names

    def moments(self, runs: int, device: torch.device | str = "cpu") -> Moments | None:
        if not self._sees_through_moments:
            return None
        return first_moments(self.mean, self.std, self.environment.observation_shape[0], runs, device)


def first_moments(
    mean: Sequence[float] | None, std: Sequence[float] | None, k: int, runs: int, device: torch.device | str
) -> Moments:
    """Before anything was seen: given ones, which count for `PRIOR` observations, or 0 and 1, which count for one."""
    if mean is None or std is None:
        zero = torch.zeros(k, dtype=torch.float64, device=device)
        return Moments.of(zero, zero + 1, 1.0, runs)
    centre, spread = (torch.tensor(values, device=device, dtype=torch.float64) for values in (mean, std))
    return Moments.of(centre, spread, PRIOR, runs)


def without_tables(problem: PolicyProblem) -> str | None:
    """Why nobody can learn a table of what each action is worth in each state; `None` where that is possible."""
    environment, name = problem.environment, problem.name
    if environment.n_states is None or not isinstance(environment.actions, Discrete):
        wanted = "numbered states and actions (a TabularProblem, or n_states and Discrete actions)"
        return f"it learns tables and needs an environment of {wanted}, and that of {name} has none"
    if environment.masks_actions:
        return f"it takes any action in any state, and the environment of {name} has an action_mask"
    if not isinstance(problem.policy, Tabular):
        return f"it learns tables, and a policy of {name} is of {type(problem.policy).__name__}"
    return None
