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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import torch
from torch import Tensor

from moopt.core.random import Rng
from moopt.physics.base import BodyState
from moopt.physics.control import RobotControl, Step

TRIES = 32  # draws of a place, of which none fits once in 10^12 starts


@cache
def published(name: str) -> dict[str, list[float]]:
    """What was measured of a task for this version, in the user's sign: moments of observations ("mean", "std"),
    "ideal", "nadir" and "reference_point"."""
    text = resources.files(__package__).joinpath("robot_control_v1.json").read_text(encoding="utf-8")
    return json.loads(text).get(name, {})  # type: ignore[no-any-return]


class _Task(RobotControl):
    """A task of which values are published."""

    @property
    def published_values(self) -> Mapping[str, Sequence[float]]:
        return published(self.name)


def _between(value: Tensor, low: float, high: float) -> Tensor:
    return (value > low) & (value < high)


@dataclass(frozen=True, kw_only=True)
class MoHalfCheetah(_Task):
    """Speed v and effort -0.1 |a|^2 of a two-legged cheetah in the plane."""

    n_obj = 2
    objective_names = ("speed", "effort")
    model_name, substeps = "half_cheetah", 5
    spread, normal_velocities = (0.1, 0.1), True

    def observe(self, state: BodyState) -> Tensor:
        return torch.cat((state.qpos[..., 1:], state.qvel), -1)

    def rewards(self, step: Step) -> Sequence[Tensor]:
        return step.speed, -0.1 * step.effort


class _Hopping(_Task):
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
class MoSwimmer(_Task):
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
class MoAnt(_Task):
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
class MoWalker2d(_Task):
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


class _Human(_Task):
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
class MoInvertedDoublePendulum(_Task):
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


class _Reaching(_Task):
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
