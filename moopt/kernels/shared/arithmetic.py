"""Elementwise functions whose bits do not depend on an element's place in its tensor."""

from __future__ import annotations

import torch
from torch import Tensor


def power(x: Tensor, exponent: float) -> Tensor:
    """x^exponent, elementwise; NaN for x < 0, and at x = 0 its limit with derivative 0.

    On the CPU `torch.pow` rounds the last few elements of a tensor differently from the others, for exponents
    other than 1/2, 1, 2 and 3, so a point's values would depend on its place in the batch. `exp` and `log` do not.
    """
    zero = x == 0
    limit = 0.0 if exponent > 0 else torch.inf if exponent < 0 else 1.0
    return torch.where(zero, limit, torch.exp(exponent * torch.log(torch.where(zero, 1.0, x))))


def sum_of_products(f: Tensor, weights: Tensor) -> Tensor:
    """f[..., n, m] weights[..., k, m]^T: [..., n, k], added in the order of the columns, as no matrix product is."""
    value = f[..., :, None, 0] * weights[..., None, :, 0]
    for j in range(1, f.shape[-1]):
        value = value + f[..., :, None, j] * weights[..., None, :, j]
    return value


def length(f: Tensor) -> Tensor:
    """Euclidean length: [..., m] -> [...], added in the order of the columns."""
    square = f[..., 0] * f[..., 0]
    for j in range(1, f.shape[-1]):
        square = square + f[..., j] * f[..., j]
    return square.sqrt()
