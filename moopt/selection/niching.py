"""Selection along reference directions: association, angles, and the points that span a front.

No sum here leaves its order to a reduction over the batch, so a run gives the same bits alone and among others.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from moopt.core.checks import InputError
from moopt.kernels import directions as near
from moopt.kernels.normalisation import extreme_points as extreme_points
from moopt.kernels.normalisation import intercepts as intercepts
from moopt.kernels.normalisation import running_ideal as running_ideal
from moopt.kernels.shared.arithmetic import length


class Association(NamedTuple):
    """The nearest direction of each point: its number int64[..., n], how far `along` it and at what `distance`."""

    niche: Tensor
    along: Tensor
    distance: Tensor


def associate(f: Tensor, directions: Tensor) -> Association:
    """The direction that each point of f[..., n, m] is nearest to, among directions[..., k, m] from the origin.

    f >= 0 and finite; directions nonnegative, of any length, their leading dimensions broadcast. Nearest by angle,
    which is the same as by perpendicular distance (Deb and Jain 2014, part I, section IV-D); the first among equals.
    """
    unit = directions / length(directions)[..., None]
    if not unit.shape[-2]:
        raise InputError("directions: expected at least one, got none")
    return Association(*near.associate(f, unit))


def angle_penalised_distance(size: Tensor, angle: Tensor, spread: Tensor, penalty: float | Tensor) -> Tensor:
    """Angle-penalised distance, (1 + penalty * angle / spread) * size, elementwise.

    `size` is the length of the translated objectives, `angle` to the point's reference vector, `spread` the angle
    from that vector to its nearest other one, `penalty` is M (t / t_max)^alpha (Cheng, Jin, Olhofer and Sendhoff 2016,
    equations 8-10). Only the order within one vector matters.
    """
    return (1.0 + penalty * angle / spread) * size


def spread_angles(directions: Tensor) -> Tensor:
    """Angle of each direction[..., k, m] to its nearest other one, in radians: [..., k]; 1 for a single direction.

    Equal directions have the least positive angle instead of zero.
    """
    unit = directions / length(directions)[..., None]
    if unit.shape[-2] == 1:
        return torch.ones_like(unit[..., 0])
    nearest = torch.take_along_dim(unit, near.neighbours(unit, 2)[..., 1:], -2)
    chord = length(unit - nearest)  # unlike the cosine, it keeps small angles apart
    return (2.0 * torch.asin((0.5 * chord).clamp_max(1.0))).clamp_min(torch.finfo(unit.dtype).eps)
