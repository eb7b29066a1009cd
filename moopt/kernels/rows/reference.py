"""Rows by number from tensors in parts, as a readable torch reference that runs on every device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def rows(parts: Sequence[Sequence[Tensor]], index: Tensor) -> list[Tensor]:
    """Rows by number int64[..., k] of tensors that are in parts, one after the other: parts[p][i] is [..., n_p, w_i],
    and the i-th answer [..., k, w_i]."""
    return [torch.take_along_dim(torch.cat(leaves, -2), index[..., None], -2) for leaves in zip(*parts, strict=True)]
