"""NSGA-III, MOEA/D, RVEA and HypE: attained quality, second implementations, and what their steps promise.

Quality: fixed seeds, medians of five runs; the limits are those of a population exactly on the lattice of directions.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest
import torch

import moopt
from moopt import Generations, Points, Rng, Turn
from moopt.indicators import hypervolume, igd
from moopt.operators import Variation
from moopt.operators.directions import das_dennis, directions
from moopt.selection.neighbourhood import neighbours
from moopt.testing import Bowls

NAMES = ("nsga3", "moead", "rvea", "hype")
LATTICE = {"dtlz1": 2.0556e-2, "dtlz2": 5.4464e-2}  # IGD of 91 points, from 9,870 points of the front


def small(name, n=21, **options):
    return moopt.algorithm(name, pop_size=n, **({"n_samples": 300} if name == "hype" else {}), **options)


def search(problem, name, steps, runs=5, seed=1, **options):
    algorithm = moopt.algorithm(name, **options)
    return moopt.minimize(problem, algorithm, Generations(steps), runs=runs, seed=seed, progress=False)


def median(values):
    return torch.tensor([float(value) for value in values], dtype=torch.float64).median().item()


def distance(result, scale=1.0):
    front = result.problem.pareto_front(10_000)
    return median(igd(run.population.f / scale, front) for run in result.runs)


def volumes(result, reference=1.1):
    m = result.problem.n_obj
    return torch.stack([hypervolume(run.population.f, [reference] * m) for run in result.runs])


# attained quality


@pytest.mark.parametrize(
    "name, options",
    [
        ("nsga3", {"pop_size": 92, "n_directions": 91}),
        ("moead", {"pop_size": 91, "scalarising": "pbi"}),
        ("rvea", {"pop_size": 91}),
    ],
)
def test_the_sphere_is_covered(name, options):
    assert distance(search("dtlz2", name, 250, **options)) <= 1.05 * LATTICE["dtlz2"]


@pytest.mark.parametrize(
    "name, options",
    [
        ("nsga3", {"pop_size": 92, "n_directions": 91}),
        ("moead", {"pop_size": 91, "scalarising": "pbi"}),
        ("rvea", {"pop_size": 91, "generations": 400}),
    ],
)
def test_the_plane_is_reached_through_local_fronts(name, options):
    assert distance(search("dtlz1", name, 400, **options)) <= 1.1 * LATTICE["dtlz1"]


@dataclass(frozen=True, kw_only=True)
class Stretched(type(moopt.problem("dtlz2"))):
    """DTLZ2 with objectives of different size."""

    def _evaluate(self, x):
        return super()._evaluate(x) * x.new_tensor(SIZES)


SIZES = (1.0, 10.0, 100.0)


@pytest.mark.parametrize(
    "name, options",
    [
        ("nsga3", {"pop_size": 92, "n_directions": 91}),
        ("moead", {"pop_size": 91, "scalarising": "pbi", "normalise": True}),
        ("rvea", {"pop_size": 91}),
    ],
)
def test_objectives_of_different_size_are_normalised(name, options):
    result = search(Stretched(), name, 250, **options)
    assert distance(result, torch.tensor(SIZES, dtype=torch.float64)) <= 1.1 * LATTICE["dtlz2"]


@pytest.mark.parametrize("scalarising, least", [("tchebycheff", 0.86), ("weighted_sum", 0.86), ("pbi", 0.84)])
def test_every_scalarising_function_finds_a_convex_front(scalarising, least):
    assert volumes(search("zdt1", "moead", 250, scalarising=scalarising)).median() >= least


def test_hype_on_two_objectives():
    """25,000 evaluations; the best 100 points have 0.8721."""
    assert volumes(search("zdt1", "hype", 250)).median() >= 0.871


def test_hype_on_three_objectives():
    """More hypervolume than NSGA-II, from the same evaluations and the same number of points."""
    better = search("dtlz2", "hype", 80, pop_size=50, n_samples=2000)
    assert volumes(better).min() > volumes(search("dtlz2", "nsga2", 80, pop_size=50)).max()


# second implementations


def sequential_moead(problem, n, generations, runs, size=20):
    """Zhang and Li 2007, section III-B, with Tchebycheff's function: one subproblem after the other, in all runs."""
    rng, rows = Rng(range(500, 500 + runs)), torch.arange(runs)
    weights = directions(n, problem.n_obj)
    near = neighbours(weights, size)
    variation = Variation(crossover_probability=1.0)
    x = problem.space.sample(rng.fold(0).uniform(n, problem.n_var))
    f = problem.evaluate(x).f
    z = f.amin(1)
    for generation in range(1, generations):
        for i in range(n):
            draw = rng.fold(generation, i)
            first = draw.fold(0).integers(size, 1)[:, 0]
            second = (first + 1 + draw.fold(1).integers(size - 1, 1)[:, 0]) % size
            a, b = x[rows, near[i, first], None], x[rows, near[i, second], None]
            child = variation(problem.space, a, b, draw.fold(2))[:, :1]
            value = problem.evaluate(child).f
            z = torch.minimum(z, value[:, 0])
            lambdas = weights[near[i]].clamp_min(1e-6)
            new = (lambdas * (value - z[:, None]).abs()).amax(-1)
            old = (lambdas * (f[:, near[i]] - z[:, None]).abs()).amax(-1)
            taken = (new <= old)[..., None]
            x[:, near[i]] = torch.where(taken, child, x[:, near[i]])
            f[:, near[i]] = torch.where(taken, value, f[:, near[i]])
    return f


