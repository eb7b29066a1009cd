"""Control of rigid bodies: the environment that a robot is, and the search for its policies.

A task gives a model, what is observed, what is rewarded and when an episode is over; `problems/robots/control.py` has
eleven of them, `examples/own_robot.py` one of a user's own.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from moopt.core import checks
from moopt.core.checks import InputError
from moopt.core.random import Rng
from moopt.core.space import Box
from moopt.learning.environment import Continuous
from moopt.learning.moments import Moments
from moopt.learning.policies import MLPPolicy
from moopt.learning.policysearch import first_moments
from moopt.learning.sequential import SequentialProblem
from moopt.physics.base import BodyState, Physics
from moopt.physics.engines import physics
from moopt.physics.model import gymnasium_model

if TYPE_CHECKING:
    import mujoco

VERSION = "v1"  # of the definitions of tasks


class Step(NamedTuple):
    """What rewards are made of: worlds before and after `dt` seconds under `control` [..., nu]."""

    before: BodyState
    after: BodyState
    control: Tensor
    dt: float

    @property
    def effort(self) -> Tensor:
        """|a|^2."""
        return (self.control**2).sum(-1)

    @property
    def speed(self) -> Tensor:
        """v, of the root."""
        return (self.after.qpos[..., 0] - self.before.qpos[..., 0]) / self.dt


@dataclass(frozen=True, kw_only=True)
class RobotControl(SequentialProblem):
    """A control task: returns (max), sums over an episode of `horizon` steps, mean over `episodes` of them.

    A policy is a perceptron with tanh on `hidden` and output layers, whose d weights lie within `bound`; its outputs
    span the range of the actuators. `normalise`: policies see observations through "published" moments, through
    moments that are "learned" during the search and kept with it, or "not" scaled. `bonus`: the reward for staying
    alive is paid in "all" objectives, as in MoRobtrol, or in the "first" only.

    A task of your own gives `model`, `substeps`, `spread`, `n_obj`, `observe`, `rewards` and, where episodes end early,
    `fallen`. Raises ValueError for an option that does not fit, ImportError without the extra `robot`.
    """

    horizon: int = 1000
    episodes: int = 1
    hidden: Sequence[int] = (16,)
    bound: float = 0.5
    normalise: str = "published"
    bonus: str = "all"
    version: str = VERSION

    stochastic = True
    steps_draw: ClassVar[bool] = False
    held_out_episodes: ClassVar[int] = 5
    model_name: ClassVar[str]
    substeps: ClassVar[int]
    places: ClassVar[str] = ""
    alive: ClassVar[float] = 0.0  # the bonus of a step
    spread: ClassVar[tuple[float, float]]  # of positions, uniform, and of velocities, at the start
    normal_velocities: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name in ("horizon", "episodes"):
            object.__setattr__(self, name, checks.whole(name, getattr(self, name)))
        object.__setattr__(self, "hidden", checks.wholes("hidden", self.hidden))
        if checks.number("bound", self.bound) <= 0:
            raise InputError(f"bound: expected a positive number, got {self.bound!r}")
        choices = {"normalise": ("published", "learned", "not"), "bonus": ("all", "first"), "version": (VERSION,)}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise InputError(f"{name}: expected one of {', '.join(known)}, got {getattr(self, name)!r}")
        if self.normalise == "published" and "mean" not in self.published_values:
            raise InputError(f"normalise: expected learned or not, for nothing is published of {self.name}")
        _ = self.model  # raises MissingPackage now, not in the first evaluation

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}  # engines stay in their process

    @cached_property
    def model(self) -> mujoco.MjModel:
        """The robot, of Gymnasium's assets."""
        return gymnasium_model(self.model_name)

    @cached_property
    def _engines(self) -> dict[str, Physics]:
        return {}

    def physics(self, device: torch.device) -> Physics:
        """The engine on a device, made once."""
        key = str(device)
        if key not in self._engines:
            self._engines[key] = physics([self.model], self.substeps, self.places, device)
        return self._engines[key]

    @property
    def published_values(self) -> Mapping[str, Sequence[float]]:
        """What is known of the task, in the user's sign: "mean" and "std" of what is observed; "ideal", "nadir" and
        "reference_point" of whole episodes in which all objectives get the bonus."""
        return {}

    @property
    def directions(self) -> Sequence[str]:  # type: ignore[override]
        return ("max",) * self.n_obj

    @cached_property
    def actions(self) -> Continuous:  # type: ignore[override]
        """The controls, within the actuators' ranges."""
        return Continuous(*self.model.actuator_ctrlrange.T.tolist())

    @cached_property
    def policy(self) -> MLPPolicy:  # type: ignore[override]
        """From observations to controls."""
        rest = torch.from_numpy(self.model.qpos0)[None], torch.zeros(1, self.model.nv, dtype=torch.float64)
        width = self.observe(self.physics(torch.device("cpu")).start(*rest)).shape[-1]
        return MLPPolicy(width, self.actions, self.hidden, self.bound)

    @property
    def space(self) -> Box:  # type: ignore[override]
        return self.policy.space

    def reset(self, worlds: int, rng: Rng) -> BodyState:
        engine = self.physics(rng.device)
        qpos, qvel = (leaf.to(engine.dtype) for leaf in self.starts(worlds, rng))
        return engine.start(qpos, qvel)

    def restart(self, state: BodyState, ended: Tensor, rng: Rng) -> BodyState:
        """As everywhere; on the CPU the engine starts those worlds only that ended, of which there may be few."""
        if ended.device.type != "cpu" or type(self).reset is not RobotControl.reset:
            return super().restart(state, ended, rng)  # type: ignore[no-any-return]
        here = ended.nonzero(as_tuple=True)
        if not len(here[0]):
            return state
        engine = self.physics(ended.device)
        qpos, qvel = (leaf[here].to(engine.dtype) for leaf in self.starts(ended.shape[1], rng))
        fresh = engine.start(qpos, qvel)
        return BodyState(*(old.index_put(here, new) for old, new in zip(state, fresh, strict=True)))

    def starts(self, worlds: int, rng: Rng) -> tuple[Tensor, Tensor]:
        """Positions [r, w, nq] and velocities [r, w, nv] of fresh worlds: at rest but for noise."""
        positions, velocities = self.spread
        rest = torch.from_numpy(self.model.qpos0).to(rng.device, rng.dtype)
        qpos = rest + positions * (2 * rng.fold(0).uniform(worlds, self.model.nq) - 1)
        draws = rng.fold(1)
        shape = worlds, self.model.nv
        noise = draws.normal(*shape) if self.normal_velocities else 2 * draws.uniform(*shape) - 1
        return qpos, velocities * noise

    def step(self, state: BodyState, action: Tensor, rng: Rng) -> tuple[BodyState, Tensor, Tensor]:
        engine = self.physics(action.device)
        after = engine.step(state, action)
        step = Step(state, after, action, engine.dt)
        done = after.diverged | self.fallen(after)
        rewards = [*self.rewards(step)]
        if self.alive:
            paid = range(self.n_obj) if self.bonus == "all" else range(1)
            rewards = [r + self.alive * ~done if i in paid else r for i, r in enumerate(rewards)]
        return after, torch.stack(rewards, -1).masked_fill(after.diverged[..., None], torch.nan), done

    def act(self, x: Tensor, observation: Tensor) -> Tensor:
        return self.policy.act(x, observation)

    @abstractmethod
    def rewards(self, step: Step) -> Sequence[Tensor]:
        """Each objective's reward for a step, [...], without the bonus for staying alive."""

    def fallen(self, state: BodyState) -> Tensor:
        """Whether the episode is over, bool[...]."""
        return torch.zeros_like(state.diverged)

    @property
    def learns_moments(self) -> bool:
        return self.normalise == "learned"

    def moments(self, runs: int, device: torch.device | str = "cpu") -> Moments | None:
        if self.normalise == "not":
            return None
        known = self.published_values
        return first_moments(known.get("mean"), known.get("std"), self.policy.inputs, runs, device)

    def _known(self, key: str) -> Tensor | None:
        """Of the published values, which hold for whole episodes with MoRobtrol's bonus."""
        known = self.published_values
        if key not in known or self.horizon != 1000 or (self.alive and self.bonus != "all"):
            return None
        return -torch.tensor(known[key], dtype=torch.float64)

    @property
    def ideal(self) -> Tensor | None:
        return self._known("ideal")

    @property
    def nadir(self) -> Tensor | None:
        return self._known("nadir")

    @property
    def reference_point(self) -> Tensor | None:
        return self._known("reference_point")
