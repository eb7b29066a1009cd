"""Tournament, variation and gathering: compiled kernels against their torch references and against scalars."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import moopt
from moopt import Box, Rng
from moopt.core.points import Points
from moopt.kernels.rows import cpu as rows_cpu
from moopt.kernels.rows import reference as rows
from moopt.kernels.tournament import cpu as tournament_cpu
from moopt.kernels.tournament import reference as tournament
from moopt.kernels.variation import cpu as variation_cpu
from moopt.kernels.variation import reference as variation
from moopt.operators import Variation

INF, NAN = float("inf"), float("nan")
D, S = torch.float64, torch.float32


def case(seed, runs, n, pairs, d, dtype, spread=1.0):
    """Points in bounds that are no unit cube, some genes at a bound or shared; arguments of `children` but the last."""
    rng = Rng([seed + i for i in range(runs)], dtype=dtype)
    low, high = -1.0 - torch.arange(d, dtype=dtype), torch.linspace(0.5, 3.0, d, dtype=dtype)
    z = 0.3 + (rng.fold(7).uniform(n, d) - 0.3) * spread
    z = torch.where(rng.fold(8).uniform(n, d) < 0.15, z.round(), z)
    x = (low + z * (high - low)).clamp(low, high)
    parents = rng.fold(9).integers(n, 2 * pairs)
    return x, parents, low, high, rng.keys, tuple(rng.fold(i).stream for i in range(3))


def scalar_children(x, parents, low, high, keys, streams, how):
    """One gene at a time, with Python's powers, from the formulas of the papers."""
    (runs, chosen), d, pairs = parents.shape, x.shape[-1], parents.shape[1] // 2
    u, s, v = (Rng(keys, dtype=x.dtype, stream=stream) for stream in streams)
    u, s, v = u.uniform(pairs, d).double(), s.uniform(pairs).double(), v.uniform(chosen, d).double()
    answer = x.double().gather(1, parents[..., None].expand(-1, -1, d)).numpy()
    for r in range(runs):
        for p in range(pairs):
            for j in range(d):
                a, b, w = answer[r, p, j], answer[r, pairs + p, j], float(u[r, p, j])
                lo, hi, (small, large) = float(low[j]), float(high[j]), sorted((a, b))
                if s[r, p] >= how.crossover_probability or w >= 0.5 or large - small <= 1e-14:
                    continue
                share, pair = 4 * w if w < 0.25 else 4 * w - 1, []
                for room in (small - lo, hi - large):
                    alpha = 2 - (1 + 2 * room / (large - small)) ** -(how.crossover_eta + 1)
                    base = share * alpha if share <= 1 / alpha else 1 / (2 - share * alpha)
                    pair.append(base ** (1 / (how.crossover_eta + 1)) * (large - small) / 2)
                pair = [min(max((a + b) / 2 + side, lo), hi) for side in (-pair[0], pair[1])]
                answer[r, p, j], answer[r, pairs + p, j] = pair[::-1] if w < 0.25 else pair
        for i in range(chosen):
            for j in range(d):
                chance = how.mutation_probability
                if float(v[r, i, j]) >= (chance if x.dtype == D else float(np.float32(chance))):
                    continue
                z, lo, width = min(float(v[r, i, j]) / chance, 1.0), float(low[j]), float(high[j] - low[j])
                y, power = (answer[r, i, j] - lo) / width, how.mutation_eta + 1
                if z < 0.5:
                    step = (2 * z + (1 - 2 * z) * (1 - y) ** power) ** (1 / power) - 1
                else:
                    step = 1 - (2 * (1 - z) + (2 * z - 1) * y**power) ** (1 / power)
                answer[r, i, j] = min(max(answer[r, i, j] + step * width, lo), float(high[j]))
    return torch.from_numpy(answer)


HOW = variation.Settings(0.8, 15.0, 0.3, 7.0)


@pytest.mark.parametrize("dtype", [D, S])
@pytest.mark.parametrize("how", [HOW, variation.Settings(1.0, 0.0, 1.0, 0.0), variation.Settings(0.6, 40.5, 0.1, 30.0)])
def test_children_are_what_scalars_give(dtype, how):
    arguments = case(3, 2, 9, 13, 5, dtype)
    born = variation_cpu.children(*arguments, how)
    assert born.dtype == dtype and (born != arguments[0].gather(1, arguments[1][..., None].expand(-1, -1, 5))).any()
    expected = scalar_children(*arguments, how)
    # the scale of a gene is its width, up to 8
    assert (born.double() - expected).abs().max() < 8 * 8 * torch.finfo(dtype).eps


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000), n=st.integers(1, 9), pairs=st.integers(1, 40), d=st.integers(1, 40),
    crossover=st.sampled_from([0.0, 0.5, 0.9, 1.0]), mutation=st.sampled_from([0.0, 1e-3, 0.2, 1.0]),
    etas=st.tuples(st.floats(0.0, 60.0), st.floats(0.0, 60.0)), spread=st.sampled_from([1.0, 1e-3, 1e-9, 1e-15]),
)  # fmt: skip
def test_children_agree_with_the_reference(seed, n, pairs, d, crossover, mutation, etas, spread):
    how = variation.Settings(crossover, etas[0], mutation, etas[1])
    arguments = case(seed, 2, n, pairs, d, D, spread)
    x, parents, low, high = arguments[:4]
    before = x.clone()
    born, expected = variation_cpu.children(*arguments, how), variation.children.reference(*arguments, how)
    assert torch.equal(x, before) and (born >= low).all() and (born <= high).all()
    assert ((born - expected).abs() <= 64 * torch.finfo(D).eps * (high - low)).all()
    untouched = variation.children.reference(*arguments, variation.Settings(0.0, 1.0, 0.0, 1.0))
    assert torch.equal(untouched, x.gather(1, parents[..., None].expand(-1, -1, d)))
    if spread == 1.0:  # otherwise a step may vanish in a rounding of one version and not of the other
        assert ((born != untouched) ^ (expected != untouched)).sum() == 0


