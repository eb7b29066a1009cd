"""Logarithms of expected improvements: high precision, BoTorch's closed form, sampling."""

import math

import mpmath
import pytest
import torch
from botorch.acquisition.multi_objective.analytic import ExpectedHypervolumeImprovement
from botorch.utils.multi_objective.box_decompositions import FastNondominatedPartitioning
from botorch.utils.testing import MockModel, MockPosterior

from moopt.indicators import hypervolume
from moopt.kernels.boxes import boxes
from moopt.surrogate.improvement import Boxes, log_ehvi, log_h, log_mean_improvement, log_minus


def test_log_h_is_exact_to_the_last_digits():
    """phi(z) + z Phi(z) in 60 digits, where it underflows too."""
    mpmath.mp.dps = 60
    for z in [-1e4, -200.0, -40.0, -30.1, -29.9, -8.0, -1.01, -0.99, 0.0, 0.5, 7.0, 40.0]:
        exact = mpmath.log(mpmath.npdf(z) + mpmath.mpf(z) * mpmath.ncdf(z))
        value, slope = log_h(torch.tensor(z, dtype=torch.float64))
        assert float(value) == pytest.approx(float(exact), rel=2e-12, abs=2e-13)
        assert float(slope) == pytest.approx(float(mpmath.ncdf(z) / mpmath.exp(exact)), rel=1e-10)


def test_log_minus():
    a, b = torch.tensor([0.0, 5.0, -700.0, 3.0]).double(), torch.tensor([-math.inf, 4.999999, -701.0, -50.0]).double()
    exact = torch.tensor([0.0, 5 + math.log(-math.expm1(b[1].item() - 5)), -700 + math.log1p(-math.exp(-1)), 3.0])
    torch.testing.assert_close(log_minus(a, b), exact.double(), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_expected_hypervolume_improvement_is_botorchs(m):
    generator = torch.Generator().manual_seed(m)
    f = torch.rand(6, m, dtype=torch.float64, generator=generator)
    reference = torch.full((m,), 1.1, dtype=torch.float64)
    mean, deviation = torch.rand(2, 5, m, dtype=torch.float64, generator=generator)
    lower, upper = boxes(f, reference)
    mine = log_ehvi(mean[None], deviation, Boxes.of(lower[None], upper[None]))[0].exp()
    if m == 1:
        gain = f.min() - mean[:, 0]
        torch.testing.assert_close(mine, deviation[:, 0] * log_h(gain / deviation[:, 0])[0].exp())
        return
    partitioning = FastNondominatedPartitioning(-reference, -f)
    model = MockModel(MockPosterior(mean=-mean[:, None], variance=deviation[:, None].square()))
    theirs = ExpectedHypervolumeImprovement(model, (-reference).tolist(), partitioning)
    torch.testing.assert_close(mine, theirs(mean[:, None]), rtol=1e-6, atol=1e-10)


def test_expected_hypervolume_improvement_is_the_mean_of_samples():
    f = torch.tensor([[0.2, 0.8], [0.5, 0.4], [0.9, 0.1]]).double()
    reference, mean, deviation = torch.tensor([[1.0, 1.0], [0.4, 0.45], [0.2, 0.1]]).double()
    lower, upper = boxes(f, reference)
    value = log_ehvi(mean[None, None], deviation[None], Boxes.of(lower[None], upper[None])).exp().item()
    drawn = mean + deviation * torch.randn(20_000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    sets = torch.cat([f.expand(len(drawn), -1, -1), drawn[:, None]], 1)
    gains = hypervolume(sets, reference) - hypervolume(f, reference)
    assert value == pytest.approx(gains.mean().item(), abs=4 * gains.std().item() / len(drawn) ** 0.5)


@pytest.mark.parametrize("away", [0.0, 5.0, 40.0, 4000.0])
def test_gradient_of_expected_hypervolume_improvement(away):
    """Beside the front, and where the improvement underflows."""
    f = torch.tensor([[0.2, 0.8, 0.5], [0.5, 0.4, 0.3], [0.9, 0.1, 0.2]]).double()
    lower, upper = boxes(f, torch.ones(3).double())
    mean = (torch.rand(1, 4, 3, generator=torch.Generator().manual_seed(0)).double() + 0.1 * away).requires_grad_()
    deviation = torch.full((4, 3), 0.1).double().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda *of: log_ehvi(*of, Boxes.of(lower[None], upper[None])), (mean, deviation), rtol=1e-4
    )


def test_mean_improvement_is_smooth_and_close():
    gain = torch.tensor([0.5, 0.01, -0.3]).double().expand(4, 8, 3).clone().requires_grad_()
    value = log_mean_improvement(gain)
    torch.testing.assert_close(value[0, :2].exp(), torch.tensor([0.5, 0.01]).double(), atol=1e-4, rtol=1e-2)
    value.sum().backward()
    assert (gain.grad > 0).all()
