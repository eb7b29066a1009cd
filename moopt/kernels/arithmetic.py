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
