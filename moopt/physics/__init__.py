"""Rigid bodies in MuJoCo: many worlds of one model that step together, on all cores or on a GPU (extra `robot`)."""

from moopt.physics.base import BodyState, Physics
from moopt.physics.control import RobotControl, Step
from moopt.physics.engines import physics
from moopt.physics.model import gymnasium_model

__all__ = ["BodyState", "Physics", "RobotControl", "Step", "gymnasium_model", "physics"]
