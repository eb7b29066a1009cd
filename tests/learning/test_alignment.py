"""Generative problems, group advantages, the alignment problem with an exact front, and policy gradient."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from moopt import Rng, Turn
from moopt.algorithms.alignment.policygradient import PolicyGradient
from moopt.core import tree
from moopt.learning.advantage import AGGREGATORS, drgrpo, grpo, mogrpo, whiten
from moopt.learning.generative import GenerativeProblem
from moopt.problems.language.alignment import (
    FOLLOWERS,
    GRAMMATICAL,
    REPETITION,
    SENTIMENT,
    STARTS,
    WORDS,
    ExactAlignment,
)
from moopt.selection import nondominated_mask

FORMS = [pytest.param(2, id="two"), pytest.param(3, id="three")]


def policies(problem: ExactAlignment, *batch: int, seed: int = 5, scale: float = 1.5) -> Tensor:
    """Policies of no particular merit, float64[*batch, d]."""
    return scale * Rng([seed]).normal(*batch, problem.n_var)[0]


def sequence_log_prob(problem: ExactAlignment, x: Tensor) -> Tensor:
    """Log-probability of every completion: x[..., d] -> [..., 8^T]."""
    sequences = problem.sequences()
    return problem.log_prob(x, sequences.expand(*x.shape[:-1], *sequences.shape)).sum(-1)


def hypervolume(f: Tensor, reference: Tensor) -> float:
    """Of two minimised objectives f[n, 2], as the staircase it is."""
    area, ceiling = 0.0, float(reference[1])
    for a, b in sorted(f.tolist()):
        if a < reference[0] and b < ceiling:
            area += (float(reference[0]) - a) * (ceiling - b)
            ceiling = b
    return area


# The language model, its rewards and their expectations


def test_probabilities_of_all_completions_sum_to_one() -> None:
    problem = ExactAlignment()
    assert problem.n_var == 200
    total = sequence_log_prob(problem, policies(problem, 2, 3, scale=4.0)).exp().sum(-1)
    assert torch.allclose(total, torch.ones(2, 3, dtype=torch.float64), atol=1e-12)


def test_reference_policy_is_the_reference() -> None:
    problem = ExactAlignment(length=3)
    sequences = problem.sequences()
    per_token = problem.log_prob(problem.reference_policy, sequences)
    assert torch.allclose(per_token, problem.reference_log_prob(sequences), atol=1e-14)
    rewards, kl = problem.expectations(problem.reference_policy)
    assert abs(float(kl)) < 1e-14
    assert torch.allclose(rewards, per_token.sum(-1).exp() @ problem.rewards(sequences), atol=1e-13)


@pytest.mark.parametrize("text, rewards", [
    ("the film was great", (2.0, 3.0)),
    ("awful awful food good", (-2.5 - 2.5 + 1.25, -0.5)),
    ("was poor the the", (-1.0, 1.0 - 0.5)),
    ("great good great good", (6.5, 0.0)),
])
def test_rewards_of_known_reviews(text: str, rewards: tuple[float, float]) -> None:
    problem = ExactAlignment()
    completion = torch.tensor([[WORDS.index(word) for word in text.split()]])
    assert problem.text(completion) == [text]
    assert problem.rewards(completion).tolist() == [list(rewards)]


def test_expectations_equal_plain_enumeration() -> None:
    """Against plain loops, which share nothing with the tensors but the tables."""
    problem = ExactAlignment(length=3, beta=0.7)
    x = policies(problem, 1)
    logits = x[0].tolist()

    def softmax(values: list[float]) -> list[float]:
        top = max(values)
        powers = [math.exp(v - top) for v in values]
        return [p / sum(powers) for p in powers]

    words = range(len(WORDS))
    sentiment = grammar = kl = 0.0
    for review in itertools.product(words, repeat=3):
        pi = softmax([math.log(STARTS[w]) + logits[w] for w in words])[review[0]]
        reference = STARTS[review[0]] / sum(STARTS)
        for t, (before, word) in enumerate(itertools.pairwise(review)):
            offset = 8 + 64 * t + 8 * before
            pi *= softmax([math.log(FOLLOWERS[before][w]) + logits[offset + w] for w in words])[word]
            reference *= FOLLOWERS[before][word] / sum(FOLLOWERS[before])
        pairs = list(itertools.pairwise(review))
        sentiment += pi * sum(SENTIMENT[w] for w in review)
        grammar += pi * sum((b in GRAMMATICAL.get(a, ())) + REPETITION * (a == b) for a, b in pairs)
        kl += pi * math.log(pi / reference)
    rewards, divergence = problem.expectations(x)
    assert rewards[0].tolist() == pytest.approx([sentiment, grammar], abs=1e-12)
    assert float(divergence) == pytest.approx(kl, abs=1e-12)
    f = problem.evaluate_exactly(x).f[0].tolist()
    assert f == pytest.approx([0.7 * kl - sentiment, 0.7 * kl - grammar], abs=1e-12)
    f = replace(problem, n_obj=3).evaluate_exactly(x).f[0].tolist()
    assert f == pytest.approx([-sentiment, -grammar, kl], abs=1e-12)


# Sampling


def test_samples_follow_the_probabilities() -> None:
    problem = ExactAlignment(length=2)
    x = policies(problem, 2, 3)  # two runs, three policies each
    n = 20_000
    completions = problem.sample(x, n, Rng([11, 12]))
    assert completions.shape == (2, 3, n, 2) and completions.dtype == torch.int64
    cells = completions[..., 0] * 8 + completions[..., 1]
    counts = torch.nn.functional.one_hot(cells, 64).sum(-2).double()
    expected = n * sequence_log_prob(problem, x).exp()
    chi_squared = ((counts - expected) ** 2 / expected).sum(-1)
    # 63 degrees of freedom: mean 63, standard deviation 11.2
    assert (chi_squared < 63 + 4.5 * 11.2).all() and (chi_squared > 63 - 4.5 * 11.2).all()
    # a wrong policy fails the same check
    assert (((counts.roll(1, 1) - expected) ** 2 / expected).sum(-1) > 1000).all()


@pytest.mark.parametrize("n_obj", FORMS)
def test_sampled_objectives_are_unbiased_and_know_their_variance(n_obj: int) -> None:
    problem = ExactAlignment(n_obj=n_obj, samples=256)
    x = policies(problem, 1, 5, scale=0.7).repeat(1, 200, 1)
    evaluation = problem.evaluate(x, Rng([3]))
    exact = problem.evaluate_exactly(x)
    assert evaluation.f_var is not None and evaluation.cost is not None
    z = (evaluation.f - exact.f) / evaluation.f_var.sqrt()
    assert float(z.mean((0, 1)).abs().max()) < 4 / math.sqrt(1000)
    assert z.var((0, 1)).tolist() == pytest.approx([1.0] * n_obj, abs=0.2)
    assert (evaluation.cost == 256 * 4).all() and not evaluation.failed.any()


def test_exact_evaluation_draws_nothing_and_costs_nothing() -> None:
    problem = ExactAlignment(exact=True)
    assert not problem.stochastic and ExactAlignment().stochastic
    x = policies(problem, 4)
    evaluation = problem.evaluate(x)
    assert torch.equal(evaluation.f, ExactAlignment().evaluate_exactly(x).f)
    assert evaluation.cost is not None and evaluation.f_var is not None
    assert not evaluation.cost.any() and not evaluation.f_var.any()


def test_sampled_evaluation_repeats_and_runs_are_independent_of_their_neighbours() -> None:
    problem = ExactAlignment(samples=7)
    x = policies(problem, 3, 5)
    together = problem.evaluate(x, Rng([4, 9, 2]))
    assert torch.equal(together.f, problem.evaluate(x, Rng([4, 9, 2])).f)
    for i, seed in enumerate((4, 9, 2)):
        alone = problem.evaluate(x[i : i + 1], Rng([seed]))
        assert torch.equal(alone.f, together.f[i : i + 1])
        assert torch.equal(problem.evaluate(x[i], Rng([seed])).f, together.f[i])
    assert not torch.equal(together.f, problem.evaluate(x, Rng([5, 9, 2])).f)


# The closed form


WEIGHTS = {
    2: [[0.3, 0.7], [1.0, 0.0], [0.0, 1.0], [0.55, 0.45]],
    3: [[0.3, 0.5, 0.2], [0.4, 0.0, 0.6], [0.0, 0.9, 0.1], [0.0, 0.0, 1.0]],
}


@pytest.mark.parametrize("n_obj", FORMS)
def test_backward_recursion_is_the_tilted_softmax(n_obj: int) -> None:
    problem = ExactAlignment(n_obj=n_obj, beta=0.6)
    weights = torch.tensor(WEIGHTS[n_obj], dtype=torch.float64)
    x = problem.optimum(weights)
    assert problem.space.contains(x).all()
    sequences = problem.sequences()
    price = weights[:, 2:] if n_obj == 3 else 0.6 * weights.sum(-1, keepdim=True)
    tilt = weights[:, :2] / price
    log_reference = problem.reference_log_prob(sequences).sum(-1)
    tilted = (log_reference + tilt @ problem.rewards(sequences).T).log_softmax(-1)
    assert torch.allclose(sequence_log_prob(problem, x), tilted, atol=1e-10)


@pytest.mark.parametrize("n_obj", FORMS)
def test_optimum_is_stationary_and_better_than_its_surroundings(n_obj: int) -> None:
    problem = ExactAlignment(n_obj=n_obj)
    weights = torch.tensor(WEIGHTS[n_obj], dtype=torch.float64)
    x = problem.optimum(weights).requires_grad_()
    best = (weights * problem.evaluate_exactly(x).f).sum(-1)
    (gradient,) = torch.autograd.grad(best.sum(), x)
    assert float(gradient.abs().max()) < 1e-10
    for seed, scale in ((1, 0.1), (2, 1.0), (3, 4.0)):
        other = x.detach() + policies(problem, len(x), seed=seed, scale=scale)
        assert ((weights * problem.evaluate_exactly(other).f).sum(-1) > best + 1e-4).all()


def test_closed_form_equals_maximisation_from_the_reference() -> None:
    problem = ExactAlignment(length=2, beta=0.8)
    weights = torch.tensor([0.35, 0.65], dtype=torch.float64)

    def loss(columns: np.ndarray) -> tuple[float, np.ndarray]:
        x = torch.from_numpy(columns).requires_grad_()
        rewards, kl = problem.expectations(x)
        value = 0.8 * kl - weights @ rewards
        return value.item(), torch.autograd.grad(value, x)[0].numpy()

    answer = minimize(loss, problem.reference_policy.numpy(), jac=True, options={"gtol": 1e-9})
    found = problem.evaluate_exactly(torch.from_numpy(answer.x)[None]).f
    best = problem.evaluate_exactly(problem.optimum(weights)[None]).f
    assert torch.allclose(found, best, atol=1e-6)
    # and both are -beta log Z
    sequences = problem.sequences()
    logits = problem.reference_log_prob(sequences).sum(-1) + problem.rewards(sequences) @ weights / 0.8
    assert float((weights * best).sum()) == pytest.approx(-0.8 * float(logits.logsumexp(0)), abs=1e-12)


def test_steep_tilts_fit_into_the_space() -> None:
    """Where the price of KL nearly vanishes the bounds hold back a probability of about e^-20 only."""
    problem = ExactAlignment(n_obj=3)
    weights = torch.tensor([[1.0, 0.0, 1 / 64], [0.0, 1.0, 1 / 64], [0.6, 0.4, 1 / 16]]).double()
    x = problem.optimum(weights)
    assert problem.space.contains(x).all()
    sequences = problem.sequences()
    rewards = problem.rewards(sequences)
    logits = problem.reference_log_prob(sequences).sum(-1) + weights[:, :2] / weights[:, 2:] @ rewards.T
    assert torch.allclose(problem.expectations(x)[0], logits.softmax(-1) @ rewards, atol=1e-6)


# The front


def test_front_of_two_objectives() -> None:
    problem = ExactAlignment()
    front = problem.pareto_front(40)
    assert front.shape == (40, 2)
    front = front[front[:, 0].argsort()]
    steps = front.diff(dim=0)
    assert (steps[:, 0] > 0).all() and (steps[:, 1] < 0).all()  # nothing dominated
    slopes = steps[:, 1] / steps[:, 0]
    assert (slopes.diff() > 0).all()  # convex
    gaps = torch.linalg.vector_norm(steps, dim=-1)
    assert float(gaps.max() / gaps.min()) < 1.1  # even
    assert problem.ideal.tolist() == pytest.approx([float(front[0, 0]), float(front[-1, 1])])
    assert problem.nadir.tolist() == pytest.approx([float(front[-1, 0]), float(front[0, 1])])
    corner = problem.evaluate_exactly(problem.optimum(torch.eye(2))).f
    assert problem.ideal.tolist() == pytest.approx(corner.diagonal().tolist(), abs=1e-12)


def test_front_of_three_objectives() -> None:
    problem = ExactAlignment(n_obj=3)
    assert problem.signs == (-1, -1, 1) and problem.objective_labels == ["sentiment", "grammar", "kl"]
    front = problem.pareto_front(100)
    assert front.shape == (101, 3)
    better = (front[:, None] <= front + 1e-12).all(-1) & (front[:, None] < front - 1e-9).any(-1)
    assert not better.any()
    # "great great great great" and "the film was great"; no KL without any change
    assert problem.ideal.tolist() == pytest.approx([-8.0, -3.0, 0.0], abs=1e-9)
    reviews = [[4, 4, 4, 4]]
    farthest = -float(problem.reference_log_prob(torch.tensor(reviews)).sum())
    assert float(problem.nadir[2]) == pytest.approx(farthest, abs=1e-9)
    assert float(problem.nadir[1]) == pytest.approx(1.5, abs=1e-9)  # that review repeats its word three times
    # the least sentiment of the front is that of the reference among the reviews of perfect grammar
    perfect = problem.sequences()[problem.rewards(problem.sequences())[:, 1] == 3.0]
    share = problem.reference_log_prob(perfect).sum(-1).softmax(0)
    sentiment = float(share @ problem.rewards(perfect)[:, 0])
    assert float(problem.nadir[0]) == pytest.approx(-sentiment, abs=1e-9)


@pytest.mark.parametrize("n_obj", FORMS)
def test_no_policy_lies_beyond_the_front(n_obj: int) -> None:
    problem = ExactAlignment(n_obj=n_obj)
    front = problem.pareto_front(400)
    for scale in (0.1, 1.0, 3.0):
        f = problem.evaluate_exactly(problem.space.repair(policies(problem, 300, scale=scale))).f
        # every weighted sum, not only dominance: the front is the boundary of a convex set
        weights = torch.tensor(WEIGHTS[n_obj], dtype=torch.float64)
        best = (problem.evaluate_exactly(problem.optimum(weights)).f * weights).sum(-1)
        assert (f @ weights.T > best - 1e-12).all()
        assert not (f[:, None] <= front).all(-1).any()


# Group advantages


def test_advantages_of_a_known_group() -> None:
    rewards = torch.tensor([[1.0, 0.0], [3.0, 0.0], [2.0, 6.0]], dtype=torch.float64)
    weights = torch.tensor([2.0, 0.5], dtype=torch.float64)
    # weighted sums 2, 6, 7 of mean 5 and variance (9 + 1 + 4) / 2 = 7
    centred = [-3.0, 1.0, 2.0]
    assert drgrpo(rewards, weights).tolist() == pytest.approx(centred)
    for epsilon in (0.0, 0.5):
        expected = [value / (math.sqrt(7) + epsilon) for value in centred]
        assert grpo(rewards, weights, epsilon).tolist() == pytest.approx(expected)
    # deviations (-1, 1, 0) / 1 and (-2, -2, 4) / sqrt(12)
    a, b = -2 / math.sqrt(12), 4 / math.sqrt(12)
    expected = [-2 + 0.5 * a, 2 + 0.5 * a, 0.5 * b]
    assert mogrpo(rewards, weights, 0.0).tolist() == pytest.approx(expected)


def test_advantages_of_a_batch_are_those_of_its_groups() -> None:
    rewards, weights = Rng([8]).normal(3, 4, 5, 2)[0], Rng([9]).uniform(3, 4, 2)[0]
    for aggregate in AGGREGATORS.values():
        batch = aggregate(rewards, weights)
        assert batch.shape == (3, 4, 5)
        assert torch.allclose(batch[2, 1], aggregate(rewards[2, 1], weights[2, 1]))
        assert torch.allclose(batch.sum(-1), torch.zeros(3, 4, dtype=torch.float64), atol=1e-12)
        same = torch.full((3, 4, 5, 2), 0.7, dtype=torch.float64)
        assert float(aggregate(same, weights).abs().max()) < 1e-9


def test_whitening_spans_the_groups() -> None:
    advantage = Rng([3]).normal(2, 6, 5)[0] * 3 + 1
    white = whiten(advantage, epsilon=0.0)
    for i in range(2):
        assert float(white[i].mean()) == pytest.approx(0.0, abs=1e-12)
        assert float(white[i].flatten().std()) == pytest.approx(1.0)
    assert torch.allclose(white[1], (advantage[1] - advantage[1].mean()) / advantage[1].flatten().std())


def distinct_advantages(aggregate: str, n_rewards: int, size: int) -> int:
    """Number of different advantage vectors over all groups of binary rewards with equal weights."""
    values = list(itertools.product((0.0, 1.0), repeat=n_rewards))
    groups = torch.tensor(list(itertools.combinations_with_replacement(values, size)), dtype=torch.float64)
    weights = torch.ones(n_rewards, dtype=torch.float64)
    epsilon = {} if aggregate == "drgrpo" else {"epsilon": 1e-12}
    advantage = AGGREGATORS[aggregate](groups, weights, **epsilon)
    rounded = torch.round(advantage.sort(-1).values * 1e6).to(torch.int64)
    return len(torch.unique(rounded, dim=0))


@pytest.mark.parametrize("aggregate, n_rewards, sizes, counts", [
    ("grpo", 2, (2, 3, 4, 5, 6, 8), (2, 4, 7, 11, 16, 29)),
    ("drgrpo", 2, (2, 3, 4, 5, 6, 8), (3, 6, 10, 15, 21, 36)),
    ("mogrpo", 2, (2, 3, 4, 5, 6, 8), (3, 6, 14, 26, 38, 81)),
    ("grpo", 3, (4,), (14,)),
    ("drgrpo", 3, (4,), (20,)),
    ("mogrpo", 3, (4,), (45,)),
])
def test_advantages_that_can_be_told_apart(
    aggregate: str, n_rewards: int, sizes: tuple[int, ...], counts: tuple[int, ...]
) -> None:
    """GDPO's argument: GRPO collapses groups of rewards (its paper counts 2 against 3 for G = 2)."""
    assert tuple(distinct_advantages(aggregate, n_rewards, size) for size in sizes) == counts


