"""Robot control: eleven tasks on MuJoCo's own robots, whose policies trade speed for effort, height or precision.

Objectives are those of MoRobtrol (Z. Liang, H. Li, N. Yu, K. Sun, R. Cheng (2025), "Bridging Evolutionary
Multiobjective Optimization and GPU Acceleration via Tensorization", arXiv 2503.20286), on the models of Gymnasium's
MuJoCo v5 environments (M. Towers et al. 2024, arXiv 2407.17032) instead of Brax. In the formulas a is the control in
units of the actuators, |a|^2 the sum of its squares, v the forward velocity, z a height.

Differences from MoRobtrol: episodes end for good, and the reward of the last step counts; starts are drawn anew in
every generation, the same for all policies in it, and the front is measured on held-out ones; observations are scaled
by published moments, and weights lie within 0.5 instead of 5, so that first policies are not saturated (NSGA-II on the
cheetah, 2.5 million steps, one seed each: speeds up to 570 with 5, 1,180 with 1.5, 2,240 with 0.5, and efforts from
-470, -370 and -18 on); humanoids observe positions and velocities only. With `bonus="first"` the reward for staying
alive goes to the first objective only: in every objective it makes them rise and fall with the length of the episode.

Version "v1" of the definitions: models of Gymnasium 1.2 and later with MuJoCo 4; any change of a value gets another.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache, cached_property
from importlib import resources
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from moopt.core import checks
from moopt.core.checks import InputError
from moopt.core.random import Rng
from moopt.core.space import Box
from moopt.learning.moments import Moments
from moopt.learning.policies import MLP
from moopt.learning.sequential import SequentialProblem
from moopt.physics import BodyState, Physics, gymnasium_model, physics

if TYPE_CHECKING:
    import mujoco

VERSION = "v1"
PRIOR = 10_000.0  # observations that the published moments count for where moments are learned
TRIES = 32  # draws of a place, of which none fits once in 10^12 starts


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
        if self.normalise == "published" and "mean" not in published(self.name):
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
    def directions(self) -> Sequence[str]:  # type: ignore[override]
        return ("max",) * self.n_obj

    @cached_property
    def policy(self) -> MLP:
        """From observations to [-1, 1]."""
        device = torch.device("cpu")
        rest = torch.from_numpy(self.model.qpos0)[None], torch.zeros(1, self.model.nv, dtype=torch.float64)
        width = self.observe(self.physics(device).start(*rest)).shape[-1]
        return MLP((width, *self.hidden, self.model.nu))

    @cached_property
    def space(self) -> Box:  # type: ignore[override]
        return Box(-self.bound, self.bound, self.policy.n_parameters)

    def reset(self, worlds: int, rng: Rng) -> BodyState:
        engine = self.physics(rng.device)
        qpos, qvel = (leaf.to(engine.dtype) for leaf in self.starts(worlds, rng))
        return engine.start(qpos, qvel)

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
        middle, reach = self._actuators(observation)
        return middle + reach * self.policy(x.to(observation.dtype), observation)

    def _actuators(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Middle and half width of the actuators' ranges, [nu]."""
        key = like.device, like.dtype
        if key not in self._ranges:
            low, high = torch.from_numpy(self.model.actuator_ctrlrange).to(*key).unbind(-1)
            self._ranges[key] = (low + high) / 2, (high - low) / 2
        return self._ranges[key]

    @cached_property
    def _ranges(self) -> dict[tuple[torch.device, torch.dtype], tuple[Tensor, Tensor]]:
        return {}

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
        known = published(self.name)
        if "mean" not in known:
            mean = torch.zeros(self.policy.sizes[0], dtype=torch.float64, device=device)
            return Moments.of(mean, mean + 1, 1.0, runs)
        mean, std = (torch.tensor(known[key], device=device, dtype=torch.float64) for key in ("mean", "std"))
        return Moments.of(mean, std, PRIOR, runs)

    def _known(self, key: str) -> Tensor | None:
        """Of the published values, which hold for whole episodes with MoRobtrol's bonus."""
        known = published(self.name)
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


@cache
def published(name: str) -> dict[str, list[float]]:
    """What was measured of a task for this version, in the user's sign: moments of observations ("mean", "std"),
    "ideal", "nadir" and "reference_point"."""
    text = resources.files(__package__).joinpath("robot_control_v1.json").read_text(encoding="utf-8")
    return json.loads(text).get(name, {})  # type: ignore[no-any-return]


def _between(value: Tensor, low: float, high: float) -> Tensor:
    return (value > low) & (value < high)


@dataclass(frozen=True, kw_only=True)
class MoHalfCheetah(RobotControl):
    """Speed v and effort -0.1 |a|^2 of a two-legged cheetah in the plane."""

    n_obj = 2
    objective_names = ("speed", "effort")
    model_name, substeps = "half_cheetah", 5
    spread, normal_velocities = (0.1, 0.1), True

    def observe(self, state: BodyState) -> Tensor:
        return torch.cat((state.qpos[..., 1:], state.qvel), -1)

    def rewards(self, step: Step) -> Sequence[Tensor]:
        return step.speed, -0.1 * step.effort


