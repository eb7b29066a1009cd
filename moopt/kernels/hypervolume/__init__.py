"""Exact hypervolume, and what each point adds to it."""

from moopt.kernels.hypervolume.reference import contributions, volume

__all__ = ["contributions", "volume"]
