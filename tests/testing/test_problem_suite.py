"""The suite of problems finds what is wrong with them, and nothing where nothing is."""

import pytest
import torch

import moopt
from moopt.testing import Bowls, ContractError, check_problem


class Careless(moopt.Problem):
    """Breaks one promise at a time."""

    space, n_obj = moopt.Box(0, 1, 3), 2
    fault = ""

    def __init__(self, fault):
        self.fault = fault
        self.calls = 0

    def _evaluate(self, x):
        self.calls += 1
        if self.fault == "modifies":
            x += 0.0625
        if self.fault == "global":
            torch.rand(1)
        f = x[..., :2] ** 2
        if self.fault == "batch":
            f = f - f.mean(-2, keepdim=True)
        if self.fault == "dtype":
            f = f.double()
        if self.fault == "nan":
            f = f * torch.nan
        if self.fault == "remembers":
            f = f + self.calls
        if self.fault == "folded" and x.ndim == 3 and len(x) > 1:
            f = f.flip(0)
        if self.fault == "column":
            return {"f": f, "rank": x[..., 0].argsort(-1).double()}
        return f

    @property
    def ideal(self):
        return torch.full((2,), 0.5 if self.fault == "ideal" else 0.0, dtype=torch.float64)

    @property
    def nadir(self):
        return torch.ones(2, dtype=torch.float64)

    def pareto_front(self, n):
        line = torch.linspace(0.25, 0.75, n, dtype=torch.float64)
        return torch.stack((line, line if self.fault == "front" else 1 - line), -1)


@pytest.mark.parametrize(
    "fault, sentence",
    [
        ("modifies", "changes the points"), ("global", "global random generator"), ("batch", "alone gives other"),
        ("dtype", "dtype of x, float32"), ("nan", "fails at every"), ("ideal", "beat its ideal"),
        ("remembers", "other values for the same points"), ("folded", "a leading batch dimension"),
        ("column", "alone gives other"), ("front", "holds dominated points"),
    ],
)  # fmt: skip
def test_broken_problems_are_found(fault, sentence):
    check_problem(Careless(""))
    with pytest.raises(ContractError, match=sentence):
        check_problem(Careless(fault))


class Noisy(Bowls):
    """Draws for each run, or the same numbers for all, or numbers of nobody's."""

    stochastic = True
    how = "each"

    def _evaluate(self, x, draw):
        f, g = super()._evaluate(x)
        noise = draw.rng.normal(*x.shape[-2:-1], 2).to(x.dtype)
        if self.how == "shared":
            noise = noise.mean(0, keepdim=True)
        if self.how == "global":
            noise = torch.randn_like(noise)
        return f + noise * 0.01, g


@pytest.mark.parametrize("how, sentence", [("shared", "a run alone draws other"), ("global", "global random gen")])
def test_broken_noise_is_found(how, sentence):
    noisy = Noisy()
    check_problem(noisy)
    object.__setattr__(noisy, "how", how)
    with pytest.raises(ContractError, match=sentence):
        check_problem(noisy)