def test_credit_of_independent_rewards() -> None:
    """Corr(A, r_i) is w_i std_i / |w std| with the sum centred, w_i / |w| with every reward normalised."""
    levels = ([0.0, 1.0, 5.0], [-2.0, -1.5], [0.0, 10.0, 30.0, 31.0])
    rewards = torch.cartesian_prod(*map(torch.tensor, levels)).double()  # exactly uncorrelated
    weights = torch.tensor([0.5, 4.0, 0.2], dtype=torch.float64)
    spread = weights * rewards.std(0)
    for aggregate, expected in (
        (drgrpo, spread / spread.norm()), (grpo, spread / spread.norm()), (mogrpo, weights / weights.norm())
    ):
        table = torch.cat((aggregate(rewards, weights)[:, None], rewards), -1).T
        assert torch.corrcoef(table)[0, 1:].tolist() == pytest.approx(expected.tolist(), abs=1e-4)


def test_normalising_each_reward_is_blind_to_their_units() -> None:
    rewards, weights = Rng([5]).normal(6, 2)[0], torch.tensor([0.3, 0.7], dtype=torch.float64)
    other = rewards * torch.tensor([100.0, 0.3]).double() + torch.tensor([-5.0, 2.0]).double()
    assert torch.allclose(mogrpo(other, weights, 0.0), mogrpo(rewards, weights, 0.0))
    assert not torch.allclose(grpo(other, weights, 0.0), grpo(rewards, weights, 0.0), atol=0.1)


