"""Distances to the nearest others."""
