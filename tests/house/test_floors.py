"""The least times beside which benchmarks/gpu.py measures kernels."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def floors():
    spec = importlib.util.spec_from_file_location("floors", Path(__file__).parents[2] / "benchmarks" / "floors.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_floors_are_those_of_their_comments(floors):
    """Seconds on 4.8 TB/s, and 33e12 or 17e12 operations a second."""
    moved, operations = floors.nearest_direction(100_000, 100_000, 3)
    assert operations == 6e10 and moved == pytest.approx(6.4e6, rel=0.01)
    moved, operations = floors.best_offer(2_000_000, 100_000)
    assert moved == pytest.approx(50e6, rel=0.01) and moved / 4.8e12 == pytest.approx(10e-6, rel=0.1)
    moved, operations = floors.contributions(10_000, 3)
    assert moved == 320e3 and operations / 17e12 == pytest.approx(24e-6, rel=0.05)
    moved, operations = floors.nearest_distances(100_000, 3, 10)
    assert moved == pytest.approx(10.4e6) and operations / 33e12 == pytest.approx(2.7e-3, rel=0.05)


def test_floors_by_hand(floors):
    # two sets of 4 points: 3 float32 and an int64 each; 6 pairs of 2 comparisons, a selection and a maximum
    assert floors.rank(4, 3, 2, 4) == (2 * 4 * (12 + 8), 2 * 6 * 4)
    # 2 runs of 3 pairs of 5 float32 genes: 12 children read and written, each with the number of a parent
    assert floors.children(3, 5, 2, 4) == (12 * (2 * 5 * 4 + 8), 2 * 3 * 5 * floors.GENE)
    assert floors.uniform(10, 3, 8) == (240, 30 * 15)