# Policy gradient


@pytest.mark.parametrize("n_obj, weights", [(2, (0.4, 0.6)), (3, (0.2, 0.5, 0.3))])
def test_gradient_is_unbiased(n_obj: int, weights: tuple[float, ...]) -> None:
    """Its expectation over all 64^2 groups of two reviews is (G - 1) / G of the exact gradient."""
    problem = ExactAlignment(n_obj=n_obj, length=2, beta=0.4)
    algorithm = PolicyGradient(weights=(weights,))
    policy = policies(problem, 1, scale=1.0)
    sequences = problem.sequences()
    first, second = torch.cartesian_prod(torch.arange(64), torch.arange(64)).T
    groups = torch.stack((sequences[first], sequences[second]), -2)  # [4096, 2, T]
    log_prob = sequence_log_prob(problem, policy)[0]
    chance = (log_prob[first] + log_prob[second]).exp()[:, None]
    gradient, f = algorithm.gradient(problem, policy.expand(4096, -1), groups)
    x = policy.clone().requires_grad_()
    exact = problem.evaluate_exactly(x).f
    (uphill,) = torch.autograd.grad(-(exact * exact.new_tensor(weights)).sum(), x)
    assert torch.allclose((chance * gradient).sum(0), uphill[0] / 2, atol=1e-12)
    assert float(uphill.abs().max()) > 0.1
    assert torch.allclose((chance * f).sum(0), exact[0], atol=1e-12)