@pytest.mark.parametrize("problem, n, generations", [("zdt1", 30, 130), ("dtlz2", 50, 80)])
def test_synchronous_generations_are_not_worse(problem, n, generations):
    """Hypervolume of eight runs of MOEA/D after the same evaluations, against the paper's sequential form.

    After a third of these generations the sequential form is ahead, see `algorithms/evolutionary/moead.py`.
    """
    problem = moopt.problem(problem)
    reference = 1.1 if problem.n_obj == 3 else 3.0  # few are on ZDT1's front so early
    f = sequential_moead(problem, n, generations, 8)
    sequential = hypervolume(f, [reference] * problem.n_obj)
    synchronous = volumes(search(problem, "moead", generations, runs=8, pop_size=n), reference)
    noise = ((sequential.var() + synchronous.var()) / 8).sqrt()
    assert synchronous.mean() >= sequential.mean() - 2 * noise


def told(algorithm, problem, state, f, violation):
    """The state after points with these objectives and violations were told."""
    g = violation[..., None]
    failed = f.isnan().any(-1)
    x = problem.space.sample(Rng([3] * len(f)).uniform(f.shape[1], problem.n_var))
    return x, algorithm.tell(problem, state, Points(x, f, g, failed), Turn(Rng(range(len(f)))))


def hard_points(n, m, seed=2):
    """Objectives with a failed, two equal and some infeasible points: f[2, n, m], violation[2, n]."""
    draw = Rng([seed, seed + 1])
    f, v = draw.fold(0).uniform(n, m) * 3, draw.fold(1).uniform(n)
    f[:, 4], f[0, 2] = f[:, 5], torch.nan
    return f, torch.where(v < 0.25, v, 0.0)


def test_rvea_selects_as_the_paper_does():
    """Algorithm 3, vector by vector; among infeasible points only, the least violation."""
    algorithm, problem = moopt.algorithm("rvea", pop_size=10, generations=50), Bowls(n_obj=3, constrained=True)
    f, violation = hard_points(30, 3)
    start = dataclasses.replace(algorithm.init(problem, Rng([1, 2])), age=20)
    _, state = told(algorithm, problem, start, f, violation)
    unit = start.vectors[0] / start.vectors[0].norm(dim=-1, keepdim=True)
    gamma = torch.acos((unit @ unit.T).fill_diagonal_(-1).amax(-1))
    for run in range(2):
        good = [i for i in range(30) if not f[run, i].isnan().any()]
        low = torch.stack([f[run, i] for i in good if violation[run, i] == 0]).amin(0)
        winners = []
        offset = {i: (f[run, i] - low).clamp_min(0) for i in good}
        cosine = {i: unit @ offset[i] / offset[i].norm() for i in good}
        for j in range(10):
            members = [i for i in good if cosine[i].argmax() == j]

            def key(i, j=j, run=run, cosine=cosine, offset=offset):
                angle = torch.acos(cosine[i][j].clamp(max=1.0))
                return violation[run, i].item(), ((1 + 3 * 0.4**2 * angle / gamma[j]) * offset[i].norm()).item()

            winners += [min(members, key=key)] if members else []
        assert state.elite[run] == len(winners) < 10 == len(state.population)
        elite = {tuple(row) for row in state.population.f[run, : len(winners)].tolist()}
        assert elite == {tuple(row) for row in f[run, winners].tolist()}
        assert not state.population.failed[run].any()


def test_rvea_stretches_its_vectors():
    algorithm, problem = moopt.algorithm("rvea", pop_size=6, generations=20), Bowls(n_obj=3, constrained=True)
    start = dataclasses.replace(algorithm.init(problem, Rng([1, 2])), age=1)
    zero = torch.zeros(2, 6, dtype=torch.float64)
    _, first = told(algorithm, problem, start, hard_points(6, 3)[0], zero)
    assert torch.equal(first.vectors, start.vectors)  # the population was not whole before: no generation yet
    _, state = told(algorithm, problem, first, hard_points(6, 3, seed=9)[0], zero)
    assert state.age == 2
    for run in range(2):
        elite = state.population.f[run, : state.elite[run]]
        expected = start.vectors[run] * (elite.amax(0) - elite.amin(0))
        expected = expected / expected.norm(dim=-1, keepdim=True)
        assert torch.allclose(state.vectors[run], expected, rtol=1e-12)


