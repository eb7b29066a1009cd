"""Group advantages: how much better a completion was than its group, by several rewards at once.

An aggregator is a pure function of rewards[..., G, k], larger is better, of the G completions of a group, and
weights[..., k] >= 0. It gives advantage[..., G] = sum_i c_i (r_i - mean_i), with the mean and the standard
deviation (G - 1 in its denominator) of the group. They differ in c:

    drgrpo   w_i             Z. Liu et al. (2025), "Understanding R1-Zero-Like Training", arXiv 2503.20783
    grpo     w_i / std(w r)  Z. Shao et al. (2024), "DeepSeekMath", arXiv 2402.03300, of the weighted sum w r
    mogrpo   w_i / std(r_i)  Y. Ichihara et al. (2025), "MO-GRPO", arXiv 2509.22047, equation 5

GDPO (S.-Y. Liu et al. 2026, "Group reward-Decoupled Normalization Policy Optimization", arXiv 2601.05242) is
`mogrpo`, then `whiten` over the groups of a batch. Where rewards are independent the correlation of the
advantage with r_i is w_i std_i / |w std| for the first two and w_i / |w| for the third.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Aggregator = Callable[[Tensor, Tensor], Tensor]

EPSILON = 1e-4  # added to standard deviations: GDPO's, and that of TRL's GRPOTrainer


def drgrpo(rewards: Tensor, weights: Tensor) -> Tensor:
    """The weighted sum, centred. Its policy gradient is (G - 1) / G that of the expected weighted sum."""
    total = (rewards * weights[..., None, :]).sum(-1)
    return total - total.mean(-1, keepdim=True)


def grpo(rewards: Tensor, weights: Tensor, epsilon: float = EPSILON) -> Tensor:
    """The weighted sum, centred and divided by its standard deviation: sum, then normalise."""
    centred = drgrpo(rewards, weights)
    return centred / (centred.std(-1, keepdim=True) + epsilon)


def mogrpo(rewards: Tensor, weights: Tensor, epsilon: float = EPSILON) -> Tensor:
    """The weighted sum of rewards, each centred and divided by its own standard deviation."""
    centred = rewards - rewards.mean(-2, keepdim=True)
    return (weights[..., None, :] * centred / (centred.std(-2, keepdim=True) + epsilon)).sum(-1)


def whiten(advantage: Tensor, dim: tuple[int, ...] = (-2, -1), epsilon: float = EPSILON) -> Tensor:
    """Advantages, centred and divided by their standard deviation over `dim`: [..., groups, G]."""
    centred = advantage - advantage.mean(dim, keepdim=True)
    return centred / (centred.std(dim, keepdim=True) + epsilon)


AGGREGATORS: dict[str, Aggregator] = {"drgrpo": drgrpo, "grpo": grpo, "mogrpo": mogrpo}
