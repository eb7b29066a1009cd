"""Surrogates: closed forms, second implementations, degenerate data, and what a suggestion must never do."""

from __future__ import annotations

import logging
import math
import random
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from botorch.acquisition.multi_objective import logei
from botorch.acquisition.multi_objective.monte_carlo import qNoisyExpectedHypervolumeImprovement
from botorch.acquisition.multi_objective.objective import GenericMCMultiOutputObjective
from botorch.sampling import SobolQMCNormalSampler
from botorch.test_functions import BraninCurrin
from botorch.utils.multi_objective import hypervolume as botorch_hypervolume
from botorch.utils.multi_objective.pareto import is_non_dominated
from torch import Tensor

from moopt.surrogate import (
    FailureModel,
    Surrogate,
    acquisition,
    acquisitions,
    fit,
    fit_failure,
    fitting,
    infer_reference_point,
    search,
    suggest,
)
from moopt.surrogate.acquisitions import Improvement, Score
from moopt.surrogate.model import snap
from moopt.surrogate.numerics import reproducible
from moopt.surrogate.prior import Prior, covariance


def vec(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


LIGHT = {"n_raw": 64, "n_restarts": 2, "n_draws": 8}


def sobol(n: int, d: int, seed: int = 3) -> Tensor:
    return torch.quasirandom.SobolEngine(d, scramble=True, seed=seed).draw(n, dtype=torch.float64)


def two_objectives(x: Tensor) -> Tensor:
    """Conflicting, unequal, asymmetric: optima at (0.2, 0.7, ...) and (0.8, 0.3, ...)."""
    a = ((x[:, 0] - 0.2) ** 2) * 3 + (x[:, 1] - 0.7) ** 2 + 0.5
    b = (x[:, 0] - 0.8) ** 2 + 2 * (x[:, 1] - 0.3) ** 2 - 1.5
    return torch.stack([a, b], dim=1)


def volume(f: Tensor, reference: Tensor) -> float:
    """Dominated area of minimised points, by a sweep over the first objective."""
    area, ceiling = 0.0, float(reference[1])
    for a, b in sorted(p for p in f.tolist() if p[0] < reference[0] and p[1] < reference[1]):
        if b < ceiling:
            area += (float(reference[0]) - a) * (ceiling - b)
            ceiling = b
    return area


# ------------------------------------------------------------------------------------------------- the model


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("warp", [False, True])
@pytest.mark.parametrize("sizes", [{}, {1: 4}, {0: 3, 1: 4, 2: 2}])
def test_covariance_is_that_of_the_kernel(sizes: dict[int, int], warp: bool, sparse: bool) -> None:
    x, other = snap(sobol(9, 3), sizes), snap(sobol(5, 3, seed=8), sizes)
    for outputs in (1, 2):
        model = Prior(sizes, warp=warp, sparse=sparse).model(x, sobol(9, outputs, seed=5), None, 1)
        with torch.no_grad():
            for k, value in enumerate(model.parameters()):
                value.add_(0.1 * sobol(value.numel(), 1, seed=k).reshape(value.shape))
            expected = model.covar_module(x, other).to_dense().reshape(outputs, 9, 5)
        torch.testing.assert_close(covariance(model.covar_module, x, other), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("size", [1e-12, 1.0, 1e12, 1e300])
def test_standardisation_round_trip(size: float) -> None:
    x = sobol(9, 2)
    f = two_objectives(x) * vec(size, 3.0)
    g = (x[:, :1] - 0.4) / size
    surrogate = fit(x, f, g)
    y = torch.cat([f, g], dim=1)
    z = (y - surrogate.mean) / surrogate.scale
    torch.testing.assert_close(z.mean(0), torch.zeros(3, dtype=torch.float64), atol=1e-12, rtol=0)
    torch.testing.assert_close(z.std(0), torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(z * surrogate.scale + surrogate.mean, y, rtol=1e-13, atol=0)
    torch.testing.assert_close(surrogate.predict(x)[0][:, 0] / size, f[:, 0] / size, rtol=0, atol=0.05)


def posterior_by_hand(
    kernel: Tensor, cross: Tensor, noise: Tensor, constant: Tensor, z: Tensor
) -> tuple[Tensor, Tensor]:
    solved = torch.linalg.solve(kernel + torch.diag(noise), torch.cat([(z - constant).unsqueeze(1), cross], dim=1))
    return constant + cross.T @ solved[:, 0], 1 - (cross * solved[:, 1:]).sum(0)


@pytest.mark.parametrize("known_noise", [False, True])
def test_predictions_are_the_closed_form(known_noise: bool) -> None:
    x, new = sobol(12, 3), sobol(5, 3, seed=8)
    f = two_objectives(x) * 40
    f_var = torch.linspace(0.5, 9, 24, dtype=torch.float64).reshape(12, 2) if known_noise else None
    surrogate = fit(x, f, f_var=f_var)
    mean, variance = surrogate.predict(new)
    own = surrogate.hyperparameters
    for k in range(2):
        ls = own["covar_module.raw_lengthscale"][k, 0]
        if f_var is None:
            noise = own["likelihood.noise_covar.raw_noise"][k].expand(12)
        else:
            noise = f_var[:, k] / surrogate.scale[k] ** 2

        def rbf(a: Tensor, b: Tensor, ls: Tensor = ls) -> Tensor:
            return torch.exp(-0.5 * torch.cdist(a / ls, b / ls).square())

        z = (f[:, k] - surrogate.mean[k]) / surrogate.scale[k]
        m, v = posterior_by_hand(rbf(x, x), rbf(x, new), noise, own["mean_module.raw_constant"][k], z)
        torch.testing.assert_close(mean[:, k], m * surrogate.scale[k] + surrogate.mean[k], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(variance[:, k], v * surrogate.scale[k] ** 2, rtol=1e-3, atol=1e-4)


def test_categories_are_compared_by_hamming_distance() -> None:
    x, new = sobol(14, 3), sobol(6, 3, seed=8)
    f = two_objectives(x[:, [0, 2]]) + (x[:, 1:2] * 3).floor()
    surrogate = fit(x, f, category_sizes={1: 3})
    own = surrogate.hyperparameters
    mean, _ = surrogate.predict(new)
    for k in range(2):
        ls = own["covar_module.kernels.0.raw_lengthscale"][k, 0]
        hamming = own["covar_module.kernels.1.raw_lengthscale"][k, 0]

        def kernel(a: Tensor, b: Tensor, ls: Tensor = ls, hamming: Tensor = hamming) -> Tensor:
            smooth = torch.exp(-0.5 * torch.cdist(a[:, [0, 2]] / ls, b[:, [0, 2]] / ls).square())
            differ = (a[:, None, 1] * 3).floor() != (b[None, :, 1] * 3).floor()
            return smooth * torch.exp(-differ.double() / hamming)

        noise = own["likelihood.noise_covar.raw_noise"][k].expand(14)
        z = (f[:, k] - surrogate.mean[k]) / surrogate.scale[k]
        m, _ = posterior_by_hand(kernel(x, x), kernel(x, new), noise, own["mean_module.raw_constant"][k], z)
        torch.testing.assert_close(mean[:, k], m * surrogate.scale[k] + surrogate.mean[k], rtol=1e-5, atol=1e-5)
    shifted = new.clone()
    shifted[:, 1] = ((new[:, 1] * 3).floor() + 0.9) / 3
    torch.testing.assert_close(surrogate.predict(shifted)[0], mean)


def test_exact_observations_are_interpolated() -> None:
    x = sobol(10, 2)
    f = two_objectives(x) * vec(1e12, 1e-12)
    mean, variance = fit(x, f, f_var=torch.zeros_like(f)).predict(x)
    torch.testing.assert_close(mean, f, rtol=2e-3, atol=0)
    assert bool((variance.sqrt() / f.std(0) < 2e-3).all())


def test_hyperparameters_start_the_next_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    x = sobol(20, 2)
    f, g = two_objectives(x), x[:, :1] - 0.4
    cold, first = fit(x, f, g), fit(x[:1], f[:1], g[:1])
    own = cold.hyperparameters
    assert {k: v.shape for k, v in own.items()} == {k: v.shape for k, v in first.hyperparameters.items()}
    with monkeypatch.context() as patch:
        patch.setattr(fitting, "STEPS", 0)  # the start of greatest density, for each output
        near = {name: value * 1.01 for name, value in own.items()}
        held = fit(x, f, g, warm=near).hyperparameters
        assert all(torch.allclose(held[name], value) for name, value in near.items())
    warm = fit(x, f, g, warm=own)
    for name, value in warm.hyperparameters.items():
        torch.testing.assert_close(value, own[name], rtol=0.05, atol=0.02)
    again = fit(x, f, g)
    assert all(torch.equal(value, own[name]) for name, value in again.hyperparameters.items())
    with pytest.raises(ValueError, match="expected warm hyper-parameters"):
        fit(x, f, warm=own)


def test_known_noise_leaves_the_noise_of_constraints_to_be_inferred() -> None:
    x = sobol(12, 2)
    f, g = two_objectives(x), x[:, :1] - 0.4
    surrogate = fit(x, f, g, f_var=torch.full_like(f, 0.01))
    noises = [name for name in surrogate.hyperparameters if "noise" in name]
    assert noises == ["models.1.likelihood.noise_covar.raw_noise"]
    mean, variance = surrogate.predict(x)
    assert mean.shape == variance.shape == (12, 3)
    torch.testing.assert_close(mean[:, 2:], g, rtol=0, atol=0.05)
    new = suggest(surrogate, baseline_x=x, n=2, seed=1, **LIGHT)
    assert new.shape == (2, 2) and bool((two_objectives(new) < f.amax(0)).all())


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda a: a | {"x": a["x"] * 2}, ValueError, "unit cube"),
        (lambda a: a | {"x": a["x"][:0], "f": a["f"][:0]}, ValueError, "at least one point"),
        (lambda a: a | {"f": a["f"].log()}, ValueError, "finite f"),
        (lambda a: a | {"f": a["f"][:3]}, ValueError, "n = 6 rows"),
        (lambda a: a | {"f": a["f"].int()}, TypeError, "floating-point f"),
        (lambda a: a | {"f_var": -a["f"].abs()}, ValueError, "f_var >= 0"),
        (lambda a: a | {"category_sizes": {2: 3}}, ValueError, "category_sizes"),
    ],
)
def test_bad_input_is_named(change: Callable[[dict], dict], error: type[Exception], words: str) -> None:
    arguments = change({"x": sobol(6, 2), "f": two_objectives(sobol(6, 2))})
    with pytest.raises(error, match=words):
        fit(**arguments)


def test_a_failed_fit_keeps_the_prior_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("no attempt worked")

    monkeypatch.setattr(fitting, "descend", fails)
    x = sobol(8, 2)
    with caplog.at_level(logging.WARNING, "moopt"):
        surrogate = fit(x, two_objectives(x))
    assert "no hyper-parameters fit 8 points" in caplog.text and "no attempt worked" in caplog.text
    found = surrogate.hyperparameters["covar_module.raw_lengthscale"]
    torch.testing.assert_close(found, torch.full((2, 1, 2), 0.8 * math.sqrt(2), dtype=torch.float64))
    assert bool(surrogate.predict(x)[0].isfinite().all())


# --------------------------------------------------------------------------------------- the acquisition function


def score_of(
    surrogate: Surrogate,
    reference: Tensor,
    pending: Tensor | None = None,
    n_draws: int = 256,
    failure: FailureModel | None = None,
    kind: type[Score] = Improvement,
) -> Score:
    m = surrogate.f.shape[-1]
    with reproducible(0, reference.device, len(surrogate.x)):
        score = kind(surrogate, failure, n_draws, (reference - surrogate.mean[:m]) / surrogate.scale[:m])
        return score.with_pending(surrogate.x[:0] if pending is None else pending)


@pytest.mark.parametrize(
    ("sides", "alone", "noise", "draws"),
    [(8192, True, 0.0, 4), (8192, True, 0.1, 32), (8192, False, 0.0, 32), (100, False, 0.0, 5), (20, False, 0.0, 2),
     (20, True, 0.0, 1)],
)  # fmt: skip
def test_large_fronts_take_fewer_draws(
    monkeypatch: pytest.MonkeyPatch, sides: int, alone: bool, noise: float, draws: int
) -> None:
    """Nine points of a front make ten boxes of two sides."""
    monkeypatch.setattr(acquisition, "MOST_SIDES", sides)
    x = torch.linspace(0, 1, 9, dtype=torch.float64)[:, None]
    f = torch.cat([x, 1 - x], 1)
    surrogate = fit(x, f, f_var=torch.full_like(f, noise**2))
    score = acquisition._score(surrogate, None, vec(1.1, 1.1), "hypervolume", None, alone)
    assert score is not None and len(score.known.values) == draws


@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("n_pending", [0, 2])
def test_value_is_that_of_the_plain_acquisition_function(
    noisy: bool, n_pending: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acquisitions, "BELIEFS", ((1.0,), (1.0,)))
    x, new, pending = sobol(10, 2), sobol(6, 2, seed=9), sobol(2, 2, seed=4)[:n_pending]
    f, g = two_objectives(x) * vec(1e6, 1.0), (x[:, :1] - 0.6)
    reference = vec(3e6, 1.0)
    # no constraints beside known noise: BoTorch's joint posterior of two models with several outputs mixes these up
    surrogate = fit(x, f, f_var=vec(0.04e12, 0.04).expand(10, 2)) if noisy else fit(x, f, g)
    value = score_of(surrogate, reference, pending, n_draws=4096).many(new).exp()
    mean, scale = surrogate.mean, surrogate.scale
    with reproducible(0, x.device, 10):
        plain = qNoisyExpectedHypervolumeImprovement(
            surrogate.model,
            -(reference - mean[:2]) / scale[:2],
            x,
            SobolQMCNormalSampler(torch.Size([4096]), seed=5),
            GenericMCMultiOutputObjective(lambda samples, X=None: -samples[..., :2]),
            constraints=None if noisy else [lambda samples: samples[..., 2] + mean[2] / scale[2]],
            X_pending=pending if n_pending else None,
        )
        with torch.no_grad():
            expected = plain(new.unsqueeze(1))
    assert float(expected.max()) > 0.05
    torch.testing.assert_close(value, expected, rtol=0.03, atol=2e-3)


def test_value_is_the_expected_feasible_hypervolume_gain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Second implementation: plain Monte Carlo over independent predictions, hypervolumes by a sweep."""
    monkeypatch.setattr(acquisitions, "BELIEFS", ((1.0,), (1.0,)))
    x, new = sobol(8, 2), sobol(3, 2, seed=21)
    f, g = two_objectives(x), (x[:, 1:] - 0.7) * 10
    reference = vec(2.5, 0.2)
    surrogate = fit(x, f, g, f_var=torch.zeros_like(f))
    value = score_of(surrogate, reference, n_draws=512).many(new).exp() * surrogate.scale[:2].prod()
    mean, variance = surrogate.predict(new)
    generator = torch.Generator().manual_seed(1)
    draws = mean + variance.sqrt() * torch.randn(1500, 3, 3, dtype=torch.float64, generator=generator)
    known = f[(g <= 0).all(1)]
    before = volume(known, reference)
    for i in range(3):
        gains = [
            volume(torch.cat([known, draw[:2].unsqueeze(0)]), reference) - before if draw[2] <= 0 else 0.0
            for draw in draws[:, i]
        ]
        assert float(value[i]) == pytest.approx(np.mean(gains), rel=0.1, abs=5e-3)


def test_value_is_the_mean_of_beliefs() -> None:
    """Expected improvement of one objective is known: with the model's deviation, and seldom with twice that."""
    x, new = sobol(8, 2), sobol(5, 2, seed=21)
    f = two_objectives(x)[:, :1]
    surrogate = fit(x, f, f_var=torch.zeros_like(f))
    value = score_of(surrogate, vec(100.0), n_draws=64).many(new).exp() * surrogate.scale[0]
    mean, variance = surrogate.predict(new)
    normal = torch.distributions.Normal(0.0, 1.0)

    def expected(deviation: Tensor) -> Tensor:
        z = (f.min() - mean[:, 0]) / deviation
        return deviation * (normal.log_prob(z).exp() + z * normal.cdf(z))

    by_hand = 0.97 * expected(variance[:, 0].sqrt()) + 0.03 * expected(2 * variance[:, 0].sqrt())
    torch.testing.assert_close(value, by_hand, rtol=0.02, atol=1e-5)


def test_a_known_point_promises_nothing() -> None:
    """Also beside it: what is added to a covariance so that it has a factor is no doubt about the function."""
    x = sobol(10, 2)
    score = score_of(fit(x, two_objectives(x), deterministic=True), vec(3.0, 3.0), n_draws=4)
    assert float(score.many(x).max()) < math.log(1e-5)
    assert float(score.many((x + 1e-7).clamp(0, 1)).max()) < math.log(1e-5)


def test_exact_zeros_of_a_clipped_constraint_count_as_feasible() -> None:
    x = sobol(14, 2)
    f, violation = two_objectives(x), (x[:, :1] - 0.5).clamp_min(0) * 7
    surrogate = fit(x, f, violation)
    least = violation[violation > 0].min()
    torch.testing.assert_close(surrogate.limits, least.reshape(1) / 2)
    value = score_of(surrogate, vec(3.0, 1.0))
    free = score_of(fit(x, f), vec(3.0, 1.0))
    inside = torch.tensor([[0.2, 0.62]], dtype=torch.float64)
    outside = torch.tensor([[0.9, 0.4]], dtype=torch.float64)
    assert float(value.many(inside)) > float(free.many(inside)) - 0.5
    assert float(value.many(outside)) < float(free.many(outside)) - 3
    assert fit(x, f, torch.zeros(14, 1, dtype=torch.float64)).limits.tolist() == [1.0]
    assert fit(x, f, x[:, :1] + 3).limits.tolist() == [0.0]


def test_reference_point_is_botorchs() -> None:
    f = torch.tensor([[1.0, 40.0], [3.0, 10.0], [2.0, 90.0], [7.0, 2.0], [8.0, 8.0]], dtype=torch.float64)
    expected = -botorch_hypervolume.infer_reference_point(-f[is_non_dominated(-f)])
    torch.testing.assert_close(infer_reference_point(f), expected)
    torch.testing.assert_close(infer_reference_point(f), vec(7.6, 43.8))
    failed = torch.cat([f, torch.tensor([[math.nan, 0.0]], dtype=torch.float64)])
    torch.testing.assert_close(infer_reference_point(failed), expected)
    half = infer_reference_point(f, reference_point=vec(math.nan, 5.0))
    assert half.tolist() == pytest.approx([7.6, 5.0])
    feasible = torch.tensor([[1.0], [-1.0], [0.0], [2.0], [-3.0]], dtype=torch.float64)
    assert infer_reference_point(f, feasible).tolist() == pytest.approx([8.6, 98.2])
    torch.testing.assert_close(infer_reference_point(f, feasible.abs() + 1), expected)
    assert infer_reference_point(f[3:4]).tolist() == pytest.approx([7.7, 2.2])
    with pytest.raises(ValueError, match="at least one finite row"):
        infer_reference_point(f * math.nan)


# ------------------------------------------------------------------------------------------------------ suggestions


def test_same_seed_same_bits_and_nothing_global_changes() -> None:
    x = sobol(8, 2)
    surrogate = fit(x, two_objectives(x), x[:, :1] - 0.6)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    kernel = logei._C, logei._load_attempted
    copy = x.clone()
    with torch.no_grad():
        a = suggest(surrogate, baseline_x=x, n=2, seed=7, **LIGHT)
    fit(x, two_objectives(x))
    b = suggest(surrogate, baseline_x=x, n=2, seed=7, **LIGHT)
    assert torch.equal(a, b) and torch.equal(x, copy)
    assert not torch.equal(a, suggest(surrogate, baseline_x=x, n=2, seed=8, **LIGHT))
    assert torch.equal(torch.get_rng_state(), before[0]) and np.array_equal(np.random.get_state()[1], before[1])
    assert random.getstate() == before[2] and torch.get_num_threads() == 2
    torch.set_num_threads(threads)
    assert (logei._C, logei._load_attempted) == kernel


def test_units_do_not_matter() -> None:
    """Powers of two scale without rounding, so every bit of the suggestion must stay."""
    x = sobol(10, 2)
    f, g, reference = two_objectives(x), x[:, :1] - 0.6, vec(3.0, 1.0)
    units = vec(2.0**40, 2.0**-40)
    a = suggest(fit(x, f, g), baseline_x=x, reference_point=reference, seed=3, **LIGHT)
    b = suggest(fit(x, f * units, g * 2.0**40), baseline_x=x, reference_point=reference * units, seed=3, **LIGHT)
    assert torch.equal(a, b)


def test_pending_points_are_taken_into_account() -> None:
    x = sobol(10, 2)
    surrogate = fit(x, two_objectives(x))
    first = suggest(surrogate, baseline_x=x, seed=7)
    second = suggest(surrogate, baseline_x=x, pending_x=first, seed=7)
    assert float((first - second).abs().max()) > 0.02
    both = suggest(surrogate, baseline_x=x, n=2, seed=7)
    torch.testing.assert_close(both[:1], first)
    assert float((both[0] - both[1]).abs().max()) > 0.02
    # improvement at a pending point is already counted, and the best of what remains is taken
    reference = infer_reference_point(surrogate.f)
    free, conditioned = score_of(surrogate, reference), score_of(surrogate, reference, first)
    assert float(conditioned.many(first)) < float(free.many(first)) - 1
    for point in (second, both[1:]):
        assert float(conditioned.many(point)) > float(conditioned.many(sobol(512, 2)).max()) - 0.03


def grid_round(steps: tuple[int, ...]) -> Callable[[Tensor], Tensor]:
    """Column j holds steps[j] values in the middle of equal cells; 0 is continuous."""

    def round_(x: Tensor) -> Tensor:
        x = x.clone()
        for j, k in enumerate(steps):
            if k:
                x[..., j] = ((x[..., j] * k).floor().clamp(0, k - 1) + 0.5) / k
        return x

    return round_


def test_a_finite_space_is_exhausted_without_a_duplicate(caplog: pytest.LogCaptureFixture) -> None:
    round_ = grid_round((3, 4))
    x = round_(torch.tensor([[0.1, 0.1], [0.9, 0.6]], dtype=torch.float64))
    for i in range(5):
        surrogate = fit(x, two_objectives(x), category_sizes={1: 4})
        new = suggest(surrogate, baseline_x=x, n=2, seed=i, round_=round_, **LIGHT)
        assert torch.equal(new, round_(new))
        x = torch.cat([x, new])
    assert len(torch.unique(x, dim=0)) == 12
    with caplog.at_level(logging.WARNING, "moopt"):
        suggest(fit(x, two_objectives(x)), baseline_x=x, seed=1, round_=round_, **LIGHT)
    assert "every point of the space" in caplog.text


class Known:
    """A score that is known exactly."""

    chunk = 64

    def __init__(self, value: Callable[[Tensor], Tensor]) -> None:
        self.value = value

    def __call__(self, x: Tensor) -> Tensor:
        return self.value(x)

    def many(self, x: Tensor) -> Tensor:
        return self.value(x.detach())


def search_of(
    value: Callable[[Tensor], Tensor], round_: Callable[[Tensor], Tensor], sizes: dict[int, int], known: Tensor
) -> Tensor:
    """The best point that the search finds for a score that is known exactly, from 16 raw points."""
    levels = search.column_levels(round_, known.shape[1], sizes, known.device)
    maximise = search.Search(round_, levels, sizes, known[:0], n_raw=16, n_restarts=2)
    with reproducible(5, known.device, 10):
        return maximise(Known(value), known[:0], known)[0]


def test_search_finds_the_known_maximum_of_a_mixed_space() -> None:
    round_ = grid_round((40, 7, 0))

    def value(x: Tensor) -> Tensor:
        category = (x[:, 1] * 7).floor()
        # the best real value depends on the category, so one pass of each kind is not enough
        discrete = -((x[:, 0] * 40 - 33.5) ** 2) / 50 - 0.5 * (category - 5).abs()
        return discrete - 4 * (x[:, 2] - 0.1 * category - 0.1317) ** 2

    best = search_of(value, round_, {1: 7}, torch.full((1, 3), 0.5, dtype=torch.float64))
    torch.testing.assert_close(best, vec(33.5 / 40, 5.5 / 7, 0.6317), atol=1e-4, rtol=0)


def test_search_steps_around_known_points() -> None:
    """Of 64,000 points the best is known; the second best is one step away in the second column."""
    round_ = grid_round((40, 40, 40))

    def value(x: Tensor) -> Tensor:
        return -(((x * 40 - vec(31.5, 8.4, 20.5)) * vec(3, 1, 2)) ** 2).sum(-1) / 100

    known = vec(31.5, 8.5, 20.5).unsqueeze(0) / 40
    torch.testing.assert_close(search_of(value, round_, {}, known), vec(31.5, 7.5, 20.5) / 40)


def test_mixed_space_is_searched_by_steps_and_gradients() -> None:
    """The best cell (integer 5 of 6, category 2 of 3, real near 0.3) is found from twelve points."""
    round_ = grid_round((6, 3, 0))

    def loss(x: Tensor) -> Tensor:
        a = (x[:, 0] * 6 - 4.5).abs() / 3 + ((x[:, 1] * 3).floor() - 2).abs() * 0.5
        return torch.stack([a + (x[:, 2] - 0.3) ** 2, a + (x[:, 2] - 0.35) ** 2 * 2 - 4], dim=1)

    x = round_(sobol(12, 3, seed=5))
    assert not bool(((x[:, 0] * 6).floor() == 4).logical_and((x[:, 1] * 3).floor() == 2).any())
    for i in range(4):
        new = suggest(fit(x, loss(x), category_sizes={1: 3}), baseline_x=x, seed=i, round_=round_)
        assert torch.equal(round_(new), new)
        x = torch.cat([x, new])
    best = x[loss(x).sum(1).argmin()]
    assert (int(best[0] * 6), int(best[1] * 3)) == (4, 2) and abs(float(best[2]) - 0.32) < 0.15
    assert len(torch.unique(x, dim=0)) == len(x)


def test_failures_are_learned_and_avoided() -> None:
    """Everything beyond x1 = 0.55 fails, and the objectives look best there."""
    x = sobol(12, 2, seed=6)
    failed = x[:, 0] > 0.55
    assert int(failed.sum()) == 5
    f = torch.stack([1 - x[:, 0] + 0.2 * x[:, 1], 2 - x[:, 0] - 0.3 * x[:, 1]], dim=1)
    surrogate, failure = fit(x[~failed], f[~failed]), fit_failure(x, failed)
    assert failure is not None
    inside = torch.tensor([[0.1, 0.3], [0.25, 0.8]], dtype=torch.float64)
    outside = torch.tensor([[0.95, 0.4], [0.9, 0.8]], dtype=torch.float64)
    assert bool((failure.probability(inside) < 0.2).all()) and bool((failure.probability(outside) > 0.8).all())
    torch.testing.assert_close(failure.log_success(inside).exp(), 1 - failure.probability(inside))
    reference = infer_reference_point(surrogate.f)
    free, aware = score_of(surrogate, reference), score_of(surrogate, reference, failure=failure)
    torch.testing.assert_close(aware.many(outside), free.many(outside) + failure.log_success(outside))
    bold = suggest(surrogate, baseline_x=x, n=3, seed=2, **LIGHT)
    careful = suggest(surrogate, failure, baseline_x=x, n=3, seed=2, **LIGHT)
    assert bool((failure.probability(bold) > 0.9).any()) and bool((failure.probability(careful) < 0.6).all())


def test_few_failures_are_enough_to_leave_the_failing_half() -> None:
    """Everything beyond x1 = 0.55 fails, where the second objective has its optimum."""
    x = sobol(8, 2, seed=7)
    assert int((x[:, 0] > 0.55).sum()) == 3
    for i in range(10):
        failed = x[:, 0] > 0.55
        surrogate, failure = fit(x[~failed], two_objectives(x[~failed])), fit_failure(x, failed)
        x = torch.cat([x, suggest(surrogate, failure, baseline_x=x, seed=i, **LIGHT)])
    assert int((x[8:, 0] > 0.55).sum()) <= 3 and not bool((x[-5:, 0] > 0.6).any())


def test_all_failed_spreads_away_from_the_failures() -> None:
    x = torch.tensor([[0.1, 0.2], [0.15, 0.3], [0.2, 0.1]], dtype=torch.float64)
    failure = fit_failure(x, torch.ones(3, dtype=torch.bool))
    new = suggest(None, failure, baseline_x=x, n=3, seed=1, **LIGHT)
    assert float(torch.cdist(new, x).min()) > 0.4 and float(torch.pdist(new).min()) > 0.4
    assert failure is not None and bool((failure.probability(x) > 0.9).all())
    assert fit_failure(x, torch.zeros(3, dtype=torch.bool)) is None
    with pytest.raises(TypeError, match=r"torch\.bool"):
        fit_failure(x, torch.ones(3))


def test_nothing_known_fills_space() -> None:
    new = suggest(None, baseline_x=torch.empty(0, 3, dtype=torch.float64), n=6, seed=1, **LIGHT)
    assert new.shape == (6, 3) and float(torch.pdist(new).min()) > 0.3


def test_nothing_feasible_looks_for_feasibility_first() -> None:
    """Feasible is only x1 < 0.15; everything known lies beyond 0.35, the objectives pull to larger x1."""
    x = sobol(10, 2) * vec(0.6, 1.0) + vec(0.35, 0.0)
    found = []
    for i in range(3):
        surrogate = fit(x, two_objectives(x) - x[:, :1] * 5, (x[:, :1] - 0.15) * 30)
        x = torch.cat([x, suggest(surrogate, baseline_x=x, seed=i, **LIGHT)])
        found.append(float(x[-1, 0]))
    assert found[0] < 0.15 and max(found) < 0.2


def test_bad_arguments_of_a_suggestion_are_named() -> None:
    x = sobol(5, 2)
    surrogate = fit(x, two_objectives(x))
    with pytest.raises(ValueError, match=r"reference_point\[m\] with m = 2"):
        suggest(surrogate, baseline_x=x, reference_point=vec(1.0, 2.0, 3.0))
    with pytest.raises(ValueError, match="models of d = 3 columns"):
        suggest(surrogate, baseline_x=sobol(5, 3))
    with pytest.raises(ValueError, match="n >= 1"):
        suggest(surrogate, baseline_x=x, n=0)


@pytest.mark.parametrize(
    "case", ["one point", "constant", "zero", "tiny", "huge", "duplicates", "contradicting duplicates", "line"]
)
def test_degenerate_data_still_gives_a_model_and_new_points(case: str) -> None:
    x = sobol(1 if case == "one point" else 7, 2)
    f = two_objectives(x)
    if case == "constant":
        f[:, 1] = -3.0
    elif case == "zero":
        f = f * 0
    elif case in ("tiny", "huge"):
        f = f * (1e-12 if case == "tiny" else 1e12)
    elif "duplicates" in case:
        x, f = x.repeat(3, 1), f.repeat(3, 1)
        f = f + (torch.arange(21).unsqueeze(1) if case.startswith("contra") else 0)
    elif case == "line":
        x[:, 1] = 0.5
    surrogate = fit(x, f, f_var=torch.zeros_like(f) if case.endswith("duplicates") else None)
    mean, variance = surrogate.predict(x)
    assert bool(mean.isfinite().all()) and bool((variance >= 0).all())
    new = suggest(surrogate, baseline_x=x, n=2, seed=4, **LIGHT)
    assert bool(((new >= 0) & (new <= 1)).all())
    assert float(torch.cdist(new, x, p=math.inf).min()) > 1e-6 and float((new[0] - new[1]).abs().max()) > 1e-6


def test_a_broken_optimiser_leaves_the_best_scored_point(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    x = sobol(10, 2)
    surrogate = fit(x, two_objectives(x))
    good = suggest(surrogate, baseline_x=x, seed=4)

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("gradient is not a number")

    monkeypatch.setattr(search, "descend", fails)
    with caplog.at_level(logging.WARNING, "moopt"):
        fallback = suggest(surrogate, baseline_x=x, seed=4)
    assert "optimiser failed" in caplog.text and "gradient is not a number" in caplog.text
    value = score_of(surrogate, infer_reference_point(surrogate.f)).many(torch.cat([good, fallback, sobol(64, 2)]))
    assert value[0] >= value[1] - 0.02 and float((value[1] > value[2:]).double().mean()) > 0.9


def test_a_broken_acquisition_function_fills_space(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("matrix is not positive definite")

    monkeypatch.setattr(acquisition, "Improvement", fails)
    x = sobol(6, 2)
    with caplog.at_level(logging.WARNING, "moopt"):
        new = suggest(fit(x, two_objectives(x)), baseline_x=x, n=2, seed=4, **LIGHT)
    assert "filling space" in caplog.text and "not positive definite" in caplog.text
    assert float(torch.cdist(new, torch.cat([x, new[:1]]))[1].min()) > 0.15


def test_one_objective_is_minimised() -> None:
    x = sobol(8, 2)
    for i in range(4):
        f = ((x - vec(0.3, 0.65)) ** 2).sum(1, keepdim=True)
        x = torch.cat([x, suggest(fit(x, f), baseline_x=x, seed=i, **LIGHT)])
    assert float((x[-4:] - vec(0.3, 0.65)).norm(dim=1).min()) < 0.05


def test_attains_most_of_the_hypervolume_of_branin_currin() -> None:
    problem, reference = BraninCurrin().to(torch.float64), vec(18.0, 6.0)
    x, warm = sobol(6, 2, seed=0), None
    for i in range(16):
        surrogate = fit(x, problem(x), warm=warm)
        warm = surrogate.hyperparameters
        new = suggest(surrogate, baseline_x=x, reference_point=reference, seed=i, **LIGHT)
        x = torch.cat([x, new])
    # of 59.36; quasi-random points reach 9 after 80 evaluations
    assert volume(problem(x), reference) > 48


def test_importing_the_package_does_not_load_botorch() -> None:
    code = "import sys, moopt.surrogate; print([m for m in ('botorch', 'gpytorch', 'scipy.stats') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
