"""Pareto ranks, crowding distances, and who survives by both."""
