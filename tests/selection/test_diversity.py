"""Crowding distances, thinning and scalarising functions."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from moopt.kernels.ranking import cpu as ranking_cpu
from moopt.kernels.ranking import crowding
from moopt.selection import best, crowding_distance, nondominated_rank, pbi, tchebycheff, thin, weighted_sum

INF, NAN = float("inf"), float("nan")
KERNELS = {"torch": crowding.reference, "numba": ranking_cpu.crowding}


def naive_crowding(f, rank):
    """Deb et al. 2002, section III-B, front by front on distinct points, with the stated conventions."""
    f = np.asarray(f, dtype=float)
    distance = np.zeros(len(f))
    for front in set(rank):
        seen = {}
        for i in range(len(f)):
            if rank[i] == front and not np.isnan(f[i]).any():
                seen.setdefault(tuple(f[i] + 0.0), i)
        rows = [seen[key] for key in sorted(seen)]
        if len(rows) == 1:
            distance[rows] = INF
        for j in range(f.shape[1]) if len(rows) > 1 else ():
            at = sorted(rows, key=lambda i: f[i, j])
            v = [float(f[i, j]) for i in at]
            if v[0] == v[-1]:
                continue
            distance[at[0]] = distance[at[-1]] = INF
            for k in range(1, len(at) - 1):
                if v[k + 1] > v[k - 1]:
                    gap = v[k + 1] - v[k - 1]
                    distance[at[k]] += 1.0 if gap == INF else gap / (v[-1] - v[0])
    return torch.from_numpy(distance)


@pytest.mark.parametrize("kernel", KERNELS)
def test_crowding_by_hand(kernel):
    f = torch.tensor([[0.0, 10.0], [1.0, 6.0], [4.0, 5.0], [8.0, 0.0]])
    expected = [INF, 4 / 8 + 5 / 10, 7 / 8 + 6 / 10, INF]
    assert KERNELS[kernel](f.double(), None).tolist() == pytest.approx(expected, rel=1e-15)
    # a second front among the rows keeps its own range and its own end points
    both = torch.cat([f, f * 3 + 20]).double()[[5, 0, 1, 6, 7, 2, 3, 4]]
    rank = torch.tensor([1, 0, 0, 1, 1, 0, 0, 1])
    expected = [expected[i] for i in (1, 0, 1, 2, 3, 2, 3, 0)]
    assert KERNELS[kernel](both, rank).tolist() == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_conventions_of_crowding(kernel):
    def distance(f):
        return KERNELS[kernel](torch.tensor(f, dtype=torch.float64), None).tolist()

    assert distance([[0, 4], [1, 3], [1, 3], [3, 1], [4, 0]]) == [INF, 1.5, 0.0, 1.5, INF]  # copies
    assert distance([[0, 7, 4], [1, 7, 3], [4, 7, 0]]) == [INF, 2.0, INF]  # a constant objective
    assert distance([[2, 5]]) == [INF]
    assert distance([[2, 5], [2, 5], [2, 5]]) == [INF, 0, 0]
    assert distance([[0, INF], [1, 3], [2, 1], [INF, 0]]) == [INF, 1.0, 1.0, INF]
    assert distance([[-INF, INF], [INF, -INF], [3, 3], [4, 2]]) == [INF, INF, 2.0, 2.0]
    assert distance([[0, 4], [NAN, 2], [1, 1], [4, 0], [NAN, NAN]]) == [INF, 0.0, 2.0, INF, 0.0]
    assert distance([[NAN, 1], [1, NAN]]) == [0.0, 0.0]
    # ties in one objective are ordered by the others
    assert distance([[0, 5, 5], [2, 1, 4], [2, 3, 1], [4, 0, 0]])[1:3] == [
        2 / 4 + 3 / 5 + 4 / 5,
        2 / 4 + 4 / 5 + 4 / 5,
    ]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("m", [1, 2, 3, 8])
def test_crowding_is_that_of_the_definition_and_the_same_in_batches(kernel, m):
    rng = np.random.default_rng(m)
    uniform, grid = rng.random((70, m)), rng.integers(0, 5, (70, m)).astype(float)
    uniform[[9, 30]] = uniform[[12, 2]]
    grid[4, 0], grid[5, m - 1], grid[6, m // 2], grid[7, 0] = INF, -INF, NAN, -0.0
    f = torch.from_numpy(np.stack([uniform, grid]))
    rank = nondominated_rank(f)
    for ranks in (None, rank):
        together = KERNELS[kernel](f, ranks)
        for i in range(2):
            one = None if ranks is None else ranks[i]
            assert torch.equal(together[i], KERNELS[kernel](f[i], one))
            expected = naive_crowding(f[i], [0] * 70 if one is None else one.tolist())
            assert torch.equal(together[i], expected)
    single = KERNELS[kernel](f.float(), rank)
    assert single.dtype == torch.float32
    assert torch.equal(single, KERNELS[kernel](f.float().double(), rank).float())


@pytest.mark.parametrize("kernel", KERNELS)
def test_crowding_of_empty_sets(kernel):
    assert KERNELS[kernel](torch.empty(3, 0, 2), None).shape == (3, 0)
    assert KERNELS[kernel](torch.empty(0, 4, 2), torch.empty(0, 4, dtype=torch.int64)).shape == (0, 4)


numbers = st.one_of(st.integers(-3, 3).map(float), st.floats(width=32), st.sampled_from([INF, -INF, NAN]))
sets = st.integers(1, 4).flatmap(
    lambda m: hnp.arrays(np.float64, st.tuples(st.integers(1, 20), st.just(m)), elements=numbers)
)


@settings(deadline=None, max_examples=80)
@given(sets, st.randoms(use_true_random=False))
def test_properties_of_crowding(f, random):
    points = torch.from_numpy(f)
    rank = torch.tensor([random.randint(-1, 2) for _ in f])
    distance = crowding_distance(points, rank)
    assert torch.equal(distance, naive_crowding(f, rank.tolist()))
    assert torch.equal(crowding.reference(points, rank), distance)
    assert (distance >= 0).all()  # NaN included
    order = list(range(len(f)))
    random.shuffle(order)
    # which of several copies keeps the distance depends on their order, the distances do not
    shuffled = crowding_distance(points[order], rank[order])
    assert torch.equal(shuffled.sort().values, distance.sort().values)
    assert torch.equal(crowding_distance(points * 4.0, rank * 3), distance)


def test_crowding_refuses_ranks_that_do_not_fit():
    with pytest.raises(ValueError, match=r"rank: expected shape \[4\], got \[3\]"):
        crowding_distance(torch.rand(4, 2), torch.zeros(3))


def test_thin_by_hand():
    x = torch.tensor([0.0, 1.0, 1.1, 2.0, 3.0, 3.2, 4.0, 9.0])
    f = torch.stack([x, 10 - x], -1)
    valid = torch.tensor([True, True, True, True, True, True, True, False])
    # surplus 3: at first the later ones of the pairs 1.0, 1.1 and 3.0, 3.2; of even gaps then the first that may go
    kept = thin(f, valid, 4)
    assert kept.tolist() == [True, False, False, True, True, False, True, False]
    assert torch.equal(thin(f, valid, 7), valid)
    assert thin(f, valid, 0).sum() == 0
    assert thin(f, valid, 1).sum() == 1 and thin(f, valid, 2).tolist() == [True, *[False] * 5, True, False]


def test_thin_removes_copies_first_and_keeps_the_extremes():
    f = torch.tensor([[0.0, 4.0], [1.0, 2.0], [1.0, 2.0], [1.0, 2.0], [3.0, 1.0], [4.0, 0.0], [NAN, -9.0]])
    assert thin(f, torch.ones(7, dtype=torch.bool), 4).tolist() == [
        True,
        True,
        False,
        False,
        True,
        True,
        False,
    ]


@settings(deadline=None, max_examples=60)
@given(sets, st.integers(0, 22), st.randoms(use_true_random=False))
def test_thin_keeps_exactly_what_fits(f, capacity, random):
    points = torch.from_numpy(f)
    valid = torch.tensor([random.random() < 0.8 for _ in f])
    kept = thin(points, valid, capacity)
    assert kept.sum() == min(capacity, int(valid.sum())) and not (kept & ~valid).any()
    batch = thin(torch.stack([points, points.flip(0)]), torch.stack([valid, valid.flip(0)]), capacity)
    assert torch.equal(batch[0], kept)


def test_thin_spreads_what_it_keeps():
    u = torch.from_numpy(np.random.default_rng(2).random(400) ** 3)  # most points at one end of a line
    f = torch.stack([u, 1 - u], 1)
    gaps = u[thin(f, torch.ones(400, dtype=torch.bool), 21)].sort().values.diff()
    assert gaps.max() < 0.13 and gaps.min() > 0.015  # even gaps would be 0.05
    at_once = u[best(21, -crowding_distance(f))].sort().values.diff()
    assert at_once.max() > 0.2 and at_once.min() < 0.015


def test_thin_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="valid: expected bool"):
        thin(torch.rand(4, 2), torch.ones(4), 2)
    with pytest.raises(ValueError, match="capacity: expected a number from 0, got -2"):
        thin(torch.rand(4, 2), torch.ones(4, dtype=torch.bool), -2)


def test_scalarising_functions_by_hand():
    f = torch.tensor([[4.0, 1.0], [2.0, 5.0], [0.5, 3.0]])
    weights = torch.tensor([[0.25, 0.75], [1.0, 0.0]])
    ideal = torch.tensor([1.0, -1.0])
    torch.testing.assert_close(
        weighted_sum(f, weights), torch.tensor([[1.75, 4.0], [4.25, 2.0], [2.375, 0.5]])
    )
    torch.testing.assert_close(
        tchebycheff(f, weights, ideal), torch.tensor([[1.5, 3.0], [4.5, 1.0], [3.0, 0.5]])
    )
    # along (3, 4) / 5 from the ideal point: d1 = (3 a + 4 b) / 5, d2 = |4 a - 3 b| / 5 for the offset (a, b)
    offset = f - ideal
    along, across = (3 * offset[:, 0] + 4 * offset[:, 1]) / 5, (4 * offset[:, 0] - 3 * offset[:, 1]).abs() / 5
    for theta in (5.0, 0.5):
        found = pbi(f, torch.tensor([[0.3, 0.4]]), ideal, theta)
        torch.testing.assert_close(found[:, 0], along + theta * across)


def test_scalarising_functions_broadcast():
    generator = torch.Generator().manual_seed(1)
    f = torch.rand(4, 6, 3, generator=generator, dtype=torch.float64)
    weights = torch.rand(5, 3, generator=generator, dtype=torch.float64)
    ideal = torch.rand(4, 3, generator=generator, dtype=torch.float64) - 1
    for function, extra in ((weighted_sum, ()), (tchebycheff, (ideal,)), (pbi, (ideal,))):
        together = function(f, weights, *extra)
        assert together.shape == (4, 6, 5)
        for r in range(4):
            one = function(f[r], weights, *(z[r] for z in extra))
            assert torch.equal(together[r], one)
            for i, k in ((0, 4), (5, 1)):
                pair = function(f[r, i : i + 1], weights[k : k + 1], *(z[r] for z in extra))
                assert torch.equal(one[i, k], pair[0, 0])
    own = weighted_sum(f[0, :5, None, :], weights[:, None, :])  # point i with weight vector i only
    assert torch.equal(own[:, 0, 0], weighted_sum(f[0, :5], weights).diagonal())
    with pytest.raises(ValueError, match=r"weights: expected 3 objectives like f \[4, 6, 3\], got \[5, 2\]"):
        weighted_sum(f, weights[:, :2])
    with pytest.raises(ValueError, match="ideal: expected 3 objectives"):
        pbi(f, weights, ideal[:, :1])


def test_arrays_keep_their_precision_and_whole_numbers_become_float64():
    f = np.array([[0.0, 3.0], [1.0, 1.5], [3.0, 0.0]])
    expected = torch.tensor([INF, 2.0, INF], dtype=torch.float64)
    for dtype, wanted in (("float32", torch.float32), ("float64", torch.float64), ("int64", torch.float64)):
        found = crowding_distance((2 * f).astype(dtype))
        assert found.dtype == wanted and torch.equal(found.double(), expected)
