"""Indicators against closed forms, a second implementation and moocore."""

import math

import moocore
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from moopt.core.random import Rng
from moopt.indicators import (
    epsilon_additive,
    epsilon_multiplicative,
    expected_utility,
    gd,
    gd_plus,
    hypervolume,
    hypervolume_contributions,
    igd,
    igd_plus,
    r2,
)
from moopt.indicators.table import INDICATORS
from moopt.operators.directions import das_dennis
from moopt.selection import nondominated_mask
from moopt.testing import check_indicator

INF, NAN = float("inf"), float("nan")


def naive_hypervolume(points, r):
    """Slices along the last objective, each a problem of one objective less."""
    points = [p for p in points if all(x < y for x, y in zip(p, r, strict=True))]
    if not points:
        return 0.0
    if len(r) == 1:
        return r[0] - min(p[0] for p in points)
    points.sort(key=lambda p: p[-1])
    ends = [p[-1] for p in points[1:]] + [r[-1]]
    return sum(
        (end - p[-1]) * naive_hypervolume([q[:-1] for q in points[: k + 1]], r[:-1])
        for k, (p, end) in enumerate(zip(points, ends, strict=True))
        if end > p[-1]
    )


def random_set(n, m, seed, low=0.0):
    return low + np.random.default_rng(seed).random((n, m))


# ---- hypervolume


def test_hypervolume_by_hand():
    f = [[1.0, 4.0], [2.0, 2.0], [4.0, 1.0]]
    assert hypervolume(f, [5.0, 6.0]).item() == 4 * 2 + 3 * 2 + 1 * 1
    assert hypervolume(f + [[3.0, 3.0], [2.0, 2.0], [0.0, 6.0], [7.0, 0.0]], [5.0, 6.0]).item() == 15
    assert hypervolume([[3.0], [2.5], [9.0]], [4.0]).item() == 1.5
    assert hypervolume([[1.0, 2.0, 3.0]], [2.0, 4.0, 6.0]).item() == 6
    assert hypervolume([[1.0, 2.0, 3.0], [1.5, 1.0, 3.0]], [2.0, 4.0, 6.0]).item() == 6 + 0.5 * 1 * 3
    assert hypervolume([[2.0, 2.0]], 1.0).item() == 0  # worse than the reference point


def test_conventions_of_hypervolume():
    f = np.array([[1.0, 40.0], [2.0, 20.0], [4.0, 10.0]])
    raw = hypervolume(f, [5.0, 60.0]).item()
    assert raw == 150
    scaled = hypervolume(f, 1.1, ideal=[1.0, 10.0], nadir=[4.0, 40.0])
    assert scaled.item() == pytest.approx(hypervolume(f, [4.3, 43.0]).item() / (3 * 30))
    relative = hypervolume(f, 1.1, ideal=[1.0, 10.0], nadir=[4.0, 40.0], relative=True)
    assert relative.item() == pytest.approx(scaled.item() / 1.21)
    assert hypervolume(f, [5.0, 60.0], ideal=[0.0, 5.0], relative=True).item() == pytest.approx(
        150 / (5 * 55)
    )
    shares = hypervolume_contributions(f, 1.1, ideal=[1.0, 10.0], nadir=[4.0, 40.0], relative=True)
    expected = hypervolume_contributions(f, [4.3, 43.0]) / (90 * 1.21)
    torch.testing.assert_close(shares, expected)


@pytest.mark.parametrize("m", [2, 3, 5])
def test_closed_forms_of_the_dtlz_fronts(m):
    """Lattice values and continuous limits of NSGA-III's fronts, reference 1.1 x nadir, divided by 1.1^m."""
    divisions, plane, sphere = {
        2: (99, 0.582603, 0.347215),
        3: (12, 0.841737, 0.559618),
        5: (6, 0.979878, 0.812634),
    }[m]
    w = das_dennis(m, divisions)
    on_plane, on_sphere = w / 2, w / w.norm(dim=1, keepdim=True)
    found = hypervolume(on_plane, 1.1, ideal=[0.0] * m, nadir=[0.5] * m, relative=True)
    assert found.item() == pytest.approx(plane, abs=6e-7)
    assert hypervolume(on_sphere, 1.1, ideal=[0.0] * m, relative=True).item() == pytest.approx(
        sphere, abs=6e-7
    )
    plane_limit = 1 - 0.5**m / math.factorial(m) / 0.55**m
    sphere_limit = 1 - math.pi ** (m / 2) / (2**m * math.gamma(m / 2 + 1)) / 1.1**m
    assert plane < plane_limit and sphere < sphere_limit
    if m == 2:
        w = das_dennis(2, 40_000)
        dense = hypervolume(torch.stack([w / 2 / 0.55, w / w.norm(dim=1, keepdim=True) / 1.1]), 1.0)
        assert dense.tolist() == pytest.approx([plane_limit, sphere_limit], abs=2e-5)


