"""The volume that a set dominates.

Raw by default, in the units of the objectives. Others report it differently, and the same arguments of both
functions give their numbers:

- `ideal` and `nadir`: f is mapped to (f - ideal) / (nadir - ideal) first, and `reference_point` is meant in
  these units (jMetal and PISA: 1; Ishibuchi et al. 2018: 1 + 1/H; PlatEMO: 1.1, and `relative`);
- `relative`: divided by the volume of the box from the ideal point to the reference point. Needs `ideal`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from moopt.indicators._sets import as_set, as_vector
from moopt.selection.dominance import nondominated_mask


def hypervolume(
    f: Any, reference_point: Any, *, ideal: Any = None, nadir: Any = None, relative: bool = False
) -> Tensor:
    """Volume dominated by f[..., n, m] within the reference point [..., m] (or one number); greater is
    better.

    Zitzler and Thiele 1998. A point that is not better than the reference point in every objective adds
    nothing, nor does a row with NaN; an empty set has 0, a set with -inf (better than the reference point
    elsewhere) inf. Exact, in closed form for one and two objectives, by moocore on the CPU for more (O(n log
    n) for three, n^2 for four, n^(m - 2) above). Raises ValueError for shapes that do not fit, an infinite
    reference point, or an ideal point not better than nadir or reference point.
    """
    f, r, box, unbounded = _prepared(f, reference_point, ideal, nadir, relative)
    if f.shape[-1] == 2:
        order = f[..., 0].argsort(-1)
        x, y = f[..., 0].gather(-1, order), f[..., 1].gather(-1, order)
        lowest = y.cummin(-1).values if y.shape[-1] else y
        volume = (torch.cat([x[..., 1:], r[..., :1]], -1)[..., : x.shape[-1]] - x) * (r[..., 1:] - lowest)
        value = volume.sum(-1)
    else:
        import moocore

        value = _each(f, r, (), moocore.hypervolume)
    return torch.where(unbounded.any(-1), torch.inf, value) / box


def hypervolume_contributions(
    f: Any,
    reference_point: Any,
    *,
    ideal: Any = None,
    nadir: Any = None,
    relative: bool = False,
    ignore_dominated: bool = False,
) -> Tensor:
    """What each point of f[..., n, m] adds to the hypervolume: HV(f) - HV(f without it), [..., n].

    A copy or a dominated point adds nothing, yet a dominated point lessens what the one above it adds;
    `ignore_dominated` leaves dominated points out first, as a front-wise selection does (and is faster from
    three objectives on). A point with -inf gets inf and is left out of the others' account. Errors and
    conventions as for `hypervolume`.
    """
    f, r, box, unbounded = _prepared(f, reference_point, ideal, nadir, relative)
    n, m = f.shape[-2:]
    if n == 0:
        return f.new_zeros(f.shape[:-1])
    if m == 2:
        if ignore_dominated:
            f = torch.where(nondominated_mask(f)[..., None], f, r[..., None, :])
        # Left of each next point, the strip between the lowest and the second lowest y so far belongs to the
        # lowest alone.
        order = f[..., 0].argsort(-1)
        x, y = f[..., 0].gather(-1, order), f[..., 1].gather(-1, order)
        lowest, owner = y.cummin(-1)
        displaced = torch.cat([r[..., 1:], torch.maximum(y[..., 1:], lowest[..., :-1])], -1)
        strip = (torch.cat([x[..., 1:], r[..., :1]], -1) - x) * (displaced.cummin(-1).values - lowest)
        value = torch.zeros_like(x).scatter_add(-1, order.gather(-1, owner), strip)
    else:
        import moocore

        value = _each(
            f, r, (n,), lambda p, ref: moocore.hv_contributions(p, ref, ignore_dominated=ignore_dominated)
        )
    return torch.where(unbounded, torch.inf, value) / box[..., None]


def _prepared(
    f: Any, reference_point: Any, ideal: Any, nadir: Any, relative: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """f with whatever adds nothing (or has -inf, which the last result tells) moved onto the reference point
    [..., m] of the same batch, and the volume [...] to divide by. One objective becomes two, the second of
    height 1."""
    f = as_set(f, None if np.ndim(reference_point) == 0 else _width(reference_point))
    r = as_vector("reference_point", reference_point, f)
    corner = None
    if (nadir is not None or relative) and ideal is None:
        raise ValueError("ideal: expected with nadir or relative, got None")
    if ideal is not None:
        corner = as_vector("ideal", ideal, f)
        if nadir is not None:
            scale = as_vector("nadir", nadir, f) - corner
            if bool((scale <= 0).any()):
                raise ValueError(
                    f"nadir: expected greater than ideal {ideal} in every objective, got {nadir}"
                )
            f, corner = (f - corner[..., None, :]) / scale[..., None, :], torch.zeros_like(corner)
        if bool((r <= corner).any()):
            raise ValueError(f"reference_point: expected greater than the ideal point, got {reference_point}")
    box = (r - corner).prod(-1) if relative and corner is not None else r.new_ones(())
    batch = torch.broadcast_shapes(f.shape[:-2], r.shape[:-1])
    r = r.expand(*batch, -1)
    better = (f < r[..., None, :]).all(-1)
    unbounded = better & (f == -torch.inf).any(-1)
    f = torch.where((better & ~unbounded)[..., None], f, r[..., None, :])
    if f.shape[-1] == 1:
        f, r = torch.nn.functional.pad(f, (0, 1)), torch.nn.functional.pad(r, (0, 1), value=1.0)
    return f, r, box.expand(batch), unbounded


def _width(point: Any) -> int | None:
    shape = np.shape(point)
    return int(shape[-1]) if shape else None


def _each(f: Tensor, r: Tensor, shape: tuple[int, ...], function: Callable[..., Any]) -> Tensor:
    """`function(points, reference)` of every set of the batch, on the CPU; points on the reference point are
    left out."""
    points = f.reshape(-1, *f.shape[-2:]).cpu().numpy()
    references = r.reshape(-1, r.shape[-1]).cpu().numpy()
    values = np.zeros((len(points), *shape))
    for value, p, reference in zip(values, points, references, strict=True):
        inside = (p < reference).all(-1)
        if inside.any():
            value[inside if shape else ...] = function(p[inside], reference)
    return torch.from_numpy(values).view(*f.shape[:-2], *shape).to(f.device)
