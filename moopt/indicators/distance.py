"""Distances between a set and a reference front.

Three forms are in use and differ by orders of magnitude. With the distances d_1 .. d_n, `form` is

- "mean": sum(d) / n, the default (pymoo, PlatEMO);
- "root": sum(d^p)^(1/p) / n, with p = 2 (Van Veldhuizen and Lamont 1998; jMetal);
- "power": (sum(d^p) / n)^(1/p), with p = 2 (Schuetze et al. 2012, averaged Hausdorff distance).

Objectives are taken as they are; normalise both sets to compare objectives of different size. Rows of f with
NaN count for nothing; a set without any point is infinitely far from every front.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from moopt.core.checks import InputError
from moopt.indicators._sets import as_front, as_set
from moopt.kernels.distances import closest

Form = Literal["mean", "root", "power"]


def gd(f: Any, front: Any, *, form: Form = "mean", p: float = 2.0) -> Tensor:
    """Generational distance, from points of f[..., n, m] to the nearest of front[..., k, m]: [...].

    Smaller is better (Van Veldhuizen and Lamont 1998). Raises ValueError for an empty or infinite front, or
    an unknown form.
    """
    return _from_set(f, front, False, form, p)


def gd_plus(f: Any, front: Any, *, form: Form = "mean", p: float = 2.0) -> Tensor:
    """`gd` that counts only how far a point is worse than the front: sqrt(sum_j max(f_j - z_j, 0)^2).

    Ishibuchi et al. 2015 ("Modified distance calculation in generational distance and inverted generational
    distance").
    """
    return _from_set(f, front, True, form, p)


def igd(f: Any, front: Any, *, form: Form = "mean", p: float = 2.0) -> Tensor:
    """Inverted generational distance, from points of front[..., k, m] to the nearest of f[..., n, m]: [...].

    Smaller is better (Coello Coello and Reyes Sierra 2004). Raises ValueError for an empty or infinite front,
    or an unknown form.
    """
    return _to_set(f, front, False, form, p)


def igd_plus(f: Any, front: Any, *, form: Form = "mean", p: float = 2.0) -> Tensor:
    """`igd` that counts only how far a point is worse than the front: sqrt(sum_j max(f_j - z_j, 0)^2).

    Ishibuchi et al. 2015; unlike `igd` it never prefers a dominated set.
    """
    return _to_set(f, front, True, form, p)


def _from_set(f: Any, front: Any, plus: bool, form: Form, p: float) -> Tensor:
    z = as_front(front)
    f = as_set(f, z.shape[-1])
    z = z.to(f.device)
    valid = ~f.isnan().any(-1)
    rows = f.masked_fill(~valid[..., None], torch.inf)
    return _aggregate(closest(rows, z, "worse" if plus else "squares").sqrt(), valid, form, p)


def _to_set(f: Any, front: Any, plus: bool, form: Form, p: float) -> Tensor:
    z = as_front(front)
    f = as_set(f, z.shape[-1])
    z = z.to(f.device)
    f = f.masked_fill(f.isnan().any(-1, keepdim=True), torch.inf)
    # how much worse the set is than the front: -z - (-f) = f - z
    distances = closest(-z, -f, "worse" if plus else "squares").sqrt()
    return _aggregate(distances, torch.ones_like(distances, dtype=torch.bool), form, p)


def _aggregate(d: Tensor, valid: Tensor, form: Form, p: float) -> Tensor:
    n = valid.sum(-1)
    d = torch.where(valid, d, 0.0)
    if form == "mean":
        value = d.sum(-1) / n
    elif form == "root":
        value = d.pow(p).sum(-1).pow(1 / p) / n
    elif form == "power":
        value = (d.pow(p).sum(-1) / n).pow(1 / p)
    else:
        raise InputError(f"form: expected 'mean', 'root' or 'power', got {form!r}")
    return torch.where(n > 0, value, torch.inf)
