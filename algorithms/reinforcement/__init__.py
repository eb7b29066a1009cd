"""Learners of sequential decisions."""
