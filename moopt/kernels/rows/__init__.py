"""Rows by number from tensors in parts."""

from moopt.kernels.rows.reference import rows

__all__ = ["rows"]
