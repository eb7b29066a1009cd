"""Gaussian processes in closed form: means and deviations at many points for the price of two matrix products.

A draw of a model fixes the noise-free value of every output at the known points, evaluated and pending ones alike;
elsewhere it stays Gaussian. That is the conditioning of noisy expected improvement (Letham, Karrer, Ottoni, Bakshy
2019, "Constrained Bayesian Optimization with Noisy Experiments", section 3; Daulton, Balandat, Bakshy 2021, section 4),
where one draw is one sample of their outer expectation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from moopt.surrogate.prior import covariance, shared

# Added to a kernel's unit diagonal so that it has a factor: a deviation of 1e-4 of the function's. It is no doubt about
# the function: left in predictions, it would promise an improvement beside every known point.
JITTER = 1e-8
# Share of the kernel's diagonal that a predicted variance is at least.
LEAST = 1e-12

Kernel = Callable[[Tensor, Tensor], Tensor]
"""Covariance of each of `k` outputs between x[a, d] and y[b, d]: [k, a, b]."""


@dataclass(frozen=True)
class Posterior:
    """`k` outputs given their values at `n` points, for `s` sets of such values.

    `x` [n, d]; `values` [s, k, n]; `prior_mean`, `prior_variance` [k]; `inverse` [k, n, n], of the lower Cholesky
    factor of the values' covariance; `weights` [s, k, n], of the kernel in the mean; `noise` [k, n], variance of what
    the values hold beside the function.
    """

    kernel: Kernel
    x: Tensor
    values: Tensor
    prior_mean: Tensor
    prior_variance: Tensor
    inverse: Tensor
    weights: Tensor
    noise: Tensor

    @staticmethod
    def of(kernel: Kernel, x: Tensor, values: Tensor, prior_mean: Tensor, noise: Tensor | None = None) -> Posterior:
        """Given values[s, k, n] at x[n, d], of noise variance [k, n] (none: exact)."""
        covariance = kernel(x, x)
        diagonal = covariance.diagonal(dim1=-2, dim2=-1)
        least = JITTER * diagonal
        noise = least if noise is None else noise.maximum(least)
        inverse = _inverse_factor(covariance + torch.diag_embed(noise))
        weights = ((values - prior_mean[:, None]).movedim(0, -2) @ inverse.mT @ inverse).movedim(-2, 0)
        return Posterior(kernel, x, values, prior_mean, diagonal[:, 0], inverse, weights, noise)

    def at(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Means [s, b, k] and deviations [b, k] of the functions, without noise, at x[b, d]."""
        cross = self.kernel(x, self.x)
        mean = (cross @ self.weights.movedim(0, -1)).movedim(-1, 0).mT + self.prior_mean
        explained = (cross @ self.inverse.mT).square().sum(-1)
        prior = self.prior_variance[:, None]
        return mean, (prior - explained - JITTER * prior).clamp_min(LEAST * prior).sqrt().mT

    @torch.no_grad()
    def drawn(self, normal: Tensor) -> Posterior:
        """Given functions drawn at the known points from normal[s, k, n], instead of values that may be noisy."""
        covariance = self.kernel(self.x, self.x)
        root = self.inverse @ covariance
        left = covariance - root.mT @ root
        values, vectors = torch.linalg.eigh((left + left.mT) / 2)
        deviation = (vectors * values.clamp_min(0).sqrt()[:, None]) @ normal.movedim(0, -1)
        mean = self.prior_mean[:, None] + (covariance @ self.weights[0][..., None])[..., 0]
        return Posterior.of(self.kernel, self.x, mean + deviation.movedim(-1, 0), self.prior_mean)

    @torch.no_grad()
    def with_point(self, x: Tensor, normal: Tensor) -> Posterior:
        """Given one more point x[1, d] as well, with values drawn from normal[s, k]."""
        mean, deviation = self.at(x)
        values = torch.cat([self.values, (mean[:, 0] + deviation[0] * normal)[..., None]], -1)
        return Posterior.of(self.kernel, torch.cat([self.x, x]), values, self.prior_mean)

    def leave_one_out(self) -> tuple[Tensor, Tensor]:
        """What the other points say of each: residuals [k, n] of the first values, and their deviations [k, n].

        Rasmussen, Williams (2006), "Gaussian Processes for Machine Learning", equations 5.10 to 5.12.
        """
        precision = self.inverse.square().sum(-2)
        return self.weights[0] / precision, precision.rsqrt()


def posterior(parts: Sequence[Any]) -> Posterior:
    """What BoTorch models of the same points say together, their outputs one after the other."""
    x = shared(parts[0].train_inputs[0])

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return torch.cat([covariance(part.covar_module, a, b) for part in parts])

    with torch.no_grad():
        values = torch.cat([part.train_targets.reshape(-1, len(x)) for part in parts])
        mean = torch.cat([part.mean_module(x).reshape(-1, len(x))[:, 0] for part in parts])
        noise = torch.cat([_noise(part, len(x)) for part in parts])
        return Posterior.of(kernel, x, values[None], mean, noise)


def _noise(part: Any, n: int) -> Tensor:
    outputs = part.train_targets.numel() // n
    noise: Tensor = part.likelihood.noise.reshape(outputs, -1)
    return noise.expand(outputs, n)


def _inverse_factor(covariance: Tensor) -> Tensor:
    lower = torch.linalg.cholesky(covariance)
    eye = torch.eye(covariance.shape[-1], dtype=covariance.dtype, device=covariance.device)
    inverse: Tensor = torch.linalg.solve_triangular(lower, eye.expand_as(lower), upper=False)
    return inverse
