"""Counter-based random numbers."""

from moopt.kernels.philox.reference import bits, uniform

__all__ = ["bits", "uniform"]
