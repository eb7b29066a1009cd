"""Gaussian processes for objectives and constraints, and for the probability that an evaluation fails.

References:
    Hvarfner, Hellsten, Nardi. Vanilla Bayesian Optimization Performs Great in High Dimensions. ICML 2024 (the
    dimension-scaled length-scale prior, here through BoTorch's ``SingleTaskGP``).
    Ru, Alvi, Nguyen, Osborne, Roberts. Bayesian Optimisation over Multiple Continuous and Categorical Inputs.
    ICML 2020 (Hamming kernel on categories; of its sum and product only the product is used).
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

_log = logging.getLogger("moopt")

# Below this share of its largest magnitude a column's spread is rounding error: the column is constant.
_CONSTANT = 1e-12
# How far a map into the cube may leave it by rounding (it is clipped), for instance in a log variable.
_CUBE_SLACK = 1e-6
# Least noise variance of standardised outputs where it is known: GPyTorch's own floor for float64.
_LEAST_NOISE = 1e-6


@dataclass(frozen=True)
class Surrogate:
    """Independent Gaussian processes for ``m`` objectives and ``c`` constraints on the same ``n`` points.

    Built by `fit`. ``model`` is the BoTorch model of the standardised outputs ``((f, g) - mean) / scale``.

    Attributes:
        model: BoTorch model with ``m + c`` outputs, objectives first.
        x: training points ``[n, d]`` in the unit cube, categories at the centres of their cells.
        f: observed objectives ``[n, m]``, minimised.
        g: observed constraints ``[n, c]``, ``g <= 0`` feasible; ``c`` may be 0.
        mean: shift of each output ``[m + c]``, in the output's unit.
        scale: positive scale of each output ``[m + c]``, in the output's unit.
        category_sizes: number of categories of each category column.
    """

    model: Any
    x: Tensor
    f: Tensor
    g: Tensor
    mean: Tensor
    scale: Tensor
    category_sizes: Mapping[int, int] = field(default_factory=dict)

    @property
    def hyperparameters(self) -> dict[str, Tensor]:
        """Fitted hyper-parameters by name, of shapes that do not depend on ``n``; what `fit` takes as ``warm``."""
        return {name: value.detach().clone() for name, value in self.model.named_parameters()}

    def predict(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of the noise-free outputs.

        Args:
            x: points ``[..., n, d]`` in the unit cube.

        Returns:
            mean ``[..., n, m + c]`` and variance ``[..., n, m + c]``, objectives first, in the outputs' own units.
        """
        mean, variance = _marginals(self.model, snap(x.double(), self.category_sizes))
        return mean * self.scale + self.mean, variance * self.scale.square()


@dataclass(frozen=True)
class FailureModel:
    """Where evaluations fail: a Gaussian process on the labels -1 (worked) and +1 (failed), built by `fit_failure`.

    A point fails where the latent function is positive.

    Attributes:
        model: BoTorch model with one output.
        x: all evaluated points ``[n, d]``, failed or not.
        category_sizes: number of categories of each category column.
    """

    model: Any
    x: Tensor
    category_sizes: Mapping[int, int] = field(default_factory=dict)

    def probability(self, x: Tensor) -> Tensor:
        """Probability ``[..., n]`` that an evaluation at ``x[..., n, d]`` fails."""
        with torch.no_grad():
            return -torch.expm1(self.log_success(x))

    def log_success(self, x: Tensor) -> Tensor:
        """Log probability ``[..., n]`` that an evaluation at ``x[..., n, d]`` works; differentiable in ``x``."""
        posterior = self.model.posterior(snap(x.double(), self.category_sizes).unsqueeze(-2))
        mean, variance = posterior.mean[..., 0, 0], posterior.variance[..., 0, 0]
        log_success: Tensor = torch.special.log_ndtr(-mean / variance.clamp_min(1e-12).sqrt())
        return log_success


