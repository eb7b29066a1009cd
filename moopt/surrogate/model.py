"""Gaussian processes for objectives and constraints, and for the probability that an evaluation fails."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from moopt.core.checks import InputError, InputTypeError
from moopt.selection import nondominated_mask
from moopt.surrogate.fitting import fitted
from moopt.surrogate.numerics import reproducible
from moopt.surrogate.posterior import Posterior, posterior
from moopt.surrogate.prior import LEAST_NOISE, Prior

_log = logging.getLogger("moopt")

# Below this share of its largest magnitude a column's spread is rounding error: the column is constant.
_CONSTANT = 1e-12
# How far a map into the cube may leave it by rounding (it is clipped), for instance in a log variable.
_CUBE_SLACK = 1e-6


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

    @cached_property
    def posterior(self) -> Posterior:
        """Of the standardised outputs, given the data with their noise."""
        return posterior(getattr(self.model, "models", [self.model]))

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
        points = snap(x.detach().double(), self.category_sizes)
        with torch.no_grad():
            mean, deviation = self.posterior.at(points.flatten(0, -2))
        shape = (*x.shape[:-1], len(self.mean))
        mean, deviation = mean[0] * self.scale + self.mean, deviation * self.scale
        return mean.reshape(shape), deviation.square().reshape(shape)

    @cached_property
    def limits(self) -> Tensor:
        """What each constraint must stay below [c]: 0, or half its least violation where all feasible values are 0.

        Such columns are clipped, ``max(0, violation)``; a model with its limit at 0 would call the feasible points
        feasible with probability one half. Any limit up to the least violation seen tells the data apart.
        """
        violation = torch.where(self.g > 0, self.g, math.inf).amin(dim=0)
        half = torch.where(violation < math.inf, violation / 2, self.scale[self.f.shape[-1] :])
        clipped = (self.g >= 0).all(dim=0) & (self.g == 0).any(dim=0)
        return torch.where(clipped, half, torch.zeros_like(half))

    @cached_property
    def best(self) -> Tensor:
        """Which points are nondominated among the feasible, or where there are none, among those that violate the
        constraints least in sum, each in its own scale: bool[n]."""
        total = (self.g / self.scale[self.f.shape[-1] :]).clamp_min(0).sum(dim=-1)
        return nondominated_mask(self.f, total)

    @cached_property
    def certain(self) -> bool:
        """Whether values are known where they were observed: no deviation of noise above a hundredth."""
        return bool(self.posterior.noise.amax() < 1e-4)

    def explained(self) -> Tensor:
        """How much of each output the other points tell of one that is left out: Q^2 [m + c], at most 1.

        One minus the squared leave-one-out residuals over the squared deviations from the mean; 0 is no better than
        the mean, NaN is said of outputs that do not vary and of fewer than three points.
        """
        residual, _ = self.posterior.leave_one_out()
        spread = self.posterior.values[0] - self.posterior.values[0].mean(-1, keepdim=True)
        share = 1 - residual.square().sum(-1) / spread.square().sum(-1)
        return torch.where((spread != 0).any(-1) & torch.tensor(len(self.x) > 2), share, torch.nan)


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

    @cached_property
    def posterior(self) -> Posterior:
        """Of the latent function."""
        return posterior([self.model])

    def probability(self, x: Tensor) -> Tensor:
        """Probability ``[..., n]`` that an evaluation at ``x[..., n, d]`` fails."""
        with torch.no_grad():
            return -torch.expm1(self.log_success(x))

    def log_success(self, x: Tensor) -> Tensor:
        """Log probability ``[..., n]`` that an evaluation at ``x[..., n, d]`` works; differentiable in ``x``."""
        mean, deviation = self.posterior.at(snap(x.double(), self.category_sizes).flatten(0, -2))
        value: Tensor = torch.special.log_ndtr(-mean[0, :, 0] / deviation[:, 0])
        return value.reshape(x.shape[:-1])


def fit(
    x: Tensor,
    f: Tensor,
    g: Tensor | None = None,
    f_var: Tensor | None = None,
    *,
    deterministic: bool = False,
    warp: bool = False,
    sparse: bool = False,
    category_sizes: Mapping[int, int] | None = None,
    warm: Mapping[str, Tensor] | None = None,
    thorough: bool = True,
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
        deterministic: the function answers the same when it is asked again. Noise is then expected to be next to
            nothing, and found only where the data insist.
        warp: numeric columns go through distribution functions of Kumaraswamy, fitted with the rest, for functions that
            change faster in one part of a column than in another (Snoek et al. 2014).
        sparse: few columns are expected to matter (Eriksson, Jankowiak 2021, their prior at its densest), for dozens of
            columns and more.
        category_sizes: number of categories of each category column.
        warm: `Surrogate.hyperparameters` of an earlier fit, one of the starts of this one.
        thorough: search from other starts beside ``warm``, for a search from a single one now and then ends where
            everything is noise.

    Raises:
        TypeError: a tensor is not floating point.
        ValueError: a shape, a value outside the cube, a non-finite value, or ``warm`` of another model.
    """
    sizes = dict(category_sizes or {})
    _check_cube(x, sizes)
    _check_columns("f", f, len(x))
    if f.shape[-1] == 0:
        raise InputError("expected f[n, m] with at least one objective, got m = 0")
    outputs = [f.double()]
    if g is not None:
        _check_columns("g", g, len(x))
        outputs.append(g.double())
    if f_var is not None:
        _check_columns("f_var", f_var, len(x))
        if f_var.shape != f.shape or bool((f_var < 0).any()):
            raise InputError(f"expected f_var >= 0 of shape {tuple(f.shape)}, got shape {tuple(f_var.shape)}")

    prior = Prior(sizes, deterministic, warp, sparse)
    m = f.shape[-1]
    points = snap(x.detach().double(), sizes)
    y = torch.cat(outputs, dim=-1).detach()
    mean, scale = _standardisation(y)
    z = (y - mean) / scale
    # known noise of objectives next to constraints makes two models
    columns = [slice(None)] if f_var is None else [slice(m), slice(m, None)][: 1 + (y.shape[-1] > m)]
    z_var = None if f_var is None else (f_var.detach().double() / scale[:m] / scale[:m]).clamp_min(LEAST_NOISE)
    with reproducible(0, x.device, len(x)):
        parts = [
            fitted(
                partial(prior.model, points, z[:, part], None if i else z_var),
                _of_part(warm, i, len(columns)), thorough,
            )
            for i, part in enumerate(columns)
        ]  # fmt: skip
        model = parts[0] if len(parts) == 1 else _together(parts)
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
        raise InputTypeError(f"expected failed of dtype torch.bool, got {failed.dtype}")
    if failed.shape != x.shape[:1]:
        raise InputError(f"expected failed[n] with n = {len(x)}, got shape {tuple(failed.shape)}")
    if not bool(failed.any()):
        return None
    _check_cube(x, sizes)
    points = snap(x.detach().double(), sizes)
    with reproducible(0, x.device, len(x)):
        labels = failed.double().mul(2).sub(1).unsqueeze(-1)
        model = fitted(partial(Prior(sizes).model, points, labels, None))
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


