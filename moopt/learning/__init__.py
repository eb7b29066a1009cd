"""What reinforcement learning and alignment share: stacked policies and batched rollouts."""

from moopt.learning.moments import Moments
from moopt.learning.policy import MLP
from moopt.learning.rollout import Returns, Transition, Worlds, advance, play, rollout, start

__all__ = ["MLP", "Moments", "Returns", "Transition", "Worlds", "advance", "play", "rollout", "start"]
