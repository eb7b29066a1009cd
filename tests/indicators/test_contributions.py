"""Hypervolume contributions, exact and expected, and truncation by them: every kernel against counted cells,
enumeration, moocore and one-by-one removal."""

import itertools
import math

import moocore
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import moopt
from moopt import Rng
from moopt.indicators import hypervolume, hypervolume_contributions
from moopt.kernels.contribution import cpu as contribution_cpu
from moopt.kernels.contribution import expected_contribution, removal_weights, truncate
from moopt.kernels.contribution import reference as contribution
from moopt.kernels.contribution.reference import UNIT
from moopt.kernels.hypervolume import cpu as hypervolume_cpu
from moopt.kernels.hypervolume import reference as hypervolume_torch

INF, NAN = float("inf"), float("nan")
EXACT = {"torch": hypervolume_torch.contributions.reference, "numba": hypervolume_cpu.contributions}
VOLUME = {"torch": hypervolume_torch.volume.reference, "numba": hypervolume_cpu.volume}
EXPECTED = {"torch": contribution.expected_contribution.reference, "numba": contribution_cpu.expected_contribution}
TRUNCATE = {"torch": contribution.truncate.reference, "numba": contribution_cpu.truncate}


def t(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def draws(*shape, seed=5):
    return Rng([seed]).uniform(*shape)[0]


def front(n, m, seed):
    """Points that do not dominate each other, on a bent surface."""
    f = draws(n, m, seed=seed) + 0.05
    return f / f.pow(3).sum(-1, keepdim=True).pow(1 / 3) * t(*[1.0 + 0.5 * j for j in range(m)])


# hypervolume


@pytest.mark.parametrize("kernel", VOLUME)
@settings(deadline=None, max_examples=150)
@given(
    st.tuples(st.integers(0, 30), st.integers(2, 3)).flatmap(
        lambda shape: hnp.arrays(np.float64, shape, elements=st.sampled_from([-0.0, 0.0, 1, 2, 3, 4, 5, 6, INF, NAN]))
    )
)
def test_volume_is_the_number_of_cells_that_some_point_dominates(kernel, f):
    """Ties, copies, dominated, failed and useless points: sums of whole numbers are exact."""
    grid = np.stack(np.meshgrid(*[np.arange(5)] * f.shape[1], indexing="ij"), -1)
    inside = [(point <= grid).all(-1) for point in f if (point < 5).all()]
    expected = float(np.any(inside, 0).sum()) if inside else 0.0
    assert VOLUME[kernel](torch.from_numpy(f), torch.tensor(5.0)).item() == expected


@pytest.mark.parametrize("m", [2, 3])
def test_volume_of_many_points(m):
    """More than 64^2, which adds a level to the set of places, in batches and each set with its reference point."""
    shell, cloud = front(5000, m, 8), draws(5000, m, seed=9)
    cloud[:1500] = cloud[1500:3000].round(decimals=1)
    line = torch.stack((cloud[:, 0], 1 - cloud[:, 0], cloud[:, 1]), -1)[:, :m]  # all in one staircase
    f, reference = torch.stack((shell, cloud, line)), draws(3, m, seed=3) + 0.6
    found = hypervolume_cpu.volume(f, reference)
    for i in range(3):
        inside = f[i][(f[i] < reference[i]).all(-1)].numpy()
        assert found[i].item() == pytest.approx(moocore.hypervolume(inside, ref=reference[i].numpy()), rel=1e-12)
        assert torch.equal(hypervolume_cpu.volume(f[i], reference[i]), found[i])
    few = f[:, :300]
    torch.testing.assert_close(VOLUME["torch"](few, reference), VOLUME["numba"](few, reference))


@pytest.mark.parametrize("kernel", VOLUME)
def test_volume_of_empty_sets_and_endless_ones(kernel):
    for shape in ((0, 3), (3, 0, 3), (0, 4, 3), (2, 0, 2)):
        assert VOLUME[kernel](torch.zeros(shape), torch.ones(shape[-1])).tolist() == torch.zeros(shape[:-2]).tolist()
    f = t([1, 1, 1], [-INF, 2, 3])
    assert VOLUME[kernel](f, t(2, 3, 4)).item() == INF
    assert VOLUME[kernel](f, t(2, 2, 4)).item() == 3  # not better in the second objective


# exact contributions


def counted(f, size):
    """Unit cells of [0, size]^m that one point alone dominates, of each point with whole coordinates."""
    m = f.shape[1]
    grid = np.stack(np.meshgrid(*[np.arange(size)] * m, indexing="ij"), -1)
    dominates = [(point <= grid).all(-1) & bool((point < size).all()) for point in f]
    number = sum(d.astype(int) for d in dominates)
    return [float((d & (number == 1)).sum()) for d in dominates]


@pytest.mark.parametrize("kernel", EXACT)
@settings(deadline=None, max_examples=150)
@given(
    st.tuples(st.integers(1, 30), st.integers(2, 3)).flatmap(
        lambda shape: hnp.arrays(np.float64, shape, elements=st.integers(0, 6).map(float))
    )
)
def test_contributions_are_the_cells_that_one_point_alone_dominates(kernel, f):
    """Ties, copies, chains of dominated points, points on the reference point: sums of whole numbers are exact."""
    found = EXACT[kernel](torch.from_numpy(f), torch.tensor(5.0))
    assert found.tolist() == counted(f, 5)


@pytest.mark.parametrize("kernel", EXACT)
def test_contributions_by_hand(kernel):
    f = t([1, 1, 3], [2, 2, 1], [1, 2, 3.5], [2, 2, 3], [NAN, 0, 0], [0, 0, 4], [3, 3, 3.5])
    # The first covers 3 x 3 x 1, of which the second covers 2 x 2 x 1 and the third 1 x 2 x 0.5 beside that; the second
    # covers 2 x 2 x 3, of which the first covers 2 x 2 x 1.
    assert EXACT[kernel](f, t(4, 4, 4)).tolist() == [4, 8, 0, 0, 0, 0, 0]
    assert EXACT[kernel](f[:, :2], t(4, 4)).tolist() == [0, 0, 0, 0, 0, 7, 0]


@pytest.mark.parametrize("kernel", EXACT)
@pytest.mark.parametrize("m", [2, 3])
@pytest.mark.parametrize("kind", ["uniform", "shell", "mixed"])
def test_contributions_are_what_is_lost_without_a_point(kernel, m, kind):
    rng = np.random.default_rng(m)
    f = rng.random((70, m))
    if kind == "shell":
        f /= np.linalg.norm(f, axis=1, keepdims=True)
    if kind == "mixed":
        f[::3], f[5::7, 0], f[40:50] = np.round(f[::3], 1), 0.25, f[:10]
    reference = 0.97 + 0.05 * np.arange(m)
    inside = f[(f < reference).all(-1)]
    volume = moocore.hypervolume(inside, ref=reference)
    lost = [volume - moocore.hypervolume(np.delete(inside, i, 0), ref=reference) for i in range(len(inside))]
    found = EXACT[kernel](torch.from_numpy(f), torch.from_numpy(reference)).numpy()
    np.testing.assert_allclose(found[(f < reference).all(-1)], lost, rtol=0, atol=1e-14)
    assert (found >= 0).all() and (found[(f >= reference).any(-1)] == 0).all()
    dominated = [(np.delete(f, i, 0) <= f[i]).all(-1).any() for i in range(len(f))]
    assert (found[dominated] == 0).all()


@pytest.mark.parametrize("m", [2, 3])
def test_contributions_of_many_points(m):
    """More than 64^2, which adds a level to the set of places that the sweep keeps."""
    shell = front(5000, m, 8)
    reference = t(*[1.1 + 0.5 * j for j in range(m)])
    found = hypervolume_cpu.contributions(shell, reference)
    expected = moocore.hv_contributions(shell.numpy(), ref=reference.numpy())
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9, atol=1e-16)
    cloud = draws(5000, m, seed=9)
    cloud[:1500] = cloud[1500:3000].round(decimals=1)
    wide = hypervolume_torch.contributions.reference(cloud, reference)
    torch.testing.assert_close(hypervolume_cpu.contributions(cloud, reference), wide, rtol=1e-12, atol=1e-16)
    line = torch.stack((cloud[:, 0], 1 - cloud[:, 0], cloud[:, 1]), -1)[:, :m]  # all in one staircase
    expected = moocore.hv_contributions(line.numpy(), ref=reference.numpy())
    np.testing.assert_allclose(hypervolume_cpu.contributions(line, reference), expected, rtol=1e-9, atol=1e-16)


