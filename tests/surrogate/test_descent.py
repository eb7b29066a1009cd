"""Many minimisations at once: optima of textbooks, scipy's, bounds, and rows that know nothing of each other."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize, rosen, rosen_der

from moopt.surrogate.descent import descend


def rosenbrock(x, asked):
    return (100 * (x[:, 1:] - x[:, :-1] ** 2) ** 2 + (1 - x[:, :-1]) ** 2).sum(-1)


def starts(b, p, seed=0):
    return torch.rand(b, p, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * 4 - 2


def test_rosenbrock_is_minimised_from_everywhere():
    x, value = descend(rosenbrock, starts(20, 5), -2.0, 2.0, steps=300, tolerance=1e-12)
    best = value.min()
    assert best < 1e-9 and torch.allclose(x[value.argmin()], torch.ones(5).double(), atol=1e-4)
    assert ((value < 1e-6) | (value - 3.93).abs().lt(0.01)).all()  # its other local minimum, for p = 4 to 7


def test_bounded_minima_are_those_of_scipy():
    """Optima at corners, on edges and inside, by scipy's L-BFGS-B from the same points."""
    low, high = torch.tensor([-0.5, 0.2, -1.0]).double(), torch.tensor([0.4, 0.9, 1.5]).double()
    at = starts(8, 3, seed=1).clamp(low, high)
    x, value = descend(rosenbrock, at, low, high, steps=200, tolerance=1e-12)
    assert ((x >= low) & (x <= high)).all()
    for start, mine, its in zip(at, x, value, strict=True):
        bounds = list(zip(low.tolist(), high.tolist(), strict=True))
        found = minimize(rosen, start.numpy(), jac=rosen_der, method="L-BFGS-B", bounds=bounds, tol=1e-14)
        assert its.item() == pytest.approx(found.fun, abs=1e-8)
        np.testing.assert_allclose(mine.numpy(), found.x, atol=1e-4)


@pytest.mark.parametrize("p", [1, 6])
def test_a_quadratic_takes_about_as_many_steps_as_it_has_variables(p):
    scale = torch.logspace(0, 3, p, dtype=torch.float64)
    calls = []

    def quadratic(x, asked):
        calls.append(len(x))
        return (scale * (x - 0.3) ** 2).sum(-1)

    x, value = descend(quadratic, starts(4, p), -9.0, 9.0, steps=100, tolerance=1e-14)
    assert torch.allclose(x, torch.full_like(x, 0.3), atol=1e-5) and len(calls) < 12 + 8 * p


def test_rows_do_not_know_each_other():
    """Nor is one asked for more often beside others than alone, or believed where it is not asked."""
    rows = []

    def counted(x, asked):
        rows.append(int(asked.sum()))
        return torch.where(asked, rosenbrock(x, asked), -torch.inf)

    together = descend(counted, starts(6, 3), -2.0, 2.0, steps=40)
    needed, calls = sum(rows), len(rows)
    rows.clear()
    for i in range(6):
        alone = descend(counted, starts(6, 3)[i : i + 1], -2.0, 2.0, steps=40)
        torch.testing.assert_close(alone[0][0], together[0][i], rtol=1e-9, atol=1e-9)
    assert needed == sum(rows) < 6 * calls


def test_what_is_no_number_is_infinitely_bad():
    """sqrt has none below zero: a row that starts there stays, the others end at their optimum beside it."""
    at = torch.tensor([[-1.0], [2.0]]).double()
    x, value = descend(lambda x, asked: (x.sqrt() - 0.1).square().sum(-1), at, -2.0, 3.0, 80)
    assert value[0] == torch.inf and x[0] == -1
    assert x[1].item() == pytest.approx(0.01, abs=1e-3)


def test_variables_between_equal_bounds_stay():
    low, high = torch.tensor([-2.0, 0.5]).double(), torch.tensor([2.0, 0.5]).double()
    x, _ = descend(rosenbrock, torch.tensor([[-1.0, 0.5]]).double(), low, high, steps=100)
    assert x[0, 1] == 0.5 and abs(abs(x[0, 0].item()) - 0.5**0.5) < 0.01
