"""Tensors on the CPU as numpy arrays, for compiled kernels, at the least cost: a small generation has dozens."""

from __future__ import annotations

import math
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


def array(t: Tensor, row_dims: int, dtype: torch.dtype | None = None) -> NDArray[Any]:
    """`t` with one batch axis before its last `row_dims` axes, contiguous; shares the memory where it can."""
    if t.requires_grad:
        t = t.detach()
    if dtype is not None and t.dtype != dtype:
        t = t.to(dtype)
    split = t.ndim - row_dims
    if split == 1:
        return t.contiguous().numpy()
    return t.contiguous().numpy().reshape(math.prod(t.shape[:split]), *t.shape[split:])


def tensor(a: NDArray[Any], *shape: int) -> Tensor:
    """The tensor [*shape] on the array's memory."""
    return torch.from_numpy(a.reshape(shape))
