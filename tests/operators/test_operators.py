"""Operators with fixed draws, worked by hand, and what must hold for any draw."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import moopt
from moopt import Choice, Flag, Integer, Permutation, Real, Rng, Space
from moopt.operators import Variation
from moopt.operators.crossover import exchange, order_crossover, sbx
from moopt.operators.mutation import integer_mutation, inversion_mutation, polynomial_mutation, reset_mutation

D = torch.float64


def t(*values):
    return torch.tensor([list(values)], dtype=D)


def scalar_sbx(v, a, b, low, high, eta):
    """Bounded SBX of one gene as in the authors' published C code: (child near the smaller, near the larger)."""
    y1, y2 = min(a, b), max(a, b)
    children = []
    for room in (y1 - low, high - y2):
        beta = 1 + 2 * room / (y2 - y1)
        alpha = 2 - beta ** -(eta + 1)
        if v <= 1 / alpha:
            spread = (v * alpha) ** (1 / (eta + 1))
        else:
            spread = (1 / (2 - v * alpha)) ** (1 / (eta + 1))
        children.append(spread)
    left = 0.5 * ((y1 + y2) - children[0] * (y2 - y1))
    right = 0.5 * ((y1 + y2) + children[1] * (y2 - y1))
    return min(max(left, low), high), min(max(right, low), high)


@pytest.mark.parametrize("eta", [2.0, 20.0])
def test_sbx_known_answers(eta):
    low, high = torch.tensor([-3.0, 1.0, 0.0, 0.0], dtype=D), torch.tensor([5.0, 9.0, 1.0, 1.0], dtype=D)
    a, b = t(1.5, 6.0, 0.2, 0.7), t(-1.0, 8.5, 0.2, 0.1)
    # gene 1: exchanged with v = 4 * 0.1; gene 2: kept with v = 4 * 0.4 - 1; gene 3: equal parents; gene 4: not crossed
    first, second = sbx(t(0.1, 0.4, 0.3, 0.9), a, b, low, high, eta)
    left, right = scalar_sbx(0.4, 1.5, -1.0, -3.0, 5.0, eta)
    assert (first[0, 0].item(), second[0, 0].item()) == pytest.approx((right, left), rel=1e-12)
    left, right = scalar_sbx(0.6, 6.0, 8.5, 1.0, 9.0, eta)
    assert (first[0, 1].item(), second[0, 1].item()) == pytest.approx((left, right), rel=1e-12)
    assert first[0, 2:].tolist() == [0.2, 0.7] and second[0, 2:].tolist() == [0.2, 0.1]


def test_sbx_numbers_by_hand():
    """Parents 2 and 4 in wide bounds, eta = 1, v = 0.5 * 0.16: beta = sqrt(0.16) = 0.4, children 3 -+ 0.4."""
    wide = torch.tensor([1e9], dtype=D)
    first, second = sbx(t(0.25 + 0.25 * 0.08), t(2.0), t(4.0), -wide, wide, 1.0)
    assert (first.item(), second.item()) == pytest.approx((2.6, 3.4), rel=1e-9)


def test_sbx_exchanges_half_of_the_crossed_genes():
    rng = Rng(3)
    low, high = torch.zeros(1, dtype=D), torch.ones(1, dtype=D)
    a, b = torch.full((1, 40_000, 1), 0.3, dtype=D), torch.full((1, 40_000, 1), 0.6, dtype=D)
    first, second = sbx(rng.uniform(40_000, 1), a, b, low, high, 20.0)
    crossed = first != a
    assert crossed.double().mean().item() == pytest.approx(0.5, abs=0.01)
    assert (first > second)[crossed].double().mean().item() == pytest.approx(0.5, abs=0.015)
    assert (first + second)[crossed].mean().item() == pytest.approx(0.9, abs=0.01)


def scalar_mutation(v, x, low, high, eta):
    """Polynomial mutation of one gene as in the authors' published C code."""
    below, above = (x - low) / (high - low), (high - x) / (high - low)
    if v <= 0.5:
        step = (2 * v + (1 - 2 * v) * (1 - below) ** (eta + 1)) ** (1 / (eta + 1)) - 1
    else:
        step = 1 - (2 * (1 - v) + 2 * (v - 0.5) * (1 - above) ** (eta + 1)) ** (1 / (eta + 1))
    return min(max(x + step * (high - low), low), high)


@pytest.mark.parametrize("eta", [5.0, 20.0])
def test_polynomial_mutation_known_answers(eta):
    low, high = torch.tensor([-2.0, 1.0, 0.0], dtype=D), torch.tensor([6.0, 3.0, 1.0], dtype=D)
    x, probability = t(-1.5, 2.6, 0.4), 0.25
    moved = polynomial_mutation(t(0.05, 0.2, 0.3), x, low, high, eta, probability)
    assert moved[0, 0].item() == pytest.approx(scalar_mutation(0.2, -1.5, -2.0, 6.0, eta), rel=1e-12)
    assert moved[0, 1].item() == pytest.approx(scalar_mutation(0.8, 2.6, 1.0, 3.0, eta), rel=1e-12)
    assert moved[0, 2].item() == 0.4


def test_integer_mutation_always_changes_a_chosen_gene():
    low, high = torch.tensor([1.0], dtype=D), torch.tensor([9.0], dtype=D)
    u = Rng(1).uniform(5000, 1)
    for value in (1.0, 5.0, 9.0):
        x = torch.full_like(u, value)
        moved = integer_mutation(u, x, low, high, 20.0, 1.0)
        assert (moved != x).all() and (moved == moved.round()).all() and moved.min() >= 1 and moved.max() <= 9
    x = torch.full_like(u, 5.0)
    assert torch.equal(integer_mutation(u, x, low, high, 20.0, 1e-9), x)


