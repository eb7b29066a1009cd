"""Logarithms of expected improvements in closed form, which have gradients where the improvement underflows.

References:
    Ament, Daulton, Eriksson, Balandat, Bakshy. Unexpected Improvements to Expected Improvement for Bayesian
    Optimization. NeurIPS 2023 (log h, section 3 and appendix A).
    Yang, Emmerich, Deutz, Bäck. Efficient computation of expected hypervolume improvement using box decomposition
    algorithms. Journal of Global Optimization 75, 2019 (the sum over boxes).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

HALF_LOG_2PI = math.log(2 * math.pi) / 2
FAR = -100.0  # where the series of h is exact to 1e-12
NEAR = 30.0  # from where on h(z) is z to the last digit


def log_h(z: Tensor) -> tuple[Tensor, Tensor]:
    """log h(z), where h(z) = phi(z) + z Phi(z) = E max(0, z + standard normal), and its slope Phi(z) / h(z)."""
    below = z.clamp_max(NEAR)
    mills = math.sqrt(math.pi / 2) * torch.special.erfcx(below / -math.sqrt(2))  # Phi / phi
    square = z.clamp_max(FAR).square().reciprocal()
    series = square * (1 + square * (-3 + square * (15 - 105 * square)))
    ratio = torch.where(z > FAR, 1 + below * mills, series)  # h / phi
    high = z > NEAR  # where h is z
    value = torch.where(high, z.clamp_min(NEAR).log(), ratio.log() - 0.5 * below.square() - HALF_LOG_2PI)
    return value, torch.where(high, z.reciprocal(), mills / ratio)


def log_minus(larger: Tensor, smaller: Tensor) -> Tensor:
    """log(exp(larger) - exp(smaller)) for larger > smaller; smaller may be -inf."""
    return larger + torch.expm1((smaller - larger).clamp_max(-1e-15)).neg().log()


@dataclass(frozen=True)
class Boxes:
    """Boxes of `s` draws by the places where they begin and end, each of which many boxes share.

    `ends` [s, u, m], of which the first stands for -inf; `low`, `high` [s, c, m]: which of them bound each box; `empty`
    [s, c]: those without volume.
    """

    ends: Tensor
    low: Tensor
    high: Tensor
    empty: Tensor

    @staticmethod
    def of(lower: Tensor, upper: Tensor) -> Boxes:
        """From corners [s, c, m]; `lower` may be -inf."""
        endless = torch.full_like(lower[:, :1], -math.inf)
        values, order = torch.cat([endless, lower, upper], 1).sort(1)
        other = torch.cat([torch.zeros_like(endless), values[:, 1:] != values[:, :-1]], 1)
        rank = other.long().cumsum(1)
        ends = values[:, -1:].repeat(1, int(rank.max()) + 1, 1).scatter(1, rank, values)
        ends[:, 0] = ends[:, 1] - 1
        _, low, high = torch.empty_like(rank).scatter(1, order, rank).split([1, lower.shape[1], lower.shape[1]], 1)
        return Boxes(ends, low, high, (lower >= upper).any(-1))


class _LogExtents(torch.autograd.Function):
    """log(h(z) at the upper end - h(z) at the lower end) of every box: z [..., u, m] -> [..., c, m].

    Its gradient is written down: traced, it would be fifty small steps for every step of a search.
    """

    @staticmethod
    def forward(context: Any, z: Tensor, low: Tensor, high: Tensor) -> Tensor:
        value, slope = log_h(z)
        value[..., 0, :] = -math.inf
        top, bottom = value.gather(-2, high), value.gather(-2, low)
        extent = log_minus(top, bottom)
        if context.needs_input_grad[0]:
            context.save_for_backward(slope, low, high, (top - extent).exp(), (bottom - extent).exp())
        return extent

    @staticmethod
    def backward(context: Any, *outer: Tensor) -> tuple[Tensor, None, None]:
        slope, low, high, top, bottom = context.saved_tensors
        shares = torch.zeros_like(slope).scatter_add(-2, high, outer[0] * top)
        return slope * shares.scatter_add(-2, low, -outer[0] * bottom), None, None


def log_ehvi(mean: Tensor, deviation: Tensor, boxes: Boxes) -> Tensor:
    """Log expected hypervolume improvement [..., s, b] of a Gaussian point over boxes that nothing dominates.

    mean [s, b, m], minimised; deviation [..., b, m].
    """
    mean, deviation = mean[..., None, :], deviation[..., None, :]
    z = (boxes.ends[:, None] - mean) / deviation
    low, high = (index[:, None].expand(*z.shape[:-2], -1, -1) for index in (boxes.low, boxes.high))
    extent: Tensor = _LogExtents.apply(z, low, high)  # type: ignore[no-untyped-call]
    value = (extent + deviation.log()).sum(-1)
    return value.masked_fill(boxes.empty[:, None], -math.inf).logsumexp(-1)


def log_mean_improvement(gain: Tensor, temperature: float = 1e-3) -> Tensor:
    """Log of the mean over z of max(0, gain[..., z, b]), smooth: [..., b]; Ament et al. 2023, section 4.

    A softplus of this temperature, plus a bump whose tails fall with the square so that gradients never vanish.
    """
    scaled = gain / temperature
    soft = torch.nn.functional.softplus(scaled) + 0.1 / (1 + scaled.square())
    return (temperature * soft).mean(-2).log()
