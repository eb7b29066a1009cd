"""Group policy gradient, of the GRPO family, for several preferences at once.

Z. Shao et al. (2024), "DeepSeekMath", arXiv 2402.03300, section 4.1 (GRPO); Z. Liu et al. (2025),
"Understanding R1-Zero-Like Training", arXiv 2503.20783 (Dr.GRPO); D. Kingma, J. Ba (2015), "Adam: A Method
for Stochastic Optimization", arXiv 1412.6980, algorithm 1.

Papers                    here
pi_theta                  policies x[r, K, d], one for each of K weight vectors
group o_1 ... o_G         the group_size completions that a policy samples in a step
A_i                       one of moopt.learning.advantage, less beta times the centred log(pi / reference)
m, v, beta_1^t, beta_2^t  State.mean, State.square, State.decay

Differences from the papers. A group serves one update: the probability ratio is 1 and nothing is clipped. KL
is estimated from the completions alone, without a sum over the vocabulary. Each counts with its score

    s = sum_i w_i r_i - beta log(pi / reference),

without bias because E[grad log pi] = 0. At the optimum, pi ~ reference exp(sum_i w_i r_i / beta), s is equal
for all completions, so the advantages of drgrpo vanish and the noise of the gradient with them; with an exact
KL the noise of the rewards would stay.

Rewards divided by standard deviations, with KL left as it is, have another optimum: grpo that of the price
beta std(w r), mogrpo that of the weights w_i / std(r_i), both up to terms in 1/G. The default therefore does
not divide, so its optimum is that of the weighted sum, and leaves matters of scale to Adam.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from moopt.core import checks
from moopt.core.algorithm import Algorithm, Spent, Turn, spent_on
from moopt.core.checks import InputError
from moopt.core.points import Points
from moopt.core.problem import Problem
from moopt.core.random import Rng
from moopt.core.space import Kind
from moopt.learning.advantage import AGGREGATORS
from moopt.learning.generative import GenerativeProblem
from moopt.operators.weights import preferences

DECAY = (0.9, 0.999)  # beta_1 and beta_2 of Adam, algorithm 1
EPSILON = 1e-8  # of the same
MEMORY = 0.9  # of the running estimates: about the last ten groups
LOOKS = 4  # evaluations of each policy in `measure`, so that noise makes few seem dominated that are not


@dataclass(frozen=True)
class State:
    """Policies x[r, K, d]; Adam's `mean`, `square` [r, K, d] and `decay` [r, K, 2]; estimates f[r, K, m]."""

    x: Tensor
    mean: Tensor
    square: Tensor
    decay: Tensor
    f: Tensor


