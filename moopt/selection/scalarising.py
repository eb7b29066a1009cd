"""Scalarising functions: m objectives become one number, smaller is better, for each of k weight vectors."""

from moopt.kernels.shared.scalarising import FUNCTIONS, pbi, tchebycheff, weighted_sum

__all__ = ["FUNCTIONS", "pbi", "tchebycheff", "weighted_sum"]
