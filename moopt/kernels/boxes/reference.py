"""Boxes that fill what no point dominates, as a readable torch reference that runs on every device.

R. Lacour, K. Klamroth, C. M. Fonseca (2017), "A box decomposition algorithm to compute the hypervolume indicator",
Computers & Operations Research 79, 347-360: local upper bounds (their Algorithm 2, from K. Klamroth, R. Lacour,
D. Vanderpooten 2015) and the disjoint boxes that these define (their equation 2). That fills what points dominate. What
they do not dominate is, mirrored, what the mirrored local upper bounds dominate.
"""

from __future__ import annotations

import torch
from torch import Tensor

from moopt.kernels.kernel import Kernel


def _boxes(f: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """Lower and upper corners, float64[..., c, m] each, of disjoint boxes that fill everything that is better than
    reference[..., m] and that no point of f[..., n, m] dominates; minimised.

    Lower corners may be -inf. Where sets need fewer boxes than others, boxes without volume follow at the reference
    point. Points that are not better than the reference point in every objective, such as rows with NaN, take no part.
    The number of boxes is n + 1 for two objectives, 2n + 1 for three and grows as n^floor(m/2).
    """
    n, m = f.shape[-2:]
    corners = reference.double().expand(*f.shape[:-2], m)
    found = [_of_one(points, corner) for points, corner in zip(
        f.double().reshape(-1, n, m), corners.reshape(-1, m), strict=True
    )]  # fmt: skip
    most = max(len(lower) for lower, _ in found)
    filler = [corner.expand(most - len(box[0]), m) for box, corner in zip(found, corners.reshape(-1, m), strict=True)]
    lower, upper = (
        torch.stack([torch.cat([box[side], rest]) for box, rest in zip(found, filler, strict=True)])
        .reshape(*f.shape[:-2], most, m)
        for side in (0, 1)
    )  # fmt: skip
    return lower, upper


def _of_one(f: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    bounds, _ = _local_upper_bounds(f, reference)
    m = len(reference)
    for j in reversed(range(m)):  # in lexical order, on which the boxes depend
        bounds = bounds[bounds[:, j].argsort(stable=True)]
    mirrored, by = _local_upper_bounds(-bounds, torch.full_like(reference, torch.inf))
    start = [by[:, 0, 0], *(by[:, :j, j].amax(1) for j in range(1, m))]
    stop = [torch.full_like(start[0], torch.inf), *(mirrored[:, j] for j in range(1, m))]
    lower, upper = -torch.stack(stop, -1), -torch.stack(start, -1)
    filled = (lower < upper).all(-1)
    return lower[filled], upper[filled]


def _local_upper_bounds(f: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """[k, m], and by[k, i, m], the point that gives each its coordinate i."""
    m = len(reference)
    bounds = reference[None]
    by = torch.full((1, m, m), -torch.inf, dtype=f.dtype, device=f.device)
    by[0].diagonal().copy_(reference)
    for z in f[(f < reference).all(-1)]:
        hit = (z < bounds).all(-1)
        born, parents = [bounds[~hit]], [by[~hit]]
        for j in range(m):
            others = by[hit][:, [i for i in range(m) if i != j], j]
            valid = (z[j] >= others).all(-1)
            moved, made = bounds[hit][valid].clone(), by[hit][valid].clone()
            moved[:, j], made[:, j] = z[j], z
            born.append(moved)
            parents.append(made)
        bounds, by = torch.cat(born), torch.cat(parents)
    return bounds, by


def _like_boxes(f: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    count = torch.library.get_ctx().new_dynamic_size()
    shape = (*f.shape[:-2], count, f.shape[-1])
    return f.new_empty(shape, dtype=torch.float64), f.new_empty(shape, dtype=torch.float64)


boxes = Kernel(_boxes, "(Tensor f, Tensor reference) -> (Tensor, Tensor)", _like_boxes, cpu="cpu")
