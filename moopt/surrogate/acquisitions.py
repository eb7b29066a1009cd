"""What a point promises: logarithms of acquisition functions, in closed form given a draw of what is known.

References:
    Daulton, Balandat, Bakshy. Parallel Bayesian Optimization of Multiple Noisy Objectives with Expected Hypervolume
    Improvement. NeurIPS 2021 (expectations over draws at the known points; pending points are known in every draw).
    Knowles. ParEGO: A Hybrid Algorithm with On-Line Landscape Approximation for Expensive Multiobjective Optimization
    Problems. IEEE Transactions on Evolutionary Computation 10(1), 2006 (the scalarising function, equation 2).

Differences from the papers: the inner expectation of NEHVI is no second sum over samples but exact, because outputs are
independent given a draw; the probability of feasibility, and that an evaluation works, are factors of it. ParEGO's
function is applied to models of the objectives, not modelled itself.
"""

from __future__ import annotations

import math
from copy import copy

import torch
from torch import Tensor
from torch.special import log_ndtr

from moopt.kernels.boxes import boxes
from moopt.surrogate.improvement import Boxes, log_ehvi, log_mean_improvement
from moopt.surrogate.model import FailureModel, Surrogate

# Most numbers in one intermediate tensor of an evaluation: 2 MiB, which a processor's caches hold, and a GPU's memory.
_MOST_NUMBERS = {"cpu": 2**18, "cuda": 2**23}
# Shares, and by how much each multiplies deviations. Hyper-parameters are the likeliest ones, so a model is surer of
# itself than the data make it, and where it is sure and wrong it would never look.
BELIEFS = ((0.97, 0.03), (1.0, 2.0))
AUGMENTATION = 0.05  # rho of ParEGO
SAMPLES = 128  # of the objectives, in all draws together, where no closed form is known


