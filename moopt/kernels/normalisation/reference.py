"""Objectives on the scale of their front, as a readable torch reference that runs on every device.

No sum here leaves its order to a reduction over the batch, so a run gives the same bits alone and among others.
"""

from __future__ import annotations

import torch
from torch import Tensor

from moopt.kernels.kernel import Kernel
from moopt.kernels.shared.scalarising import tchebycheff

OFF_AXIS = 1e6  # one over the weight that Deb and Jain 2014 give to the other objectives, section IV-C
FLAT = 1e-6  # of an objective's span: a narrower intercept is none


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


def _normalise(
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
    ideal = running_ideal(ideal, f, among)
    origin = torch.where(torch.isfinite(ideal), ideal, 0.0)
    extremes = extreme_points(f, front, origin, extremes)
    nadir, worst = (f.masked_fill(~some[..., None], -torch.inf).amax(-2) for some in (front, among))
    width = intercepts(extremes, origin, nadir, worst)
    scaled = (f - origin[..., None, :]) / width[..., None, :]
    return torch.where(among[..., None], scaled, 0.0), ideal, extremes


normalise = Kernel(
    _normalise,
    "(Tensor f, Tensor among, Tensor front, Tensor ideal, Tensor extremes) -> (Tensor, Tensor, Tensor)",
    lambda f, among, front, ideal, extremes: tuple(map(torch.empty_like, (f, ideal, extremes))),
    cpu="cpu",
)
