"""Alignment with an exact Pareto front: a language model small enough to write out all it can say.

The reference is a first-order Markov model of film and food reviews, eight words, four to a review. Two
rewards that conflict and differ in scale, sentiment and grammar, add up over words and pairs of neighbours.
The optimum of E[sum_i w_i r_i] - beta KL(pi || reference) is the tilted reference

    pi ~ reference exp(sum_i w_i r_i / beta)

(R. Rafailov et al. 2023, "Direct Preference Optimization", arXiv 2305.18290, equation 4). For rewards
like these that is again a first-order Markov model, though one that changes with the place, so the policy
space holds it.

Weighted sums reach the whole front: over all distributions of completions E[r_i] is linear and KL convex, so
what can be attained, together with everything worse, is a convex set, and its optima for any weights are in
the policy space. Fronts of aligned models that are not convex owe it to their parametrisation or their
training.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import torch
from torch import Tensor

from moopt.core import checks
from moopt.core.checks import InputError
from moopt.core.points import Points
from moopt.core.problem import Answer, Draw
from moopt.core.random import Rng
from moopt.core.space import Box
from moopt.learning.generative import GenerativeProblem

WORDS = ("the", "film", "food", "was", "great", "good", "poor", "awful")
V = len(WORDS)
SENTIMENT = (0.0, 0.0, 0.0, 0.0, 2.0, 1.25, -1.0, -2.5)
# Grammar pays 1 for each pair of article and noun, noun and verb, verb and adjective; a repeated word costs.
GRAMMATICAL = {0: (1, 2), 1: (3,), 2: (3,), 3: (4, 5, 6, 7)}
REPETITION = -0.5

# The reference: how often a review starts with a word, and how often a word (row) is followed by another.
STARTS = (40, 9, 8, 3, 6, 5, 7, 4)
FOLLOWERS = (
    (1, 30, 24, 1, 9, 8, 7, 6),
    (2, 1, 2, 44, 3, 2, 4, 3),
    (3, 1, 1, 40, 2, 4, 3, 5),
    (5, 1, 2, 1, 12, 17, 20, 14),
    (14, 9, 8, 6, 2, 3, 2, 1),
    (11, 10, 12, 5, 1, 1, 2, 1),
    (12, 8, 11, 7, 1, 3, 1, 4),
    (13, 10, 7, 5, 1, 1, 3, 2),
)

# Logits 2 BOUND apart make a word as good as impossible (e^-20), so the space holds every tilt.
BOUND = 10.0
# Inverse prices of KL along the front of three objectives: from hardly any change to the best reviews alone.
INVERSE_PRICES = (1 / 32, 64.0)


@lru_cache(maxsize=8)
def _tables(length: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """By column of a policy: log-probability under the reference, [d], and what the rewards pay, [2, d]."""
    later = length - 1
    starts, followers = (torch.tensor(counts, dtype=torch.float64) for counts in (STARTS, FOLLOWERS))
    starts, followers = (starts / starts.sum()).log(), (followers / followers.sum(-1, keepdim=True)).log()
    pairs = REPETITION * torch.eye(V, dtype=torch.float64)
    for word, followed in GRAMMATICAL.items():
        pairs[word, list(followed)] = 1.0
    reference = torch.cat((starts, followers.flatten().repeat(later)))
    sentiment = torch.tensor(SENTIMENT, dtype=torch.float64).repeat(1 + V * later)
    grammar = torch.cat((torch.zeros_like(starts), pairs.flatten().repeat(later)))
    return reference.to(device, dtype), torch.stack((sentiment, grammar)).to(device, dtype)


def _rows(x: Tensor) -> Tensor:
    """The distributions that a policy consists of: [..., d] -> [..., d / V, V]."""
    return x.reshape(*x.shape[:-1], -1, V)


@dataclass(frozen=True, kw_only=True)
class ExactAlignment(GenerativeProblem):
    """Sentiment and grammar, each less `beta` KL (max, max), or with n_obj=3 sentiment, grammar and KL itself
    (max, max, min), where `beta` plays no part.

    A review has `length` words. The d = 8 + 64 (length - 1) columns are added to the logits of the reference:
    those of the first word, then for each later place, for each word before, those of the word. An evaluation
    samples `samples` reviews; with `exact=True` it takes expectations instead, and costs nothing.

    Raises ValueError for another number of objectives, a length outside 2 to 5, a beta that is not positive,
    or fewer than 2 samples.
    """

    n_obj: int = 2
    length: int = 4
    beta: float = 0.5
    samples: int = 64
    exact: bool = False

    n_rewards = 2
    vocabulary = V

    def __post_init__(self) -> None:
        checks.whole("n_obj", self.n_obj, low=2, high=3)
        checks.whole("length", self.length, low=2, high=5)
        if checks.number("beta", self.beta) <= 0:
            raise InputError(f"beta: expected a positive number, got {self.beta!r}")
        checks.whole("samples", self.samples, low=2)
        checks.truth("exact", self.exact)

    @property
    def stochastic(self) -> bool:  # type: ignore[override]
        return not self.exact

    @property
    def objective_names(self) -> Sequence[str]:  # type: ignore[override]
        return ("sentiment", "grammar", "kl")[: self.n_obj]

    @cached_property
    def space(self) -> Box:  # type: ignore[override]
        return Box(-BOUND, BOUND, V + V * V * (self.length - 1))

    @property
    def reference_policy(self) -> Tensor:
        return torch.zeros(self.n_var, dtype=torch.float64)

    def _tables(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return _tables(self.length, x.dtype if x.is_floating_point() else torch.float64, x.device)

    def _logits(self, x: Tensor) -> Tensor:
        return _rows(x + self._tables(x)[0])

    def _places(self, rows: Tensor) -> list[Tensor]:
        """The rows of each place: [..., d / V, V] -> [..., 1, V], then [..., V, V] each."""
        starts = range(1, rows.shape[-2], V)
        return [rows[..., :1, :], *(rows[..., start : start + V, :] for start in starts)]

    def _columns(self, completions: Tensor) -> Tensor:
        """The columns that completions meet: int64[..., T] -> int64[..., T]."""
        row = 1 + V * torch.arange(self.length - 1, device=completions.device) + completions[..., :-1]
        return torch.cat((completions[..., :1], V * row + completions[..., 1:]), -1)

    def sample(self, x: Tensor, n: int, rng: Rng) -> Tensor:
        shape = (*x.shape[:-1], n, self.length)
        u = rng.uniform(x.shape[:-1].numel() // rng.runs, n, self.length).reshape(shape)
        # Inversion: a word is the number of cumulated probabilities of its row that lie below the draw.
        cumulated = self._logits(x).softmax(-1).cumsum(-1)
        row, words = torch.zeros_like(u[..., 0], dtype=torch.int64), []
        for t in range(self.length):
            below = torch.take_along_dim(cumulated, row[..., None], -2) < u[..., t, None]
            words.append(below.sum(-1).clamp(max=V - 1))
            row = 1 + V * t + words[-1]
        return torch.stack(words, -1)

    def log_prob(self, x: Tensor, completions: Tensor) -> Tensor:
        columns = self._columns(completions)
        met = self._logits(x).log_softmax(-1).flatten(-2).gather(-1, columns.flatten(-2))
        return met.reshape(columns.shape)

    def reference_log_prob(self, completions: Tensor) -> Tensor:
        return self._tables(completions)[0][self._columns(completions)]

    def rewards(self, completions: Tensor) -> Tensor:
        return self._tables(completions)[1][:, self._columns(completions)].sum(-1).movedim(0, -1)

    def text(self, completions: Tensor) -> list[str]:
        """Completions in words: int64[n, T] -> n strings."""
        return [" ".join(WORDS[token] for token in row) for row in completions.tolist()]

    def sequences(self) -> Tensor:
        """Every completion there is, int64[8^T, T]."""
        return torch.cartesian_prod(*[torch.arange(V)] * self.length)

    def expectations(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Exact E[r_i] and KL(pi || reference) of policies: x[..., d] -> [..., 2], [...]. Differentiable.

        Rewards and log-ratios are sums over the columns that a review meets, so all that they take is the
        probability of meeting each column, by forward recursion.
        """
        reference, paid = self._tables(x)
        log_policy = self._logits(x).log_softmax(-1)
        first, *later = self._places(log_policy.exp())
        met, word = [first], first
        for place in later:
            met.append(word.mT * place)
            word = met[-1].sum(-2, keepdim=True)
        meets = torch.cat(met, -2).flatten(-2)
        return meets @ paid.T, (meets * (log_policy.flatten(-2) - reference)).sum(-1)

    def _evaluate(self, x: Tensor, draw: Draw | None = None) -> Answer:
        if draw is not None:
            return super()._evaluate(x, draw)
        f = self.outcomes(*self.expectations(x))
        return {"f": f, "f_var": torch.zeros_like(f), "cost": torch.zeros_like(f[..., 0], dtype=torch.int64)}

    def evaluate_exactly(self, x: Tensor) -> Points:
        """Exact objectives of x[..., n, d], whatever `exact` says: what a sampled front is worth."""
        return replace(self, exact=True).evaluate(x)

    def _tilt(self, weights: Tensor) -> Tensor:
        """How far the best policy is tilted along each reward: weights[..., m] -> [..., 2]."""
        of_rewards, price = self.preference(weights)
        if not bool((weights >= 0).all() & (price > 0).all()):
            raise InputError(f"weights: expected none negative and a price of KL, got {weights.tolist()}")
        return of_rewards / price[..., None]

    def _tilted(self, tilt: Tensor) -> Tensor:
        """Objectives, minimised, of reference exp(tilt . r), over all completions: [n, 2] -> [n, m]."""
        completions = self.sequences()
        rewards = self.rewards(completions)
        logits = self.reference_log_prob(completions).sum(-1) + tilt @ rewards.T
        means = logits.softmax(-1) @ rewards
        kl = (tilt * means).sum(-1) - logits.logsumexp(-1)
        return self.outcomes(means, kl) * tilt.new_tensor(self.signs)

    def optimum(self, weights: Tensor) -> Tensor:
        """The policy with the best weighted sum of the objectives: weights[..., m] -> float64[..., d].

        By backward recursion over the places of a review. Exact, except that no word loses more than e^20
        against the others of its row, where the bounds are. Raises ValueError for a negative weight or KL
        without a price.
        """
        weights = torch.as_tensor(weights, dtype=torch.float64)
        reference, paid = self._tables(weights)
        starts, *pairs = self._places(_rows(self._tilt(weights) @ paid))
        followers = _rows(reference)[-V:]
        ahead = torch.zeros_like(starts)  # logarithm of what the tilt makes of all that may follow a word
        rows: list[Tensor] = []
        for paid_now in reversed(pairs):
            rows.insert(0, paid_now + ahead)
            ahead = (followers + rows[0]).logsumexp(-1)[..., None, :]
        logits = torch.cat((starts + ahead, *rows), -2)
        low, high = logits.aminmax(dim=-1, keepdim=True)
        shift = torch.maximum((low + high) / 2, high - BOUND)  # a softmax does not see it
        return (logits - shift).clamp(-BOUND, BOUND).flatten(-2)

    def pareto_front(self, n: int) -> Tensor:
        """Exact optima, float64[n, m], minimised.

        Two objectives: evenly spaced along the front. Three: about n, a grid of weights and prices of KL.
        """
        if self.n_obj == 2:
            share = np.linspace(0, 1, 257)
            gaps = torch.linalg.vector_norm(self._mixed(share).diff(dim=0), dim=-1)
            along = np.concatenate(([0.0], gaps.cumsum(0).numpy()))
            return self._mixed(np.interp(np.linspace(0, along[-1], n), along, share))
        side = max(2, round(math.sqrt(n)))
        low, high = map(math.log2, INVERSE_PRICES)
        first = torch.linspace(0, 1, side, dtype=torch.float64)
        inverse = torch.logspace(low, high, side, base=2, dtype=torch.float64)
        tilts = torch.stack((first, 1 - first), -1)[:, None] * inverse[:, None]
        return self._tilted(torch.cat((torch.zeros(1, 2, dtype=torch.float64), tilts.flatten(0, 1))))

    def _mixed(self, share: np.ndarray) -> Tensor:
        """Optima of two objectives for the weights (share, 1 - share), minimised: [n] -> [n, 2]."""
        weight = torch.from_numpy(share)
        return self._tilted(self._tilt(torch.stack((weight, 1 - weight), -1)))

    @cached_property
    def _extremes(self) -> tuple[Tensor, Tensor]:
        """Ideal and nadir. They lie where a weight or the price of KL vanishes, which the grids include."""
        front = self.pareto_front(2 if self.n_obj == 2 else 1024)
        return front.amin(0), front.amax(0)

    @property
    def ideal(self) -> Tensor:
        return self._extremes[0]

    @property
    def nadir(self) -> Tensor:
        return self._extremes[1]