def test_zdt1_front():
    x = torch.linspace(0, 1, 200_001, dtype=torch.float64)
    f = torch.stack([x, 1 - x.sqrt()], -1)
    assert hypervolume(f, 1.1).item() == pytest.approx(0.876667, abs=4e-6)
    assert hypervolume(f, 11).item() == pytest.approx(120 + 2 / 3, abs=1e-4)


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5])
def test_staircases(m):
    """A diagonal of n points cuts the unit cube into prisms of known volume."""
    n = 5
    steps = np.arange(n) / n
    f = np.full((n, m), 0.25)
    f[:, 0], f[:, -1] = steps, steps[::-1] if m > 1 else steps
    area = sum((1 - steps[i]) / n for i in range(n)) if m > 1 else 1.0
    assert hypervolume(f, 1.0).item() == pytest.approx(area * 0.75 ** max(m - 2, 0), rel=1e-13)


@pytest.mark.parametrize("m", [1, 2, 3, 4, 6])
def test_hypervolume_of_random_sets(m):
    for seed in range(4):
        f = random_set(9, m, seed)
        r = [0.9 + 0.01 * j for j in range(m)]
        expected = naive_hypervolume(f.tolist(), r)
        assert hypervolume(f, r).item() == pytest.approx(expected, rel=1e-12)
        if m > 1:
            assert expected == pytest.approx(moocore.hypervolume(f, ref=r), rel=1e-12)


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5])
def test_contributions_are_what_is_lost_without_a_point(m):
    for seed in range(3):
        f = random_set(14, m, seed)
        f[7] = f[2]
        r = np.full(m, 0.95)
        lost = [hypervolume(f, r) - hypervolume(np.delete(f, i, 0), r) for i in range(14)]
        found = hypervolume_contributions(f, r)
        torch.testing.assert_close(found, torch.stack(lost), rtol=0, atol=1e-13)
        assert found[7] == found[2] == 0 and found.max() > 0
        if m > 1:
            alone = hypervolume_contributions(f, r, ignore_dominated=True)
            expected = moocore.hv_contributions(f, ref=r, ignore_dominated=True)
            np.testing.assert_allclose(alone.numpy(), expected, rtol=0, atol=1e-13)
            front = nondominated_mask(f)
            torch.testing.assert_close(
                alone[front], hypervolume_contributions(f[front], r), rtol=0, atol=1e-14
            )
            assert (alone[~front] == 0).all() and (alone >= found - 1e-14).all()


def test_contributions_by_hand():
    f = [[1.0, 4.0], [2.0, 2.0], [4.0, 1.0], [2.5, 3.0], [4.5, 4.5]]
    # (2, 2) alone covers [2, 4] x [2, 4] but for what (2.5, 3) covers too
    assert hypervolume_contributions(f, [5.0, 6.0]).tolist() == [2.0, 4 - 1.5 * 1, 1.0, 0.0, 0.0]
    assert hypervolume_contributions(f, [5.0, 6.0], ignore_dominated=True).tolist() == [
        2.0,
        4.0,
        1.0,
        0.0,
        0.0,
    ]
    assert hypervolume_contributions([[3.0], [2.5], [9.0]], 4.0).tolist() == [0.0, 0.5, 0.0]
    assert hypervolume_contributions([[1.0, 2.0, 3.0]], [2.0, 4.0, 6.0]).tolist() == [6.0]


@pytest.mark.parametrize("m", [2, 3, 4, 6])
def test_contributions_of_near_twins(m):
    """Two points apart by 1e-9: each adds a sliver of known volume, which must not vanish."""
    f = np.full((2, m), 0.5)
    f[1, 0], f[1, 1] = 0.5 - 1e-9, 0.5 + 1e-9
    found = hypervolume_contributions(f, 1.0)
    assert found.tolist() == pytest.approx([1e-9 * 0.5 ** (m - 1)] * 2, rel=1e-6)