class _Hopping(RobotControl):
    """The hopper's body, observations and falls."""

    model_name, substeps = "hopper", 4
    spread, alive = (0.005, 0.005), 1.0

    def observe(self, state: BodyState) -> Tensor:
        return torch.cat((state.qpos[..., 1:], state.qvel.clamp(-10, 10)), -1)

    def fallen(self, state: BodyState) -> Tensor:
        upright = (state.qpos[..., 1] > 0.7) & (state.qpos[..., 2].abs() < 0.2)
        calm = (state.qpos[..., 2:].abs() < 100).all(-1) & (state.qvel.abs() < 100).all(-1)
        return ~(upright & calm)


@dataclass(frozen=True, kw_only=True)
class MoHopper2(_Hopping):
    """Speed v and height 10 (z - 1.25) of a hopper, both less 0.001 |a|^2."""

    n_obj = 2
    objective_names = ("speed", "height")

    def rewards(self, step: Step) -> Sequence[Tensor]:
        cost = 0.001 * step.effort
        return step.speed - cost, 10 * (step.after.qpos[..., 1] - 1.25) - cost


@dataclass(frozen=True, kw_only=True)
class MoHopper3(_Hopping):
    """Speed v, height 10 (z - 1.25) and effort -|a|^2 of a hopper."""

    n_obj = 3
    objective_names = ("speed", "height", "effort")

    def rewards(self, step: Step) -> Sequence[Tensor]:
        return step.speed, 10 * (step.after.qpos[..., 1] - 1.25), -step.effort


@dataclass(frozen=True, kw_only=True)
class MoSwimmer(RobotControl):
    """Speed v and effort -0.0001 |a|^2 of a swimmer of three links."""

    n_obj = 2
    objective_names = ("speed", "effort")
    model_name, substeps = "swimmer", 4
    spread = (0.1, 0.1)

    def observe(self, state: BodyState) -> Tensor:
        return torch.cat((state.qpos[..., 2:], state.qvel), -1)

    def rewards(self, step: Step) -> Sequence[Tensor]:
        return step.speed, -1e-4 * step.effort


@dataclass(frozen=True, kw_only=True)
class MoAnt(RobotControl):
    """Speed v and effort -|a|^2 of a four-legged ant."""

    n_obj = 2
    objective_names = ("speed", "effort")
    model_name, substeps = "ant", 5
    spread, normal_velocities, alive = (0.1, 0.1), True, 1.0

    def observe(self, state: BodyState) -> Tensor:
        return torch.cat((state.qpos[..., 2:], state.qvel), -1)

    def rewards(self, step: Step) -> Sequence[Tensor]:
        return step.speed, -step.effort

    def fallen(self, state: BodyState) -> Tensor:
        return ~_between(state.qpos[..., 2], 0.2, 1.0)


@dataclass(frozen=True, kw_only=True)
class MoWalker2d(RobotControl):
    """Speed v and effort -0.001 |a|^2 of a walker in the plane."""

    n_obj = 2
    objective_names = ("speed", "effort")
    model_name, substeps = "walker2d_v5", 4
    spread, alive = (0.005, 0.005), 1.0

    def observe(self, state: BodyState) -> Tensor:
        return torch.cat((state.qpos[..., 1:], state.qvel.clamp(-10, 10)), -1)

    def rewards(self, step: Step) -> Sequence[Tensor]:
        return step.speed, -0.001 * step.effort

    def fallen(self, state: BodyState) -> Tensor:
        return ~(_between(state.qpos[..., 1], 0.8, 2.0) & _between(state.qpos[..., 2], -1.0, 1.0))


class _Human(RobotControl):
    """The humanoids' body and observations."""

    substeps = 5
    spread = (0.01, 0.01)

    def observe(self, state: BodyState) -> Tensor:
        return torch.cat((state.qpos[..., 2:], state.qvel), -1)


@dataclass(frozen=True, kw_only=True)
class MoHumanoid(_Human):
    """Speed 1.25 v of the centre of mass and effort -|a|^2 of a walking humanoid."""

    n_obj = 2
    objective_names = ("speed", "effort")
    model_name, places, alive = "humanoid", "xipos", 5.0

    def centre(self, state: BodyState) -> Tensor:
        """x of the centre of mass."""
        share = torch.from_numpy(self.model.body_mass / self.model.body_mass.sum())
        return (state.places[..., 0] * share.to(state.places)).sum(-1)

    def rewards(self, step: Step) -> Sequence[Tensor]:
        return 1.25 * (self.centre(step.after) - self.centre(step.before)) / step.dt, -step.effort

    def fallen(self, state: BodyState) -> Tensor:
        return ~_between(state.qpos[..., 2], 1.0, 2.0)