def test_the_ideal_point_of_moead_is_that_of_feasible_points():
    """Points that violate a constraint promise what nobody may have; failed ones promise nothing."""
    algorithm, problem = moopt.algorithm("moead", pop_size=5, neighbours=2), Bowls(constrained=True)
    f = torch.tensor([[[0.0, 9.0], [3.0, 0.5], [2.0, 4.0], [5.0, 1.0], [float("nan"), -1.0]]], dtype=torch.float64)
    violation = torch.tensor([[0.25, 1e-9, 0.0, -1.0, 0.0]], dtype=torch.float64)
    _, state = told(algorithm, problem, algorithm.init(problem, Rng(0)), f, violation)
    assert state.ideal.tolist() == [[2.0, 1.0]]
    worse = torch.tensor([[[1.0, 3.0], [4.0, 0.0]]], dtype=torch.float64)
    _, after = told(algorithm, problem, state, worse, torch.tensor([[0.0, 3.0]], dtype=torch.float64))
    assert after.ideal.tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize("scalarising", ["tchebycheff", "weighted_sum", "pbi"])
def test_moead_replaces_as_a_loop_does(scalarising):
    """Each subproblem takes the best of its own point and the children of the neighbourhoods that it belongs to."""
    algorithm = moopt.algorithm("moead", pop_size=9, neighbours=3, scalarising=scalarising)
    problem = Bowls(n_obj=3, constrained=True)
    start, (f, v), (g, w) = algorithm.init(problem, Rng([1, 2])), hard_points(9, 3), hard_points(9, 3, seed=6)
    population = told(algorithm, problem, start, f, v)[1].population
    tag = torch.tensor([[3, 1, 4, 1, 5, 8, 2, 6, 0], [0, 1, 2, 3, 4, 5, 6, 7, 8]])
    state = algorithm.init(problem, Rng([1, 2]))
    state = dataclasses.replace(state, population=population, ideal=torch.zeros(2, 3, dtype=torch.float64))
    x, failed = torch.zeros(2, 9, problem.n_var, dtype=torch.float64), g.isnan().any(-1)
    born = Points(x, g, w[..., None], failed, columns={"home": tag})
    after = algorithm.survive(problem, state, born, Turn(Rng([1, 2])))
    weights = directions(9, 3).clamp_min(1e-6)
    near = neighbours(directions(9, 3), 3)

    def value(point, weight):
        if scalarising == "weighted_sum":
            return (point * weight).sum()
        if scalarising == "tchebycheff":
            return (point * weight).max()
        along = point @ weight / weight.norm()
        return along + 5 * (point - along * weight / weight.norm()).norm()

    def key(point, violation, j):
        inf = float("inf")
        return (inf, inf) if point.isnan().any() else (violation.item(), value(point, weights[j]).item())

    for run in range(2):
        for j in range(9):
            own, best = population.f[run, j], population.f[run, j]
            least = key(own, population.violation[run, j], j)
            for i in range(9):
                if j in near[tag[run, i]] and key(g[run, i], w[run, i], j) <= least and not failed[run, i]:
                    if key(g[run, i], w[run, i], j) < least:
                        best, least = g[run, i], key(g[run, i], w[run, i], j)
            assert torch.equal(after.population.f[run, j], best)


# what the steps promise


@pytest.mark.parametrize("problem", [moopt.problem("dtlz2"), Bowls(n_obj=3, mixed=True, constrained=True)])
@pytest.mark.parametrize("name", NAMES)
def test_a_run_among_31_has_the_bits_it_has_alone(name, problem):
    budget = Generations(12)
    many = moopt.minimize(problem, small(name), budget, runs=31, seed=40, progress=False)
    for i in (0, 17, 30):
        alone = moopt.minimize(problem, small(name), budget, seed=40 + i, progress=False)
        assert torch.equal(many.runs[i].population.x, alone.population.x)
        assert torch.equal(many.runs[i].population.f.nan_to_num(-1.0), alone.population.f.nan_to_num(-1.0))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n", [2, 7, 90])
def test_populations_of_any_size(name, n):
    result = moopt.minimize("dtlz2", small(name, n), 5 * n + 3, seed=2, progress=False)
    assert len(result.population) == n and result.spent["evaluations"] == 5 * n + 3
    assert torch.isfinite(result.population.f).all()