def test_a_two_objective_front_is_the_sum_of_what_each_adds_in_turn():
    f = random_set(30, 2, 5)
    f = f[nondominated_mask(f).numpy()]
    total = hypervolume(f, 1.2)
    added = [hypervolume_contributions(f[: i + 1], 1.2)[i] for i in range(len(f))]
    assert len(f) > 3
    torch.testing.assert_close(torch.stack(added).sum(), total)


sets = st.integers(1, 4).flatmap(
    lambda m: hnp.arrays(
        np.float64, st.tuples(st.integers(1, 8), st.just(m)), elements=st.integers(-3, 4).map(float)
    )
)


@settings(deadline=None, max_examples=60)
@given(sets, st.randoms(use_true_random=False))
def test_properties_of_hypervolume(f, random):
    points, m = torch.from_numpy(f), f.shape[1]
    r = [2.0 + j % 2 for j in range(m)]
    value = hypervolume(points, r)
    assert value.item() == pytest.approx(naive_hypervolume(f.tolist(), r), abs=1e-9)
    torch.testing.assert_close(hypervolume(points.flip(0), r), value)
    dominated = points[random.randrange(len(f))] + torch.tensor([random.choice([0.0, 1.5]) for _ in r])
    torch.testing.assert_close(hypervolume(torch.cat([points, dominated[None]]), r), value)
    failed = torch.full((1, m), -9.0)
    failed[0, random.randrange(m)] = NAN
    torch.testing.assert_close(hypervolume(torch.cat([failed, points]), r), value)
    torch.testing.assert_close(hypervolume(points * 2 + 7, [2 * x + 7 for x in r]), value * 2**m)
    assert (hypervolume_contributions(points, r).sum() <= value + 1e-9).item()


# ---- distances

LINE = [[0.0, 2.0], [1.0, 1.0], [2.0, 0.0]]


def test_distances_by_hand():
    f = [[0.0, 2.5], [2.0, 2.0], [3.0, -1.0]]
    near = [0.5, math.sqrt(2), math.sqrt(2)]
    assert gd(f, LINE).item() == pytest.approx(sum(near) / 3)
    assert gd_plus(f, LINE).item() == pytest.approx((0.5 + math.sqrt(2) + 1) / 3)
    back = [0.5, math.sqrt(2), math.sqrt(2)]  # (0, 2) - (0, 2.5), (1, 1) - (2, 2), (2, 0) - (3, -1)
    assert igd(f, LINE).item() == pytest.approx(sum(back) / 3)
    assert igd_plus(f, LINE).item() == pytest.approx((0.5 + math.sqrt(2) + 1) / 3)
    assert igd(f[:2], LINE).item() == pytest.approx((0.5 + math.sqrt(2) + 2) / 3)


def test_the_three_forms():
    f = [[0.0, 2.5], [4.0, 3.0], [2.0, 2.0]]
    d = np.array([0.5, math.sqrt(13), math.sqrt(2)])
    assert gd(f, LINE, form="root").item() == pytest.approx(math.sqrt((d**2).sum()) / 3)
    assert gd(f, LINE, form="power").item() == pytest.approx(math.sqrt((d**2).sum() / 3))
    assert gd(f, LINE, form="power", p=3).item() == pytest.approx(((d**3).sum() / 3) ** (1 / 3))
    for indicator in (gd, gd_plus, igd, igd_plus):
        assert indicator(f, LINE, form="power", p=1).item() == pytest.approx(indicator(f, LINE).item())
        assert indicator(f, LINE, form="root", p=1).item() == pytest.approx(indicator(f, LINE).item())
    with pytest.raises(ValueError, match="form: expected 'mean', 'root' or 'power', got 'sum'"):
        igd(f, LINE, form="sum")


