"""Crossover and mutation of real-valued points."""

from moopt.kernels.variation.reference import Settings, children, first_children, polynomial_mutation, sbx

__all__ = ["Settings", "children", "first_children", "polynomial_mutation", "sbx"]
