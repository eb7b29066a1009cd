"""Pareto ranks and masks, parents and survivors."""

import warnings

import moocore
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from moopt.kernels.ranking import cpu as selection_cpu
from moopt.kernels.ranking import cpu_fronts as fronts_cpu
from moopt.kernels.ranking import cpu_tries as tries_cpu
from moopt.kernels.ranking import reference as dominance
from moopt.kernels.shared import cpu_sorting as sorting_cpu
from moopt.kernels.shared.sorting import lexsort
from moopt.selection import (
    best,
    crowding_distance,
    nondominated_mask,
    nondominated_rank,
    survivors,
    thin,
    tournament,
)

INF, NAN = float("inf"), float("nan")
KERNELS = {"torch": dominance.rank.reference, "numba": selection_cpu.rank}


def dominates(a, b):
    return all(x <= y for x, y in zip(a, b, strict=True)) and any(x < y for x, y in zip(a, b, strict=True))


def naive_rank(f, violation=None):
    """Fronts peeled one by one under constraint domination, as Deb et al. 2002 define it."""
    f = [list(map(float, row)) for row in f]
    v = [0.0] * len(f) if violation is None else list(map(float, violation))
    failed = [any(x != x for x in row) or v[i] != v[i] or v[i] == INF for i, row in enumerate(f)]

    def better(i, j):
        if failed[i] or failed[j]:
            return failed[j] and not failed[i]
        if v[i] > 0 or v[j] > 0:
            return v[i] < v[j]
        return dominates(f[i], f[j])

    rank, left, front = [0] * len(f), set(range(len(f))), 0
    while left:
        first = {j for j in left if not any(better(i, j) for i in left)}
        for j in first:
            rank[j] = front
        left -= first
        front += 1
    return torch.tensor(rank, dtype=torch.int64)


def cut(rank, n_keep):
    """What a partial ranking reports: exact to the front that fills n_keep, one more beyond."""
    limit = rank.sort().values[n_keep - 1] if n_keep else -1
    return rank.clamp_max(limit + 1)


def sample(kind, n, m, seed):
    rng = np.random.default_rng(seed)
    if kind == "uniform":
        return rng.random((n, m))
    if kind == "grid":  # many ties and duplicates
        return rng.integers(0, 4, (n, m)).astype(float)
    if kind == "layers":
        x = np.abs(rng.standard_normal((n, m)))
        return x / np.linalg.norm(x, axis=1, keepdims=True) * rng.integers(1, 6, (n, 1))
    if kind == "chain":
        return np.sort(rng.random((n, m)), axis=0)[rng.permutation(n)]
    if (
        kind == "antichain" and m > 1
    ):  # one front on which two objectives trade off and the others do not matter
        x = rng.random((n, m))
        x[:, -1] = 1 - x[:, -2]
        return x
    f = rng.random((n, m))  # "constant": objectives that do not vary
    f[:, 1 : m - 1] = -2.5
    return f


KINDS = ["uniform", "grid", "layers", "chain", "antichain", "constant"]


def test_a_hand_made_set():
    f = [[1, 5], [2, 3], [4, 1], [3, 4], [5, 2], [4, 4], [2, 3], [5, 5]]
    assert nondominated_rank(f).tolist() == [0, 0, 0, 1, 1, 2, 0, 3]
    assert nondominated_rank(f, n_keep=5).tolist() == [0, 0, 0, 1, 1, 2, 0, 2]
    assert nondominated_rank(f, n_keep=4).tolist() == [0, 0, 0, 1, 1, 1, 0, 1]
    assert nondominated_mask(f).tolist() == [True, True, True, False, False, False, True, False]