@pytest.mark.parametrize(
    "m, divisions, finer, plane, sphere",
    [
        (2, 99, 9999, 1.7853e-3, 3.9658e-3),
        (3, 12, 139, 2.0556e-2, 5.4464e-2),
        (5, 5, 19, 6.3325e-2, 1.9490e-1),
    ],
)
def test_igd_of_converged_lattices(m, divisions, finer, plane, sphere):
    w, z = das_dennis(m, divisions), das_dennis(m, finer)
    assert igd(w / 2, z / 2).item() == pytest.approx(plane, rel=5e-5)
    on_sphere, front = w / w.norm(dim=1, keepdim=True), z / z.norm(dim=1, keepdim=True)
    assert igd(on_sphere, front).item() == pytest.approx(sphere, rel=5e-5)


@pytest.mark.parametrize("m", [1, 2, 3, 6])
def test_distances_and_epsilon_against_moocore_and_loops(m):
    f, z = random_set(23, m, 1, low=0.1), random_set(31, m, 2, low=0.1)
    plus = np.array([[np.linalg.norm(np.maximum(a - b, 0)) for b in z] for a in f])
    plain = np.array([[np.linalg.norm(a - b) for b in z] for a in f])
    assert gd(f, z).item() == pytest.approx(plain.min(1).mean(), rel=1e-13)
    assert gd_plus(f, z).item() == pytest.approx(plus.min(1).mean(), rel=1e-13)
    assert igd(f, z).item() == pytest.approx(plain.min(0).mean(), rel=1e-13)
    assert igd_plus(f, z).item() == pytest.approx(plus.min(0).mean(), rel=1e-13)
    worst = np.array([[(a - b).max() for b in z] for a in f])
    assert epsilon_additive(f, z).item() == worst.min(0).max()
    ratio = np.array([[(a / b).max() for b in z] for a in f])
    assert epsilon_multiplicative(f, z).item() == ratio.min(0).max()
    if m > 1:
        assert igd(f, z).item() == pytest.approx(moocore.igd(f, ref=z), rel=1e-12)
        assert igd_plus(f, z).item() == pytest.approx(moocore.igd_plus(f, ref=z), rel=1e-12)
        assert epsilon_additive(f, z).item() == pytest.approx(moocore.epsilon_additive(f, ref=z), rel=1e-12)
        assert epsilon_multiplicative(f, z).item() == pytest.approx(moocore.epsilon_mult(f, ref=z), rel=1e-12)


def test_a_front_scores_best_against_itself():
    z = random_set(40, 3, 3, low=0.5)
    for indicator in (gd, gd_plus, igd, igd_plus, epsilon_additive):
        assert indicator(z, z).item() == 0
        assert indicator(z + 0.25, z).item() > 0
    assert epsilon_multiplicative(z, z).item() == 1
    assert epsilon_additive(z - 0.25, z).item() == pytest.approx(-0.25)
    assert epsilon_multiplicative(z * 0.8, z).item() == pytest.approx(0.8)
    assert gd_plus(z - 0.25, z).item() == igd_plus(z - 0.25, z).item() == 0 < igd(z - 0.25, z).item()


def test_blocks_of_a_long_table_join(monkeypatch):
    f, z = random_set(57, 3, 1), random_set(83, 3, 2)
    whole = [indicator(f, z).item() for indicator in (gd, igd, igd_plus, epsilon_additive)]
    weighted = [r2(f, [0.0] * 3, z).item(), expected_utility(f, z).item()]
    monkeypatch.setattr("moopt.indicators._sets.CELLS", 300)
    assert [indicator(f, z).item() for indicator in (gd, igd, igd_plus, epsilon_additive)] == whole
    assert [r2(f, [0.0] * 3, z).item(), expected_utility(f, z).item()] == weighted


# ---- utilities


def test_utilities_by_hand():
    f = [[1.0, 5.0], [3.0, 2.0]]
    weights = [[1.0, 0.0], [0.5, 0.5], [0.2, 0.8]]
    assert expected_utility(f, weights).item() == pytest.approx((1 + 2.5 + 2.2) / 3)
    assert expected_utility(f, weights, maximise=True).item() == pytest.approx((3 + 3 + 4.2) / 3)
    assert r2(f, [0.5, 1.0], weights).item() == pytest.approx((0.5 + 1.25 + 0.8) / 3)
    assert r2(f, [0.5, 1.0], weights, utility="weighted_sum").item() == pytest.approx((0.5 + 1.75 + 1.3) / 3)
    with pytest.raises(ValueError, match="utility: expected 'tchebycheff' or 'weighted_sum', got 'pbi'"):
        r2(f, [0.0, 0.0], utility="pbi")


