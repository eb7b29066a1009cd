"""Every entry of the catalogues keeps its contract by being listed, and attains what it must."""

import dataclasses

import pytest
import torch

import moopt
from moopt import EnvSteps, Generations, Tokens, catalogue
from moopt.catalogue.describe import describe
from moopt.indicators import hypervolume
from moopt.testing import Bowls, check_algorithm, check_problem

# name -> (options, problem or None for the plain one, budget or None for six generations, hypervolume to attain)
ALGORITHMS = {
    "nsga2": ({"pop_size": 20}, None, Generations(20), 0.75),
    "hype": ({"pop_size": 20, "n_samples": 200}, None, Generations(20), 0.75),
    "moead": ({"pop_size": 20}, None, Generations(20), 0.7),
    "nsga3": ({"pop_size": 20}, None, Generations(20), 0.7),
    "random": ({"pop_size": 50}, None, Generations(20), 0.35),
    "rvea": ({"pop_size": 20, "generations": 20}, None, Generations(20), 0.7),
    "bayes": ({"n_initial": 6, "n_raw": 32, "n_restarts": 1, "n_draws": 8}, None, Generations(8), 0.3),
    "egbo": ({"n_initial": 6, "n_restarts": 1, "n_draws": 8, "offspring": 32}, None, Generations(8), 0.3),
    "parego": ({"n_initial": 6, "n_raw": 32, "n_restarts": 1, "n_draws": 8}, None, Generations(8), 0.3),
    "qnehvi": ({"n_initial": 6, "n_raw": 32, "n_restarts": 1, "n_draws": 8}, None, Generations(8), 0.3),
    "qlearners": ({"pop_size": 20, "n_steps": 50, "decay": 10_000}, "deepseatreasure", EnvSteps(20_000), 0.4),
    "policygradient": ({"pop_size": 8}, "exactalignment", Tokens(40_000), 0.3),
}

def small(name):
    """A problem of the catalogue; a robot for a moment only."""
    robot = catalogue.load("problems", name).cost_unit == "env_steps" and name != "deepseatreasure"
    return moopt.problem(name, horizon=20) if robot else moopt.problem(name)


@pytest.mark.parametrize("name", catalogue.table("problems"))
def test_problems_keep_their_contract(name):
    problem = small(name)
    check_problem(problem)
    describe(problem)  # still, after it was used: without it, results cannot make their problem again


@pytest.mark.parametrize("name", catalogue.table("algorithms"))
def test_algorithms_keep_their_contract(name):
    options, problem, budget, attained = ALGORITHMS[name]
    problem = None if problem is None else moopt.problem(problem)
    check_algorithm(moopt.algorithm(name, **options), problem, budget=budget, hypervolume=attained)


SWITCHES = [
    (kind, name, option.name)
    for kind in ("problems", "algorithms")
    for name in catalogue.table(kind)
    if dataclasses.is_dataclass(catalogue.load(kind, name))
    for option in dataclasses.fields(catalogue.load(kind, name))
    if option.type in ("bool", "bool | None", bool)
]


@pytest.mark.parametrize("kind, name, option", SWITCHES)
def test_what_is_on_or_off_is_nothing_else(kind, name, option):
    """Any word but the empty one would count as True, 'False' too."""
    make = moopt.problem if kind == "problems" else moopt.algorithm
    for wrong in ("False", 1):
        with pytest.raises(ValueError, match=f"^{option}: expected True or False, got {wrong!r}"):
            make(name, **{option: wrong})
    assert getattr(make(name, **{option: True}), option) is True


@pytest.mark.parametrize("name", ["nsga2", "random"])
@pytest.mark.parametrize("problem", catalogue.table("problems"))
def test_algorithms_of_any_problem_search_every_problem(name, problem):
    result = moopt.minimize(small(problem), moopt.algorithm(name, pop_size=10), 30, progress=False)
    assert len(result.front) > 0 and result.spent["evaluations"] >= 30


# attained quality; seeds are fixed


def median(values):
    return torch.tensor(list(values), dtype=torch.float64).median().item()


def test_nsga2_on_zdt1():
    """100 individuals, 25,000 evaluations, the paper's operators; the best 100 points have 0.8721 (pymoo: 0.8698)."""
    result = moopt.minimize("zdt1", "nsga2", 25_000, runs=31, seed=1, progress=False)
    assert median(hypervolume(run.population.f, [1.1, 1.1]) for run in result.runs) >= 0.869
    assert median(hypervolume(run.front.f, [1.1, 1.1]) for run in result.runs) >= 0.8735


@pytest.mark.parametrize(
    "problem, least",
    [
        ("zdt2", 0.532), ("zdt3", 1.323), ("zdt4", 0.84), ("zdt6", 0.48), ("dtlz2", 0.69), ("re21", 0.879),
        ("re37", 0.78),
    ],
)
def test_nsga2_on_others(problem, least):
    """Medians of five runs of 20,000 evaluations, of 100 points; pymoo 0.6.2 has, in this order, 0.534, 1.326, 0.865,
    0.483, 0.700, 0.881, 0.788. Engineering problems are scaled by ideal and nadir."""
    result = moopt.minimize(problem, "nsga2", 20_000, runs=5, seed=1, progress=False)
    if problem.startswith("re"):
        ideal, nadir = result.problem.ideal, result.problem.nadir
        scaled = [(run.population.f - ideal) / (nadir - ideal) for run in result.runs]
        values = [hypervolume(f, [1.1] * f.shape[1]) for f in scaled]
    else:
        values = [hypervolume(run.population.f, [1.1] * result.problem.n_obj) for run in result.runs]
    assert median(values) >= least


def test_random_search_is_worse():
    better, worse = (moopt.minimize("zdt1", name, 2000, runs=5, progress=False) for name in ("nsga2", "random"))
    assert median(r.hypervolume for r in better.runs) > median(r.hypervolume for r in worse.runs) + 0.1


@pytest.mark.parametrize("name", ["bayes", "egbo", "parego", "qnehvi"])
def test_expensive_search_beats_random(name):
    problem = Bowls(constrained=True)
    found, drawn = (
        moopt.minimize(problem, name, 25, seed=3, progress=False).hypervolume for name in (name, "random")
    )
    assert found > (0.75 if name == "parego" else 0.8) > drawn


def test_integers_choices_and_permutations_are_searched():
    """The mixed bowls are best at n = 0, the first choice, the flag down: the reals' front remains."""
    front = moopt.minimize(Bowls(mixed=True), "nsga2", 8000, seed=2, progress=False).front
    values = front.x[:, 3:6]
    assert (values == 0).all(-1).double().mean() > 0.9