@pytest.mark.parametrize("kernel", EXACT)
@pytest.mark.parametrize("m", [2, 3])
def test_a_set_has_the_same_contributions_alone(kernel, m):
    f, reference = draws(4, 5, 33, m), 0.8 + 0.3 * draws(5, m, seed=2)
    f[1, 2], f[2, :, 4] = NAN, INF
    whole = EXACT[kernel](f, reference)
    assert whole.shape == (4, 5, 33) and whole.dtype == torch.float64
    for i, j in ((0, 0), (1, 2), (3, 4)):
        assert torch.equal(EXACT[kernel](f[i, j], reference[j]), whole[i, j])
    assert torch.equal(EXACT[kernel](f.float(), reference), EXACT[kernel](f.float().double(), reference))
    for shape in ((0, m), (3, 0, m), (0, 4, m)):
        assert EXACT[kernel](torch.zeros(shape), reference[0]).shape == shape[:-1]


# expected contributions


def cells(f, reference):
    """Volume of each cell of the grid through all points, and which points dominate it."""
    axes = [sorted({*column, r}) for column, r in zip(f.T.tolist(), reference, strict=True)]
    axes = [[x for x in axis if x <= r] for axis, r in zip(axes, reference, strict=True)]
    for corner in itertools.product(*(range(len(axis) - 1) for axis in axes)):
        low = [axis[i] for axis, i in zip(axes, corner, strict=True)]
        volume = math.prod(axis[i + 1] - axis[i] for axis, i in zip(axes, corner, strict=True))
        yield volume, frozenset(i for i, p in enumerate(f.tolist()) if all(a <= b for a, b in zip(p, low, strict=True)))