def test_utilities_over_the_simplex():
    a, b = 3.0, 1.5
    assert expected_utility([[a, b]]).item() == pytest.approx((a + b) / 2)
    at = b / (a + b)  # the weight at which w a = (1 - w) b; the integral of their maximum over [0, 1]
    exact = b * (at - at**2 / 2) + a * (1 - at**2) / 2
    assert r2([[a, b]], 0.0).item() == pytest.approx(exact, rel=2e-3)
    # the segment from (0, 1) to (1, 0): every weight is content with an end point, the mean of min(w, 1 - w) is 1/4
    assert expected_utility(das_dennis(2, 50)).item() == pytest.approx(0.25, rel=1e-2)
    f = random_set(40, 2, 9)
    assert r2(f, 0.0).item() == pytest.approx(moocore.r2_exact(f, ref=[0.0, 0.0]), rel=2e-3)
    assert expected_utility([[2.0], [1.25]]).item() == 1.25
    assert r2(random_set(5, 12, 1), 0.0).shape == ()


# ---- what all share

CALLS = {
    "hypervolume": lambda f, z: hypervolume(f, 1.3),
    "contributions": lambda f, z: hypervolume_contributions(f, 1.3),
    "gd": gd,
    "gd_plus": gd_plus,
    "igd": igd,
    "igd_plus": igd_plus,
    "epsilon_additive": epsilon_additive,
    "epsilon_multiplicative": epsilon_multiplicative,
    "r2": lambda f, z: r2(f, 0.05),
    "expected_utility": lambda f, z: expected_utility(f, z),
}
OF_NOTHING = {"hypervolume": 0.0}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_batches_equal_single_sets(name, m):
    call = CALLS[name]
    f = torch.from_numpy(np.stack([random_set(12, m, seed, low=0.1) for seed in range(6)])).view(2, 3, 12, m)
    f[1, 2, 4:9, 0] = NAN
    z = torch.from_numpy(random_set(17, m, 8, low=0.1))
    together = call(f, z)
    assert together.dtype == torch.float64 and together.shape[:2] == (2, 3)
    for i in range(2):
        for j in range(3):
            one = call(f[i, j], z)
            assert torch.equal(together[i, j], one)
            assert torch.equal(call(f[i, j].numpy(), z.numpy()), one)
            assert torch.equal(call(f[i, j].tolist(), z.tolist()), one)
    single = call(f.float(), z.float())
    assert single.dtype == torch.float64
    assert torch.equal(single, call(f.float().double(), z.float().double()))


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("m", [1, 2, 3])
def test_failed_rows_and_empty_sets(name, m):
    call = CALLS[name]
    z = random_set(9, m, 1, low=0.1)
    f = np.concatenate([random_set(6, m, 2, low=0.1), np.full((2, m), NAN)])
    f[6, 1:] = 0.01
    value = call(f, z)
    if name == "contributions":
        assert torch.equal(value[:6], call(f[:6], z)) and value[6:].tolist() == [0, 0]
        assert call(f[6:], z).tolist() == [0, 0]
        assert call(torch.empty(4, 0, m), z).shape == (4, 0)
        return
    assert torch.equal(value, call(f[:6], z))
    nothing = OF_NOTHING.get(name, INF)
    assert call(f[6:], z).item() == nothing
    assert call(torch.empty(3, 0, m), z).tolist() == [nothing] * 3
    assert call(torch.empty(0, 5, m), z).shape == (0,)


def test_an_empty_list_is_an_empty_set():
    assert hypervolume([], [1.0, 2.0]).item() == 0
    assert igd([], LINE).item() == INF == epsilon_additive([], LINE).item()
    assert expected_utility(torch.empty(0, 2), maximise=True).item() == -INF


def test_infinite_values():
    assert hypervolume([[-INF, 0.0], [0.5, 0.2]], 1.0).item() == INF
    assert hypervolume([[-INF, 1.0], [0.5, 0.25]], 1.0).item() == 0.375
    assert hypervolume([[INF, -INF], [0.5, 0.25]], 1.0).item() == 0.375
    assert hypervolume([[-INF, 0.0, 0.0], [0.5, 0.2, 0.1]], 1.0).item() == INF
    assert hypervolume_contributions([[-INF, 0.75], [0.5, 0.25], [INF, 0.0]], 1.0).tolist() == [
        INF,
        0.375,
        0.0,
    ]
    assert igd([[INF, 0.0], [1.0, 1.0]], [[1.0, 0.0]]).item() == 1.0
    assert gd([[INF, 0.0], [1.0, 1.0]], [[1.0, 0.0]]).item() == INF
    assert expected_utility([[INF, 0.0], [1.0, 1.0]]).item() == 1.0


