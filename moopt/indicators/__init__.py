"""Scores a set of points. All objectives are minimised; every result is float64[...] for f[..., n, m]."""

from moopt.indicators.distance import gd, gd_plus, igd, igd_plus
from moopt.indicators.epsilon import epsilon_additive, epsilon_multiplicative
from moopt.indicators.hypervolume import hypervolume, hypervolume_contributions
from moopt.indicators.utility import expected_utility, r2

__all__ = [
    "epsilon_additive",
    "epsilon_multiplicative",
    "expected_utility",
    "gd",
    "gd_plus",
    "hypervolume",
    "hypervolume_contributions",
    "igd",
    "igd_plus",
    "r2",
]