def enumerated(f, reference, k):
    """The definition: over all sets of k points with the one in question, its mean share of what only they dominate."""
    n, grid, value = len(f), list(cells(f, reference)), []
    for a in range(n):
        sets = [{a, *rest} for rest in itertools.combinations([i for i in range(n) if i != a], k - 1)]
        lost = [sum(v / len(who) for v, who in grid if a in who and who <= s) for s in sets]
        value.append(sum(lost) / len(lost))
    return torch.tensor(value, dtype=torch.float64)


@pytest.mark.parametrize("kernel", EXPECTED)
@pytest.mark.parametrize("k", [1, 2, 4, 6])
def test_expected_contributions_are_those_of_the_definition(kernel, k):
    f, reference = front(6, 2, 3), [1.2, 1.3]
    f = torch.cat((f, f[:1], t([0.0, 9.0])))  # a copy, and a point beyond the reference point
    valid, none = torch.ones(8, dtype=torch.bool), f.new_zeros(0, 2)
    found = EXPECTED[kernel](f, valid, t(*reference), torch.tensor(k), none)
    assert torch.allclose(found, enumerated(f, reference, k), rtol=1e-12, atol=1e-15)
    more = torch.cat((t([0.01, 0.02], [NAN, NAN]), f)).nan_to_num(INF)  # not in the front: as if they did not exist
    masked = EXPECTED[kernel](more, torch.arange(10) >= 2, t(*reference), torch.tensor(k), none)
    assert torch.allclose(masked[2:], found, rtol=1e-12, atol=1e-15) and not masked[:2].any()


@pytest.mark.parametrize("kernel", EXPECTED)
@pytest.mark.parametrize("k", [1, 3])
def test_sampled_contributions_come_near_the_definition(kernel, k):
    f, reference = front(5, 3, 4), [1.2, 1.7, 2.1]
    found = EXPECTED[kernel](f, f[:, 0] >= 0, t(*reference), torch.tensor(k), draws(200_000, 3))
    assert torch.allclose(found, enumerated(f, reference, k), rtol=0.03)


def test_contributions_of_one_removal_are_the_hypervolume_contributions():
    for m, tolerance in ((2, 1e-12), (4, 0.05)):
        f, reference = front(9, m, 6), [1.1 + 0.5 * j for j in range(m)]
        found = expected_contribution(f, f[:, 0] >= 0, t(*reference), torch.tensor(1), draws(400_000, m))
        exact = hypervolume_contributions(f, reference)
        assert torch.allclose(found, exact, rtol=tolerance, atol=tolerance * exact.max().item())


def test_contributions_add_up_to_what_is_lost_on_average():
    """n/k times the mean loss over all sets of k points."""
    f, reference, k = front(7, 2, 9), [1.15, 1.6], 3
    found = expected_contribution(f, f[:, 0] >= 0, t(*reference), torch.tensor(k), f.new_zeros(0, 2)).sum()
    kept = [f[list(s)] for s in itertools.combinations(range(7), 7 - k)]
    lost = hypervolume(f, reference) - torch.stack([hypervolume(s, reference) for s in kept]).mean()
    assert found.item() == pytest.approx(7 / k * lost.item(), rel=1e-12)


