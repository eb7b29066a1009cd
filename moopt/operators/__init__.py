"""Creates solutions from solutions: pure functions of points and uniform draws."""

from moopt.operators.crossover import sbx
from moopt.operators.mutation import polynomial_mutation
from moopt.operators.variation import Variation

__all__ = ["Variation", "polynomial_mutation", "sbx"]