def fit(
    x: Tensor,
    f: Tensor,
    g: Tensor | None = None,
    f_var: Tensor | None = None,
    *,
    category_sizes: Mapping[int, int] | None = None,
    warm: Mapping[str, Tensor] | None = None,
) -> Surrogate:
    """Fits Gaussian processes to successful evaluations. Failed ones (NaN) belong in `fit_failure`.

    All outputs are one batched BoTorch model; known noise next to constraints makes it two. Where the numbers do not
    let the hyper-parameters be fitted, the model keeps those of the prior, and a warning is logged.

    Args:
        x: points ``[n, d]`` in the unit cube, ``n >= 1``. Category ``i`` of ``k`` is any value that ``floor(k x)``
            maps to ``i``; its centre is ``(i + 1/2) / k``.
        f: objectives ``[n, m]``, minimised.
        g: constraints ``[n, c]``, ``g <= 0`` feasible.
        f_var: known noise variances ``[n, m]`` of ``f`` (the variance of the mean, where ``f`` is a mean); zero says
            exact. Without it one noise level for each output is inferred.
        category_sizes: number of categories of each category column.
        warm: `Surrogate.hyperparameters` of an earlier fit, from which this one starts.

    Raises:
        TypeError: a tensor is not floating point.
        ValueError: a shape, a value outside the cube, a non-finite value, or ``warm`` of another model.
    """
    sizes = dict(category_sizes or {})
    _check_cube(x, sizes)
    _check_columns("f", f, len(x))
    if f.shape[-1] == 0:
        raise ValueError("expected f[n, m] with at least one objective, got m = 0")
    outputs = [f.double()]
    if g is not None:
        _check_columns("g", g, len(x))
        outputs.append(g.double())
    if f_var is not None:
        _check_columns("f_var", f_var, len(x))
        if f_var.shape != f.shape or bool((f_var < 0).any()):
            raise ValueError(f"expected f_var >= 0 of shape {tuple(f.shape)}, got shape {tuple(f_var.shape)}")

    m = f.shape[-1]
    points = snap(x.detach().double(), sizes)
    y = torch.cat(outputs, dim=-1).detach()
    mean, scale = _standardisation(y)
    z = (y - mean) / scale
    with reproducible(0, x.device, len(x)):
        if f_var is None:
            parts = [_gp(points, z, None, sizes)]
        else:
            z_var = (f_var.detach().double() / scale[:m] / scale[:m]).clamp_min(_LEAST_NOISE)
            parts = [_gp(points, z[:, :m], z_var, sizes)]
            parts += [_gp(points, z[:, m:], None, sizes)] if z.shape[-1] > m else []
        model = parts[0] if len(parts) == 1 else _together(parts)
        if warm is not None:
            _set_hyperparameters(model, warm)
        for part in parts:
            _fit_hyperparameters(part)
    return Surrogate(model, points, y[:, :m], y[:, m:], mean, scale, sizes)


def fit_failure(
    x: Tensor, failed: Tensor, *, category_sizes: Mapping[int, int] | None = None
) -> FailureModel | None:
    """Models the probability that an evaluation fails, from all evaluations; ``None`` where none has failed.

    Regression on the labels -1 and +1, read through the normal distribution function: the probability of failure is
    that of a positive latent value.

    Args:
        x: all evaluated points ``[n, d]`` in the unit cube, encoded as in `fit`.
        failed: bool ``[n]``.
        category_sizes: number of categories of each category column.

    Raises:
        TypeError: ``x`` is not floating point or ``failed`` not bool.
        ValueError: a shape, or a value outside the cube.
    """
    sizes = dict(category_sizes or {})
    if failed.dtype != torch.bool:
        raise TypeError(f"expected failed of dtype torch.bool, got {failed.dtype}")
    if failed.shape != x.shape[:1]:
        raise ValueError(f"expected failed[n] with n = {len(x)}, got shape {tuple(failed.shape)}")
    if not bool(failed.any()):
        return None
    _check_cube(x, sizes)
    points = snap(x.detach().double(), sizes)
    with reproducible(0, x.device, len(x)):
        model = _gp(points, failed.double().mul(2).sub(1).unsqueeze(-1), None, sizes)
        _fit_hyperparameters(model)
    return FailureModel(model, points, sizes)


