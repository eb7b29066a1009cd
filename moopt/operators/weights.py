"""What a population of learners wants: a weight vector for each of its members."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from moopt.core.checks import InputError
from moopt.operators.directions import directions


def preferences(given: Any, k: int, m: int, *, positive: bool = False) -> Tensor:
    """The `given` weight vectors of m objectives, or `k` spread evenly over the simplex: float64[K, m].

    `positive`: those that are spread are drawn in from the edges, for a weight of 0 leaves open what a policy does in
    that objective. Raises InputError unless the given ones are rows of m finite numbers, none negative.
    """
    if given is None:
        return ((k - 1) * directions(k, m) + 1 / m) / k if positive else directions(k, m)
    try:
        rows = torch.as_tensor(given, dtype=torch.float64)
    except (TypeError, ValueError):  # rows of different lengths, or no numbers
        rows = torch.zeros(0)
    if rows.ndim != 2 or not len(rows) or rows.shape[-1] != m or not bool(((rows >= 0) & torch.isfinite(rows)).all()):
        raise InputError(f"weights: expected rows of {m} numbers, finite and none negative, got {given!r}")
    return rows