def test_gradient_has_no_noise_at_the_optimum() -> None:
    problem = ExactAlignment()
    weights = torch.tensor([[0.3, 0.7], [0.8, 0.2]], dtype=torch.float64)
    x = problem.optimum(weights)[None]
    completions = problem.sample(x, 16, Rng([1]))
    gradient, _ = PolicyGradient(weights=weights.tolist()).gradient(problem, x, completions)
    assert float(gradient.abs().max()) < 1e-12
    divided, _ = PolicyGradient(weights=weights.tolist(), advantage="grpo").gradient(problem, x, completions)
    assert float(divided.abs().max()) > 1e-2


def test_first_step_of_adam_moves_each_column_by_the_learning_rate() -> None:
    problem, algorithm = ExactAlignment(), PolicyGradient(pop_size=3, learning_rate=0.07)
    rng = Rng([6])
    state = algorithm.init(problem, rng)
    completions = problem.sample(state.x, 16, rng.fold(0))
    gradient, f = algorithm.gradient(problem, state.x, completions)
    after, spent = algorithm.step(problem, state, Turn(rng))
    moved = gradient.abs() > 1e-5
    assert torch.allclose((after.x - state.x)[moved], 0.07 * gradient.sign()[moved], rtol=1e-2)
    assert torch.equal(after.f, f)
    assert spent["tokens"].tolist() == [3 * 16 * 4] and spent["tokens"].dtype == torch.int64


