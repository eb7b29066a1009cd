"""What reinforcement learning and alignment share: batched rollouts."""

from moopt.learning.rollout import Returns, Transition, Worlds, advance, rollout, start

__all__ = ["Returns", "Transition", "Worlds", "advance", "rollout", "start"]
