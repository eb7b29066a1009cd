"""The suite of kernels finds what is wrong with them, and nothing where nothing is."""

import pytest
import torch

from moopt.kernels.kernel import Kernel
from moopt.testing import ContractError, check_kernel


class Versioned(Kernel):
    """A kernel with a faster version that is given."""

    fast = None

    def version(self, device_type):
        return self.fast or self.reference


def _suite_ranks(x):
    """Places in ascending order, by rows x[..., n]."""
    return x.argsort(-1).argsort(-1)


def made(name, function, like=None):
    function.__name__ = f"_suite_{name}"
    like = like or (lambda x: x.new_empty(x.shape, dtype=torch.int64))
    return Versioned(function, "(Tensor x) -> Tensor", like)


RANKS = made("ranks", _suite_ranks)
X = torch.tensor([[0.5, -1.0, 2.5], [3.0, 0.25, 0.125], [7.0, 8.0, -9.0], [0.1, 0.3, 0.2]], dtype=torch.float64)


def shifted(x):
    """Wrong by one place, in a version only."""
    return (_suite_ranks(x) + 1) % x.shape[-1]


def over_the_batch(x):
    """Ranks members among one another."""
    return x.argsort(0).argsort(0)


def of_two_dimensions(x):
    return _suite_ranks(x) if x.ndim < 3 else _suite_ranks(x).flip(-1)


def sorting(x):
    """Sorts what it is given."""
    found = _suite_ranks(x)
    x.copy_(x.sort(-1).values)
    return found


def test_a_sound_kernel_passes():
    check_kernel(RANKS, X)
    check_kernel(RANKS, X.reshape(2, 2, 3))


def test_a_version_that_differs_is_found(monkeypatch):
    monkeypatch.setattr(RANKS, "fast", shifted)
    with pytest.raises(ContractError, match="^ranks|suite_ranks: differs from its reference"):
        check_kernel(RANKS, X)
    check_kernel(RANKS, X, close=lambda found, expected: bool(((found - expected) % 3 == 1).all()))


@pytest.mark.parametrize(
    "name, function, like, sentence",
    [
        ("batch", over_the_batch, None, "member 0 alone differs|member 0"),
        ("deep", of_two_dimensions, None, "a leading dimension changes"),
        ("inplace", sorting, None, "changes its arguments"),
        ("dtype", lambda x: _suite_ranks(x), lambda x: torch.empty_like(x), "other shapes or dtypes"),
        ("shape", lambda x: _suite_ranks(x), lambda x: x.new_empty(x.shape[:-1], dtype=torch.int64), "other shapes"),
    ],
)
def test_broken_kernels_are_found(name, function, like, sentence):
    with pytest.raises(ContractError, match=sentence):
        check_kernel(made(name, function, like), X.clone())
