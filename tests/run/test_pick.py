"""Knees of fronts, and the points that words pick."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import moopt
from moopt import Points, Result, Status
from moopt.selection import knee

DOUBLE = torch.float64


# the knee


def spaced(n=101):
    return torch.linspace(0, 1, n, dtype=DOUBLE)


def simplex(k):
    """Barycentric coordinates with steps of 1/k, corners included: [n, 3]."""
    rows = [(i, j, k - i - j) for i in range(k + 1) for j in range(k + 1 - i)]
    return torch.tensor(rows, dtype=DOUBLE) / k


def test_the_knee_of_a_convex_front():
    # f2 = (1 - sqrt f1)^2 has slope -1, that of the line through its ends, where f1 = 1/4
    f1 = spaced()
    f = torch.stack((f1, (1 - f1.sqrt()) ** 2), -1)
    assert f[knee(f)].tolist() == [0.25, 0.25]
    # the front's range scales: nothing changes with units and offsets
    assert knee(f * torch.tensor([1e-4, 300.0]) + torch.tensor([-7.0, 40.0])) == knee(f)
    # a steeper one, f2 = 1 - f1^(1/3), of slope -1 at 3^(-3/2)
    g = torch.stack((f1, 1 - f1 ** (1 / 3)), -1)
    assert abs(g[knee(g), 0].item() - 3**-1.5) < 0.005


def test_the_knee_of_fronts_without_one():
    f1 = spaced(11)
    concave = torch.stack((f1, (1 - f1**2).sqrt()), -1)
    assert knee(concave) == 0 and knee(concave[[3, 4, 10, 7, 0, 5]]) == 2  # one of the ends, the first
    line = torch.stack((f1, 1 - f1), -1)
    assert knee(line) == 0 and knee(line.flip(0)) == 0


def test_the_knee_of_three_objectives():
    # sqrt f1 + sqrt f2 + sqrt f3 = 1 bulges most at (1/9, 1/9, 1/9) from the plane through the unit vectors
    f = simplex(12) ** 2
    assert torch.allclose(f[knee(f)], torch.full((3,), 1 / 9, dtype=DOUBLE))
    # ends of different length, so that the plane is no longer that of equal sums: brute force in 3-D
    f = f * torch.tensor([1.0, 2.0, 5.0]) + torch.tensor([3.0, 0.0, -1.0])
    f = f[~((f - torch.tensor([3.0, 0.0, -1.0])) > torch.tensor([0.5, 2.0, 5.0])).any(-1)]
    scaled = ((f - f.amin(0)) / (f.amax(0) - f.amin(0))).numpy()
    ends = [scaled[np.delete(scaled, i, 1).max(1).argmin()] for i in range(3)]
    normal = np.cross(ends[1] - ends[0], ends[2] - ends[0])
    away = (scaled - ends[0]) @ (normal / np.linalg.norm(normal)) * -np.sign(normal.sum())
    assert int(knee(f)) == int(away.argmax()) and away.max() > 0.1


def test_the_plane_decides_where_it_leans():
    # through (1, 0, 0), (0, 1, 0) and (0.3, 0.3, 1) it is f1 + f2 + 0.4 f3 = 1, which the last point falls short of by
    # 0.30, and the one before, with the least sum, by 0.28
    f = torch.tensor(
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.3, 0.3, 1.0], [0.35, 0.35, 0.05], [0.31, 0.31, 0.2]], dtype=DOUBLE
    )
    assert knee(f) == 4 and f.sum(1).argmin() == 3


def test_extreme_points_on_a_line_span_no_plane():
    # elimination leaves rounding errors of them, which now and then look like a plane
    u = torch.rand(5000, 4, generator=torch.Generator().manual_seed(0)).double()
    zero, one = torch.zeros(5000, dtype=DOUBLE), torch.ones(5000, dtype=DOUBLE)
    first, second = torch.stack((one, zero, 0.3 * u[:, 0]), -1), torch.stack((0.2 * u[:, 1], one, 0.3 * u[:, 2]), -1)
    share = (0.4 + 0.2 * u[:, 3])[:, None]
    others = torch.tensor([[0.7, 0.7, 1.0], [0.95, 0.9, 0.0]], dtype=DOUBLE).expand(5000, 2, 3)
    f = torch.cat((torch.stack((first, second, share * first + (1 - share) * second), 1), others), 1)
    low, high = f.amin(-2, keepdim=True), f.amax(-2, keepdim=True)
    assert torch.equal(knee(f), ((f - low) / (high - low)).sum(-1).argmin(-1))


def test_the_knee_of_degenerate_fronts_is_the_least_sum():
    def number(*rows):
        return int(knee(torch.tensor(rows, dtype=DOUBLE)))

    assert number([3.0, 4.0]) == 0
    assert number([1.0, 2.0], [2.0, 1.0]) == 0  # both sum to 1
    assert number([1.0, 5.0, 2.0], [2.0, 4.0, 1.0]) == 1  # 0 + 1 + 1 against 1 + 0 + 0
    assert number([2.0, 2.0], [2.0, 2.0], [2.0, 2.0]) == 0
    assert number([7.0, 3.0], [4.0, 3.0], [5.0, 3.0]) == 1  # an objective without width
    assert number([3.0], [1.0], [2.0]) == 1
    # a curve in space: the extreme points of the second and the third objective coincide
    t = spaced(11)
    curve = torch.stack((t, (1 - t.sqrt()) ** 2, 2 * (1 - t.sqrt()) ** 2), -1)
    assert int(knee(curve)) == int((t + 2 * (1 - t.sqrt()) ** 2).argmin())


def test_knees_of_several_fronts_and_of_failed_points():
    f1 = spaced()
    f = torch.stack((f1, (1 - f1.sqrt()) ** 2), -1)
    assert knee(torch.stack((f, f.flip(0)))).tolist() == [25, 75]
    broken = f.clone()
    broken[25] = torch.tensor([torch.nan, -9.0])
    assert knee(broken).item() in (24, 26)
    with pytest.raises(ValueError, match="at least one point, got an empty one"):
        knee(torch.zeros(0, 2))


# picking


def result(objectives, names=("cost", "gain"), directions=("min", "max"), parts=()):
    """A result of these objectives, in the user's sign."""
    problem = moopt.FunctionProblem(None, {"x": moopt.Real(0, 9)}, dict(zip(names, directions, strict=True)))
    values = torch.tensor(objectives, dtype=DOUBLE).reshape(-1, len(names))
    n = len(values)
    f = values * torch.tensor(problem.signs)
    front = Points(
        values[:, :1].clone(), f, torch.zeros(n, 0, dtype=DOUBLE), torch.zeros(n, dtype=torch.bool), problem.signs
    )
    return Result(
        problem, "nsga2", front, front, Status.FINISHED, "", {"evaluations": n}, 1.0, 4, 0.0, "none", parts=parts
    )


