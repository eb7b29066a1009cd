"""Logarithms of expected improvements in closed form, which have gradients where the improvement underflows.

References:
    Ament, Daulton, Eriksson, Balandat, Bakshy. Unexpected Improvements to Expected Improvement for Bayesian
    Optimization. NeurIPS 2023 (log h, section 3 and appendix A).
    Yang, Emmerich, Deutz, Bäck. Efficient computation of expected hypervolume improvement using box decomposition
    algorithms. Journal of Global Optimization 75, 2019 (the sum over boxes).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

HALF_LOG_2PI = math.log(2 * math.pi) / 2
FAR = -100.0  # where the series of log h is exact to 1e-12


def log_h(z: Tensor) -> Tensor:
    """log(phi(z) + z Phi(z)), which is log E max(0, z + standard normal)."""
    near = z.clamp_min(-1.0)
    middle = z.clamp(FAR, -1.0)
    far = z.clamp_max(FAR)
    density = -0.5 * z.square() - HALF_LOG_2PI
    above = (torch.exp(-0.5 * near.square() - HALF_LOG_2PI) + near * torch.special.ndtr(near)).log()
    tail = math.sqrt(math.pi / 2) * middle * torch.special.erfcx(-middle / math.sqrt(2))  # z Phi(z) / phi(z)
    square = far.square().reciprocal()
    series = -2 * far.neg().log() + torch.log1p(square * (-3 + square * (15 - 105 * square)))
    return torch.where(z > -1, above, density + torch.where(z > FAR, torch.log1p(tail), series))


def log_minus(larger: Tensor, smaller: Tensor) -> Tensor:
    """log(exp(larger) - exp(smaller)) for larger > smaller; smaller may be -inf."""
    gap = (smaller - larger).clamp_max(-1e-15)
    low = gap.clamp_max(-math.log(2))
    high = gap.clamp_min(-math.log(2))
    return larger + torch.where(gap < -math.log(2), torch.log1p(-low.exp()), (-torch.expm1(high)).log())


def log_ehvi(mean: Tensor, deviation: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    """Log expected hypervolume improvement [..., s, b] of a Gaussian point over boxes that nothing dominates.

    mean [s, b, m], minimised; deviation [..., b, m]; lower, upper [s, c, m]: boxes of every draw, a box without volume
    is none; `lower` may be -inf.
    """
    mean, deviation = mean[..., None, :], deviation[..., None, :]
    lower, upper = lower[:, None], upper[:, None]
    top = log_h((upper - mean) / deviation)
    endless = lower == -math.inf
    bottom = log_h((torch.where(endless, upper - 1, lower) - mean) / deviation)
    length = torch.where(endless, top, log_minus(top, torch.where(endless, top - 1, bottom)))
    value = (length + deviation.log()).sum(-1)
    empty = (lower >= upper).any(-1)
    return value.masked_fill(empty, -math.inf).logsumexp(-1)


def log_mean_improvement(gain: Tensor, temperature: float = 1e-3) -> Tensor:
    """Log of the mean over z of max(0, gain[..., z, b]), smooth: [..., b]; Ament et al. 2023, section 4.

    A softplus of this temperature, plus a bump whose tails fall with the square so that gradients never vanish.
    """
    scaled = gain / temperature
    soft = torch.nn.functional.softplus(scaled) + 0.1 / (1 + scaled.square())
    return (temperature * soft).mean(-2).log()
