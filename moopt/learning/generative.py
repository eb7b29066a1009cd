"""Policies that write: problems whose points are language models, scored by rewards of what they sample."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from moopt.core.problem import Answer, Draw, Problem
from moopt.core.random import Rng


class GenerativeProblem(Problem):
    """A policy that samples completions, which several rewards score.

    A point of `space` is a policy pi, written as what changes a fixed reference policy; so a black-box search
    and a policy gradient search the same thing. A subclass declares `space`, `n_obj`, `n_rewards`,
    `vocabulary` (tokens are 0 .. vocabulary-1), `length` (most tokens of a completion), `beta` (the price of
    one nat of divergence) and `samples` (completions of an evaluation, at least 2). Of k = `n_rewards`
    rewards it makes

    - `n_obj` = k objectives E[r_i] - beta KL(pi || reference), all to be maximised, or
    - `n_obj` = k + 1: the E[r_i], to be maximised, and then KL(pi || reference), to be minimised.

    Shapes: `n` completions of T tokens for each policy x[..., d]; leading batch dimensions as everywhere. A
    problem with prompts draws one prompt for the n completions of a policy in one call, and sees several
    prompts where a policy is repeated along a batch dimension.
    """

    cost_unit = "tokens"
    stochastic: ClassVar[bool] = True
    vocabulary: int
    length: int
    n_rewards: int
    beta: float
    samples: int

    @property
    def directions(self) -> Sequence[str]:  # type: ignore[override]
        return ("max",) * self.n_rewards + ("min",) * (self.n_obj - self.n_rewards)

    @property
    @abstractmethod
    def reference_policy(self) -> Tensor:
        """The point whose policy is the reference, float64[d]."""

    @abstractmethod
    def sample(self, x: Tensor, n: int, rng: Rng) -> Tensor:
        """Completions of each policy: x[..., d] -> int64[..., n, T]; several runs are the first dimension."""

    @abstractmethod
    def log_prob(self, x: Tensor, completions: Tensor) -> Tensor:
        """Logarithm of each token's probability, given those before it: [..., n, T] -> [..., n, T].

        Differentiable in x[..., d]. Zero where a completion is already over.
        """

    @abstractmethod
    def reference_log_prob(self, completions: Tensor) -> Tensor:
        """The same under the reference policy, [..., n, T]."""

    @abstractmethod
    def rewards(self, completions: Tensor) -> Tensor:
        """What each reward gives for whole completions: [..., n, T] -> [..., n, k], to be maximised."""

    def tokens(self, completions: Tensor) -> Tensor:
        """What completions cost, the tokens generated: int64[..., n, T] -> int64[..., n]."""
        return torch.full_like(completions[..., 0], completions.shape[-1])

    def log_ratio(self, completions: Tensor, log_prob: Tensor) -> Tensor:
        """log(pi / reference) of completions and their log_prob, [..., n, T] -> [..., n]; its mean is KL."""
        return (log_prob - self.reference_log_prob(completions).to(log_prob)).sum(-1)

    def outcomes(self, rewards: Tensor, log_ratio: Tensor) -> Tensor:
        """What single completions say about the objectives, without bias, [..., n, m], declared directions.

        rewards[..., n, k] and log_ratio[..., n] of the completions; or their expectations, for it is linear.
        """
        ratio = log_ratio[..., None]
        return torch.cat((rewards, ratio), -1) if self.n_obj > self.n_rewards else rewards - self.beta * ratio

    def preference(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Weights of the objectives as weights of rewards and price of KL: [..., m] -> [..., k], [...]."""
        k = self.n_rewards
        return weights[..., :k], weights[..., k] if self.n_obj > k else self.beta * weights.sum(-1)

    def _evaluate(self, x: Tensor, draw: Draw) -> Answer:  # type: ignore[override]
        completions = self.sample(x, self.samples, draw.rng)
        log_ratio = self.log_ratio(completions, self.log_prob(x, completions))
        var, f = torch.var_mean(self.outcomes(self.rewards(completions).to(log_ratio), log_ratio), -2)
        return {"f": f, "f_var": var / self.samples, "cost": self.tokens(completions).sum(-1)}