@pytest.mark.parametrize("options", [
    {"pop_size": 5},
    {"pop_size": 6, "advantage": "mogrpo"},
    {"pop_size": 7, "advantage": "grpo", "group_size": 3},
])
@pytest.mark.parametrize("n_obj", FORMS)
def test_runs_in_a_batch_equal_runs_alone(n_obj: int, options: dict[str, object]) -> None:
    problem = ExactAlignment(n_obj=n_obj, samples=9)
    algorithm = PolicyGradient(**options)  # type: ignore[arg-type]
    before = torch.random.get_rng_state()

    def run(seeds: list[int]) -> list[Tensor]:
        rng = Rng(seeds)
        state = algorithm.init(problem, rng)
        for step in range(12):
            state, spent = algorithm.step(problem, state, Turn(rng.fold(step)))
        measured = algorithm.measure(problem, state, rng.fold(99))
        leaves: list[Tensor] = []

        def keep(leaf: Tensor) -> Tensor:
            leaves.append(leaf)
            return leaf

        tree.map_tensors(keep, (state, algorithm.population(problem, state), measured, spent))
        return leaves

    together = run([3, 1, 20])
    for i, seed in enumerate((3, 1, 20)):
        alone = run([seed])
        assert len(alone) == len(together) == 16
        for one, several in zip(alone, together, strict=True):
            assert torch.equal(one, several[i : i + 1])
    assert torch.equal(before, torch.random.get_rng_state())


