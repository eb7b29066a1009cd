"""Boxes that fill what no point dominates."""

from moopt.kernels.boxes.reference import boxes

__all__ = ["boxes"]
