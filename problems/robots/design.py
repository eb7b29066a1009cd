"""Robot design: the machine itself is searched, its links, masses and motors, for speed against energy.

The body is the half cheetah of Gymnasium's MuJoCo environments (M. Towers et al. 2024, arXiv 2407.17032; P.
Wawrzynski 2009, "A cat-like robot real-time learning to run"). That body and behaviour are better searched together
was shown by, among others, D. Ha (2019), "Reinforcement learning for improving agent design", Artificial Life 25. Here
the behaviour is a central pattern generator without feedback, one sine wave for each motor (A. J. Ijspeert 2008,
"Central pattern generators for locomotion control in animals and robots: a review", Neural Networks 21): few numbers
that mean something, so that a front can be read.

Version "v1" of the definition: the model of Gymnasium 1.2 and later with MuJoCo 4; any change of a value gets another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from moopt.core import checks
from moopt.core.checks import InputError
from moopt.core.random import Rng
from moopt.core.space import Real, Space
from moopt.learning.sequential import SequentialProblem
from moopt.physics import BodyState, Physics, physics
from moopt.physics.model import bare, compiled, gymnasium_spec, variants

if TYPE_CHECKING:
    import mujoco

VERSION = "v1"
SUBSTEPS = 5  # of 0.01 s with the controls held, as in Gymnasium
SPREAD = 0.1  # of positions, uniform, and of velocities, normal, at the start, as in Gymnasium

LEGS = (("bthigh", "bshin", "bfoot"), ("fthigh", "fshin", "ffoot"))  # back and front, from the hip down
LINKS = LEGS[0] + LEGS[1]  # each is one body, one capsule, one joint and one motor of this name
MACHINE = {
    **{f"{link}_length": Real(0.6, 1.5) for link in LINKS},
    "leg_density": Real(0.5, 2.0),
    **{f"{link}_gear": Real(0.5, 2.0) for link in LINKS},
}
GAIT = {
    "frequency": Real(0.5, 5.0),
    **{f"{link}_amplitude": Real(0.0, 1.5) for link in LINKS},
    **{f"{link}_phase": Real(-math.pi, math.pi) for link in LINKS},
}
# The gait of the standard machine, in the order of GAIT: 2.52 m/s at 559 W, with deviations of 0.06 m/s and 2 W over 60
# starts. It is one of the fast points that hardly depend on the start, rounded, of the front of
#   class Gait(CheetahDesign):
#       space = Space(GAIT)
#       def _evaluate(self, x, draw=None):
#           return super()._evaluate(torch.cat((x.new_ones(*x.shape[:-1], len(MACHINE)), x), -1), draw)
#   moopt.minimize(Gait(controller="searched", horizon=200), moopt.algorithm("nsga2", pop_size=50), 9000, seed=3)
STANDARD_GAIT = (3.94, 0.35, 0.55, 0.48, 0.54, 0.46, 0.88, -2.36, -1.07, 3.08, 2.09, 1.28, 1.34)
# controller -> ideal and nadir in the user's sign, m/s and W, of fronts measured on the held-out episodes. Each is the
# last of a chain of runs, seeds 0 to 2 for "fixed" and 0 to 3 for "searched",
#   moopt.minimize(problem, moopt.algorithm("nsga2", pop_size=50), 3500, seed=seed, initial=x)
# with x the front before: none at first for "fixed", the last front of "fixed" with the standard gait for "searched",
# whose other end is known: motors that do nothing.
KNOWN = {
    "fixed": ((3.00, 63.6), (0.11, 454.0)),
    "searched": ((3.65, 0.0), (0.0, 577.0)),
}


class World(NamedTuple):
    """Machines between two steps: their bodies, `age` int64[...], steps so far, `gear` [..., 6] in N m, and the
    engine that knows them."""

    body: BodyState
    age: Tensor
    gear: Tensor
    engine: Physics


@dataclass(frozen=True, kw_only=True)
class CheetahDesign(SequentialProblem):
    """Speed (max), the mean forward velocity in m/s, and power (min), the mean mechanical power of the motors in W.

    Variables are factors of the standard machine: `LINK_length` scales a link about its joint, that is the distances
    along it but not its radius; `leg_density` that of the material of all six links, so that longer ones are heavier,
    too; `LINK_gear` the torque of a motor. The torso stays as it is and is held so high that the lowest foot starts at
    its usual height. Control j at time t is amplitude_j sin(2 pi frequency t + phase_j), clipped to [-1, 1]:
    `controller="fixed"` takes a gait that suits the standard machine, "searched" adds frequency (Hz), amplitudes and
    phases (radians) to the variables.

    Power is the sum over joints of |torque x joint velocity|: torque is gear x control, constant during a step of
    0.05 s, the velocity its mean over that step, so that the product is exactly the net work done in it. Braking costs
    as much as driving. Power rather than the cost of transport, energy per metre, because a ratio of two returns is
    none itself, has no meaning where a machine stands still, and leaves little to choose: the design with the least
    power / speed lies on the front of speed and power anyhow, where a straight line from the origin touches it.

    Episodes last `horizon` steps; a fall does not end one, and a machine whose simulation diverges is a failed point.
    Both objectives are means over `episodes`, whose starts are drawn as in Gymnasium and are the same for all designs
    of a generation. Raises ValueError for an option that does not fit, ImportError without the extra `robot`.
    """

    horizon: int = 500
    episodes: int = 1
    controller: str = "fixed"
    version: str = VERSION

    stochastic = True
    steps_draw: ClassVar[bool] = False
    held_out_episodes: ClassVar[int] = 10
    n_obj = 2
    directions = ("max", "min")
    objective_names = ("speed", "power")
    objective_titles = ("speed (m/s)", "power (W)")

    def __post_init__(self) -> None:
        for name in ("horizon", "episodes"):
            object.__setattr__(self, name, checks.whole(name, getattr(self, name)))
        for name, known in (("controller", ("fixed", "searched")), ("version", (VERSION,))):
            if getattr(self, name) not in known:
                raise InputError(f"{name}: expected one of {', '.join(known)}, got {getattr(self, name)!r}")
        _standard()  # a missing package is told now

    @cached_property
    def space(self) -> Space:  # type: ignore[override]
        return Space({**MACHINE, **(GAIT if self.controller == "searched" else {})})

    def machines(self, x: Tensor, looks: bool = False) -> list[mujoco.MjModel]:
        """The models of x[n, d]; with `looks` they carry textures, half a megabyte each."""
        return _scaled(x[:, : len(MACHINE)], _standard(looks))

    def reset(self, worlds: int, rng: Rng) -> World:
        """Standard machines, at rest but for noise."""
        model = _standard()
        rest = torch.from_numpy(model.qpos0).to(rng.device, rng.dtype)
        qpos = rest + SPREAD * (2 * rng.fold(0).uniform(worlds, model.nq) - 1)
        return _started([model], qpos, SPREAD * rng.fold(1).normal(worlds, model.nv))

    def embody(self, state: World, x: Tensor) -> World:
        designs, machine = x[..., : len(MACHINE)].flatten(0, -2).unique_consecutive(dim=0, return_inverse=True)
        return _started(self.machines(designs), state.body.qpos, state.body.qvel, machine.view(x.shape[:-1]))

    def observe(self, state: World) -> Tensor:
        """The time in s, which is all that the controller knows: [..., 1]."""
        return (state.age.to(state.gear.dtype) * state.engine.dt)[..., None]

    def act(self, x: Tensor, observation: Tensor) -> Tensor:
        searched = self.controller == "searched"
        gait = x[..., len(MACHINE) :].to(observation.dtype) if searched else observation.new_tensor(STANDARD_GAIT)
        frequency, amplitude, phase = gait[..., None, :1], gait[..., None, 1:7], gait[..., None, 7:]
        return (amplitude * torch.sin(2 * math.pi * frequency * observation + phase)).clamp(-1, 1)

    def step(self, state: World, action: Tensor, rng: Rng) -> tuple[World, Tensor, Tensor]:
        body = state.engine.step(state.body, action)
        moved = body.qpos - state.body.qpos
        work = sum((state.gear * action * moved[..., 3:]).abs().unbind(-1), moved.new_zeros(()))
        gained = torch.stack((moved[..., 0], work), -1) / (self.horizon * state.engine.dt)
        reward = gained.masked_fill(body.diverged[..., None], torch.nan)
        return state._replace(body=body, age=state.age + 1), reward, body.diverged

    def _known(self, which: int) -> Tensor | None:
        """Of the published points, which hold for episodes of the usual length."""
        if self.horizon != 500:
            return None
        speed, power = KNOWN[self.controller][which]
        return torch.tensor([-speed, power], dtype=torch.float64)

    @property
    def ideal(self) -> Tensor | None:
        return self._known(0)

    @property
    def nadir(self) -> Tensor | None:
        return self._known(1)


@cache
def _standard(looks: bool = False) -> mujoco.MjModel:
    """The machine whose factors are all 1."""
    spec = gymnasium_spec("half_cheetah")
    return compiled(spec if looks else bare(spec))


def _started(models: Sequence[mujoco.MjModel], qpos: Tensor, qvel: Tensor, machine: Tensor | None = None) -> World:
    """Worlds [...] at qpos[..., nq] and qvel[..., nv], each made of one of the models, machine int64[...]."""
    engine = physics(models, SUBSTEPS, "", qpos.device)
    body = engine.start(qpos.to(engine.dtype), qvel.to(engine.dtype), machine)
    gear = np.stack([model.actuator_gear[:, 0] for model in models])
    return World(body, torch.zeros_like(body.machine), torch.from_numpy(gear).to(body.qpos)[body.machine], engine)


def _scaled(factors: Tensor, model: mujoco.MjModel) -> list[mujoco.MjModel]:
    """Models that differ from the standard one by factors[n, 13], in the order of MACHINE.

    Fields of the compiled model are edited, which takes 0.26 ms of a machine, most of it the copy; MuJoCo's compiler
    takes 0.63 ms, or 1.4 ms with textures. A test compares all fields with what that makes, to 1e-12. Everything is a
    standard value times a ratio, which is exactly 1 where the factors are.
    """
    length, density, gear = np.split(factors.detach().to("cpu", torch.float64).numpy(), (6, 7), 1)
    body, geom, motor = ([getattr(model, kind)(link).id for link in LINKS] for kind in ("body", "geom", "actuator"))
    names = "body_pos body_ipos body_mass body_inertia geom_pos geom_size geom_rbound geom_aabb actuator_gear".split()
    new = {name: np.repeat(getattr(model, name)[None], len(length), 0) for name in names}
    radius, half = model.geom_size[geom, :2].T
    longer = half * length
    mass = density * (_volume(radius, longer) / _volume(radius, half))
    new["body_mass"][:, body] *= mass
    new["body_inertia"][:, body] *= mass[..., None] * (_inertia(radius, longer) / _inertia(radius, half))
    new["geom_size"][:, geom, 1] = longer
    new["geom_rbound"][:, geom] = new["geom_aabb"][:, geom, 5] = longer + radius
    new["geom_pos"][:, geom] *= length[..., None]
    new["body_ipos"][:, body] *= length[..., None]
    parent = [LINKS.index(link) for leg in LEGS for link in leg[:-1]]
    child = [body[LINKS.index(link)] for leg in LEGS for link in leg[1:]]
    new["body_pos"][:, child] *= length[:, parent, None]
    new["actuator_gear"][:, motor, 0] *= gear
    standard = {name: getattr(model, name)[None] for name in names}
    torso = model.body("torso").id
    new["body_pos"][:, torso, 2] += _lowest(model, standard, geom) - _lowest(model, new, geom)
    return variants(model, new)


def _volume(radius: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Of capsules, over 2 pi radius^2; `half` is half the distance of the centres of their caps."""
    return half + 2 / 3 * radius