def test_policies_and_weights_do_not_disturb_each_other() -> None:
    """A policy's first step does not depend on which other preferences are trained beside it."""
    problem = ExactAlignment()
    rng = Rng([7])
    pair = PolicyGradient(weights=((0.2, 0.8), (0.9, 0.1)))
    both = pair.step(problem, pair.init(problem, rng), Turn(rng))[0]
    single = PolicyGradient(weights=((0.2, 0.8),))
    alone = single.step(problem, single.init(problem, rng), Turn(rng))[0]
    assert torch.equal(both.x[:, :1], alone.x)
    assert not torch.equal(both.x[:, 0], both.x[:, 1])


class Broken(ExactAlignment):
    """A reward that is no number for every review whose first word is "awful", and infinite for "poor"."""

    def rewards(self, completions: Tensor) -> Tensor:
        rewards = super().rewards(completions)
        rewards[..., 0] = torch.where(completions[..., 0] == 7, torch.nan, rewards[..., 0])
        rewards[..., 0] = torch.where(completions[..., 0] == 6, -torch.inf, rewards[..., 0])
        return rewards


def test_a_reward_that_is_no_number_stops_its_policy_only() -> None:
    problem, algorithm = Broken(samples=4), PolicyGradient(pop_size=40, group_size=4)
    rng = Rng([2])
    state = algorithm.init(problem, rng)
    words = problem.sample(state.x, 4, rng.fold(0))[..., 0]
    hit = (words >= 6).any(-1)
    after, _ = algorithm.step(problem, state, Turn(rng))
    assert 0 < int(hit.sum()) < 40
    assert torch.equal(after.x[hit], state.x[hit]) and bool((after.x[~hit] != state.x[~hit]).any(-1).all())
    assert torch.isfinite(after.x).all() and torch.isfinite(after.mean).all()
    assert torch.equal(algorithm.population(problem, after).failed, hit)
    for step in range(1, 30):
        after, _ = algorithm.step(problem, after, Turn(rng.fold(step)))
    assert torch.isfinite(after.x).all() and torch.isfinite(after.f).all()
    assert problem.evaluate(state.x, rng).failed.any()


