"""Distances to the nearest others: the tree against the torch reference, plain loops and scipy."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial import cKDTree

from moopt.kernels.distances import cpu as nearest_cpu
from moopt.kernels.distances import reference as nearest
from moopt.selection import nearest_distances

INF, NAN = float("inf"), float("nan")
awkward = st.sampled_from([0.0, -0.0, 1.0, 1.5, 2.0, 3.25, -7.0, 1e-160, 1e150, NAN])


def by_loops(points, k):
    rows = []
    for i, a in enumerate(points):
        others = [math.dist(a, b) for j, b in enumerate(points) if j != i]
        rows.append((sorted(d for d in others if not math.isnan(d)) + [INF] * k)[:k])
    return rows


@settings(deadline=None, max_examples=150)
@given(st.data(), st.integers(0, 12), st.integers(1, 4), st.integers(0, 13))
def test_ties_copies_and_missing_points(data, n, m, k):
    points = torch.tensor(data.draw(hnp.arrays(float, (2, n, m), elements=awkward)))
    expected = nearest.nearest_distances.reference(points, k)
    assert torch.equal(nearest_cpu.nearest_distances(points, k), expected)
    for one, distances in zip(points.tolist(), expected.tolist(), strict=True):
        assert distances == [pytest.approx(row, rel=1e-15) for row in by_loops(one, k)]


@pytest.mark.parametrize("m", [1, 2, 9])
def test_a_missing_point_is_nobodys_neighbour_at_any_scale(m):
    points = torch.tensor([[NAN] * m, [0.0] * m, [1e150] * m], dtype=torch.float64)
    for nearest_of in (nearest.nearest_distances.reference, nearest_cpu.nearest_distances):
        found = nearest_of(points, 1)[:, 0]
        assert found[0] == INF and found[1:].tolist() == [pytest.approx(math.sqrt(m) * 1e150)] * 2


@pytest.mark.parametrize("m", [1, 2, 3, 7])
def test_many_points_against_scipy(m):
    rng = np.random.default_rng(m)
    points = np.concatenate((rng.random((900, m)), rng.integers(0, 3, (300, m)), 1e-3 * rng.random((300, m))))
    expected = cKDTree(points).query(points, 6)[0][:, 1:]
    assert nearest_distances(points, 5).numpy() == pytest.approx(expected, rel=1e-12, abs=1e-15)
    assert torch.equal(nearest_distances(points, 5), nearest.nearest_distances.reference(torch.tensor(points), 5))


def test_single_precision_to_a_rounding():
    points = torch.rand(2, 700, 3, generator=torch.Generator().manual_seed(1))
    found, expected = nearest_cpu.nearest_distances(points, 4), nearest.nearest_distances.reference(points, 4)
    assert found.dtype == torch.float32 and torch.allclose(found, expected, rtol=3e-7, atol=0.0)


def test_the_reference_in_pieces(monkeypatch):
    points = torch.rand(3, 40, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    whole = nearest.nearest_distances.reference(points, 39)
    monkeypatch.setattr(nearest, "CELLS", 1000)
    assert torch.equal(nearest.nearest_distances.reference(points, 39), whole)


def test_what_does_not_fit():
    with pytest.raises(ValueError, match="k: expected a number of neighbours from 0, got -1"):
        nearest_distances(torch.rand(3, 2), -1)
    with pytest.raises(ValueError, match="f: expected points of shape"):
        nearest_distances(torch.rand(3), 1)


@pytest.mark.parametrize("form", ["squares", "worse", "worst"])
@settings(deadline=None, max_examples=60)
@given(st.data())
def test_closest_is_the_least_of_all_pairs(form, data):
    """The compiled kernel gives the bits of the reference and of a loop, infinities included."""
    k, n, m = data.draw(st.integers(0, 9)), data.draw(st.integers(0, 20)), data.draw(st.integers(1, 5))
    values = st.sampled_from([-2.0, -0.0, 0.1, 0.3, 1 / 3, 7.0, 1e200])
    rows = torch.tensor(data.draw(hnp.arrays(float, (2, k, m), elements=st.one_of(values, st.just(float("inf"))))))
    others = torch.tensor(data.draw(hnp.arrays(float, (n, m), elements=values)))
    found = nearest_cpu.closest(rows, others, form)
    assert torch.equal(found, nearest.closest.reference(rows, others, form)) and found.shape == (2, k)
    for b in range(2):
        for i in range(k):
            steps = [[x - y for x, y in zip(rows[b, i].tolist(), other, strict=True)] for other in others.tolist()]
            if form == "worst":
                expected = [max(step) for step in steps]
            else:
                expected = [sum((s if form == "squares" or s > 0 else 0.0) * s for s in step) for step in steps]
            assert found[b, i].item() == pytest.approx(min(expected, default=float("inf")), rel=1e-15)


def test_closest_in_blocks(monkeypatch):
    rows, others = torch.rand(57, 3, dtype=torch.float64), torch.rand(83, 3, dtype=torch.float64)
    whole = nearest.closest.reference(rows, others, "worse")
    monkeypatch.setattr(nearest, "CELLS", 300)
    assert torch.equal(nearest.closest.reference(rows, others, "worse"), whole)
