"""Searches with a model of an expensive function."""