def test_constraint_domination_by_hand():
    f = torch.tensor([[3.0, 3.0], [1.0, 9.0], [0.0, 0.0], [-1.0, -1.0], [-2.0, 0.5], [4.0, 4.0], [NAN, 0.0]])
    violation = torch.tensor([0.0, 0.0, 0.7, 0.2, 0.7, 0.0, 0.0])
    assert nondominated_rank(f, violation).tolist() == [0, 0, 3, 2, 3, 1, 4]
    assert nondominated_rank(f, violation, n_keep=4).tolist() == [0, 0, 3, 2, 3, 1, 3]
    assert nondominated_mask(f, violation).tolist() == [True, True, False, False, False, False, False]
    # nothing feasible: the least violating points, whatever their objectives
    assert nondominated_mask(f[:6], violation[:6] + 0.1).tolist() == [True, True, False, False, False, True]


def test_failed_points_share_the_last_rank_and_are_never_in_the_mask():
    f = torch.tensor([[-INF, NAN], [2.0, 1.0], [-9.0, -9.0], [NAN, NAN], [-8.0, -9.0]])
    violation = torch.tensor([0.0, 3.0, INF, 0.5, NAN])
    assert nondominated_rank(f, violation).tolist() == [1, 0, 1, 1, 1]
    assert nondominated_mask(f, violation).tolist() == [False, True, False, False, False]
    assert not nondominated_mask(f[[0, 3]]).any()
    assert not nondominated_mask(f[[2]], violation[[2]]).any()


def test_infinities_and_signed_zeros_are_numbers():
    f = torch.tensor([[INF, -INF], [INF, 0.0], [-INF, INF], [0.0, -0.0], [-0.0, 0.0], [INF, INF]])
    assert nondominated_rank(f).tolist() == [0, 1, 0, 0, 0, 2]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("m", [1, 2, 3, 4, 5, 9, 20])
