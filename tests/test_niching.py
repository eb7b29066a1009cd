"""Reference directions, neighbourhoods and expected contributions, against loops, enumeration and known answers."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from moopt import Rng
from moopt.indicators import hypervolume, hypervolume_contributions
from moopt.operators.directions import das_dennis, directions
from moopt.selection import contribution, neighbourhood, niching
from moopt.selection.contribution import expected_contribution, removal_weights, truncate
from moopt.selection.neighbourhood import best_offer, neighbours
from moopt.selection.niching import (
    angle_penalised_distance,
    associate,
    extreme_points,
    intercepts,
    position_within,
    running_ideal,
    spread_angles,
)

INF, NAN = float("inf"), float("nan")


def t(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def draws(*shape, seed=5, dtype=torch.float64):
    return Rng([seed], dtype=dtype).uniform(*shape)[0]


def same_alone(function, *batched):
    """Whether a function gives each of 31 runs the bits that it gives them alone."""
    whole = function(*batched)
    whole = whole if isinstance(whole, tuple) else (whole,)
    for i in (0, 7, 30):
        alone = function(*(value[i : i + 1] for value in batched))
        alone = alone if isinstance(alone, tuple) else (alone,)
        assert all(torch.equal(a[0], b[i]) for a, b in zip(alone, whole, strict=True))


# normalisation


def test_the_ideal_point_comes_from_feasible_points_only():
    f = t([0.3, 5.0], [0.1, 0.2], [NAN, NAN], [2.0, 1.0])
    feasible = torch.tensor([True, False, False, True])
    assert running_ideal(t(INF, 1.5), f, feasible).tolist() == [0.3, 1.0]
    assert running_ideal(t(INF, 1.5), f, feasible & False).tolist() == [INF, 1.5]


def test_extreme_points_lie_nearest_to_their_axes():
    f = t([4.0, 0.1, 0.2], [9.0, 0.02, 0.01], [0.3, 5.0, 0.1], [0.1, 0.2, 3.0], [0.0, 0.0, 2.0])
    eligible = torch.tensor([True, True, True, True, False])
    none = torch.full((3, 3), INF, dtype=torch.float64)
    first = extreme_points(f, eligible, t(0.0, 0.0, 0.0), none)
    assert torch.equal(first, f[[1, 2, 3]])  # 9 is farther out, but off-axis values weigh a million times as much
    again = extreme_points(f, torch.tensor([True, False, False, False, True]), t(0.0, 0.0, 0.0), first)
    assert torch.equal(again, f[[1, 2, 4]])


def test_intercepts_of_a_known_plane():
    """The plane x/2 + y/5 + z/11 = 1 through three points that lie on no axis, seen from (1, -1, 3)."""
    ideal = t(1.0, -1.0, 3.0)
    shares = t([0.8, 0.15, 0.05], [0.1, 0.7, 0.2], [0.25, 0.15, 0.6])
    width = intercepts(shares * t(2.0, 5.0, 11.0) + ideal, ideal, ideal + 7.0, ideal + 100.0)
    assert torch.allclose(width, t(2.0, 5.0, 11.0), rtol=1e-13)
    capped = intercepts(shares * t(2.0, 5.0, 11.0) + ideal, ideal, ideal + 7.0, ideal + t(1.5, 100.0, 100.0))
    assert torch.allclose(capped, t(1.5, 5.0, 11.0), rtol=1e-13)


@pytest.mark.parametrize(
    "extremes",
    [
        [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [0.5, 2.0, 1.0]],  # a point twice
        [[2.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 3.0, 1.0]],  # an intercept is negative
        [[INF, INF, INF], [1.0, 0.0, 0.0], [0.0, 3.0, 1.0]],  # one does not exist yet
        [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
    ],
)
def test_without_a_hyperplane_the_nadir_of_the_front_serves(extremes):
    zero, nadir, worst = t(0.0, 0.0, 0.0), t(3.0, 0.0, 0.25), t(4.0, 2.0, 0.5)
    assert intercepts(t(*extremes), zero, nadir, worst).tolist() == [3.0, 2.0, 0.25]
    assert intercepts(t(*extremes), zero, t(-INF, -INF, -INF), t(-INF, -INF, -INF)).tolist() == [1.0, 1.0, 1.0]


def test_intercepts_of_objectives_of_any_size():
    size = t(1e-9, 1.0, 1e12, 3e4)
    rows = draws(40, 4, 4) + 4 * torch.eye(4, dtype=torch.float64)
    expected = 1 / torch.linalg.solve(rows, torch.ones(40, 4, dtype=torch.float64))
    expected = expected[(expected > 0).all(-1)]
    rows = rows[(1 / torch.linalg.solve(rows, torch.ones(40, 4, dtype=torch.float64)) > 0).all(-1)]
    zero = torch.zeros(len(rows), 4, dtype=torch.float64)
    width = intercepts(rows * size, zero, zero + size, zero + size * 1e3)
    assert len(rows) > 20 and torch.allclose(width / size, expected, rtol=1e-9)


# association


@pytest.mark.parametrize("cells", [2**22, 50])
def test_association_is_with_the_nearest_line(cells, monkeypatch):
    monkeypatch.setattr(niching, "CELLS", cells)
    f, zones = draws(2, 40, 3), directions(28, 3)
    niche, along, distance = associate(f, zones * draws(28, 1, seed=8).add(0.5))
    unit = zones / zones.norm(dim=-1, keepdim=True)
    lines = torch.linalg.vector_norm(
        f[..., None, :] - (f[..., None, :] * unit).sum(-1, keepdim=True) * unit, dim=-1
    )
    assert torch.equal(niche, lines.argmin(-1))
    assert torch.allclose(distance, lines.amin(-1), atol=1e-12)
    assert torch.allclose(along.square() + distance.square(), f.square().sum(-1), rtol=1e-12)


def test_association_of_the_origin_and_of_ties():
    zones = t([1.0, 0.0], [0.5, 0.5], [0.0, 1.0])
    niche, along, distance = associate(t([0.0, 0.0], [3.0, 0.0], [0.0, 0.5]), zones)
    assert niche.tolist() == [0, 0, 2] and along.tolist() == [0.0, 3.0, 0.5] and distance.tolist() == [0.0] * 3
    assert associate(t([2.0, 1.0]), t([0.0, 1.0], [2.0, 1.0], [4.0, 2.0])).niche.item() == 1


def test_a_run_is_normalised_and_associated_the_same_alone():
    f, zones = Rng(range(31)).uniform(57, 3), directions(23, 3)
    same_alone(lambda f: tuple(associate(f, zones)), f)
    kept = torch.full((31, 3, 3), INF, dtype=torch.float64)
    zero = torch.zeros(31, 3, dtype=torch.float64)

    def width(f, kept, zero):
        extremes = extreme_points(f, torch.ones_like(f[..., 0], dtype=torch.bool), zero, kept)
        return intercepts(extremes, zero, f.amax(-2), f.amax(-2))

    same_alone(width, f, kept, zero)
    same_alone(lambda f: spread_angles(f), f + 0.1)


# niches


def sequential_niching(n_keep, rank, niche, distance, n_niches, u):
    """Deb and Jain 2014, part I, algorithm 4, point by point; draws decide within a niche, others between them."""
    last = sorted(rank)[n_keep - 1]
    chosen = [i for i in range(len(rank)) if rank[i] < last]
    candidates = {i for i in range(len(rank)) if rank[i] == last}
    count = Counter(niche[i] for i in chosen)
    while len(chosen) < n_keep:
        open_niches = {niche[i] for i in candidates}
        least = min(count[j] for j in open_niches)
        offers = []
        for j in open_niches:
            if count[j] == least:
                members = [i for i in candidates if niche[i] == j]
                key = (lambda i: (distance[i], u[i, 0])) if least == 0 else (lambda i: u[i, 0])
                offers.append(min(members, key=key))
        taken = min(offers, key=lambda i: u[i, 1])
        chosen.append(taken)
        candidates.remove(taken)
        count[niche[taken]] += 1
    return set(chosen)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 30), st.integers(1, 6), st.integers(1, 4))
def test_niching_equals_the_loop_of_the_paper(seed, n, n_niches, n_ranks):
    generator = np.random.default_rng(seed)
    rank, niche = generator.integers(0, n_ranks, n), generator.integers(0, n_niches, n)
    distance = generator.integers(0, 5, n) / 4
    u = np.stack((generator.permutation(n), generator.permutation(n)), -1) / n
    n_keep = int(generator.integers(1, n + 1))
    found = niching.niching(n_keep, *map(torch.from_numpy, (rank, niche, distance)), n_niches, torch.from_numpy(u))
    assert len(set(found.tolist())) == n_keep
    assert set(found.tolist()) == sequential_niching(n_keep, rank, niche, distance, n_niches, u)


def test_niching_chooses_by_chance_where_the_paper_does():
    """Niche 0 holds a point of the first front, 1 and 2 are empty: two of three places go to the nearest of niches 1
    and 2. Then all hold one; each niche is as likely as the others to get the last place, whatever its size."""
    rank = torch.tensor([0, 1, 1, 1, 1, 1, 1, 1]).expand(4000, -1)
    niche = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2]).expand(4000, -1)
    distance = t(0.0, 0.1, 0.2, 0.5, 0.3, 0.4, 0.2, 0.1).expand(4000, -1)
    u = Rng(range(4000)).uniform(8, 2)
    kept = niching.niching(4, rank, niche, distance, 3, u)
    share = torch.nn.functional.one_hot(kept, 8).sum(1).double().mean(0)
    expected = t(1.0, 1 / 6, 1 / 6, 1 / 6, 1.0, 1 / 6, 1 / 3, 1.0)
    assert torch.allclose(share, expected, atol=0.025)


def test_place_within_a_group():
    group, key = torch.tensor([[2, 0, 2, 0, 2]]), t([0.5, NAN, 0.1, 0.3, 0.5])
    assert position_within(group, key).tolist() == [[1, 1, 0, 0, 2]]


# angles


def test_angles_between_directions():
    assert torch.allclose(spread_angles(t([1.0, 0.0], [2.0, 2.0], [0.0, 0.5])), t(*[math.pi / 4] * 3))
    assert torch.allclose(spread_angles(das_dennis(3, 2))[[0, 1]], t(math.pi / 4, math.pi / 4))
    assert spread_angles(t([0.3, 0.7])).item() == 1.0
    assert (spread_angles(t([1.0, 2.0], [1.0, 2.0])) > 0).all()


def test_angles_in_pieces(monkeypatch):
    whole = spread_angles(directions(50, 3)[None])
    monkeypatch.setattr(niching, "CELLS", 170)
    assert torch.equal(whole, spread_angles(directions(50, 3)[None]))


def test_angle_penalised_distance_of_the_paper():
    """M = 3, t / t_max = 0.5, alpha = 2, theta = 0.2, gamma = 0.4 and length 2: (1 + 3 * 0.25 * 0.5) * 2."""
    value = angle_penalised_distance(t(2.0), t(0.2), t(0.4), 3 * 0.5**2)
    assert value.item() == pytest.approx(2.75, rel=1e-15)


# neighbourhoods


def test_neighbours_are_the_nearest(monkeypatch):
    weights = directions(37, 3) + 1e-3 * draws(37, 3)  # no ties
    expected = torch.cdist(weights, weights).argsort(-1)[:, :6]
    assert torch.equal(neighbours(weights, 6), expected)
    monkeypatch.setattr(neighbourhood, "CELLS", 100)
    assert torch.equal(neighbours(weights, 6), expected)
    with pytest.raises(ValueError, match="from 1 to 37"):
        neighbours(weights, 38)
    assert neighbours(t([0.5, 0.5], [0.5, 0.5]), 1).tolist() == [[0], [1]]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 25), st.integers(1, 6))
def test_best_offer_equals_a_loop(seed, q, n_targets):
    generator = np.random.default_rng(seed)
    target = generator.integers(0, n_targets, (2, q))
    violation = generator.choice([0.0, 0.0, 0.5, 2.0, INF, NAN], (2, q))
    value = generator.choice([-1.5, 0.25, 3.0, INF, NAN], (2, q))
    number, least_violation, least = best_offer(*map(torch.from_numpy, (target, violation, value)), n_targets)
    for b, j in itertools.product(range(2), range(n_targets)):
        keys = [
            (INF if np.isnan(violation[b, i]) else violation[b, i], INF if np.isnan(value[b, i]) else value[b, i], i)
            for i in range(q)
            if target[b, i] == j
        ]
        expected = min(keys, default=(INF, INF, q))
        assert (least_violation[b, j].item(), least[b, j].item(), number[b, j].item()) == expected


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


def front(n, m, seed):
    """Points that do not dominate each other, on a bent surface."""
    f = draws(n, m, seed=seed) + 0.05
    return f / f.pow(3).sum(-1, keepdim=True).pow(1 / 3) * t(*[1.0 + 0.5 * j for j in range(m)])


@pytest.mark.parametrize("k", [1, 2, 4, 6])
def test_contributions_are_those_of_the_definition(k):
    f, reference = front(6, 2, 3), [1.2, 1.3]
    f = torch.cat((f, f[:1], t([0.0, 9.0])))  # a copy, and a point beyond the reference point
    valid, none = torch.ones(8, dtype=torch.bool), f.new_zeros(0, 2)
    found = expected_contribution(f, valid, t(*reference), torch.tensor(k), none)
    assert torch.allclose(found, enumerated(f, reference, k), rtol=1e-12, atol=1e-15)
    more = torch.cat((t([0.01, 0.02], [NAN, NAN]), f)).nan_to_num(INF)  # not in the front: as if they did not exist
    masked = expected_contribution(more, torch.arange(10) >= 2, t(*reference), torch.tensor(k), none)
    assert torch.allclose(masked[2:], found, rtol=1e-12, atol=1e-15) and not masked[:2].any()


@pytest.mark.parametrize("k", [1, 3])
def test_sampled_contributions_come_near_the_definition(k):
    f, reference = front(5, 3, 4), [1.2, 1.7, 2.1]
    found = expected_contribution(f, f[:, 0] >= 0, t(*reference), torch.tensor(k), draws(200_000, 3))
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


@pytest.mark.parametrize("m", [2, 3])
def test_a_run_has_the_same_contributions_alone(m, monkeypatch):
    f = torch.stack([front(45, m, seed) for seed in range(31)])
    valid = Rng(range(31)).fold(1).uniform(45) < 0.8
    reference, u = f.amax(-2) * 1.1, Rng(range(31)).fold(2).uniform(301, m)
    k = valid.sum(-1) // 2
    same_alone(expected_contribution, f, valid, reference, k, u)
    whole = expected_contribution(f, valid, reference, k, u)
    monkeypatch.setattr(contribution, "CELLS", 20_000)  # pieces differ, the bits do not
    assert torch.equal(whole, expected_contribution(f, valid, reference, k, u))
    monkeypatch.setattr(contribution, "BLOCK", 200)
    assert torch.allclose(whole, expected_contribution(f, valid, reference, k, u), rtol=1e-12)


def test_truncation_takes_away_what_it_must():
    f = torch.stack([front(12, 2, seed) for seed in (1, 2, 3)])
    in_front = torch.ones(3, 12, dtype=torch.bool)
    in_front[2, :4] = False
    reference, tie = t([1.2, 1.8]).expand(3, -1), torch.zeros(3, 12)
    stay = truncate(f, in_front, torch.tensor([0, 1, 6]), 6, reference, f.new_zeros(3, 0, 2), tie)
    assert stay.sum(-1).tolist() == [12, 11, 2] and not stay[2, :4].any()
    assert (~stay[1]).nonzero().item() == hypervolume_contributions(f[1], reference[1]).argmin().item()
    beyond = f + 5.0  # all contributions are 0
    tie = torch.arange(36).view(3, 12).flip(-1).double()
    stay = truncate(beyond, in_front, torch.tensor([2, 2, 2]), 2, reference, f.new_zeros(3, 0, 2), tie)
    assert [(~row).nonzero()[:, 0].tolist() for row in stay[:2]] == [[10, 11], [10, 11]]


def test_truncation_loses_little_more_than_one_by_one():
    """Half of the surplus in each round against the paper's one point in each."""
    f, reference = front(40, 2, 7), t(1.1, 1.65)
    valid, none = torch.ones(40, dtype=torch.bool), f.new_zeros(0, 2)
    halves = truncate(f, valid, torch.tensor(20), 20, reference, none, torch.zeros(40))
    single = valid.clone()
    for k in range(20, 0, -1):
        value = expected_contribution(f, single, reference, torch.tensor(k), none)
        single[value.masked_fill(~single, INF).argmin()] = False
    whole, one, half = (hypervolume(f[some], reference).item() for some in (valid, single, halves))
    assert whole > one and (whole - half) <= 1.25 * (whole - one)
