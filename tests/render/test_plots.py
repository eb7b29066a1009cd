"""Pictures of fronts: what is drawn, where, and what stands beside it."""

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.collections import LineCollection

import moopt
from moopt import Box, Points, Problem, Result, Status
from moopt.monitors import plot_front


class Trade(Problem):
    """m objectives, the second one maximised; the front is where they add up to 2 (minimised)."""

    space = Box(0.0, 1.0, 2)
    objective_names = ("cost $", "gain_%", "risk", "time", "noise", "heat")
    knows_front = True

    def __init__(self, m, n_con=0):
        self.n_obj, self.n_con = m, n_con
        self.objective_names = Trade.objective_names[:m]
        self.directions = ("min", "max", "min", "min", "max", "min")[:m]

    def _evaluate(self, x):
        raise NotImplementedError

    def pareto_front(self, n):
        if not self.knows_front:
            return None
        share = torch.linspace(0.1, 0.9, n, dtype=torch.float64)
        return torch.stack([share if i % 2 else 2 - share for i in range(self.n_obj)], -1)


def points(m, n, seed=0, violation=None):
    """Objectives in the minimised sense, none equal."""
    f = torch.rand(n, m, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + torch.arange(1.0, m + 1)
    g = torch.zeros(n, 0).double() if violation is None else torch.full((n, 1), violation).double()
    signs = tuple(-1 if i in (1, 4) else 1 for i in range(m))
    return Points(torch.zeros(n, 2).double(), f, g, torch.zeros(n, dtype=torch.bool), signs)


def result(m, n=7, seed=0, status=Status.FINISHED, violation=None, runs=(), **changes):
    front = points(m, n, seed, violation)
    facts = {
        "problem": Trade(m, 0 if violation is None else 1), "algorithm": "nsga2", "population": front, "front": front,
        "status": status, "message": "", "spent": {"evaluations": 300}, "seconds": 1.0, "seed": seed,
        "hypervolume": 0.8125, "convention": "scaled by ideal and nadir, reference 1.1", "parts": runs,
    }  # fmt: skip
    return Result(**{**facts, **changes})


def texts(axes):
    drawn = [text.get_text() for text in axes.texts]
    return [axes.get_title(loc="left"), *drawn]


def named(axes):
    """Label of the legend -> what is drawn."""
    return {artist.get_label(): artist for artist in axes.collections}


def parallel_lines(axes):
    return [drawn for drawn in axes.collections if isinstance(drawn, LineCollection) and drawn.get_zorder() == 2]


def test_two_objectives_in_the_users_sign(tmp_path):
    found = result(2)
    figure = plot_front(found, tmp_path / "front.png")
    (axes,) = figure.axes
    drawn = named(axes)
    assert set(drawn) == {"found", "Pareto front"}
    expected = found.front.f.numpy() * [1, -1]
    assert np.array_equal(np.asarray(drawn["found"].get_offsets()), expected) and (expected[:, 1] < 0).all()
    true = np.asarray(drawn["Pareto front"].get_offsets())
    assert len(true) == 1000 and np.allclose(true[:, 0] - true[:, 1], 2.0) and (true[:, 1] < 0).all()
    assert drawn["Pareto front"].get_zorder() < drawn["found"].get_zorder()
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("cost $  (min ↓)", "gain_%  (max ↑)")
    assert texts(axes) == ["trade · nsga2", "7 points  ·  hypervolume 0.8125 (scaled)"]
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG\r\n") and figure.get_figwidth() * 200 == 1280


def test_the_true_front_is_left_out_where_unknown():
    found = result(2, convention="not scaled, reference [1.0, 2.0] (minimised), approximate")
    found.problem.knows_front = False
    (axes,) = plot_front(found).axes
    assert set(named(axes)) == {"found"} and axes.get_legend() is None
    assert texts(axes)[1] == "7 points  ·  hypervolume ≈ 0.8125"


def test_three_objectives():
    found = result(3, n=5)
    (axes,) = plot_front(found).axes
    drawn = named(axes)
    at = np.stack([np.asarray(column) for column in drawn["found"]._offsets3d], -1)
    assert np.allclose(np.sort(at, 0), np.sort(found.front.objectives.numpy(), 0)) and (at[:, 1] < 0).all()
    assert axes.get_zlabel() == "risk  (min ↓)" and axes.get_ylabel() == "gain_%  (max ↑)"
    assert len(drawn["Pareto front"].get_offsets()) == 1500


@pytest.mark.parametrize("m", [4, 6])
def test_more_objectives_are_parallel_lines_with_the_better_end_below(m):
    found = result(m, n=9)
    found.problem.knows_front = False
    (axes,) = plot_front(found).axes
    (lines,) = parallel_lines(axes)
    f = found.front.f.numpy()
    heights = np.stack([segment[:, 1] for segment in lines.get_segments()])
    assert np.allclose(heights, (f - f.min(0)) / (f.max(0) - f.min(0)))
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels[:2] == ["cost $\n(min)", "gain_%\n(max)"] and len(labels) == m
    user = found.front.objectives[:, 1]
    ends = {text.get_position(): text.get_text() for text in axes.texts}
    below, above = (next(t for (x, y), t in ends.items() if x == 1 and (y > 0.5) == up) for up in (False, True))
    assert float(below) == pytest.approx(float(user.max()), rel=1e-2)  # the most gain is best
    assert float(above) == pytest.approx(float(user.min()), rel=1e-2)
    assert axes.get_legend() is None


def test_parallel_lines_show_the_range_of_the_true_front_and_are_not_too_many():
    found = result(5, n=900)
    (axes,) = plot_front(found).axes
    assert [len(lines.get_segments()) for lines in parallel_lines(axes)] == [400]
    assert "range of the Pareto front" in named(axes)
    assert texts(axes)[1] == "900 points  ·  hypervolume 0.8125 (scaled)  ·  at most 400 lines drawn"
    assert axes.get_ylim()[0] < 0 < 1 < axes.get_ylim()[1]


def test_a_constant_objective_is_drawn():
    found = result(4)
    found.front.f[:, 2] = 3.0
    plot_front(found).canvas.draw()


def test_runs_have_a_colour_each():
    runs = [result(2, n=4 + seed, seed=seed) for seed in (10, 11, 12)]
    (axes,) = plot_front(result(2, n=6, seed=10, runs=runs)).axes
    drawn = named(axes)
    assert [len(drawn[f"seed {seed}"].get_offsets()) for seed in (10, 11, 12)] == [14, 15, 16]
    colours = {tuple(drawn[f"seed {seed}"].get_facecolor()[0]) for seed in (10, 11, 12)}
    assert len(colours) == 3 and texts(axes)[1].startswith("6 points  ·  3 runs")


def test_many_runs_are_merged():
    runs = [result(2, n=4, seed=seed) for seed in range(9)]
    (axes,) = plot_front(result(2, n=6, seed=0, runs=runs)).axes
    drawn = named(axes)
    assert set(drawn) == {"Pareto front", "all runs", "merged front"}
    assert len(drawn["all runs"].get_offsets()) == 36 and len(drawn["merged front"].get_offsets()) == 6
    assert drawn["all runs"].get_zorder() <= drawn["merged front"].get_zorder()


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_an_infeasible_front_says_so(m):
    found = result(m, n=3, violation=0.25, status=Status.INFEASIBLE)
    (axes,) = plot_front(found).axes
    drawn = texts(axes)
    assert "3 points  ·  nothing feasible: least violating points" in drawn
    (subtitle,) = [text for text in axes.texts if "nothing feasible" in text.get_text()]
    assert subtitle.get_color() == "#D55E00"


@pytest.mark.parametrize("m", [1, 2, 3, 5])
def test_an_empty_front_says_so(m):
    (axes,) = plot_front(result(m, n=0, status=Status.FAILED)).axes
    assert "the front is empty" in [text.get_text() for text in axes.texts]
    assert "0 points" in texts(axes)


def test_one_objective_is_a_strip():
    (axes,) = plot_front(result(1, n=2)).axes
    assert np.allclose(np.asarray(named(axes)["found"].get_offsets())[:, 0], result(1, n=2).front.f[:, 0])
    assert axes.get_xlabel() == "cost $  (min ↓)" and len(axes.get_yticks()) == 0


def test_nothing_global_is_touched(tmp_path):
    before = dict(matplotlib.rcParams)
    figure = plot_front(result(2), tmp_path / "front.png")
    assert dict(matplotlib.rcParams) == before
    assert type(figure.canvas).__name__ == "FigureCanvasAgg"
    with pytest.raises(OSError):
        plot_front(result(2), tmp_path / "missing" / "front.png")


def test_a_search_draws_its_front(tmp_path):
    found = moopt.minimize("zdt1", "nsga2", 600, progress=False, out=tmp_path / "run")
    assert (tmp_path / "run" / "front.png").stat().st_size > 10_000
    (axes,) = found.plot().axes
    assert len(named(axes)["found"].get_offsets()) == len(found.front)
    assert len(moopt.Result.load(tmp_path / "run").plot().axes) == 1
