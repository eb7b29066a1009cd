"""What an engine for rigid bodies offers: pure functions of the states of many worlds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from moopt.core.checks import InputError

if TYPE_CHECKING:
    import mujoco

FIELDS = {"": "", "xpos": "body_pos", "xipos": "body_pos", "site_xpos": "site_pos"}


class BodyState(NamedTuple):
    """Worlds between two steps; SI units, float64 on the CPU and float32 on a GPU, any leading dimensions.

    `qpos` [..., nq] and `qvel` [..., nv], generalised positions and velocities as MuJoCo orders them; `warmstart`
    [..., nv], accelerations that the solver starts from; `places` [..., k, 3], where the watched bodies or sites are,
    one substep before `qpos`, as MuJoCo's own step leaves them; `diverged` bool[...], whether the world ever left the
    numbers; `machine` int64[...], which of the engine's models the world is made of.
    """

    qpos: Tensor
    qvel: Tensor
    warmstart: Tensor
    places: Tensor
    diverged: Tensor
    machine: Tensor


class Physics(ABC):
    """Worlds that step together, `substeps` times the model's timestep with the controls held.

    `models`: one, or several of the same structure with parameters of their own. `places`: the field of MjData that
    is watched, "xpos", "xipos" or "site_xpos", or "" for none. What becomes of a world depends on nothing else in the
    batch; where it diverges it is marked and goes on from the model's rest state.
    """

    dtype: torch.dtype

    def __init__(self, models: Sequence[mujoco.MjModel], substeps: int, places: str = "") -> None:
        if places not in FIELDS:
            raise InputError(f"places: expected one of {', '.join(map(repr, FIELDS))}, got {places!r}")
        self.models, self.substeps, self.places = list(models), substeps, places
        self.n_places = len(getattr(self.model, FIELDS[places])) if places else 0

    @property
    def model(self) -> mujoco.MjModel:
        """The first one, for what all have in common."""
        return self.models[0]

    @property
    def dt(self) -> float:
        """Seconds of a step."""
        return float(self.model.opt.timestep * self.substeps)

    @abstractmethod
    def start(self, qpos: Tensor, qvel: Tensor, machine: Tensor | None = None) -> BodyState:
        """Worlds at qpos[..., nq] and qvel[..., nv], made of machine int64[...] (default: the first)."""

    @abstractmethod
    def step(self, state: BodyState, control: Tensor) -> BodyState:
        """`dt` seconds later, under control[..., nu]."""
