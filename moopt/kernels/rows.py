"""Rows by number from two tensors, as a readable torch reference that runs on every device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def rows(first: Sequence[Tensor], second: Sequence[Tensor], index: Tensor) -> list[Tensor]:
    """Rows index[..., k] of first[i][..., n, w], which those of second[i][..., n', w] follow, for every i."""
    return [
        torch.take_along_dim(torch.cat((a, b), -2), index[..., None], -2)
        for a, b in zip(first, second, strict=True)
    ]
