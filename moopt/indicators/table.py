"""Every indicator that a run or a study can be told by: what it needs and whether more of it is better."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from torch import Tensor

from moopt.core import checks
from moopt.indicators.distance import gd, gd_plus, igd, igd_plus
from moopt.indicators.epsilon import epsilon_additive
from moopt.indicators.hypervolume import SAMPLES, hypervolume
from moopt.indicators.utility import expected_utility, r2


@dataclass(frozen=True)
class Indicator:
    """How a set is told by one number.

    `function` takes points f[..., n, m] and what the indicator `needs`, and gives float64[...]: a reference point, the
    points of a front, or, where it needs a scale, `None`: f is then scaled so that the ideal is 0 and the nadir 1.
    """

    function: Callable[[Tensor, Any], Tensor]
    higher_is_better: bool
    needs: Literal["reference point", "front", "scale"]


def _r2(scaled: Tensor, _: None) -> Tensor:
    return r2(scaled, 0.0)


def _utility(scaled: Tensor, _: None) -> Tensor:
    """From 0 at the nadir to 1 at the ideal."""
    return 1.0 - expected_utility(scaled)


INDICATORS = {
    "hypervolume": Indicator(partial(hypervolume, samples=SAMPLES), True, "reference point"),
    "igd": Indicator(igd, False, "front"),
    "igd_plus": Indicator(igd_plus, False, "front"),
    "gd": Indicator(gd, False, "front"),
    "gd_plus": Indicator(gd_plus, False, "front"),
    "epsilon_additive": Indicator(epsilon_additive, False, "front"),
    "r2": Indicator(_r2, False, "scale"),
    "expected_utility": Indicator(_utility, True, "scale"),
}


def indicator(name: str) -> Indicator:
    """The indicator of a name. Raises InputError for an unknown one."""
    if name not in INDICATORS:
        near = checks.nearest(str(name), INDICATORS)
        raise checks.InputError(f"expected an indicator among {', '.join(INDICATORS)}, got {name!r}{near}")
    return INDICATORS[name]