@dataclass(frozen=True, kw_only=True)
class PolicyGradient(Algorithm[GenerativeProblem, State]):
    """One policy for each preference, all trained together from the reference policy.

    The preferences are `pop_size` weight vectors spread evenly over the simplex, or the given `weights`, m of
    each policy. In a step each policy samples `group_size` completions. `advantage`: "drgrpo", "grpo" or
    "mogrpo", see `moopt.learning.advantage`. A policy whose gradient is not finite, because a reward was not,
    sits out the step.

    Raises ValueError for a value out of range, an unknown advantage, or weights that do not suit the problem.
    """

    pop_size: int = 64
    group_size: int = 16
    learning_rate: float = 0.05
    advantage: str = "drgrpo"
    weights: Sequence[Sequence[float]] | None = None

    needs = GenerativeProblem
    kinds = frozenset({Kind.REAL})
    constraints = False

    def __post_init__(self) -> None:
        checks.whole("pop_size", self.pop_size)
        checks.whole("group_size", self.group_size, low=2)
        if checks.number("learning_rate", self.learning_rate) <= 0:
            raise InputError(f"learning_rate: expected a positive number, got {self.learning_rate!r}")
        if self.advantage not in AGGREGATORS:
            raise InputError(f"advantage: expected one of {', '.join(AGGREGATORS)}, got {self.advantage!r}")

    def looks_every(self, problem: GenerativeProblem) -> int:
        """A completion for each twentieth part of what is learned from."""
        return max(1, round(20 * LOOKS * problem.samples / self.group_size))

    def preferences(self, problem: Problem) -> Tensor:
        """The weights of the objectives, float64[K, m]. Raises ValueError where given ones do not fit."""
        return preferences(self.weights, self.pop_size, problem.n_obj)

    def init(self, problem: GenerativeProblem, rng: Rng) -> State:
        start = problem.reference_policy.to(rng.device, rng.dtype)
        x = start.expand(rng.runs, len(self.preferences(problem)), -1).clone()
        f = x.new_full((*x.shape[:-1], problem.n_obj), torch.nan)
        return State(x, torch.zeros_like(x), torch.zeros_like(x), x.new_ones(*x.shape[:-1], 2), f)

    def step(self, problem: GenerativeProblem, state: State, turn: Turn) -> tuple[State, Spent]:
        completions = problem.sample(state.x, self.group_size, turn.rng.fold(0))
        gradient, f = self.gradient(problem, state.x, completions)
        spent = problem.tokens(completions).sum((1, 2)).to("cpu", torch.int64)
        return self._ascend(problem, state, gradient, f), {"tokens": spent}

    def gradient(self, problem: GenerativeProblem, x: Tensor, completions: Tensor) -> tuple[Tensor, Tensor]:
        """The direction uphill [..., K, d] and f[..., K, m], minimised, as one group of each shows them.

        Policies x[..., K, d] and their completions[..., K, G, T].
        """
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            log_prob = problem.log_prob(x, completions)
            ratio = problem.log_ratio(completions, log_prob.detach())
            rewards = problem.rewards(completions).to(ratio)
            weights, price = problem.preference(self.preferences(problem).to(ratio))
            excess = ratio - ratio.mean(-1, keepdim=True)
            advantage = AGGREGATORS[self.advantage](rewards, weights) - price[:, None] * excess
            # The policies share nothing, so the gradient of the sum holds the gradient of each.
            gain = (advantage * log_prob.sum(-1)).sum() / completions.shape[-2]
            (gradient,) = torch.autograd.grad(gain, x)
        return gradient, problem.outcomes(rewards, ratio).mean(-2) * ratio.new_tensor(problem.signs)

    def _ascend(self, problem: Problem, state: State, gradient: Tensor, f: Tensor) -> State:
        """One step of Adam up the gradient[r, K, d]; this group's f[r, K, m] enters the running estimates."""
        usable = torch.isfinite(gradient).all(-1, keepdim=True)
        decay = state.decay * state.decay.new_tensor(DECAY)
        mean = DECAY[0] * state.mean + (1 - DECAY[0]) * gradient
        square = DECAY[1] * state.square + (1 - DECAY[1]) * gradient * gradient
        seen = 1 - decay
        step = self.learning_rate * (mean / seen[..., :1]) / ((square / seen[..., 1:]).sqrt() + EPSILON)
        estimate = torch.where(torch.isnan(state.f), f, MEMORY * state.f + (1 - MEMORY) * f)
        known = torch.isfinite(f)
        return State(
            torch.where(usable, problem.space.repair(state.x + step), state.x),
            torch.where(usable, mean, state.mean),
            torch.where(usable, square, state.square),
            torch.where(usable, decay, state.decay),
            torch.where(known, estimate, state.f),
        )

    def population(self, problem: GenerativeProblem, state: State) -> Points:
        """The policies, f estimated from what they sampled in their last steps; NaN before the first."""
        g = state.f.new_zeros(*state.f.shape[:-1], problem.n_con)
        return Points(state.x, state.f, g, torch.isnan(state.f).any(-1), problem.signs)

    def measure(self, problem: GenerativeProblem, state: State, rng: Rng) -> tuple[Points, Spent]:
        """The policies evaluated anew: estimates picked for being good would look better than they are."""
        evaluation = problem.evaluate(state.x.repeat(1, LOOKS, 1), rng)
        f = evaluation.f.reshape(len(state.f), LOOKS, *state.f.shape[1:]).mean(1)
        measured = replace(self.population(problem, state), f=f, failed=torch.isnan(f).any(-1))
        return measured, spent_on(problem, evaluation)
