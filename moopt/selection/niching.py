"""Selection along reference directions: normalisation, association, niches.

No sum here leaves its order to a reduction over the batch, so a run gives the same bits alone and among others.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from moopt._checks import InputError
from moopt.kernels import dispatch
from moopt.kernels.arithmetic import length
from moopt.kernels.association import CELLS as CELLS
from moopt.selection.scalarising import tchebycheff

OFF_AXIS = 1e6  # one over the weight that Deb and Jain 2014 give to the other objectives, section IV-C
FLAT = 1e-6  # of an objective's span: a narrower intercept is none


class Association(NamedTuple):
    """The nearest direction of each point: its number int64[..., n], how far `along` it and at what `distance`."""

    niche: Tensor
    along: Tensor
    distance: Tensor


def running_ideal(ideal: Tensor, f: Tensor, feasible: Tensor) -> Tensor:
    """The least value of each objective so far: ideal[..., m] lowered by the feasible[..., n] of f[..., n, m].

    Infinite as long as nothing was feasible.
    """
    return torch.minimum(ideal, f.masked_fill(~feasible[..., None], torch.inf).amin(-2))


def extreme_points(f: Tensor, eligible: Tensor, ideal: Tensor, kept: Tensor) -> Tensor:
    """For each objective the point nearest to its axis: [..., m, m], row i for objective i.

    Args:
        f: objectives [..., n, m].
        eligible: which points may be chosen, bool[..., n].
        ideal: [..., m], finite.
        kept: earlier extreme points [..., m, m], which stay unless a point is better; infinite where there are none.

    Nearest is what minimises max_j (f_j - ideal_j) / w_j, with w_i = 1 and 1e-6 for the others (Deb and Jain 2014,
    part I, equation 4).
    """
    m = f.shape[-1]
    candidates = torch.cat((kept, f.masked_fill(~eligible[..., None], torch.inf)), -2)
    weights = f.new_full((m, m), OFF_AXIS).fill_diagonal_(1.0)
    chosen = tchebycheff(candidates, weights, ideal).argmin(-2)
    return torch.take_along_dim(candidates, chosen[..., None], -2)


def intercepts(extremes: Tensor, ideal: Tensor, nadir: Tensor, worst: Tensor) -> Tensor:
    """How far from `ideal` the hyperplane through the extreme points cuts each axis: [..., m], positive.

    extremes[..., m, m]; ideal, nadir, worst [..., m]: the greatest values in the first front, and at all. Source: Deb
    and Jain 2014, part I, section IV-C. Where the hyperplane does not exist or has an intercept that is not positive,
    those of `nadir` take its place; none exceeds `worst`, and an objective without any width has 1.
    """
    span = worst - ideal
    width = 1.0 / _hyperplane(extremes - ideal[..., None, :])
    usable = (torch.isfinite(width) & (width > FLAT * span)).all(-1, keepdim=True)
    width = torch.where(usable, torch.minimum(width, span), nadir - ideal)
    width = torch.where(width > FLAT * span, width, span)
    return torch.where(torch.isfinite(width) & (width > 0), width, 1.0)


def _hyperplane(points: Tensor) -> Tensor:
    """b with points b = 1: [..., m, m] -> [..., m], not finite where singular.

    Gauss and Jordan with partial pivoting: the solvers of libraries may round by the place of a matrix in memory.
    """
    m = points.shape[-1]
    rows = torch.arange(m, device=points.device)
    table = torch.cat((points, torch.ones_like(points[..., :1])), -1)
    for j in range(m):
        pivot = table[..., j:, j].abs().argmax(-1, keepdim=True) + j
        swapped = torch.where(rows == j, pivot, torch.where(rows == pivot, j, rows))
        table = torch.take_along_dim(table, swapped[..., None], -2)
        top = table[..., j : j + 1, :] / table[..., j : j + 1, j : j + 1]
        table = torch.where(rows[:, None] == j, top, table - table[..., j : j + 1] * top)
    return table[..., -1]


def normalise(
    f: Tensor, among: Tensor, front: Tensor, ideal: Tensor, extremes: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Objectives f[..., n, m] on the scale of their front, 0 at the ideal point and 1 at the intercepts: [..., n, m].

    Args:
        among: the points that take part, bool[..., n], finite ones; the others become 0.
        front: those of them that nothing dominates, bool[..., n].
        ideal, extremes: [..., m] and [..., m, m], of earlier points; infinite where there are none.

    Deb and Jain 2014, part I, algorithm 2, by `running_ideal`, `extreme_points` and `intercepts`. Returns also the new
    ideal and extreme points.
    """
    return dispatch.normalise(f, among, front, ideal, extremes)


def associate(f: Tensor, directions: Tensor) -> Association:
    """The direction that each point of f[..., n, m] is nearest to, among directions[..., k, m] from the origin.

    f >= 0 and finite; directions nonnegative, of any length, their leading dimensions broadcast. Nearest by angle,
    which is the same as by perpendicular distance (Deb and Jain 2014, part I, section IV-D); the first among equals.
    """
    unit = directions / length(directions)[..., None]
    if not unit.shape[-2]:
        raise InputError("directions: expected at least one, got none")
    return Association(*dispatch.associate(f, unit))


def position_within(group: Tensor, *keys: Tensor) -> Tensor:
    """Place of each point in its group when sorted by `keys`, smaller first: int64[..., n], from 0.

    group int64[..., n], from 0; keys [..., n] each, compared one after the other; NaN counts as infinite. The earlier
    point is first among equals.
    """
    return dispatch.position_within(group, keys)


def niching(n_keep: int, rank: Tensor, niche: Tensor, distance: Tensor, n_niches: int, u: Tensor) -> Tensor:
    """Numbers of the points that NSGA-III keeps, ascending: int64[..., n_keep].

    Args:
        n_keep: from 1 to n.
        rank: Pareto front of each point [..., n]; whole fronts stay, the last one is thinned.
        niche: number of the nearest direction int64[..., n], below `n_niches`.
        distance: from that direction [..., n].
        u: uniform draws [..., n, 2]: the order within a niche, and the order of niches.

    Deb and Jain 2014, part I, algorithm 4, again and again picks one of the emptiest niches and takes a point of the
    last front from it: the nearest if the niche is empty, else any. So a niche of c points gives its j-th point of
    the last front (from 0, the nearest first if c = 0, the others in random order) when the emptiest have c + j. The
    points with the least c + j, in random order among equals, are therefore the ones that the algorithm takes.
    """
    return dispatch.niching(n_keep, rank, niche, distance, n_niches, u)


def angle_penalised_distance(size: Tensor, angle: Tensor, spread: Tensor, penalty: float) -> Tensor:
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
    nearest = torch.take_along_dim(unit, dispatch.neighbours(unit, 2)[..., 1:], -2)
    chord = length(unit - nearest)  # unlike the cosine, it keeps small angles apart
    return (2.0 * torch.asin((0.5 * chord).clamp_max(1.0))).clamp_min(torch.finfo(unit.dtype).eps)