def test_ranks_are_those_of_the_definition(kernel, m):
    for seed, kind in enumerate(KINDS):
        f = sample(kind, 90, m, seed)
        f[[3, 50]] = f[[20, 7]]
        if kind in ("uniform", "grid"):
            f[5, 0], f[6, m - 1], f[7, m // 2], f[8] = INF, -INF, NAN, -0.0
        violation = np.where(np.arange(90) % 3 == 0, np.arange(90) % 5, 0.0)
        for v in (None, violation, violation + 0.5):
            expected = naive_rank(f, v)
            t = None if v is None else torch.from_numpy(v)
            for n_keep in (0, 1, 13, 45, 90):
                found = KERNELS[kernel](torch.from_numpy(f), t, n_keep)
                assert torch.equal(found, expected if n_keep == 90 else cut(expected, n_keep)), (kind, n_keep)


@pytest.mark.parametrize("m", [2, 3, 4, 7])
@pytest.mark.parametrize("kind", KINDS)
def test_large_sets_against_moocore(kind, m):
    f = sample(kind, 3000, m, seed=m)
    points = torch.from_numpy(f)
    rank = nondominated_rank(points)
    assert torch.equal(rank, torch.from_numpy(moocore.pareto_rank(f)).long())
    assert torch.equal(
        nondominated_mask(points), torch.from_numpy(moocore.is_nondominated(f, keep_weakly=True))
    )
    for n_keep in (1, 700, 1500, 2999):
        assert torch.equal(nondominated_rank(points, n_keep=n_keep), cut(rank, n_keep))


@pytest.mark.parametrize("m", [2, 3, 6])
def test_blocks_of_the_reference_join(m, monkeypatch):
    f = torch.from_numpy(sample("uniform", 400, m, seed=1))
    whole = dominance.rank.reference(f, None, 400)
    monkeypatch.setattr(dominance, "BLOCK", 16)
    monkeypatch.setattr(dominance, "CELLS", 1000)
    assert torch.equal(dominance.rank.reference(f, None, 400), whole)
    assert torch.equal(dominance.rank.reference(f, None, 1), whole.clamp_max(1))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_batches_equal_single_sets(kernel, dtype):
    rank = KERNELS[kernel]
    for m in (1, 2, 3, 5):
        f = (
            torch.from_numpy(np.stack([sample(kind, 60, m, seed=7) for kind in KINDS]))
            .view(2, 3, 60, m)
            .to(dtype)
        )
        violation = torch.from_numpy(sample("grid", 60, 6, seed=3).T.copy()).view(2, 3, 60).clamp_min(1) - 1
        together = rank(f, violation, 40)
        assert together.shape == (2, 3, 60) and together.dtype == torch.int64
        for i in range(2):
            for j in range(3):
                assert torch.equal(together[i, j], rank(f[i, j], violation[i, j], 40))
        assert torch.equal(rank(f.mT.contiguous().mT, violation, 40), together)


@pytest.mark.parametrize("kernel", KERNELS)
def test_empty_and_single_sets(kernel):
    for m in (1, 2, 3):
        assert KERNELS[kernel](torch.empty(2, 0, m), None, 0).shape == (2, 0)
        assert KERNELS[kernel](torch.empty(0, 4, m), None, 4).shape == (0, 4)
        assert KERNELS[kernel](torch.full((1, m), NAN), None, 1).tolist() == [0]
    assert nondominated_rank(torch.empty(0, 2)).shape == nondominated_mask(torch.empty(0, 2)).shape == (0,)
    assert nondominated_rank([[3.0, 1.0]]).tolist() == [0] and nondominated_mask([[3.0, 1.0]]).tolist() == [
        True
    ]


numbers = st.one_of(
    st.integers(-3, 3).map(float), st.floats(width=32), st.sampled_from([INF, -INF, -0.0, NAN])
)
sets = st.integers(1, 5).flatmap(
    lambda m: hnp.arrays(np.float64, st.tuples(st.integers(1, 24), st.just(m)), elements=numbers)
)


@settings(deadline=None, max_examples=80)
@given(sets, st.randoms(use_true_random=False))
def test_properties_of_ranks(f, random):
    points = torch.from_numpy(f)
    rank = nondominated_rank(points)
    assert torch.equal(rank, naive_rank(f))
    assert torch.equal(dominance.rank.reference(points, None, len(f)), rank)

    order = list(range(len(f)))
    random.shuffle(order)
    assert torch.equal(nondominated_rank(points[order]), rank[order])
    assert torch.equal(nondominated_rank(points * 4.0), rank)
    assert torch.equal(nondominated_rank(torch.cat([points, points]))[len(f) :], rank)
    failed = points.isnan().any(-1)
    if failed.any() and not failed.all():
        assert rank[failed].min() > rank[~failed].max()
    n_keep = random.randint(0, len(f))
    assert torch.equal(nondominated_rank(points, n_keep=n_keep), cut(rank, n_keep))
    assert torch.equal(nondominated_mask(points), (rank == 0) & ~failed)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_equals_cpu():
    for m in (1, 2, 3, 6):
        f = torch.from_numpy(np.stack([sample(kind, 1500, m, seed=7) for kind in KINDS]))
        f[0, 5, 0], f[1, 6] = NAN, INF
        violation = torch.from_numpy(sample("grid", 1500, 6, seed=3).T.copy()).clamp_min(1) - 1
        for v in (None, violation):
            on_cuda = None if v is None else v.cuda()
            for n_keep in (1, 700, 1500):
                rank = nondominated_rank(f, v, n_keep)
                assert torch.equal(nondominated_rank(f.cuda(), on_cuda, n_keep).cpu(), rank)
            assert torch.equal(nondominated_mask(f.cuda(), on_cuda).cpu(), nondominated_mask(f, v))
            crowding = crowding_distance(f, rank)
            assert torch.equal(crowding_distance(f.cuda(), rank.cuda()).cpu(), crowding)
            assert torch.equal(best(700, rank.cuda(), -crowding.cuda()).cpu(), best(700, rank, -crowding))
            kept = thin(f, rank < 9, 300)
            assert torch.equal(thin(f.cuda(), rank.cuda() < 9, 300).cpu(), kept)


def test_wrong_shapes_are_refused():
    f = torch.rand(5, 2)
    with pytest.raises(ValueError, match=r"f: expected points of shape \[..., n, m\], got \[5\]"):
        nondominated_rank(f[:, 0])
    with pytest.raises(ValueError, match=r"violation: expected shape \[5\], got \[5, 1\]"):
        nondominated_rank(f, torch.zeros(5, 1))
    with pytest.raises(ValueError, match="n_keep: expected a number of points from 0, got -1"):
        nondominated_rank(f, n_keep=-1)
    with pytest.raises(TypeError, match="f: expected numbers, got list"):
        nondominated_rank([["a", "b"]])


def test_without_numba_one_warning_and_the_reference(without_compiled_kernels):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert nondominated_rank([[1.0, 2.0], [2.0, 3.0]]).tolist() == [0, 1]
        assert nondominated_rank([[4.0, 3.0], [2.0, 3.0]]).tolist() == [1, 0]
        dominance.crowding(torch.rand(4, 2), None)
    assert [str(w.message) for w in caught] == [
        "the slower torch kernels are used on cpu: No module named 'numba'"
    ]
    assert dominance.rank.version("cpu") is dominance.rank.reference


def test_tournament_with_fixed_draws():
    rank = torch.tensor([2, 0, 1, 0, 1])
    crowding = torch.tensor([9.0, 0.5, INF, 0.8, NAN])
    u = torch.tensor([[0.1, 0.3], [0.3, 0.7], [0.5, 0.9], [0.9, 0.5], [0.3, 0.39], [0.99999999, 0.0]])
    # contestants      0    1     1    3     2    4     4    2     1    1       4         0
    assert tournament(u, rank, -crowding).tolist() == [1, 3, 2, 2, 1, 4]
    assert tournament(u, torch.zeros(5)).tolist() == [0, 1, 2, 4, 1, 4]
    assert tournament(u, -rank, crowding).tolist() == [0, 1, 2, 4, 1, 0]


def test_tournament_in_batches_and_its_errors():
    generator = torch.Generator().manual_seed(4)
    u = torch.rand(3, 7, 2, generator=generator, dtype=torch.float64)
    keys = torch.randint(0, 3, (3, 11), generator=generator), torch.rand(3, 11, generator=generator)
    together = tournament(u, *keys)
    for i in range(3):
        assert torch.equal(together[i], tournament(u[i], *(key[i] for key in keys)))
    with pytest.raises(ValueError, match="keys: expected the leading shape of u"):
        tournament(u, keys[0][0])
    with pytest.raises(ValueError, match="keys: expected"):
        tournament(u)
    with pytest.raises(ValueError, match="u: expected draws"):
        tournament(u, keys[0][:, :0])


def test_best_is_lexicographic_and_stable():
    first = torch.tensor([2, 0, 1, 0, 1, 0])
    second = torch.tensor([0.0, 5.0, NAN, 5.0, -INF, 4.0])
    assert best(6, first, second).tolist() == [5, 1, 3, 4, 2, 0]
    assert best(2, first).tolist() == [1, 3]
    assert best(0, first).shape == (0,)
    assert torch.equal(best(4, torch.stack([first, first.flip(0)]))[1], best(4, first.flip(0)))
    assert torch.equal(lexsort([first, second]), best(6, first, second))
    with pytest.raises(ValueError, match="n_keep: expected a number from 0 to 6, got 7"):
        best(7, first)
    with pytest.raises(ValueError, match="keys: expected one or more of one shape"):
        best(1, first, second[1:])


def composed(f, violation, n_keep):
    rank = dominance.rank.reference(f, violation, n_keep)
    crowding = crowding_distance(f, rank)
    index = best(n_keep, rank, -crowding)
    return index, rank.gather(-1, index), crowding.gather(-1, index)


awkward = st.sampled_from([0.0, -0.0, 1.0, 1.5, 2.0, 3.25, INF, -INF, NAN])


@settings(deadline=None, max_examples=150)
@given(st.data(), st.integers(0, 14), st.integers(1, 4), st.booleans(), st.sampled_from(["float32", "float64"]))
def test_survivors_are_the_best_by_rank_and_crowding(data, n, m, constrained, dtype):
    dtype = getattr(torch, dtype)
    f = torch.tensor(data.draw(hnp.arrays(float, (2, n, m), elements=awkward)), dtype=dtype)
    levels = st.sampled_from([0.0, 0.0, 0.5, 2.0, INF, NAN])
    drawn = data.draw(hnp.arrays(float, (2, n), elements=levels))
    violation = torch.tensor(drawn, dtype=dtype) if constrained else None
    n_keep = data.draw(st.integers(0, n))
    expected = composed(f, violation, n_keep)
    for found in (
        selection_cpu.survivors(f, violation, n_keep), dominance.survivors.reference(f, violation, n_keep),
        survivors(f, violation, n_keep),
    ):  # fmt: skip
        for a, b in zip(found, expected, strict=True):
            assert a.dtype == b.dtype and torch.equal(a, b)


@pytest.mark.parametrize("kind", ["uniform", "grid", "layers"])
@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_survivors_of_many(kind, m):
    """Long enough for radix sort."""
    f = torch.tensor(np.stack([sample(kind, 1500, m, seed) for seed in (3, 4)]))
    violation = torch.tensor(np.maximum(np.random.default_rng(5).normal(-0.5, 1.0, (2, 1500)), 0.0).round(1))
    for bounded in (None, violation):
        for a, b in zip(survivors(f, bounded, 700), composed(f, bounded, 700), strict=True):
            assert torch.equal(a, b)


def test_a_child_before_its_equal_parent_survives():
    f = torch.tensor([[1.0, 2.0], [0.0, 3.0], [1.0, 2.0], [4.0, 4.0], [4.0, 4.0]], dtype=torch.float64)
    index, rank, crowding = survivors(f, None, 4)
    # two extremes of the first front, then the copy of one, which keeps no room, then the first of the dominated
    assert index.tolist() == [0, 1, 2, 3] and rank.tolist() == [0, 0, 0, 1]
    assert crowding.tolist() == [INF, INF, 0.0, INF]


def test_survivors_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="n_keep: expected a number from 0 to 5, got 6"):
        survivors(torch.rand(5, 2), None, 6)
    with pytest.raises(ValueError, match=r"violation: expected shape \[5\], got \[4\]"):
        survivors(torch.rand(5, 2), torch.zeros(4), 3)