def test_points_are_picked_by_name_and_by_row():
    found = result([[0.0, 0.0], [0.2, 0.9], [0.7, 0.95], [1.0, 1.0]])  # cost min, gain max
    assert found.pick() == 1 and found.pick("knee") == 1
    assert found.pick("best:cost") == 0 and found.pick("best:gain") == 3
    assert found.pick("2") == 2 and found.pick(2) == 2 and type(found.pick()) is int
    assert found.best()["cost"] == 0.2
    assert found.to_dataframe().iloc[found.pick("best:gain")]["gain"] == 1.0


@pytest.mark.parametrize(
    "which, words",
    [
        ("kneee", "got 'kneee' (did you mean 'knee'?)"),
        ("best:gian", "got 'best:gian' (did you mean 'best:gain'?)"),
        ("best", "pick: expected knee, best:cost, best:gain or a row from 0 to 1, got 'best'"),
        ("2", "a row from 0 to 1, got '2'"),
        (-1, "a row from 0 to 1, got -1"),
        (True, "got True"),
        (1.5, "got 1.5"),
        ("", "got ''"),
    ],
)
def test_what_cannot_be_picked_is_told(which, words):
    with pytest.raises(ValueError) as told:
        result([[0.0, 0.0], [1.0, 1.0]]).pick(which)
    assert words in str(told.value) and "\n" not in str(told.value)


def test_an_empty_front_has_nothing_to_pick():
    with pytest.raises(ValueError, match="expected a front with at least one point"):
        result([]).pick()


def test_a_point_of_a_merged_front_has_a_run():
    one, two = result([[0.0, 0.1], [0.5, 0.5]]), replace(result([[0.2, 0.4], [0.5, 0.5]]), seed=5)
    merged = result([[0.2, 0.4], [0.0, 0.1], [0.5, 0.5]], parts=(one, two))
    assert [merged.origin(i).seed for i in range(3)] == [5, 4, 4]
    assert one.origin(1) is one
    other = replace(two, front=replace(two.front, x=two.front.x + 1))  # the same objectives by another policy
    merged = replace(merged, front=one.front.join(other.front), parts=(one, other))
    assert [merged.origin(i).seed for i in range(4)] == [4, 4, 5, 5]
