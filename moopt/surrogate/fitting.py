"""Hyper-parameters of greatest posterior density, for all outputs and from several starts at once.

The models are BoTorch's. What is different from its `fit_gpytorch_mll`: an evaluation costs a third, because kernels
are called without the rest of GPyTorch and the gradient needs an inverse instead of a differentiated factorisation;
length scales and noise are searched on a logarithmic scale; and one start is not trusted. From a single one, above all
from the last fit alone, a search now and then ends where everything is noise.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from moopt.core.checks import InputError
from moopt.surrogate.descent import descend
from moopt.surrogate.numerics import numerical_errors
from moopt.surrogate.prior import covariance, shared

_log = logging.getLogger("moopt")

STRETCHES = (1.0, 0.25, 4.0)  # of the model's own length scales, from which searches start
FAR = 12.0  # in e-folds, or in deviations of the outputs: nothing to be found beyond
STEPS = 60
TOLERANCE = 1e-5  # relative, of log densities
SOME = 24  # points from which data change little from one to the next: not every fit needs to be thorough
MANY = 128  # points from which a step is dear: from then on two starts instead of four


def fitted(build: Callable[[int], Any], warm: Mapping[str, Tensor] | None = None, thorough: bool = True) -> Any:
    """The model of `build(1)`, fitted; `build(k)` gives it with all outputs k times, those of a copy side by side.

    Searches start from `warm`, and if they are to be thorough, from the model's own hyper-parameters and from shorter
    and longer length scales. Where the numbers allow no fit, the model's own stay, and a warning is logged. Raises
    ValueError for `warm` of another model.
    """
    model = build(1)
    own = _Coordinates(model).read(model)
    starts = [own + math.log(by) * _Coordinates(model).lengths for by in STRETCHES]
    n = model.train_targets.shape[-1]
    if warm is not None:
        set_hyperparameters(model, warm)
        last = _Coordinates(model).read(model)
        starts = [last, *(starts if n < MANY else starts[:1])] if thorough else [last]
    try:
        chosen = _best(build(len(starts)), starts)
    except numerical_errors() as error:
        _log.warning(
            "surrogate: no hyper-parameters fit %d points (%s: %s); the start values stay",
            n, type(error).__name__, error,
        )  # fmt: skip
        chosen = own
    _Coordinates(model).write(model, chosen)
    return model


def _best(model: Any, starts: list[Tensor]) -> Tensor:
    """Of what searches from starts [k, p] find, the densest for each of k outputs: [k, p].

    Raises ArithmeticError where no density is finite.
    """
    density = _Density(model)
    found, loss = descend(
        density.at, torch.cat(starts), *density.coordinates.bounds, steps=STEPS, tolerance=TOLERANCE
    )
    least, which = loss.reshape(len(starts), -1).min(0)
    if not bool(least.isfinite().all()):
        raise ArithmeticError("their density is nowhere finite")
    return found.reshape(len(starts), *starts[0].shape)[which, torch.arange(len(starts[0]), device=which.device)]


def set_hyperparameters(model: Any, values: Mapping[str, Tensor]) -> None:
    """Raises ValueError where names or shapes are those of another model."""
    own = dict(model.named_parameters())
    shapes = {name: tuple(value.shape) for name, value in own.items()}
    given = {name: tuple(value.shape) for name, value in values.items()}
    if shapes != given:
        raise InputError(f"expected warm hyper-parameters with shapes {shapes}, got {given}")
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(values[name])


class _Coordinates:
    """The parameters of a model as one row for each output: [k, p].

    `logarithmic` [p]: searched as logarithms; `lengths` [p]: 1 for length scales, 0 for the others.
    """

    def __init__(self, model: Any) -> None:
        self.outputs = model.train_targets.numel() // model.train_targets.shape[-1]
        given = [(name, value, bound) for name, value, bound in model.named_parameters_and_constraints()]
        self.shapes = {name: value.shape for name, value, _ in given}
        self.widths = [value.numel() // self.outputs for _, value, _ in given]
        like = given[0][1].detach()

        def columns(values: Sequence[float]) -> Tensor:
            parts = [torch.full((width,), value) for width, value in zip(self.widths, values, strict=True)]
            return torch.cat(parts).to(like)

        bounded = [bound is not None and bound._transform is None for _, _, bound in given]
        self.logarithmic = columns(bounded).bool()
        self.lengths = columns([name.endswith("lengthscale") for name, _, _ in given])
        least = [float(bound.lower_bound) if bound is not None else 0.0 for _, _, bound in given]
        low = [math.log(lower) if log and lower > 0 else -FAR for lower, log in zip(least, bounded, strict=True)]
        self.bounds = columns(low), columns([FAR] * len(given))

    def read(self, model: Any) -> Tensor:
        """Where the model is."""
        values = torch.cat([value.detach().reshape(self.outputs, -1) for value in model.parameters()], -1)
        return torch.where(self.logarithmic, values.clamp_min(1e-300).log(), values)

    def tensors(self, rows: Tensor) -> dict[str, Tensor]:
        """The parameters there, by name, differentiable; of as many outputs as there are rows."""
        values = torch.where(self.logarithmic, torch.where(self.logarithmic, rows, 0.0).exp(), rows)
        parts = zip(self.shapes.items(), values.split(self.widths, -1), strict=True)
        return {name: part.reshape([-1, *shape[1:]][: len(shape)]) for (name, shape), part in parts}

    def write(self, model: Any, rows: Tensor) -> None:
        """Moves the model there."""
        set_hyperparameters(model, self.tensors(rows))


class _Density(nn.Module):
    """Minus the log posterior density of the hyper-parameters of each of k outputs.

    Rasmussen, Williams (2006), "Gaussian Processes for Machine Learning", equations 2.30 and 5.9, and the priors.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model, self.coordinates = model, _Coordinates(model)

    def at(self, places: Tensor, asked: Tensor) -> Tensor:
        """Of places [k, p]: [k]; infinite where it is not asked[k]."""
        outputs = asked.nonzero()[:, 0]
        named = {f"model.{name}": value for name, value in self.coordinates.tensors(places[outputs]).items()}
        found: Tensor = torch.func.functional_call(self, named, (outputs,))
        return torch.full_like(places[:, 0], torch.inf).index_put((outputs,), found)

    def forward(self, outputs: Tensor) -> Tensor:
        """Of the model's parameters, which are those of `outputs` [r] alone: [r]."""
        model, r = self.model, len(outputs)
        x, y = shared(model.train_inputs[0]), model.train_targets
        n = y.shape[-1]
        known = covariance(model.covar_module, x, x)
        noise = model.likelihood.noise
        noise = noise.reshape(-1, noise.shape[-1])
        if len(noise) > r:  # what is known of noise is no parameter, and there for all outputs
            noise = noise[outputs]
        residual = y.reshape(-1, n)[outputs] - model.mean_module(x).reshape(r, n)
        loss: Tensor = _Loss.apply(known, noise.expand(r, n), residual)  # type: ignore[no-untyped-call]
        for _, module, prior, closure, _ in model.named_priors():
            loss = loss - prior.log_prob(closure(module)).reshape(r, -1).sum(-1)
        return loss


class _Loss(torch.autograd.Function):
    """Minus the log likelihood [k]. Its gradient is written down, not traced through the factorisation."""

    @staticmethod
    def forward(context: Any, covariance: Tensor, noise: Tensor, residual: Tensor) -> Tensor:
        noisy = covariance.clone()
        noisy.diagonal(dim1=-2, dim2=-1).add_(noise)
        lower, failed = torch.linalg.cholesky_ex(noisy)
        lower[failed != 0] = torch.nan
        precision = torch.cholesky_inverse(lower)
        weights = (precision @ residual[..., None])[..., 0]
        context.save_for_backward(precision, weights)
        log_root = lower.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        constant = 0.5 * residual.shape[-1] * math.log(2 * math.pi)
        value: Tensor = 0.5 * (weights * residual).sum(-1) + log_root + constant
        return value

    @staticmethod
    def backward(context: Any, *slope: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        precision, weights = context.saved_tensors
        by_covariance = weights[:, :, None] * weights[:, None, :]
        torch.sub(precision, by_covariance, out=by_covariance).mul_(0.5 * slope[0][:, None, None])
        return by_covariance, by_covariance.diagonal(dim1=-2, dim2=-1), slope[0][:, None] * weights