@pytest.mark.parametrize("dtype", [D, S])
def test_bits_depend_neither_on_threads_nor_on_the_batch(dtype, monkeypatch):
    arguments = x, parents, low, high, keys, streams = case(5, 7, 50, 101, 11, dtype)
    alone = variation_cpu.children(*arguments, HOW)
    parts = []

    def in_parts(function, n, least):
        for start, stop in ((0, 3), (3, 250), (250, 251), (251, n)):
            function(start, stop)
            parts.append(start)

    monkeypatch.setattr(variation_cpu, "in_parts", in_parts)
    assert torch.equal(variation_cpu.children(*arguments, HOW), alone) and len(parts) == 4
    monkeypatch.undo()
    for r in range(7):
        one = variation_cpu.children(x[r : r + 1], parents[r : r + 1], low, high, keys[r : r + 1], streams, HOW)
        assert torch.equal(one[0], alone[r])


def test_threads_give_the_same_bits(monkeypatch):
    arguments = case(6, 2, 40, 300, 8, D)
    monkeypatch.setattr(variation_cpu, "LEAST", 500)
    calls = []
    inner = variation_cpu._children
    monkeypatch.setattr(variation_cpu, "_children", lambda *a: calls.append(a[-3:-1]) or inner(*a))
    results = []
    for threads in (1, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        results.append(variation_cpu.children(*arguments, HOW))
    assert torch.equal(*results) and sorted(calls) == [(0, 200), (0, 600), (200, 400), (400, 600)]


@pytest.mark.parametrize("exponent", [1 / 21, 1 / 3.5, 21.0, -21.0, -3.5, 1.0])
def test_power_is_accurate(exponent):
    rng = np.random.default_rng(4)
    x = np.concatenate([rng.uniform(0.02, 1.0, 3000), 1 + rng.random(3000) * 1e-9, rng.uniform(1.0, 6.0, 3000)])
    found = np.array([variation_cpu._power(v, exponent) for v in x])
    exact = x.astype(np.longdouble) ** np.longdouble(exponent)
    allowed = 2.0**-52 * (1.5 + 2.0 * np.abs(exponent * np.log(x)))
    assert (np.abs(found - exact) / exact <= allowed).all()
    assert variation_cpu._power(1.0, exponent) == 1.0
    if exponent > 0:
        assert variation_cpu._power(0.0, exponent) < 1e-12


def test_variation_uses_the_kernel_and_keeps_its_parents():
    space, rng = Box([-1.0, 0.0, 2.0], [3.0, 0.5, 9.0]), Rng([3, 4])
    a, b = (space.sample(rng.fold(i).uniform(6, 3)) for i in (5, 6))
    before = a.clone(), b.clone()
    children = Variation(mutation_eta=9.0)(space, a, b, rng)
    how = variation.Settings(0.9, 20.0, 1 / 3, 9.0)
    x, index = torch.cat((a, b), 1), torch.arange(12).expand(2, 12)
    streams = tuple(rng.fold(i).stream for i in range(3))
    assert torch.equal(children, variation.children(x, index, *space.bounds(D, x.device), rng.keys, streams, how))
    assert torch.equal(a, before[0]) and torch.equal(b, before[1])
    order = torch.tensor([[3, 0, 5, 2], [1, 1, 0, 4]])
    pair = [torch.take_along_dim(x, part[..., None], 1) for part in (order[:, :2], order[:, 2:])]
    assert torch.equal(Variation().mate(space, x, order, rng), Variation()(space, *pair, rng))
    odd = torch.tensor([[3, 0, 5], [1, 1, 0]])  # the third is paired with the first
    even = torch.cat((odd, odd[:, :1]), -1)
    assert torch.equal(Variation().mate(space, x, odd, rng), Variation().mate(space, x, even, rng)[:, :3])


@pytest.mark.parametrize("number", [-1, 4])
def test_parents_that_do_not_exist_are_refused(number):
    space, rng = Box(0.0, 1.0, 2), Rng(1)
    with pytest.raises(IndexError, match="parents: expected rows from 0 to 3, got others"):
        Variation().mate(space, rng.uniform(4, 2), torch.tensor([[0, number]]), rng)


values = st.sampled_from([0.0, 1.0, 2.0, 2.5, INF, -INF, NAN])


@settings(max_examples=80, deadline=None)
@given(st.data(), st.integers(1, 7), st.integers(0, 9), st.sampled_from([D, S]))
def test_tournament_agrees_with_the_reference(data, n, k, dtype):
    def two_runs(elements):
        return data.draw(st.lists(st.lists(elements, min_size=n, max_size=n), min_size=2, max_size=2))

    rank, key = torch.tensor(two_runs(st.integers(0, 2))), torch.tensor(two_runs(values), dtype=dtype)
    u = Rng([data.draw(st.integers(0, 99)), 7], dtype=dtype).uniform(k, 2)
    expected = tournament.tournament.reference(u, (rank, key))
    assert torch.equal(tournament_cpu.tournament(u, (rank, key)), expected)
    assert torch.equal(tournament_cpu.tournament(u[0], (rank[0], key[0])), expected[0])
    for keys in ((key, rank), (key,), (rank,)):
        assert torch.equal(moopt.selection.tournament(u, *keys), tournament.tournament.reference(u, keys))


@pytest.mark.parametrize("bad", [-0.5, NAN])
def test_tournament_refuses_draws_outside_the_unit_interval(bad):
    with pytest.raises(IndexError, match="u: expected draws from 0 to 1, got others"):
        moopt.selection.tournament(torch.tensor([[0.5, bad]], dtype=D), torch.tensor([1, 2, 3]), torch.rand(3, dtype=D))


@pytest.mark.parametrize("n_parts", [1, 2, 3])
@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_rows_agree_with_the_reference(batch, n_parts):
    g = torch.Generator().manual_seed(2)
    first = [torch.rand(*batch, 5, 4, generator=g), torch.rand(*batch, 5, 3, generator=g, dtype=D),
             torch.zeros(*batch, 5, 0), torch.rand(*batch, 5, 1, generator=g) < 0.5]  # fmt: skip
    second = [torch.rand(*batch, 6, 4, generator=g), torch.rand(*batch, 6, 3, generator=g, dtype=D),
              torch.zeros(*batch, 6, 0), torch.rand(*batch, 6, 1, generator=g) < 0.5]  # fmt: skip
    third = [leaf[..., :2, :] for leaf in second]
    parts = [first, second, third][:n_parts]
    index = torch.randint(0, sum(part[0].shape[-2] for part in parts), (*batch, 8), generator=g)
    expected = rows.rows.reference(parts, index)
    for found, wanted in zip(rows_cpu.rows(parts, index), expected, strict=True):
        assert found.dtype == wanted.dtype and torch.equal(found, wanted)


def test_a_population_selects_from_two_as_from_their_joint():
    g = torch.Generator().manual_seed(3)
    one, two = (
        Points(torch.rand(2, n, 3, generator=g), torch.rand(2, n, 2, generator=g), torch.rand(2, n, 1, generator=g),
                   torch.rand(2, n, generator=g) < 0.4)
        for n in (4, 6)
    )  # fmt: skip
    index = torch.tensor([[9, 0, 3, 4], [2, 2, 8, 5]])
    found, expected = one.select(index, two), one.join(two).select(index)
    for leaf in ("x", "f", "g", "failed"):
        wanted = torch.cat((getattr(one, leaf), getattr(two, leaf)), 1)
        wanted = torch.stack([wanted[r, index[r]] for r in range(2)])
        assert torch.equal(getattr(found, leaf), wanted) and torch.equal(getattr(expected, leaf), wanted)
    for bad in (-1, 10):
        with pytest.raises(IndexError, match="index: expected rows from 0 to 9, got others"):
            one.select(torch.full((2, 1), bad), two)


def test_share_of_crossed_and_mutated_genes():
    how, d = variation.Settings(0.7, 20.0, 0.05, 20.0), 6
    x = torch.tensor([[[0.3] * d, [0.6] * d]], dtype=D)
    parents = torch.arange(2).repeat_interleave(30_000)[None]
    arguments = (x, parents, torch.zeros(d, dtype=D), torch.ones(d, dtype=D), torch.tensor([11]), (1, 2, 3))
    crossed = variation_cpu.children(*arguments, how._replace(mutation_probability=0.0))[0, :30_000] != 0.3
    assert crossed.double().mean().item() == pytest.approx(0.35, abs=0.005)
    assert crossed.any(-1).double().mean().item() == pytest.approx(0.7 * (1 - 0.5**d), abs=0.01)
    mutated = variation_cpu.children(*arguments, how._replace(crossover_probability=0.0))[0] != x[0, parents[0]]
    assert mutated.double().mean().item() == pytest.approx(0.05, abs=0.002)
    assert math.isclose(mutated.any(-1).double().mean().item(), 1 - 0.95**d, abs_tol=0.006)


def test_without_numba_the_reference_makes_the_children(without_compiled_kernels):
    with pytest.warns(RuntimeWarning, match="the slower torch kernels are used on cpu: No module named"):
        arguments = case(8, 2, 6, 9, 4, D)
        born = variation.children(*arguments, HOW)
    assert torch.equal(born, variation.children.reference(*arguments, HOW))

