"""Pareto ranks, crowding distances, and who survives by both."""

from moopt.kernels.ranking.reference import crowding, rank, survivors

__all__ = ["crowding", "rank", "survivors"]