class Score:
    """Log acquisition values of single points.

    `known`: draws of the model at the data and at pending points. Called with x[b, d] it answers [b], differentiable.
    """

    numbers: int
    """In one intermediate tensor, for each point."""

    def __init__(self, surrogate: Surrogate, failure: FailureModel | None, n_draws: int, reference: Tensor) -> None:
        """`reference`: of hypervolume, standardised [m]."""
        self.surrogate, self.failure, self.reference = surrogate, failure, reference
        self.m = surrogate.f.shape[-1]
        self.limit = (surrogate.limits - surrogate.mean[self.m :]) / surrogate.scale[self.m :]
        posterior = surrogate.posterior
        self.known = posterior.drawn(antithetic(n_draws, *posterior.values.shape[1:], like=posterior.values))

    def prepare(self) -> None:
        """Computes what is the same for all points."""

    def value(self, mean: Tensor, deviation: Tensor) -> Tensor:
        """[..., s, b] of Gaussian objectives and constraints, mean[s, b, m + c] and deviation[..., 1, b, m + c]."""
        raise NotImplementedError

    @property
    def objectives(self) -> Tensor:
        """What every draw says of known points, [s, n, m]; infinite where it says that they violate a constraint."""
        f: Tensor
        f, g = self.known.values.mT.split([self.m, len(self.limit)], -1)
        return f.masked_fill((g > self.limit).any(-1, keepdim=True), math.inf)

    @property
    def chunk(self) -> int:
        """How many points fit into one evaluation."""
        return max(1, _MOST_NUMBERS.get(self.reference.device.type, 2**18) // (len(BELIEFS[0]) * self.numbers))

    def __call__(self, x: Tensor) -> Tensor:
        mean, deviation = self.known.at(x)
        shares, widths = torch.tensor(BELIEFS, dtype=x.dtype, device=x.device)
        value: Tensor = self.value(mean, widths[:, None, None, None] * deviation) + shares.log()[:, None, None]
        value = value.flatten(0, 1).logsumexp(0) - math.log(len(mean))
        return value if self.failure is None else value + self.failure.log_success(x)

    def log_feasible(self, mean: Tensor, deviation: Tensor) -> Tensor:
        """Log probability [..., s, b] that all constraints hold."""
        each: Tensor = log_ndtr((self.limit - mean[..., self.m :]) / deviation[..., self.m :])
        return each.sum(-1)

    def many(self, x: Tensor) -> Tensor:
        """Values ``[k]`` of ``x[k, d]`` without gradients; what is not a number counts as minus infinity."""
        with torch.no_grad():
            value = torch.cat([self(part) for part in x.split(self.chunk)])
        return value.nan_to_num(nan=-math.inf, posinf=-math.inf)

    def with_pending(self, x: Tensor) -> Score:
        """The same, with points [p, d] more that are under evaluation."""
        later = copy(self)
        for point in x:
            draws, outputs, _ = later.known.values.shape
            later.known = later.known.with_point(point[None], antithetic(draws, outputs, like=x))
        later.prepare()
        return later


class Improvement(Score):
    """Log expected hypervolume improvement; of one objective, log expected improvement."""

    def prepare(self) -> None:
        f = self.objectives
        # on the CPU wherever the model is: one small step after the other
        lower, upper = boxes(f.cpu(), self.reference.cpu())
        self.boxes = Boxes.of(lower.to(f.device), upper.to(f.device))
        self.numbers = len(f) * max(lower.shape[-2] * self.m, self.known.values.shape[1])

    def value(self, mean: Tensor, deviation: Tensor) -> Tensor:
        improvement = log_ehvi(mean[..., : self.m], deviation[..., : self.m], self.boxes)
        return improvement + self.log_feasible(mean, deviation)


class Scalarised(Score):
    """Log expected improvement of ParEGO's function, with weights drawn anew for every point that is chosen."""

    def prepare(self) -> None:
        f = self.objectives
        self.weights = torch.distributions.Dirichlet(torch.ones(self.m, dtype=f.dtype)).sample().to(f.device)
        front = self.surrogate.posterior.values[0, : self.m].mT[self.surrogate.best]
        self.low, self.span = front.amin(0), (front.amax(0) - front.amin(0)).clamp_min(1e-9)
        known = self.scalar(self.known.values.mT[..., : self.m])
        allowed = known.masked_fill(f.isinf().any(-1), math.inf).amin(-1)
        self.best = torch.where(allowed.isfinite(), allowed, known.amax(-1))
        self.normal = antithetic(max(2, SAMPLES // len(f)), self.m, like=f)
        self.numbers = max(SAMPLES, 2 * len(f)) * self.m

    def scalar(self, f: Tensor) -> Tensor:
        """Of objectives [..., m], scaled by the range of the front: smaller is better."""
        weighted = self.weights * (f - self.low) / self.span
        return weighted.amax(-1) + AUGMENTATION * weighted.sum(-1)

    def value(self, mean: Tensor, deviation: Tensor) -> Tensor:
        f = mean[:, None, :, : self.m] + deviation[..., None, :, : self.m] * self.normal[:, None]
        gain = self.best[:, None, None] - self.scalar(f)
        return log_mean_improvement(gain) + self.log_feasible(mean, deviation)


class Feasibility(Score):
    """Log probability of being feasible where no pending point is."""

    def prepare(self) -> None:
        pending = self.known.values.mT[:, len(self.surrogate.x) :, self.m :]
        closed = (pending <= self.limit).all(-1).any(-1)
        self.closed = closed & ~closed.all()
        self.numbers = self.known.values.shape[0] * self.known.values.shape[1]

    def value(self, mean: Tensor, deviation: Tensor) -> Tensor:
        return self.log_feasible(mean, deviation).masked_fill(self.closed[:, None], -math.inf)


def antithetic(n: int, *shape: int, like: Tensor) -> Tensor:
    """Standard normal numbers [n, *shape] in pairs of opposite sign; of an odd number, the first are 0."""
    half = torch.randn(n // 2, *shape, dtype=like.dtype).to(like.device)
    return torch.cat([half.new_zeros(n % 2, *shape), half, -half])