def test_population_before_the_first_step_knows_nothing() -> None:
    problem, algorithm = ExactAlignment(n_obj=3), PolicyGradient(pop_size=10)
    population = algorithm.population(problem, algorithm.init(problem, Rng([0, 1])))
    assert population.f.shape == (2, 10, 3) and bool(population.failed.all())
    assert population.g.shape == (2, 10, 0) and population.signs == (-1, -1, 1)


def test_policies_stay_in_the_space_and_keep_their_dtype() -> None:
    problem, algorithm = ExactAlignment(n_obj=3), PolicyGradient(pop_size=6, learning_rate=3.0)
    rng = Rng([4], dtype=torch.float32)
    state = algorithm.init(problem, rng)
    for step in range(8):
        state, _ = algorithm.step(problem, state, Turn(rng.fold(step)))
    assert problem.space.contains(state.x).all() and float(state.x.abs().max()) == 10.0
    population, _ = algorithm.measure(problem, state, rng)
    for leaf in (state.x, state.mean, state.square, state.f, population.f):
        assert leaf.dtype == torch.float32


def test_preferences_cover_the_simplex() -> None:
    two, three = ExactAlignment(), ExactAlignment(n_obj=3)
    even = PolicyGradient(pop_size=5).preferences(two)
    assert even.tolist() == [[0, 1], [0.25, 0.75], [0.5, 0.5], [0.75, 0.25], [1, 0]]
    spread = PolicyGradient(pop_size=16).preferences(three)
    assert spread.shape == (16, 3) and len(torch.unique(spread, dim=0)) == 16
    assert torch.allclose(spread.sum(-1), torch.ones(16, dtype=torch.float64)) and bool((spread >= 0).all())
    assert spread.amax(0).tolist() == pytest.approx([1, 1, 1], abs=0.1)
    assert PolicyGradient(pop_size=1).preferences(three).tolist() == [pytest.approx([1 / 3] * 3)]


