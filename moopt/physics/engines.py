"""Which engine steps worlds on which device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from moopt.physics.base import Physics

if TYPE_CHECKING:
    import mujoco


def physics(models: Sequence[mujoco.MjModel], substeps: int, places: str, device: torch.device) -> Physics:
    """The engine for a device: MuJoCo itself on the CPU, MuJoCo Warp on CUDA.

    Raises ImportError where its package is missing.
    """
    if device.type == "cpu":
        from moopt.physics.native import NativePhysics

        return NativePhysics(models, substeps, places)
    from moopt.physics.warp import WarpPhysics

    return WarpPhysics(models, substeps, places, device)
