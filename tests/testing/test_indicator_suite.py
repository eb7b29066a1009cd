"""The suite of indicators finds what is wrong with them, and nothing where nothing is."""

import pytest
import torch

from moopt.indicators.table import INDICATORS, Indicator
from moopt.testing import ContractError, check_indicator

igd = INDICATORS["igd"].function


def in_a_batch(f, front):
    """Moves sets by the mean of all that come together."""
    return igd(f - f[..., 0, 0].nan_to_num().mean(), front)


def of_failures(f, front):
    """Takes NaN for the ideal."""
    return igd(f.nan_to_num(), front)


def ordered(f, front):
    """Weighs points by their place."""
    weights = torch.arange(1, f.shape[-2] + 1, dtype=f.dtype)
    return igd(f * weights[:, None], front)


def single(f, front):
    return igd(f, front).float()


def in_place(f, front):
    return igd(f.mul_(1.5), front)


def of_nothing(f, front):
    """Nothing is perfect."""
    return igd(f, front) if f.shape[-2] else torch.zeros(f.shape[:-2], dtype=torch.float64)


@pytest.mark.parametrize(
    "function, sentence",
    [
        (in_a_batch, "a set alone scores otherwise"), (of_failures, "a failed row changes the score"),
        (ordered, "the order of points|a failed row"), (single, "expected float64"), (in_place, "changes the points"),
        (of_nothing, "no point at all does not score worst"),
    ],
)  # fmt: skip
def test_broken_indicators_are_found(function, sentence):
    check_indicator(INDICATORS["igd"])
    with pytest.raises(ContractError, match=sentence):
        check_indicator(Indicator(function, False, "front"))


def test_the_wrong_sense_is_found():
    with pytest.raises(ContractError, match="the nearer front does not score better"):
        check_indicator(Indicator(igd, True, "front"))