def snap(x: Tensor, category_sizes: Mapping[int, int]) -> Tensor:
    """Clips ``x[..., d]`` to the unit cube and moves its category columns to the centres of their cells."""
    x = x.clamp(0, 1)
    if not category_sizes:
        return x
    columns = list(category_sizes)
    sizes = torch.tensor([category_sizes[j] for j in columns], dtype=x.dtype, device=x.device)
    codes = (x[..., columns] * sizes).floor().clamp_min(0).minimum(sizes - 1)
    x[..., columns] = (codes + 0.5) / sizes
    return x


@contextmanager
def reproducible(seed: int, device: torch.device, n: int) -> Iterator[None]:
    """Runs BoTorch so that equal inputs give equal bits and nothing global is left changed.

    The global generators are forked and seeded, and BoTorch's and GPyTorch's warnings go to the log. A model of few
    points runs on one thread: at n = 40 a second one made a fit four times slower (two cores, others busy).
    """
    from botorch.utils.sampling import manual_seed

    threads = torch.get_num_threads()
    with (
        torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
        manual_seed(seed % 2**63),
        torch.enable_grad(),
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        if n <= 256:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
    for text in dict.fromkeys(str(warning.message).strip() for warning in caught):
        _log.debug("surrogate: %s", text)


def numerical_errors() -> tuple[type[Exception], ...]:
    """What BoTorch, GPyTorch and torch raise where matrices, gradients or distributions go bad, or memory ends."""
    from botorch.exceptions.errors import BotorchError, ModelFittingError

    return (RuntimeError, ArithmeticError, ValueError, BotorchError, ModelFittingError)


def _check_cube(x: Tensor, category_sizes: Mapping[int, int]) -> None:
    if not x.is_floating_point():
        raise TypeError(f"expected floating-point x, got dtype {x.dtype}")
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(f"expected x[n, d] with at least one point and column, got shape {tuple(x.shape)}")
    if not bool(((x >= -_CUBE_SLACK) & (x <= 1 + _CUBE_SLACK)).all()):
        raise ValueError(f"expected x in the unit cube, got values in [{float(x.min())}, {float(x.max())}]")
    for column, size in category_sizes.items():
        if not 0 <= column < x.shape[-1] or size < 1:
            raise ValueError(
                f"expected category_sizes as {{column < {x.shape[-1]}: size >= 1}}, got {{{column}: {size}}}"
            )


def _check_columns(name: str, value: Tensor, n: int) -> None:
    if not value.is_floating_point():
        raise TypeError(f"expected floating-point {name}, got dtype {value.dtype}")
    if value.ndim != 2 or len(value) != n:
        raise ValueError(f"expected {name} with n = {n} rows and two dimensions, got shape {tuple(value.shape)}")
    if not bool(value.isfinite().all()):
        raise ValueError(f"expected finite {name} (leave failed points to fit_failure), got NaN or infinity")


def _standardisation(y: Tensor) -> tuple[Tensor, Tensor]:
    """Shift and positive scale of each column of ``y[n, k]``; safe at any magnitude float64 holds."""
    largest = y.abs().amax(dim=0)
    unit = torch.where(largest > 0, largest, torch.ones_like(largest))
    share = y / unit
    spread = share.std(dim=0) if len(y) > 1 else torch.zeros_like(unit)
    constant = spread <= _CONSTANT
    if len(y) > 1 and bool(constant.any()):
        columns = constant.nonzero().flatten().tolist()
        _log.info("surrogate: outputs %s (objectives, then constraints) are constant; modelled by the prior", columns)
    return share.mean(dim=0) * unit, torch.where(constant, torch.ones_like(spread), spread) * unit


def _gp(x: Tensor, z: Tensor, z_var: Tensor | None, category_sizes: Mapping[int, int]) -> Any:
    from botorch.models import SingleTaskGP

    kernel = None
    if category_sizes:
        kernel = _mixed_kernel(x.shape[-1], sorted(category_sizes), z.shape[-1])
    return SingleTaskGP(x, z, z_var, covar_module=kernel, outcome_transform=None)


def _mixed_kernel(d: int, categories: list[int], n_outputs: int) -> Any:
    """The default kernel on numeric columns times a Hamming kernel on categories, with the default's priors on both.

    BoTorch's ``MixedSingleTaskGP`` takes a sum and a product with free scales, shared between the outputs of a batched
    model. That form, with scales for each output, took ten times longer to fit. With the same search on a constrained
    problem of four mixed variables, two seeds only, it found hypervolume 7.4 and 8.1 in 50 evaluations, the product
    8.5 and 8.8 (then without a prior on categories); 200,000 random points reach 9.2.
    """
    from botorch.models.kernels.categorical import CategoricalKernel
    from botorch.models.utils.gpytorch_modules import get_covar_module_with_dim_scaled_prior
    from gpytorch.constraints import GreaterThan
    from gpytorch.priors import LogNormalPrior

    batch = torch.Size([n_outputs] if n_outputs > 1 else [])
    numeric = [column for column in range(d) if column not in categories]
    # Prior of Hvarfner et al. 2024, as BoTorch has it for numeric columns. The fit starts at its median, where
    # categories share information.
    location = math.sqrt(2) + math.log(len(categories)) / 2
    hamming = CategoricalKernel(
        batch_shape=batch,
        ard_num_dims=len(categories),
        active_dims=categories,
        lengthscale_prior=LogNormalPrior(location, math.sqrt(3)),
        lengthscale_constraint=GreaterThan(2.5e-2, transform=None, initial_value=math.exp(location)),
    )
    if not numeric:
        return hamming
    smooth = get_covar_module_with_dim_scaled_prior(len(numeric), batch_shape=batch, active_dims=numeric)
    return smooth * hamming


def _together(parts: list[Any]) -> Any:
    from botorch.models import ModelListGP

    return ModelListGP(*parts)


def _set_hyperparameters(model: Any, warm: Mapping[str, Tensor]) -> None:
    own = dict(model.named_parameters())
    shapes = {name: tuple(value.shape) for name, value in own.items()}
    given = {name: tuple(value.shape) for name, value in warm.items()}
    if shapes != given:
        raise ValueError(f"expected warm hyper-parameters with shapes {shapes}, got {given}")
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(warm[name])


def _fit_hyperparameters(model: Any) -> None:
    """Maximises the posterior density of the hyper-parameters; keeps the prior's modes where that fails."""
    from botorch.fit import fit_gpytorch_mll
    from gpytorch.mlls import ExactMarginalLogLikelihood

    x, start = model.train_inputs[0], {name: value.detach().clone() for name, value in model.named_parameters()}
    try:
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        mean, variance = _marginals(model, x[0] if x.ndim > 2 else x)
        if bool((mean.isfinite() & variance.isfinite()).all()):
            return
        reason = "its predictions are not finite"
    except numerical_errors() as error:
        reason = f"{type(error).__name__}: {error}"
    _log.warning("surrogate: no hyper-parameters fit %d points (%s); the start values stay", x.shape[-2], reason)
    _set_hyperparameters(model, start)
    model.eval()


def _marginals(model: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        # One point for each batch entry: the joint covariance of all points is not wanted.
        posterior = model.posterior(x.unsqueeze(-2))
        return posterior.mean.squeeze(-2), posterior.variance.squeeze(-2)