@pytest.mark.parametrize("n", [0, 1, 7, 9, 400, 401, 3000])
def test_arrange_sorts_and_is_stable(n):
    rng = np.random.default_rng(n)
    key = np.round(rng.normal(0.0, 3.0, n) * 10.0 ** rng.integers(-3, 4, n), 1)
    key[rng.random(n) < 0.1] = -0.0
    key[rng.random(n) < 0.1] = rng.choice([INF, -INF, 5e-324, -1e308])
    rows = np.arange(n) + 10
    order = np.argsort(key, kind="stable")
    sorted_key = key.copy()
    sorting_cpu.arrange(sorted_key, rows)
    assert (rows == order + 10).all() and (sorted_key == key[order]).all()


def test_staircases_that_are_too_long_leave_the_ranks_exact():
    """Two layers of 5,000 points each, all mutual in the last two objectives: more than STAIR steps."""
    rng = np.random.default_rng(8)
    t = rng.permutation(5000) / 5000.0
    front = np.stack([rng.random(5000), t, 1 - t], -1)
    layers = torch.tensor(np.concatenate([front + 1.0, front]))
    assert len(fronts_cpu.stairs(layers[layers[:, 0].argsort()].numpy(), 10_000)) == 0
    expected = torch.cat((torch.ones(5000), torch.zeros(5000))).long()
    assert torch.equal(nondominated_rank(layers), expected)


@pytest.mark.parametrize("kind", ["uniform", "grid", "layers"])
def test_staircases_and_trees_agree(kind):
    f = sample(kind, 900, 3, 6)
    f = f[np.lexsort(f.T[::-1])]
    for n_keep in (1, 200, 900):
        assert (cut(torch.tensor(fronts_cpu.stairs(f, n_keep)), n_keep)
                == cut(torch.tensor(tries_cpu.trees(f, n_keep)), n_keep)).all()  # fmt: skip
