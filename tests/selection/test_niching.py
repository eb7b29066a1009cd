"""Reference directions and neighbourhoods, against loops, enumeration and known answers."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from moopt import Rng
from moopt.kernels.directions import cpu as association_cpu
from moopt.kernels.directions import reference as association
from moopt.kernels.niching import cpu as niches_cpu
from moopt.kernels.niching import niching, position_within
from moopt.kernels.niching import reference as niches
from moopt.kernels.normalisation import cpu as normalisation_cpu
from moopt.kernels.normalisation import reference as normalisation
from moopt.kernels.offers import best_offer
from moopt.kernels.offers import cpu as offers_cpu
from moopt.kernels.offers import reference as offers
from moopt.operators.directions import das_dennis, directions
from moopt.selection import pbi, tchebycheff, weighted_sum
from moopt.selection.neighbourhood import neighbours, replacement
from moopt.selection.niching import (
    angle_penalised_distance,
    associate,
    extreme_points,
    intercepts,
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


# kernels: compiled against the torch references


def same(found, expected):
    """The same bits; which NaN it is does not matter."""
    found, expected = (t if isinstance(t, tuple) else (t,) for t in (found, expected))
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        assert torch.equal(a.isnan(), b.isnan()) and torch.equal(a.nan_to_num(7.5), b.nan_to_num(7.5))


def rough(generator, *shape, dtype=torch.float64):
    """Numbers with many ties and zeros, of both signs."""
    values = generator.choice([0.0, 0.0, 0.25, 0.5, 1.0, -0.5, 0.3, 1 / 3], shape)
    fine = generator.random(shape) < 0.3
    return torch.from_numpy(np.where(fine, generator.random(shape), values)).to(dtype)


def unit(directions):
    return directions / directions.norm(dim=-1, keepdim=True)


seeds, dtypes = st.integers(0, 2**32), st.sampled_from([torch.float64, torch.float32])


@settings(max_examples=200, deadline=None)
@given(seeds, dtypes, st.integers(1, 10), st.integers(1, 150), st.integers(0, 12), st.integers(0, 4))
def test_nearest_directions_are_those_of_the_reference(seed, dtype, m, k, n, case):
    """Ties, copies, points at the origin, vectors of any length, negative, very small and very large numbers."""
    generator = np.random.default_rng(seed)
    f, zones = rough(generator, 2, n, m, dtype=dtype), rough(generator, 2, k, m, dtype=dtype)
    zones = torch.where(zones.norm(dim=-1, keepdim=True) > 0, unit(zones), 0.0) if case % 2 else zones
    zones = zones[:1] if case == 1 else zones[0] if case == 2 else zones
    f = f[0] if case == 3 else f
    info = torch.finfo(dtype)
    f = f * torch.tensor([1.0, 1.0, 1e-3, info.tiny / 8, info.max / 16], dtype=dtype)[seed % 5]
    same(association_cpu.nearest_direction(f, zones), association.nearest_direction.reference(f, zones))
    if case != 3 and n:
        expected = association.associate.reference(f, zones)
        same(association_cpu.associate(f, zones), expected)
        same(expected[:2], association.nearest_direction.reference(f, zones))


def clustered(k, m, seed):
    """Directions in bunches of very different width, some of them copies."""
    u = draws(4, k, m, seed=seed)
    centre, width = u[0][(u[1, :, 0] * 8).long()], 10.0 ** (-16 * u[1, :, :1].square())
    return unit(centre + width * u[2])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("m, k", [(2, 3000), (3, 5050), (3, 4321), (5, 2002), (8, 1500), (10, 715)])
@pytest.mark.parametrize("kind", ["lattice", "chance", "bunches"])
def test_nearest_among_thousands_of_directions(kind, m, k, dtype):
    """Points near the directions, between them, anywhere, on the axes; compared with all sums of products."""
    zones = {"lattice": directions, "chance": lambda k, m: draws(k, m), "bunches": lambda k, m: clustered(k, m, 4)}
    zones = unit(zones[kind](k, m)).to(dtype)
    pick = (draws(4, 100, seed=9) * k).long()
    f = torch.cat((
        zones[pick[0]] * 3.7, zones[pick[1]] + 1e-6 * draws(100, m).to(dtype), 0.5 * (zones[pick[2]] + zones[pick[3]]),
        draws(200, m, seed=7).to(dtype), 5.0 * torch.eye(m, dtype=dtype), torch.zeros(1, m, dtype=dtype),
    ))  # fmt: skip
    info = torch.finfo(dtype)
    for size in (1.0, info.tiny / 2**18, info.tiny**0.5 * 1e-5, info.max / 16):  # where products, or squares, lose bits
        g = f * size
        same(association_cpu.nearest_direction(g, zones), association.nearest_direction.reference(g, zones))


def test_association_in_pieces_and_on_threads(monkeypatch):
    f, zones = Rng(range(3)).uniform(57, 3), unit(Rng(range(5, 8)).uniform(83, 3))
    whole, near = association.nearest_direction.reference(f, zones), association.neighbours.reference(zones, 5)
    monkeypatch.setattr(association, "CELLS", 400)
    same(association.nearest_direction.reference(f, zones), whole)
    same(association.neighbours.reference(zones, 5), near)
    monkeypatch.setattr(association_cpu, "LEAST", 1)
    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        same(association_cpu.nearest_direction(f, zones), whole)
        same(association_cpu.nearest_direction(f, zones[:1]), association.nearest_direction.reference(f, zones[:1]))
        same(association_cpu.neighbours(zones, 5), near)
    finally:
        torch.set_num_threads(threads)


@settings(max_examples=100, deadline=None)
@given(seeds, dtypes, st.integers(1, 6), st.integers(1, 120), st.integers(1, 25))
def test_neighbours_are_those_of_the_reference(seed, dtype, m, k, size):
    points = rough(np.random.default_rng(seed), 2, k, m, dtype=dtype)
    same(association_cpu.neighbours(points, min(size, k)), association.neighbours.reference(points, min(size, k)))


@pytest.mark.parametrize("m, k", [(2, 1200), (3, 2016), (5, 1001)])
def test_neighbours_among_thousands(m, k):
    for points in (directions(k, m), draws(k, m), clustered(k, m, 2)):
        same(association_cpu.neighbours(points, 20), association.neighbours.reference(points, 20))


@settings(max_examples=100, deadline=None)
@given(seeds, dtypes, st.integers(0, 70), st.integers(1, 9), st.integers(1, 3))
def test_places_are_those_of_the_reference(seed, dtype, n, n_groups, n_keys):
    generator = np.random.default_rng(seed)
    group = torch.from_numpy(generator.integers(0, n_groups, (2, n)))
    keys = [rough(generator, 2, n, dtype=dtype) for _ in range(n_keys)]
    keys[0] = torch.where(torch.from_numpy(generator.random((2, n)) < 0.1), torch.nan, keys[0])
    keys[-1] = keys[-1] if seed % 2 else (4 * keys[-1].nan_to_num(9.0)).long()
    expected = niches.position_within.reference(group, keys)
    same(niches_cpu.position_within(group, keys), expected)
    same(niches_cpu.position_within(group[0], [key[0] for key in keys]), expected[0])


@settings(max_examples=150, deadline=None)
@given(seeds, dtypes, st.integers(1, 90), st.integers(1, 12), st.integers(1, 5))
def test_niching_is_that_of_the_reference(seed, dtype, n, n_niches, n_ranks):
    generator = np.random.default_rng(seed)
    rank = torch.from_numpy(generator.integers(0, n_ranks, (3, n)))
    niche = torch.from_numpy(generator.integers(0, n_niches, (3, n)))
    distance, u = rough(generator, 3, n, dtype=dtype), rough(generator, 3, n, 2, dtype=dtype)
    arguments = rank, niche, distance, n_niches, u
    n_keep = int(generator.integers(1, n + 1))
    found = niches_cpu.niching(n_keep, *arguments)
    same(found, niches.niching.reference(n_keep, *arguments))
    same(found[1], niches.niching.reference(n_keep, rank[1], niche[1], distance[1], n_niches, u[1]))


def test_groups_that_do_not_exist_are_refused():
    zero = torch.zeros(2, dtype=torch.int64)
    with pytest.raises(IndexError, match="group: expected numbers from 0"):
        position_within(torch.tensor([0, -1]), [t(0.0, 0.0)])
    for rank, niche in ((zero - 1, zero), (zero, zero - 1), (zero, zero + 3)):
        with pytest.raises(IndexError, match="rank, niche: expected numbers from 0, niches below 3"):
            niching(1, rank, niche, t(0.0, 0.0), 3, torch.zeros(2, 2))
    with pytest.raises(IndexError, match="target: expected numbers from 0 to 2, got others"):
        best_offer(torch.tensor([3]), t(0.0), t(0.0), 3)
    with pytest.raises(IndexError, match="target: expected numbers from 0 to 1, got others"):
        two = torch.ones(2, 2, dtype=torch.float64)
        replacement(two, two[0], torch.tensor([[0], [2]]), two, two[0], two)


@settings(max_examples=150, deadline=None)
@given(seeds, dtypes, st.integers(1, 6), st.integers(1, 25))
def test_normalisation_is_that_of_the_reference(seed, dtype, m, n):
    """Nobody feasible, no hyperplane, objectives without width, and objectives of any size among them."""
    generator = np.random.default_rng(seed)
    f = rough(generator, 3, n, m, dtype=dtype) * torch.tensor([1.0, 1e-9, 1e6])[seed % 3].to(dtype)
    among = torch.from_numpy(generator.random((3, n)) < generator.choice([0.0, 0.5, 1.0], (3, 1)))
    front = among & torch.from_numpy(generator.random((3, n)) < 0.5)
    f = torch.where(among[..., None], f, torch.nan)
    ideal, extremes = rough(generator, 3, m, dtype=dtype), 1 + rough(generator, 3, m, m, dtype=dtype)
    ideal[0], extremes[0] = INF, INF
    state = ideal, extremes
    for _ in range(2):  # what is kept is the second time what came out the first time
        found = normalisation_cpu.normalise(f, among, front, *state)
        same(found, normalisation.normalise.reference(f, among, front, *state))
        state = found[1:]


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


def test_association_is_with_the_nearest_line():
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
    found = niching(n_keep, *map(torch.from_numpy, (rank, niche, distance)), n_niches, torch.from_numpy(u))
    assert len(set(found.tolist())) == n_keep
    assert set(found.tolist()) == sequential_niching(n_keep, rank, niche, distance, n_niches, u)


def test_niching_chooses_by_chance_where_the_paper_does():
    """Niche 0 holds a point of the first front, 1 and 2 are empty: two of three places go to the nearest of niches 1
    and 2. Then all hold one; each niche is as likely as the others to get the last place, whatever its size."""
    rank = torch.tensor([0, 1, 1, 1, 1, 1, 1, 1]).expand(4000, -1)
    niche = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2]).expand(4000, -1)
    distance = t(0.0, 0.1, 0.2, 0.5, 0.3, 0.4, 0.2, 0.1).expand(4000, -1)
    u = Rng(range(4000)).uniform(8, 2)
    kept = niching(4, rank, niche, distance, 3, u)
    share = torch.nn.functional.one_hot(kept, 8).sum(1).double().mean(0)
    expected = t(1.0, 1 / 6, 1 / 6, 1 / 6, 1.0, 1 / 6, 1 / 3, 1.0)
    assert torch.allclose(share, expected, atol=0.025)


def test_place_within_a_group():
    group, key = torch.tensor([[2, 0, 2, 0, 2]]), t([0.5, NAN, 0.1, 0.3, 0.5])
    assert position_within(group, [key]).tolist() == [[1, 1, 0, 0, 2]]


# angles


def test_angles_between_directions():
    assert torch.allclose(spread_angles(t([1.0, 0.0], [2.0, 2.0], [0.0, 0.5])), t(*[math.pi / 4] * 3))
    assert torch.allclose(spread_angles(das_dennis(3, 2))[[0, 1]], t(math.pi / 4, math.pi / 4))
    assert spread_angles(t([0.3, 0.7])).item() == 1.0
    assert (spread_angles(t([1.0, 2.0], [1.0, 2.0])) > 0).all()


def test_angle_penalised_distance_of_the_paper():
    """M = 3, t / t_max = 0.5, alpha = 2, theta = 0.2, gamma = 0.4 and length 2: (1 + 3 * 0.25 * 0.5) * 2."""
    value = angle_penalised_distance(t(2.0), t(0.2), t(0.4), 3 * 0.5**2)
    assert value.item() == pytest.approx(2.75, rel=1e-15)


# neighbourhoods


def test_neighbours_are_the_nearest():
    weights = directions(37, 3) + 1e-3 * draws(37, 3)  # no ties
    expected = torch.cdist(weights, weights).argsort(-1)[:, :6]
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
    arguments = (*map(torch.from_numpy, (target, violation, value)), n_targets)
    number, least_violation, least = best_offer(*arguments)
    same((number, least_violation, least), offers.best_offer.reference(*arguments))
    same((number, least_violation, least), offers_cpu.best_offer(*arguments))
    for b, j in itertools.product(range(2), range(n_targets)):
        keys = [
            (INF if np.isnan(violation[b, i]) else violation[b, i], INF if np.isnan(value[b, i]) else value[b, i], i)
            for i in range(q)
            if target[b, i] == j
        ]
        expected = min(keys, default=(INF, INF, q))
        assert (least_violation[b, j].item(), least[b, j].item(), number[b, j].item()) == expected


FUNCTIONS = {
    "tchebycheff": lambda f, w: tchebycheff(f, w, f.new_zeros(f.shape[-1])),
    "weighted_sum": weighted_sum,
    "pbi": lambda f, w: pbi(f, w, f.new_zeros(f.shape[-1]), 1.7),
}


@settings(max_examples=150, deadline=None)
@given(seeds, dtypes, st.sampled_from(list(FUNCTIONS)), st.integers(1, 5), st.integers(0, 12), st.integers(1, 9))
def test_replacement_equals_a_loop_and_the_reference(seed, dtype, function, m, n, k):
    """Zhang and Li 2007, step 2.4, one point after the other; what a subproblem had loses a tie to every new point."""
    generator = np.random.default_rng(seed)
    f, held = rough(generator, 2, n, m, dtype=dtype), rough(generator, 2, k, m, dtype=dtype)
    f[generator.random((2, n)) < 0.1] = torch.nan
    violation, kept = (torch.from_numpy(generator.choice([0.0, 0.0, 0.5, INF, NAN], (2, s))).to(dtype) for s in (n, k))
    target = torch.from_numpy(generator.integers(0, k, (2, n, 3)))
    weights = rough(generator, k, m, dtype=dtype).abs() + 0.01
    arguments = f, violation, target, held, kept, weights, function, 1.7
    found = replacement(*arguments)
    same(found, offers_cpu.replacement(*arguments))
    slow = offers.replacement.reference(*arguments)
    exact = function != "pbi"  # whose square root torch rounds differently
    for r in range(2):
        excess, old_excess = (v[r].nan_to_num(INF, INF).tolist() for v in (violation, kept))
        new, old = (FUNCTIONS[function](p[r], weights).nan_to_num(INF, INF, -INF) for p in (f, held))
        for j in range(k):
            offers_made = {i: (excess[i], new[i, j].item()) for i in range(n) if j in target[r, i]}
            best, holder = (old_excess[j], old[j, j].item()), n + j
            for i, offer in offers_made.items():
                if offer < best or (offer == best and holder >= n):
                    best, holder = offer, i
            offers_made[n + j] = old_excess[j], old[j, j].item()
            for answer in (found, slow):
                got = offers_made[answer[r, j].item()]
                assert got == pytest.approx(best, rel=8 * torch.finfo(dtype).eps)
                assert answer[r, j].item() == holder or not exact


def test_a_subproblem_needs_a_known_function():
    one = torch.ones(1, 2, dtype=torch.float64)
    with pytest.raises(ValueError, match="function: expected one of tchebycheff, weighted_sum, pbi, got 'sum'"):
        replacement(one, one[0, :1], torch.tensor([[0]]), one, one[0, :1], one, "sum")
