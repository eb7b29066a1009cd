"""Rigid bodies in MuJoCo: many worlds of one model that step together, on all cores or on a GPU (extra `robot`)."""

from moopt.physics.base import BodyState, Physics, physics
from moopt.physics.model import gymnasium_model

__all__ = ["BodyState", "Physics", "gymnasium_model", "physics"]