def _check_cube(x: Tensor, category_sizes: Mapping[int, int]) -> None:
    if not x.is_floating_point():
        raise InputTypeError(f"expected floating-point x, got dtype {x.dtype}")
    if x.ndim != 2 or 0 in x.shape:
        raise InputError(f"expected x[n, d] with at least one point and column, got shape {tuple(x.shape)}")
    if not bool(((x >= -_CUBE_SLACK) & (x <= 1 + _CUBE_SLACK)).all()):
        raise InputError(f"expected x in the unit cube, got values in [{float(x.min())}, {float(x.max())}]")
    for column, size in category_sizes.items():
        if not 0 <= column < x.shape[-1] or size < 1:
            raise InputError(
                f"expected category_sizes as {{column < {x.shape[-1]}: size >= 1}}, got {{{column}: {size}}}"
            )


def _check_columns(name: str, value: Tensor, n: int) -> None:
    if not value.is_floating_point():
        raise InputTypeError(f"expected floating-point {name}, got dtype {value.dtype}")
    if value.ndim != 2 or len(value) != n:
        raise InputError(f"expected {name} with n = {n} rows and two dimensions, got shape {tuple(value.shape)}")
    if not bool(value.isfinite().all()):
        raise InputError(f"expected finite {name} (leave failed points to fit_failure), got NaN or infinity")


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


def _of_part(warm: Mapping[str, Tensor] | None, part: int, parts: int) -> Mapping[str, Tensor] | None:
    """The hyper-parameters of one model among those of all, as `_together` names them."""
    if warm is None or parts == 1:
        return warm
    start = f"models.{part}."
    return {name.removeprefix(start): value for name, value in warm.items() if name.startswith(start)}


def _together(parts: list[Any]) -> Any:
    from botorch.models import ModelListGP

    return ModelListGP(*parts)
