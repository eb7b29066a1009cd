"""Rigid bodies in MuJoCo: many worlds of one model that step together, on all cores or on a GPU (extra `robot`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from moopt.physics.base import BodyState, Physics
from moopt.physics.model import gymnasium_model

if TYPE_CHECKING:
    import mujoco

__all__ = ["BodyState", "Physics", "gymnasium_model", "physics"]


def physics(models: Sequence[mujoco.MjModel], substeps: int, places: str, device: torch.device) -> Physics:
    """The engine for a device: MuJoCo itself on the CPU, MuJoCo Warp on CUDA.

    Raises ImportError where its package is missing.
    """
    if device.type == "cpu":
        from moopt.physics.native import NativePhysics

        return NativePhysics(models, substeps, places)
    from moopt.physics.warp import WarpPhysics

    return WarpPhysics(models, substeps, places, device)
