"""Crossover and mutation of real-valued points."""
