"""What an episode was, for films and plots."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

if TYPE_CHECKING:
    import mujoco


class Trajectory(NamedTuple):
    """One episode of T steps of `dt` seconds.

    `qpos` float64[T + 1, nq], at the start and after each step; `rewards` float64[T, m] in the problem's directions;
    `objectives` float64[m], what they add up to with the problem's discount; `model`, what moved.
    """

    qpos: Tensor
    rewards: Tensor
    objectives: Tensor
    dt: float
    model: mujoco.MjModel

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return (len(self.qpos) - 1) * self.dt
