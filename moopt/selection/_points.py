"""The public door of selection and indicators: what a caller hands in becomes a floating-point tensor."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from moopt.core.checks import InputError, InputTypeError


def as_tensor(name: str, value: Any) -> Tensor:
    """A tensor as it is, anything else (array, list, data frame) as a copy; integers become float64."""
    if isinstance(value, Tensor):
        tensor = value
    else:
        try:
            array = np.asarray(value)
            tensor = torch.tensor(array if array.dtype.kind == "f" else array.astype(np.float64))
        except (TypeError, ValueError) as error:
            raise InputTypeError(f"{name}: expected numbers, got {type(value).__name__} ({error})") from error
    if tensor.is_complex():
        raise InputTypeError(f"{name}: expected real numbers, got {tensor.dtype}")
    return tensor if tensor.is_floating_point() else tensor.double()


def as_points(name: str, value: Any) -> Tensor:
    """Points [..., n, m] with m >= 1."""
    points = as_tensor(name, value)
    if points.ndim < 2 or points.shape[-1] == 0:
        raise InputError(f"{name}: expected points of shape [..., n, m], got {list(points.shape)}")
    return points
