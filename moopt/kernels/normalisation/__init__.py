"""Objectives on the scale of their front."""

from moopt.kernels.normalisation.reference import extreme_points, intercepts, normalise, running_ideal

__all__ = ["extreme_points", "intercepts", "normalise", "running_ideal"]
