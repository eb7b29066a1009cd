"""What reinforcement learning and alignment share: environments, policies, the search for them, batched rollouts."""

from moopt.learning.environment import Continuous, Discrete, Environment, check_environment
from moopt.learning.moments import Moments
from moopt.learning.policies import MLP, MLPPolicy, Policy, TablePolicy, Tabular
from moopt.learning.policysearch import PolicyProblem, PolicySearch
from moopt.learning.rollout import Returns, Transition, Worlds, advance, play, rollout, start

__all__ = [
    "MLP", "Continuous", "Discrete", "Environment", "MLPPolicy", "Moments", "Policy", "PolicyProblem", "PolicySearch",
    "Returns", "TablePolicy", "Tabular", "Transition", "Worlds", "advance", "check_environment", "play", "rollout",
    "start",
]  # fmt: skip
