"""Objectives on the scale of their front, as a readable torch reference that runs on every device."""

from __future__ import annotations

import torch
from torch import Tensor


def normalise(
    f: Tensor, among: Tensor, front: Tensor, ideal: Tensor, extremes: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalised objectives, ideal and extreme points; see `moopt.selection.niching.normalise`."""
    from moopt.selection.niching import extreme_points, intercepts, running_ideal  # which imports this module

    ideal = running_ideal(ideal, f, among)
    origin = torch.where(torch.isfinite(ideal), ideal, 0.0)
    extremes = extreme_points(f, front, origin, extremes)
    nadir, worst = (f.masked_fill(~some[..., None], -torch.inf).amax(-2) for some in (front, among))
    width = intercepts(extremes, origin, nadir, worst)
    scaled = (f - origin[..., None, :]) / width[..., None, :]
    return torch.where(among[..., None], scaled, 0.0), ideal, extremes
