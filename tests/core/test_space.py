"""The three maps of a space, and its refusals."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import moopt
from moopt import Box, Choice, Flag, Integer, Permutation, Real, Space

MIXED = Space(
    {
        "rate": Real(1e-5, 0.3, log=True),
        "width": Real(-2.0, 7.0),
        "layers": Integer(2, 9),
        "kind": Choice(["relu", "tanh", 3]),
        "bias": Flag(),
        "order": Permutation(["a", "b", "c"]),
        "gains": Box([0.0, -1.0], [2.0, 5.0]),
    }
)


def test_columns_and_names():
    assert MIXED.n_var == 10
    assert MIXED.names == ["rate", "width", "layers", "kind", "bias", "order1", "order2", "order3", "gains1", "gains2"]
    assert Box([0, 1], [2, 3]).names == ["x1", "x2"] and Box(0, 1, 30).n_var == 30


def test_decode_speaks_python():
    x = torch.tensor([[math.log(1e-3), 1.5, 4.0, 2.0, 1.0, 2.0, 0.0, 1.0, 0.5, 4.0]], dtype=torch.float64)
    values = MIXED.decode(x)[0]
    assert values["rate"] == pytest.approx(1e-3, rel=1e-12) and type(values["rate"]) is float
    assert values["layers"] == 4 and type(values["layers"]) is int
    assert (values["kind"], values["bias"], values["order"]) == (3, True, ["c", "a", "b"])
    np.testing.assert_array_equal(values["gains"], [0.5, 4.0])
    assert torch.equal(MIXED.encode(values)[1:], x[0, 1:])


@given(st.integers(0, 10_000))
def test_samples_are_valid_and_survive_every_round_trip(seed):
    x = MIXED.sample(moopt.Rng(seed).uniform(5, MIXED.n_var))[0]
    assert MIXED.contains(x).all()
    assert torch.allclose(MIXED.from_cube(MIXED.to_cube(x)), x, atol=1e-12)
    again = torch.stack([MIXED.encode(values) for values in MIXED.decode(x)])
    assert torch.allclose(again, x, atol=1e-12)
    assert all(1e-5 <= values["rate"] <= 0.3 for values in MIXED.decode(x))


def test_log_values_stay_inside_their_bounds():
    rate = Real(0.1, 0.7, log=True)
    low, high = rate.bounds()
    ends = rate.decode(np.array([low, high]))
    assert ends == pytest.approx([0.1, 0.7], rel=1e-15) and min(ends) >= 0.1 and max(ends) <= 0.7


def test_integers_are_equally_likely_and_sit_half_a_step_inside_the_cube():
    space = Space({"n": Integer(1, 4)})
    assert space.to_cube(torch.tensor([[1.0], [4.0]])).flatten().tolist() == [0.125, 0.875]
    x = space.sample(((torch.arange(4000) + 0.5) / 4000)[:, None])
    assert torch.bincount(x[:, 0].long()).tolist() == [0, 1000, 1000, 1000, 1000]


def test_repair_finds_the_nearest_valid_point():
    x = torch.tensor([[-99.0, 9.0, 2.4, 1.6, -1.0, 0.3, 2.0, 0.1, 1.0, 1.0]])
    fixed = MIXED.repair(x)
    assert fixed[0, 0] == pytest.approx(math.log(1e-5)) and fixed[0, 1] == 7.0
    assert fixed[0, 2:8].tolist() == [2.0, 2.0, 0.0, 1.0, 2.0, 0.0]
    assert MIXED.contains(fixed).all() and not MIXED.contains(x).any()


@pytest.mark.parametrize(
    "make, sentence",
    [
        (lambda: Real(2.0, 1.0), "finite bounds with low < high, got low=2.0, high=1.0"),
        (lambda: Real(math.nan, 1.0), "finite bounds"),
        (lambda: Real(0.0, math.inf), "finite bounds"),
        (lambda: Real(0.0, 1.0, log=True), "low > 0, got low=0.0"),
        (lambda: Integer(1.5, 3), "integral bounds"),
        (lambda: Choice([]), "non-empty list of options"),
        (lambda: Choice("abc"), "non-empty list of options"),
        (lambda: Choice(["a", "a"]), "different options"),
        (lambda: Permutation(1), "two or more different items"),
        (lambda: Box([0.0, math.nan], [1.0, 1.0]), "low=nan, high=1.0 in column 2"),
        (lambda: Box([0.0, 0.0], [1.0, 1.0, 1.0]), "one or one for each column"),
        (lambda: Box([], []), "expected"),
        (lambda: Space({}), "at least one variable"),
    ],
)
def test_refusals(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


def test_refusals_of_types_and_values():
    with pytest.raises(TypeError, match="Real, Integer, Choice"):
        Space({"a": (0, 1)})
    with pytest.raises(ValueError, match=r"missing \['n'\], unknown \['m'\]"):
        Space({"n": Integer(1, 3)}).encode({"m": 1})
    with pytest.raises(ValueError, match=r"n: expected an integer in \[1, 3\], got 2.5"):
        Space({"n": Integer(1, 3)}).encode({"n": 2.5})
