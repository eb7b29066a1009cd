"""Sorting in torch, on every device."""

from __future__ import annotations

import torch
from torch import Tensor


def lexsort(keys: list[Tensor]) -> Tensor:
    """Indices [..., n] that sort by the first of keys[..., n], then by the second and so on; stable."""
    keys = [key.byte() if key.dtype == torch.bool else key for key in keys]  # not every device sorts bool
    order = keys[-1].argsort(dim=-1, stable=True)
    for key in reversed(keys[:-1]):
        order = order.gather(-1, key.gather(-1, order).argsort(dim=-1, stable=True))
    return order