@pytest.mark.parametrize("name", NAMES)
def test_given_points_are_not_lost(name):
    """Three given points of the front, fewer than the population, or 40, more than that."""
    problem = moopt.problem("dtlz2")
    for n in (3, 40):
        x = torch.full((n, problem.n_var), 0.5, dtype=torch.float64)
        x[:, :2] = Rng([4]).uniform(n, 2)[0]
        result = moopt.minimize(problem, small(name), Generations(3), initial=x, seed=2, progress=False)
        assert len(result.population) == 21
        best = (result.population.f.square().sum(-1) < 1 + 1e-9).sum().item()
        assert best >= min(n, 9)  # the children of two of them are often worse, and none of the others is as good


class Halved(type(moopt.problem("dtlz2"))):
    """DTLZ2 where the first objective must not exceed 0.6."""

    n_con = 1

    def _evaluate(self, x):
        f = super()._evaluate(x)
        return f, f[..., :1] - 0.6


@pytest.mark.parametrize("name", (*NAMES, "nsga2"))
def test_few_given_points_do_not_stand_for_the_space(name):
    """The next generation is sampled: descendants of three points in a corner of the space would stay there."""
    problem, algorithm = moopt.problem("zdt1", n_var=6), small(name, 40)
    given = torch.tensor([[0.01, 0.02, 0.03, 0.01, 0.02, 0.03], [0.04] * 6, [0.02, 0.05, 0.01, 0.04, 0.03, 0.02]])
    x, rng = given.double().expand(2, -1, -1), Rng([7, 8])
    state = algorithm.tell(problem, algorithm.init(problem, rng), problem.evaluate(x), Turn(rng.fold(0)))
    asked, _, _ = algorithm.ask(problem, state, Turn(rng.fold(1)))
    assert asked.shape == (2, 40, 6)
    for column in asked.flatten(0, 1).unbind(-1):  # each eighth of each axis; an empty one has a chance of 2e-5
        assert torch.equal((column * 8).long().unique(), torch.arange(8))


def test_three_given_points_cost_nsga2_nothing():
    """2,000 evaluations of ZDT1: a median hypervolume of 0.16 with and without, 0 where all descend from the three."""
    problem = moopt.problem("zdt1")
    given = Rng([3], dtype=torch.float64).uniform(3, problem.n_var)[0]
    options = {"budget": 2_000, "runs": 5, "seed": 1, "progress": False}
    without, with_three = (
        median(run.hypervolume for run in moopt.minimize(problem, "nsga2", initial=points, **options).runs)
        for points in (None, given)
    )
    assert without > 0.12 and with_three > 0.12


@pytest.mark.parametrize("name", NAMES)
def test_constraints_are_kept(name):
    """The front is followed up to the constraint. RVEA lets a vector without feasible points keep an infeasible one."""
    result = moopt.minimize(Halved(), small(name, 50), Generations(80), seed=6, progress=False)
    feasible = result.population.select(result.population.feasible)
    assert len(feasible) >= (25 if name == "rvea" else 50)
    assert 0.5 < feasible.f[:, 0].max() <= 0.6 and feasible.f.square().sum(-1).median() < 1.1


def test_the_scale_of_hype_comes_from_the_problem_or_the_first_points():
    algorithm, f = moopt.algorithm("hype", pop_size=4), hard_points(8, 3)[0]
    known = algorithm.init(moopt.problem("dtlz2"), Rng([1, 2]))
    assert known.reference.tolist() == [[1.1] * 3] * 2

    class Unknown(type(Bowls())):
        ideal = None

    problem = Unknown(n_obj=3, constrained=True)
    zero = torch.zeros(2, 8, dtype=torch.float64)
    _, first = told(algorithm, problem, algorithm.init(problem, Rng([1, 2])), f * torch.nan, zero)
    assert (first.reference == torch.inf).all()
    _, second = told(algorithm, problem, first, f, zero)
    values = np.stack([np.nanmax(f, 1) + 0.1 * (np.nanmax(f, 1) - np.nanmin(f, 1))])[0]
    assert np.allclose(second.reference, values, rtol=1e-14)
    assert torch.equal(told(algorithm, problem, second, f + 9, zero)[1].reference, second.reference)


@pytest.mark.parametrize(
    "name, options",
    [
        ("nsga3", {"pop_size": 1}), ("nsga3", {"n_directions": 0}), ("moead", {"scalarising": "sum"}),
        ("moead", {"neighbours": 1}), ("moead", {"theta": -1.0}), ("rvea", {"adaptation": 0.0}),
        ("rvea", {"generations": 0}), ("rvea", {"alpha": -0.5}), ("hype", {"n_samples": 0}), ("hype", {"pop_size": 1}),
    ],
)  # fmt: skip
def test_bad_options_are_refused(name, options):
    with pytest.raises(ValueError, match=f"{next(reversed(options))}: expected"):
        moopt.algorithm(name, **options)


def test_directions_are_the_lattice_where_it_fits():
    """The quality above rests on it."""
    assert torch.equal(directions(91, 3), das_dennis(3, 12))
