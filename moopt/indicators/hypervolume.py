"""The volume that a set dominates.

Raw by default, in the units of the objectives. Others report it differently, and the same arguments of both
functions give their numbers:

- `ideal` and `nadir`: f is mapped to (f - ideal) / (nadir - ideal) first, and `reference_point` is meant in
  these units (jMetal and PISA: 1; Ishibuchi et al. 2018: 1 + 1/H; PlatEMO: 1.1, and `relative`);
- `relative`: divided by the volume of the box from the ideal point to the reference point. Needs `ideal`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moopt.core import checks
from moopt.core.checks import InputError
from moopt.indicators._sets import as_set, as_vector
from moopt.kernels import hypervolume as exact
from moopt.selection.dominance import nondominated_mask

EXACT_OBJECTIVES = 4  # exact hypervolume takes O(n^(m-2)) beyond: Lacour et al. 2017
SAMPLES = 2**18  # directions of an approximation: moocore's default, off by 0.1 % on spheres of 1,000 points


def hypervolume(
    f: Any,
    reference_point: Any,
    *,
    ideal: Any = None,
    nadir: Any = None,
    relative: bool = False,
    samples: int | None = None,
) -> Tensor:
    """Volume dominated by f[..., n, m] and bounded by the reference point [..., m] (or one number): [...].

    Greater is better (Zitzler and Thiele 1998). A point that is not better than the reference point in every
    objective adds nothing, nor does a row with NaN; an empty set has 0, a set with -inf (better than the
    reference point elsewhere) inf. Exact: O(n log n) up to three objectives (three on the CPU),
    by moocore on the CPU for more (n^2 for four, n^(m - 2) above). With `samples`, hypervolumes of more than four
    objectives are approximated instead, from so many directions that are the same for every call. Raises ValueError
    for shapes that do not fit, an infinite reference point, or an ideal point not better than nadir or reference point.
    """
    points, r, box = _framed(f, reference_point, ideal, nadir, relative)
    if points.shape[-1] <= 3:  # beyond two objectives torch alone would need n^2 memory
        value = exact.volume(points if points.shape[-1] == 2 else points.cpu(), r.to(points.device)).to(r.device)
    else:
        import moocore  # type: ignore[import-untyped, unused-ignore]

        volume: Callable[..., Any] = moocore.hypervolume
        if samples is not None and points.shape[-1] > EXACT_OBJECTIVES:
            volume = partial(moocore.hv_approx, nsamples=checks.whole("samples", samples))
        points, unbounded = _bounded(points, r)
        value = _each(points, r, (), volume).masked_fill(unbounded.any(-1), torch.inf)
    return value / box


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
    `ignore_dominated` leaves dominated points out first, as a front-wise selection does. O(n log n) up to three
    objectives; above, n hypervolumes of what remains inside a point's box. A point with -inf gets inf and is
    left out of the others' account. Errors and conventions as for `hypervolume`.
    """
    points, r, box = _framed(f, reference_point, ideal, nadir, relative)
    points, unbounded = _bounded(points, r)
    n, m = points.shape[-2:]
    if n == 0:
        return torch.zeros_like(unbounded, dtype=torch.float64)
    if ignore_dominated:
        points = torch.where(nondominated_mask(points)[..., None], points, r[..., None, :])
    value = exact.contributions(points, r) if m <= 3 else _each(points, r, (n,), _exclusive)
    return value.masked_fill(unbounded, torch.inf) / box[..., None]


def _framed(
    given: Any, reference_point: Any, ideal: Any, nadir: Any, relative: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Points [..., n, m], the reference point [..., m] and the volume to divide by [...], all scaled; one objective
    becomes two, the second of height 1.
    """
    shape = np.shape(reference_point)
    f = as_set(given, shape[-1] if shape else None)
    r = as_vector("reference_point", reference_point, f)
    corner = None
    if (nadir is not None or relative) and ideal is None:
        raise InputError("ideal: expected with nadir or relative, got None")
    if ideal is not None:
        corner = as_vector("ideal", ideal, f)
        if nadir is not None:
            scale = as_vector("nadir", nadir, f) - corner
            if bool((scale <= 0).any()):
                raise InputError(f"nadir: expected greater than ideal {ideal} everywhere, got {nadir}")
            f, corner = (f - corner[..., None, :]) / scale[..., None, :], torch.zeros_like(corner)
        if bool((r <= corner).any()):
            raise InputError(f"reference_point: expected greater than the ideal point, got {reference_point}")
    box = (r - corner).prod(-1) if relative and corner is not None else r.new_ones(())
    batch = np.broadcast_shapes(f.shape[:-2], r.shape[:-1])
    f, r = f.expand(*batch, *f.shape[-2:]), r.expand(*batch, -1)
    if f.shape[-1] == 1:
        f, r = torch.nn.functional.pad(f, (0, 1)), torch.nn.functional.pad(r, (0, 1), value=1.0)
    return f, r, box.expand(batch)


def _bounded(f: Tensor, r: Tensor) -> tuple[Tensor, Tensor]:
    """Points of which all that add nothing are moved onto the reference point, and which had -inf: bool[..., n]."""
    better = (f < r[..., None, :]).all(-1)
    unbounded = better & (f == -torch.inf).any(-1)
    return torch.where((better & ~unbounded)[..., None], f, r[..., None, :]), unbounded


def _exclusive(points: NDArray[np.float64], reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each point's box less what the others cover of it (While, Bradstreet and Barone 2012, WFG)."""
    import moocore  # type: ignore[import-untyped, unused-ignore]

    value = np.zeros(len(points))
    for i, point in enumerate(points):
        others = np.delete(points, i, 0)
        if not (others <= point).all(-1).any():
            inside = np.maximum(others, point)
            inside = inside[(inside < reference).all(-1)]
            covered = moocore.hypervolume(inside, reference) if len(inside) else 0.0
            value[i] = max(0.0, np.prod(reference - point) - covered)
    return value


def _each(f: Tensor, r: Tensor, shape: tuple[int, ...], function: Callable[..., Any]) -> Tensor:
    """`function(points, reference)` of each set, without points on the reference point: [..., *shape]."""
    points, references = f.cpu().numpy(), r.cpu().numpy()
    values = np.zeros((*f.shape[:-2], *shape))
    for b in np.ndindex(f.shape[:-2]):
        inside = (points[b] < references[b]).all(-1)
        if inside.any():
            values[(*b, inside) if shape else b] = function(points[b][inside], references[b])
    return torch.from_numpy(values).to(f.device)
