"""Robots: their control and their bodies."""