def test_policy_gradient_reaches_the_exact_front() -> None:
    """3.3 million tokens: 64 preferences, groups of 16, 800 steps. What `measure` claims is true, too."""
    problem, algorithm = ExactAlignment(), PolicyGradient()
    rng, tokens = Rng([1]), 0
    state = algorithm.init(problem, rng)
    for step in range(800):
        state, spent = algorithm.step(problem, state, Turn(rng.fold(step)))
        tokens += int(spent["tokens"])
    assert tokens == 64 * 16 * 4 * 800
    volume = hypervolume(problem.pareto_front(1000), problem.reference_point)
    reached = problem.evaluate_exactly(state.x[0]).f
    assert hypervolume(reached, problem.reference_point) / volume > 0.99
    # each policy is the optimum of its own preference
    weights = algorithm.preferences(problem)
    best = problem.evaluate_exactly(problem.optimum(weights)).f
    assert float(((reached - best) * weights).sum(-1).max()) < 0.05
    estimated = algorithm.population(problem, state).f[0]
    assert float((estimated - reached).mean(0).abs().max()) < 0.1  # a mean, not the luckiest group
    population, spent = algorithm.measure(problem, state, rng.fold(800))
    assert spent["tokens"].tolist() == [4 * 64 * 64 * 4] and spent["evaluations"].tolist() == [4 * 64]
    assert float((population.f[0] - reached).mean(0).abs().max()) < 0.05
    assert hypervolume(population.f[0], problem.reference_point) / volume == pytest.approx(0.99, abs=0.01)
    reported = reached[nondominated_mask(population.f[0])]
    assert hypervolume(reported, problem.reference_point) / volume > 0.99


# The public door


@pytest.mark.parametrize("options, words", [
    ({"n_obj": 4}, "n_obj: expected a whole number from 2 to 3, got 4"),
    ({"length": 1}, "length: expected a whole number from 2 to 5, got 1"),
    ({"beta": 0.0}, "beta: expected a positive number, got 0.0"),
    ({"samples": 1}, "samples: expected a whole number of at least 2, got 1"),
])
def test_bad_problems_are_refused(options: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ExactAlignment(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("options, words", [
    ({"pop_size": 0}, "pop_size: expected a whole number of at least 1, got 0"),
    ({"group_size": 1}, "group_size: expected a whole number of at least 2, got 1"),
    ({"learning_rate": -0.1}, "learning_rate: expected a positive number, got -0.1"),
    ({"advantage": "ppo"}, "advantage: expected one of drgrpo, grpo, mogrpo, got 'ppo'"),
])
def test_bad_hyperparameters_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        PolicyGradient(**options)  # type: ignore[arg-type]


def test_bad_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="weights: expected rows of 2 numbers"):
        PolicyGradient(weights=((0.2, 0.3, 0.5),)).init(ExactAlignment(), Rng([0]))
    with pytest.raises(ValueError, match="weights: expected none negative and a price of KL"):
        ExactAlignment(n_obj=3).optimum(torch.tensor([0.5, 0.5, 0.0]))
    with pytest.raises(ValueError, match="weights: expected none negative and a price of KL"):
        ExactAlignment().optimum(torch.tensor([-0.5, 1.5]))


def test_what_is_declared() -> None:
    problem = ExactAlignment()
    assert isinstance(problem, GenerativeProblem) and problem.name == "exactalignment"
    assert problem.cost_unit == "tokens" and problem.directions == ("max", "max")
    assert problem.vocabulary == 8 and problem.n_rewards == 2
    assert problem.space.contains(problem.reference_policy)
    assert ExactAlignment(length=2).n_var == 72
