"""Populations that are varied and selected."""