def test_batched_references():
    f = torch.from_numpy(random_set(10, 2, 1))
    r = torch.tensor([[1.0, 1.1], [0.8, 2.0]])
    assert torch.equal(hypervolume(f, r), torch.stack([hypervolume(f, row) for row in r]))
    z = torch.from_numpy(np.stack([random_set(7, 2, 2), random_set(7, 2, 3)]))
    for indicator in (gd, igd, igd_plus, epsilon_additive, expected_utility):
        assert torch.equal(indicator(f, z), torch.stack([indicator(f, one) for one in z]))


@pytest.mark.parametrize(
    "call, sentence",
    [
        (
            lambda f: hypervolume(f, [1.0, 1.0]),
            r"f: expected 2 objectives as in the reference, got points \[4, 3\]",
        ),
        (lambda f: hypervolume(f, [1.0, INF, 1.0]), "reference_point: expected 3 finite objectives"),
        (lambda f: hypervolume(f, 1.0, nadir=[1.0] * 3), "ideal: expected with nadir or relative, got None"),
        (lambda f: hypervolume(f, 1.0, relative=True), "ideal: expected with nadir or relative, got None"),
        (
            lambda f: hypervolume(f, 2.0, ideal=[0.0] * 3, nadir=[1.0, 0.0, 1.0]),
            "nadir: expected greater than ideal",
        ),
        (
            lambda f: hypervolume(f, 1.0, ideal=[0.0, 1.0, 0.0]),
            "reference_point: expected greater than the ideal",
        ),
        (lambda f: igd(f, torch.empty(0, 3)), "front: expected at least one point"),
        (lambda f: gd(f, [[0.0, NAN, 1.0]]), "front: expected at least one point and finite values"),
        (lambda f: igd(f, [[0.0, 1.0]]), "f: expected 2 objectives as in the reference"),
        (lambda f: igd(f[0], [[0.0, 1.0, 2.0]]), r"f: expected points of shape \[..., n, m\], got \[3\]"),
        (lambda f: epsilon_multiplicative(f - 2, [[1.0, 1.0, 2.0]]), "expected positive objectives"),
        (lambda f: r2(f, [0.0, 0.0]), "ideal: expected 3 finite objectives"),
    ],
)
def test_bad_input_is_refused(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call(torch.from_numpy(random_set(4, 3, 1)))


def test_more_than_four_objectives_can_be_approximated():
    draws = Rng([5]).uniform(200, 6)[0]
    f = draws / draws.norm(dim=-1, keepdim=True)  # on a sphere
    exact, rough, rougher = (float(hypervolume(f, 1.1, samples=samples)) for samples in (None, 2**18, 64))
    assert rough == pytest.approx(exact, rel=5e-3) and rough != exact
    assert rougher == pytest.approx(exact, rel=0.2) and abs(rougher - exact) > abs(rough - exact)
    batch = torch.stack((f, f + 2.0, f * 0.9))
    values = hypervolume(batch, 1.1, samples=2**18).tolist()
    assert values[:2] == [rough, 0.0] and values[2] > rough
    few = f[:, :4]
    assert float(hypervolume(few, 1.1, samples=64)) == float(hypervolume(few, 1.1))  # exact is quick there
    with pytest.raises(ValueError, match="samples: expected a whole number of at least 1, got 0"):
        hypervolume(f, 1.1, samples=0)


@pytest.mark.parametrize("name", INDICATORS)
@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_rows_of_the_table_keep_their_contract(name, m):
    """Also which way is better: a front that is nearer to the ideal everywhere, and a set without any point."""
    check_indicator(INDICATORS[name], n_obj=m, seed=3)


def test_the_table_says_which_way_is_better():
    assert [name for name, indicator in INDICATORS.items() if indicator.higher_is_better] == [
        "hypervolume", "expected_utility"
    ]
