"""What is near what among many directions."""

from moopt.kernels.directions.reference import associate, nearest_direction, neighbours

__all__ = ["associate", "nearest_direction", "neighbours"]