def test_weights_of_shared_volume():
    """n = 5, k = 3: 1, 1/2 * 2/4, 1/3 * 2/4 * 1/3, then nothing, since only three points go."""
    found = removal_weights(torch.tensor(5), torch.tensor(3), 6)
    assert torch.allclose(found, t(1.0, 0.25, 1 / 18, 0.0, 0.0, 0.0))


@pytest.mark.parametrize("kernel", EXPECTED)
@pytest.mark.parametrize("m", [1, 2, 3])
def test_a_run_has_the_same_contributions_alone(kernel, m, monkeypatch):
    f = torch.stack([front(45, m, seed) for seed in range(31)])
    valid = Rng(range(31)).fold(1).uniform(45) < 0.8
    reference, u = f.amax(-2) * 1.1, Rng(range(31)).fold(2).uniform(301, m)
    k, tie = valid.sum(-1) // 2, draws(31, 45)
    whole = EXPECTED[kernel](f, valid, reference, k, u)
    stay = TRUNCATE[kernel](f, valid, k, 45, reference, u, tie)
    assert torch.equal(stay.sum(-1), valid.sum(-1) - k) and not (stay & ~valid).any()
    for i in (0, 7, 30):
        one = slice(i, i + 1)
        assert torch.equal(EXPECTED[kernel](f[one], valid[one], reference[one], k[one], u[one]), whole[one])
        alone = TRUNCATE[kernel](f[one], valid[one], k[one], 45, reference[one], u[one], tie[one])
        assert torch.equal(alone, stay[one])
    monkeypatch.setattr(contribution, "CELLS", 20_000)  # pieces differ, the bits do not
    assert torch.equal(whole, EXPECTED[kernel](f, valid, reference, k, u))
    monkeypatch.setattr(contribution, "BLOCK", 200)
    assert torch.allclose(whole, EXPECTED[kernel](f, valid, reference, k, u), rtol=1e-12)


def on_a_lattice(n, m, seed, values):
    """Points and reference points with few different coordinates, many of them equal to a sample's."""
    rng = np.random.default_rng(seed)
    f = torch.from_numpy(rng.integers(0, values, (2, n, m)) / 4)
    return f, torch.from_numpy(rng.integers(values - 1, values + 2, (2, m)) / 4)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 90), st.sampled_from([1, 3, 4, 6]), st.integers(0, 2**31), st.integers(2, 9), st.floats(0, 1),
    st.sampled_from([torch.float64, torch.float32]),
)  # fmt: skip
def test_samples_are_counted_alike(n, m, seed, values, share, dtype):
    """The same whole numbers of 1/UNIT, so the same bits; the same points stay."""
    f, reference = (x.to(dtype) for x in on_a_lattice(n, m, seed, values))
    rng = np.random.default_rng(seed)
    u = torch.from_numpy(rng.integers(0, 9, (2, 50, m)) / 8).to(dtype)
    valid = torch.from_numpy(rng.random((2, n)) < 0.9)
    f = f.masked_fill(torch.from_numpy(rng.random((2, n, 1)) < 0.05), INF)
    k = (valid.sum(-1) * share).long()
    tie = torch.from_numpy(rng.integers(0, 3, (2, n)).astype(float)).to(dtype)
    found = [EXPECTED[kernel](f, valid, reference, k, u) for kernel in EXPECTED]
    assert torch.equal(*found) and not found[0][~valid].any()
    stay = [TRUNCATE[kernel](f, valid, k, n, reference, u, tie) for kernel in TRUNCATE]
    assert torch.equal(*stay) and torch.equal(stay[0].sum(-1), valid.sum(-1) - k)


@pytest.mark.parametrize("k", [3900, 2000])
def test_many_points_are_found_through_tables(k):
    """Points beyond one step of a table, samples with more dominators than are kept, which later become few."""
    f, reference = front(4000, 4, 12), t(1.1, 1.6, 2.1, 2.6)
    valid, u, number = torch.ones(4000, dtype=torch.bool), draws(150, 4), torch.tensor(k)
    found = [EXPECTED[kernel](f, valid, reference, number, u) for kernel in EXPECTED]
    assert torch.equal(*found) and found[0].any()
    stay = [TRUNCATE[kernel](f, valid, number, k, reference, u, draws(4000)) for kernel in TRUNCATE]
    assert torch.equal(*stay) and stay[0].sum() == 4000 - k