@dataclass(frozen=True, kw_only=True)
class MoHumanoidStandup(_Human):
    """Height z of the torso over the length of a step, and effort -0.01 |a|^2, of a humanoid that gets up."""

    n_obj = 2
    objective_names = ("height", "effort")
    model_name = "humanoidstandup"

    def rewards(self, step: Step) -> Sequence[Tensor]:
        return step.after.qpos[..., 2] / step.dt, -0.01 * step.effort


@dataclass(frozen=True, kw_only=True)
class MoInvertedDoublePendulum(RobotControl):
    """Closeness -(0.01 x^2 + (z - 2)^2) of the tip of two poles on a cart to its place, and calmness
    -(0.001 w1^2 + 0.005 w2^2) of their angular velocities; each with 10 for staying up."""

    n_obj = 2
    objective_names = ("closeness", "calmness")
    model_name, substeps, places = "inverted_double_pendulum", 5, "site_xpos"
    spread, normal_velocities, alive = (0.01, 0.01), True, 10.0

    def observe(self, state: BodyState) -> Tensor:
        angles = state.qpos[..., 1:]
        return torch.cat((state.qpos[..., :1], angles.sin(), angles.cos(), state.qvel.clamp(-10, 10)), -1)

    def rewards(self, step: Step) -> Sequence[Tensor]:
        tip, w = step.after.places[..., 0, :], step.after.qvel
        return -(0.01 * tip[..., 0] ** 2 + (tip[..., 2] - 2) ** 2), -(1e-3 * w[..., 1] ** 2 + 5e-3 * w[..., 2] ** 2)

    def fallen(self, state: BodyState) -> Tensor:
        return state.places[..., 0, 2] <= 1


class _Reaching(RobotControl):
    """Tasks with an aim in space."""

    places = "xpos"

    def place(self, state: BodyState, body: str) -> Tensor:
        """Where a body is, [..., 3]."""
        return state.places[..., self.model.body(body).id, :]

    def between(self, state: BodyState, one: str, other: str) -> Tensor:
        """The distance of two bodies."""
        return ((self.place(state, one) - self.place(state, other)) ** 2).sum(-1).sqrt()


@dataclass(frozen=True, kw_only=True)
class MoPusher(_Reaching):
    """Nearness -|tip - object| and -|object - goal|, and effort -|a|^2, of an arm that pushes an object to a goal."""

    n_obj = 3
    objective_names = ("reach", "push", "effort")
    model_name, substeps = "pusher_v5", 5
    spread = (0.0, 0.005)

    def starts(self, worlds: int, rng: Rng) -> tuple[Tensor, Tensor]:
        """The object lies at random, 0.17 or more from the goal: the first such of TRIES draws."""
        qpos, qvel = super().starts(worlds, rng)
        place = rng.fold(2).uniform(worlds, TRIES, 2) * qpos.new_tensor((0.3, 0.4)) - qpos.new_tensor((0.3, 0.2))
        far = (place**2).sum(-1) > 0.17**2
        qpos[..., -4:-2] = _first(place, far)
        qpos[..., -2:], qvel[..., -4:] = 0.0, 0.0
        return qpos, qvel

    def observe(self, state: BodyState) -> Tensor:
        bodies = [self.place(state, body) for body in ("tips_arm", "object", "goal")]
        return torch.cat((state.qpos[..., :7], state.qvel[..., :7], *bodies), -1)

    def rewards(self, step: Step) -> Sequence[Tensor]:
        return (
            -self.between(step.after, "tips_arm", "object"), -self.between(step.after, "object", "goal"), -step.effort
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class MoReacher(_Reaching):
    """Nearness -|tip - target| and effort -|a|^2 of an arm of two links that reaches for a target."""

    n_obj = 2
    objective_names = ("nearness", "effort")
    model_name, substeps = "reacher", 2
    spread = (0.1, 0.005)

    def starts(self, worlds: int, rng: Rng) -> tuple[Tensor, Tensor]:
        """The target lies at random within 0.2 of the shoulder: the first such of TRIES draws."""
        qpos, qvel = super().starts(worlds, rng)
        place = 0.4 * rng.fold(2).uniform(worlds, TRIES, 2) - 0.2
        qpos[..., -2:] = _first(place, (place**2).sum(-1) < 0.2**2)
        qvel[..., -2:] = 0.0
        return qpos, qvel

    def observe(self, state: BodyState) -> Tensor:
        angles = state.qpos[..., :2]
        gap = self.place(state, "fingertip") - self.place(state, "target")
        return torch.cat((angles.cos(), angles.sin(), state.qpos[..., 2:], state.qvel[..., :2], gap), -1)

    def rewards(self, step: Step) -> Sequence[Tensor]:
        return -self.between(step.after, "fingertip", "target"), -step.effort


def _first(places: Tensor, fits: Tensor) -> Tensor:
    """The first of places[r, w, k, 2] that fits, bool[r, w, k]: [r, w, 2]."""
    index = fits.to(torch.uint8).argmax(-1)
    return places.gather(-2, index[..., None, None].expand(*index.shape, 1, 2))[..., 0, :]
