"""Distances to the nearest others."""

from moopt.kernels.distances.reference import closest, nearest_distances

__all__ = ["closest", "nearest_distances"]
