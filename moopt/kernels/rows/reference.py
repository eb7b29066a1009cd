"""Rows by number from tensors in parts, as a readable torch reference that runs on every device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from moopt.kernels.kernel import Kernel


def _rows(parts: Sequence[Sequence[Tensor]], index: Tensor) -> list[Tensor]:
    """Rows by number int64[..., k] of tensors that are in parts, one after the other: parts[p][i] is [..., n_p, w_i],
    and the i-th answer [..., k, w_i]."""
    return [torch.take_along_dim(torch.cat(leaves, -2), index[..., None], -2) for leaves in zip(*parts, strict=True)]


# An operator takes no lists of lists.


def _pack_rows(parts: Sequence[Sequence[Tensor]], index: Tensor) -> tuple[Any, ...]:
    return [leaf for part in parts for leaf in part], len(parts), index


def _unpack_rows(leaves: list[Tensor], n_parts: int, index: Tensor) -> tuple[Any, ...]:
    width = len(leaves) // n_parts
    return [leaves[p * width : (p + 1) * width] for p in range(n_parts)], index


def _like_rows(leaves: list[Tensor], n_parts: int, index: Tensor) -> list[Tensor]:
    return [leaf.new_empty(*index.shape, leaf.shape[-1]) for leaf in leaves[: len(leaves) // n_parts]]


rows = Kernel(
    _rows,
    "(Tensor[] leaves, int n_parts, Tensor index) -> Tensor[]",
    _like_rows,
    cpu="cpu",
    pack=_pack_rows,
    unpack=_unpack_rows,
)