# truncation


@pytest.mark.parametrize("kernel", TRUNCATE)
def test_truncation_takes_away_what_it_must(kernel):
    f = torch.stack([front(12, 2, seed) for seed in (1, 2, 3)])
    in_front = torch.ones(3, 12, dtype=torch.bool)
    in_front[2, :4] = False
    reference, tie = t([1.2, 1.8]).expand(3, -1), torch.zeros(3, 12)
    stay = TRUNCATE[kernel](f, in_front, torch.tensor([0, 1, 6]), 6, reference, f.new_zeros(3, 0, 2), tie)
    assert stay.sum(-1).tolist() == [12, 11, 2] and not stay[2, :4].any()
    assert (~stay[1]).nonzero().item() == hypervolume_contributions(f[1], reference[1]).argmin().item()
    beyond = f + 5.0  # all contributions are 0
    tie = torch.arange(36).view(3, 12).flip(-1).double()
    stay = TRUNCATE[kernel](beyond, in_front, torch.tensor([2, 2, 2]), 2, reference, f.new_zeros(3, 0, 2), tie)
    assert [(~row).nonzero()[:, 0].tolist() for row in stay[:2]] == [[10, 11], [10, 11]]


def sampled_loops(points, samples, n, k):
    """Weights of the samples that each of n points dominates when k of them go, in 1/UNIT."""
    total = [0] * len(points)
    for s in samples.tolist():
        above = [i for i, p in enumerate(points.tolist()) if all(a <= b for a, b in zip(p, s, strict=True))]
        factors = [max(0, k - j) / (n - j) for j in range(1, len(above))]
        weight = round(math.prod(factors) / len(above) * UNIT) if above else 0
        for i in above:
            total[i] += weight
    return total


@pytest.mark.parametrize("kernel", TRUNCATE)
@pytest.mark.parametrize("m", [2, 3, 4])
def test_a_small_surplus_goes_one_by_one(kernel, m):
    """Algorithm 5 of the paper, with contributions computed anew after each removal."""
    n, surplus = 24, 15
    f, reference, u = front(n, m, 7 + m), t(*[1.1 + 0.55 * j for j in range(m)]), draws(200, m)
    low = f.amin(0)
    left = list(range(n))
    for k in range(surplus, 0, -1):
        points = f[left]
        if m == 2:
            every = torch.ones(len(left), dtype=torch.bool)
            value = expected_contribution(points, every, reference, torch.tensor(k), u[:0]).tolist()
        elif m == 3:
            value = hypervolume_contributions(points, reference).tolist()
        else:
            value = sampled_loops(points, low + u * (reference - low), len(left), k)
        del left[value.index(min(value))]
    every = torch.ones(n, dtype=torch.bool)
    stay = TRUNCATE[kernel](f, every, torch.tensor(surplus), surplus, reference, u, torch.arange(n).double())
    assert stay.nonzero()[:, 0].tolist() == left


@pytest.mark.parametrize("m", [2, 3])
def test_rounds_lose_little_more_than_one_by_one(m, monkeypatch):
    """A surplus of 200 goes four at a time."""
    f, reference = front(400, m, 7), t(*[1.1 + 0.55 * j for j in range(m)])
    every, number, tie = torch.ones(400, dtype=torch.bool), torch.tensor(200), torch.zeros(400)
    rounds = truncate(f, every, number, 200, reference, f.new_zeros(0, m), tie)
    monkeypatch.setattr(contribution, "ROUNDS", 200)
    single = contribution.truncate.reference(f, every, number, 200, reference, f.new_zeros(0, m), tie)
    whole, one, four = (hypervolume(f[some], reference).item() for some in (every, single, rounds))
    assert whole > one and (whole - four) <= 1.25 * (whole - one)


def test_hype_gains_from_exact_contributions():
    """Three objectives: nearer to the best 100 points than with 10,000 samples in each round, which reach 0.739."""
    result = moopt.minimize(
        moopt.problem("dtlz2", n_obj=3), moopt.algorithm("hype"), moopt.Generations(100), runs=5, seed=1, progress=False
    )
    assert hypervolume(torch.stack([run.population.f for run in result.runs]), 1.1).median() >= 0.752