def _inertia(radius: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Principal moments of capsules of mass 1, [..., 3], the axis last: a cylinder and two half balls."""
    caps = 2 / 3 * radius / _volume(radius, half)
    tube = 1 - caps
    along = tube * radius**2 / 2 + caps * 0.4 * radius**2
    across = tube * (radius**2 / 4 + half**2 / 3) + caps * (0.4 * radius**2 + half**2 + 0.75 * radius * half)
    return np.stack((across, across, along), -1)


def _lowest(model: mujoco.MjModel, fields: dict[str, np.ndarray], geom: Sequence[int]) -> np.ndarray:
    """Height of the lowest point of the legs at rest, when no body is turned: [n]."""
    height = fields["body_pos"][..., 2].copy()
    for i in range(1, model.nbody):  # parents come first
        height[:, i] += height[:, model.body_parentid[i]]
    w, x, y, z = model.geom_quat[geom].T
    upright = np.abs(1 - 2 * (x**2 + y**2))  # the vertical part of a capsule's axis
    radius, half = fields["geom_size"][:, geom, 0], fields["geom_size"][:, geom, 1]
    centre = height[:, model.geom_bodyid[geom]] + fields["geom_pos"][:, geom, 2]
    lowest: np.ndarray = (centre - upright * half - radius).min(1)
    return lowest
