"""Boxes that fill what no point dominates."""
