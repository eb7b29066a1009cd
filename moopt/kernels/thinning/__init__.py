"""What a set of bounded size keeps, so that it stays spread."""

from moopt.kernels.thinning.reference import thin

__all__ = ["thin"]