def test_integer_mutation_by_hand():
    low, high = torch.tensor([0.0], dtype=D), torch.tensor([100.0], dtype=D)
    # v = 0.499 moves by almost nothing: one step down; v = 0.501: one step up; at a bound: inwards
    assert integer_mutation(t(0.0499), t(40.0), low, high, 20.0, 0.1).item() == 39
    assert integer_mutation(t(0.0501), t(40.0), low, high, 20.0, 0.1).item() == 41
    assert integer_mutation(t(0.0499), t(0.0), low, high, 20.0, 0.1).item() == 1
    assert integer_mutation(t(0.0501), t(100.0), low, high, 20.0, 0.1).item() == 99


def test_reset_mutation_reaches_every_other_option_equally():
    u = Rng(2).uniform(30_000, 1)
    moved = reset_mutation(u, torch.full_like(u, 1.0), torch.tensor([3.0], dtype=D), 1.0)
    assert torch.bincount(moved.long().flatten(), minlength=4)[[0, 2, 3]].sub(10_000).abs().max() < 350
    assert (moved != 1).all()
    single = torch.zeros_like(u)
    assert torch.equal(reset_mutation(u, single, torch.tensor([0.0], dtype=D), 1.0), single)


def test_exchange_by_hand():
    first, second = exchange(t(0.4, 0.6), t(1.0, 2.0), t(3.0, 4.0))
    assert first.tolist() == [[3.0, 2.0]] and second.tolist() == [[1.0, 4.0]]


def test_order_crossover_by_hand():
    a, b = t(0.0, 1.0, 2.0, 3.0, 4.0), t(4.0, 2.0, 0.0, 1.0, 3.0)
    # ends at floor(u * 6) = 1 and 3: the first child keeps 1 2 of a, fills 4 0 3 in b's order
    first, second = order_crossover(t(0.2, 0.5), a, b)
    assert first.tolist() == [[4.0, 1.0, 2.0, 0.0, 3.0]] and second.tolist() == [[1.0, 2.0, 0.0, 3.0, 4.0]]


def test_inversion_by_hand():
    x = t(0.0, 1.0, 2.0, 3.0, 4.0)
    assert inversion_mutation(t(0.1, 0.7, 0.2), x, 0.5).tolist() == [[0.0, 3.0, 2.0, 1.0, 4.0]]
    assert inversion_mutation(t(0.6, 0.7, 0.2), x, 0.5).tolist() == x.tolist()


MIXED = Space(
    {"a": Real(-1.0, 4.0), "n": Integer(2, 9), "k": Choice(["x", "y", "z"]), "p": Permutation(5), "s": Flag()}
)


@given(st.integers(0, 5000), st.integers(1, 6), st.sampled_from([0.0, 0.3, 1.0]))
def test_children_are_valid_and_parents_untouched(seed, pairs, probability):
    rng = Rng([seed, seed + 1])
    a, b = (MIXED.sample(rng.fold(i).uniform(pairs, MIXED.n_var)) for i in (1, 2))
    before = a.clone(), b.clone()
    children = Variation(mutation_probability=probability, crossover_probability=0.8)(MIXED, a, b, rng.fold(3))
    assert children.shape == (2, 2 * pairs, MIXED.n_var) and MIXED.contains(children).all()
    assert torch.equal(a, before[0]) and torch.equal(b, before[1])


def test_variation_of_a_run_is_the_same_alone_and_in_a_batch():
    rng = Rng([5, 6, 7])
    a, b = (MIXED.sample(rng.fold(i).uniform(9, MIXED.n_var)) for i in (1, 2))
    together = Variation()(MIXED, a, b, rng.fold(3))
    one = rng.take(torch.tensor([1]))
    assert torch.equal(Variation()(MIXED, a[1:2], b[1:2], one.fold(3)), together[1:2])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bits_do_not_depend_on_the_place_in_a_batch(dtype):
    """Lengths that are no multiple of a vector register, where torch.pow rounds the tail differently."""
    space, rng = moopt.Box([-1.0] * 7, [3.0] * 7), Rng(range(31), dtype=dtype)
    a, b = (space.sample(rng.fold(i).uniform(11, 7)) for i in (1, 2))
    together = Variation(mutation_probability=0.7)(space, a, b, rng)
    for i in range(31):
        alone = Variation(mutation_probability=0.7)(space, a[i : i + 1], b[i : i + 1], rng.take(i))
        assert torch.equal(alone[0], together[i])


def test_crossover_happens_with_its_probability():
    space = moopt.Box(0.0, 1.0, 1)
    rng = Rng(9)
    a, b = torch.full((1, 20_000, 1), 0.2, dtype=D), torch.full((1, 20_000, 1), 0.8, dtype=D)
    children = Variation(crossover_probability=0.6, mutation_probability=0.0)(space, a, b, rng)
    changed = (children[:, :20_000] != a).double().mean().item()
    assert changed == pytest.approx(0.6 * 0.5, abs=0.01)


def test_refusals():
    with pytest.raises(ValueError, match="crossover_probability: expected a finite number from 0 to 1, got 1.5"):
        Variation(crossover_probability=1.5)


def test_distribution_indices_may_be_small_but_not_negative():
    for name in ("crossover_eta", "mutation_eta"):
        assert getattr(Variation(**{name: 0.0}), name) == 0.0
        with pytest.raises(ValueError, match=name):
            Variation(**{name: -0.1})
