"""The point of a front that promises most where nobody says what matters more."""

from __future__ import annotations

import torch
from torch import Tensor

from moopt.core.checks import InputError
from moopt.selection._points import as_points

FLAT = 1e-6  # of the front's range: a hyperplane that cuts an axis nearer to the ideal than that is none
SAME = 1e-12  # of the front's range: distances that differ by rounding only


def knee(f: Tensor) -> Tensor:
    """Number of the knee of each front: int64[...].

    f: objectives [..., n, m], minimised, n >= 1. Scaled to the front's range, it is the point that bulges furthest
    from the hyperplane through the extreme points towards the ideal (I. Das 1999, "On characterizing the 'knee' of
    the Pareto curve based on Normal-Boundary Intersection"). What the paper leaves open:

    - extreme points: of two objectives the ends of the front; of more, for each objective the point nearest to its
      axis, whose greatest other objective is least: the best points of single objectives are many where a front
      touches a side of its range;
    - no such hyperplane (one or two points, extreme points that coincide or do not span one, an objective without
      width, an axis that is not cut beyond the ideal): the least sum of scaled objectives;
    - nothing bulges (a concave or flat front): the extreme points are furthest, at distance zero;
    - ties: the first point. A row that is not finite is never the knee beside one that is.

    Raises ValueError for shapes that do not fit and for an empty front.
    """
    f = as_points("f", f).double()
    n, m = f.shape[-2:]
    if not n:
        raise InputError("expected a front with at least one point, got an empty one")
    valid = torch.isfinite(f).all(-1)
    outside = ~valid[..., None]
    low, high = f.masked_fill(outside, torch.inf).amin(-2), f.masked_fill(outside, -torch.inf).amax(-2)
    width = torch.where(high > low, high - low, 1.0)
    scaled = ((f - low[..., None, :]) / width[..., None, :]).masked_fill(outside, 0.0)
    axes = torch.eye(m, dtype=torch.bool, device=f.device)
    off_axis = scaled[..., None, :].masked_fill(axes, 0.0).amax(-1).masked_fill(outside, torch.inf)
    ends = torch.take_along_dim(scaled, off_axis.argmin(-2)[..., None], -2)
    normal, _ = torch.linalg.solve_ex(ends, torch.ones_like(low))  # normal . z = 1 for the extreme points z
    cuts = ((normal > 0) & (normal < 1 / FLAT)).all(-1)
    exists = cuts & (torch.linalg.matrix_rank(ends) == m) & (valid.sum(-1) > 2)
    normal = torch.where(exists[..., None], normal, 1.0)[..., None, :]
    bulge = (1.0 - (scaled * normal).sum(-1)) / normal.square().sum(-1).sqrt()
    bulge = bulge.masked_fill(~valid, -torch.inf)
    return (bulge >= bulge.amax(-1, keepdim=True) - SAME).to(torch.uint8).argmax(-1)
