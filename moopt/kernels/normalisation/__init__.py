"""Objectives on the scale of their front."""
