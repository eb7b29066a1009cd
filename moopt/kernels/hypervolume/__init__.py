"""Exact hypervolume, and what each point adds to it."""
