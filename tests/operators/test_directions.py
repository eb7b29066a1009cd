"""Direction sets on the simplex."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist, pdist

import moopt
from moopt.operators.directions import das_dennis, directions, lattice_of, layered_directions
from moopt.operators.weights import preferences


def on_simplex(w):
    return bool((w >= 0).all()) and bool(((w.sum(-1) - 1).abs() < 1e-12).all()) and w.dtype == torch.float64


def test_das_dennis_by_hand():
    assert das_dennis(3, 2).tolist() == [
        [0.0, 0.0, 1.0],
        [0.0, 0.5, 0.5],
        [0.0, 1.0, 0.0],
        [0.5, 0.0, 0.5],
        [0.5, 0.5, 0.0],
        [1.0, 0.0, 0.0],
    ]
    assert das_dennis(1, 4).tolist() == [[1.0]]
    assert das_dennis(2, 4).tolist() == [[0.0, 1.0], [0.25, 0.75], [0.5, 0.5], [0.75, 0.25], [1.0, 0.0]]


@pytest.mark.parametrize("n_obj, divisions", [(2, 99), (3, 12), (4, 7), (5, 6), (8, 3), (15, 2)])
def test_das_dennis_is_the_whole_lattice(n_obj, divisions):
    w = das_dennis(n_obj, divisions)
    assert len(w) == math.comb(divisions + n_obj - 1, n_obj - 1)
    assert on_simplex(w)
    steps = (w * divisions).round()
    torch.testing.assert_close(w * divisions, steps)
    assert len(steps.unique(dim=0)) == len(w)


def test_layers_of_deb_and_jain():
    # table I of the NSGA-III paper: 156 directions for 8 objectives, 275 for 10, 135 for 15
    for n_obj, outer, inner, n in ((8, 3, 2, 156), (10, 3, 2, 275), (15, 2, 1, 135)):
        w = layered_directions(n_obj, outer, inner)
        assert len(w) == n and on_simplex(w)
        assert torch.equal(directions(n, n_obj), w)
    assert layered_directions(3, 2, 1)[6:].tolist() == pytest.approx(
        np.array([[1, 1, 4], [1, 4, 1], [4, 1, 1]]) / 6, abs=1e-15
    )


def test_directions_are_the_lattice_where_it_fits():
    for n_obj, divisions in ((2, 36), (3, 12), (5, 5), (4, 1)):
        w = das_dennis(n_obj, divisions)
        assert torch.equal(directions(len(w), n_obj), w)


@pytest.mark.parametrize("n_obj", [1, 2, 3, 4, 6, 11])
def test_any_number_of_directions(n_obj):
    for n in (*range(1, 41), 100, 257):
        w = directions(n, n_obj)
        assert w.shape == (n, n_obj) and on_simplex(w)
        if n >= n_obj > 1:
            assert pdist(w).min() > 0.25 * n ** (-1 / (n_obj - 1))
            if n != 1:
                assert cdist(np.eye(n_obj), w).min(1).max() < 1e-9  # every corner is there
    assert directions(1, n_obj).tolist() == [[1 / n_obj] * n_obj]


@pytest.mark.parametrize("n, n_obj, finer", [(100, 3, 13), (50, 4, 5), (150, 5, 6)])
def test_directions_are_spread_almost_like_a_lattice(n, n_obj, finer):
    w, lattice = directions(n, n_obj).numpy(), das_dennis(n_obj, finer).numpy()
    assert len(lattice) > n  # the next larger lattice, a little closer by nature
    assert pdist(w).min() > 0.88 * pdist(lattice).min()
    chance = np.random.default_rng(0).dirichlet(np.ones(n_obj), n)
    assert pdist(w).min() > 3 * pdist(chance).min()
    anywhere = np.random.default_rng(1).dirichlet(np.ones(n_obj), 4000)
    assert cdist(anywhere, w).min(1).max() < 1.6 * cdist(anywhere, lattice).min(1).max()


def test_directions_are_the_same_each_time_and_safe_to_change():
    before = torch.get_rng_state()
    w = directions(100, 3)
    w.zero_()
    assert on_simplex(directions(100, 3))
    assert torch.equal(before, torch.get_rng_state())


def test_many_directions():
    w = directions(6000, 3)
    assert on_simplex(w) and len(w.unique(dim=0)) == 6000
    assert torch.equal(w[: math.comb(110, 2)], das_dennis(3, 108))


def test_smallest_sufficient_lattice():
    assert torch.equal(lattice_of(500, 2), das_dennis(2, 499))
    assert torch.equal(lattice_of(92, 3), das_dennis(3, 13)) and torch.equal(
        lattice_of(91, 3), das_dennis(3, 12)
    )
    assert lattice_of(500, 1).tolist() == [[1.0]]


def test_impossible_sets_are_refused():
    with pytest.raises(
        ValueError, match="das_dennis: expected n_obj and divisions of at least 1, got 3 and 0"
    ):
        das_dennis(3, 0)
    with pytest.raises(ValueError, match="directions: expected n and n_obj of at least 1, got 0 and 2"):
        directions(0, 2)


def test_preferences_are_the_given_ones_or_spread():
    assert preferences([[2.0, 0.5, 0.0]], 7, 3).tolist() == [[2.0, 0.5, 0.0]]
    assert preferences(None, 3, 2).tolist() == [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    expected = [[1 / 6, 5 / 6], [0.5, 0.5], [5 / 6, 1 / 6]]
    assert preferences(None, 3, 2, positive=True).flatten().tolist() == pytest.approx(sum(expected, []))


@pytest.mark.parametrize("learner, problem", [("policygradient", "exactalignment"), ("qlearners", "deepseatreasure")])
@pytest.mark.parametrize(
    "weights",
    [[[1.0, math.inf]], [[math.nan, 1.0]], [[-1.0, 2.0]], [[1.0, 2.0, 3.0]], [1.0, 2.0], [], [[1.0, 2.0], [1.0]], "ab"],
)
def test_every_learner_refuses_the_same_weights(learner, problem, weights):
    with pytest.raises(moopt.InputError, match="weights: expected rows of 2 numbers, finite and none negative, got"):
        moopt.algorithm(learner, weights=weights).init(moopt.problem(problem), moopt.Rng([0]))
