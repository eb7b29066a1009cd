"""Bayesian optimization through runs: reference points, failures, noise, batches, trouble, and what it says of it."""

import logging
import math

import pytest
import torch

import moopt
from moopt import Turn
from moopt.core.random import Rng
from moopt.selection import survivors
from moopt.surrogate import fit, suggest

LIGHT = {"n_raw": 32, "n_restarts": 1, "n_draws": 8}
NAN = math.nan


def bayes(name="bayes", **options):
    return moopt.algorithm(name, **{**LIGHT, **options})


class Sum(moopt.Problem):
    """Two bowls at the corners of the unit square, with whatever makes life hard."""

    n_obj = 2

    def __init__(self, space=None, scale=1.0, constant=False, wall=None, least=None, noise=0.0):
        self.space = space or moopt.Box(0.0, 1.0, 2)
        self.scale, self.constant, self.wall, self.least, self.noise = scale, constant, wall, least, noise
        self.n_con = int(least is not None)
        self.stochastic = noise > 0

    def _evaluate(self, x, draw=None):
        z = self.space.to_cube(x)
        f = torch.stack(((z - 0.1).square().sum(-1), (z - 0.9).square().sum(-1)), -1)
        if self.noise:
            f = f + self.noise * draw.rng.normal(*f.shape[-2:])[0]
        f = f * torch.tensor([self.scale, 1 / self.scale])
        if self.constant:
            f[..., 1] = 3.0
        if self.wall is not None:
            f = torch.where(z[..., :1] > self.wall, torch.nan, f)
        return f if self.least is None else (f, self.least - z.sum(-1, keepdim=True))


def asked(problem, algorithm, n, state=None, seed=0):
    """The state after n points one by one, and what was asked: x[n, d]."""
    state, points = state or algorithm.init(problem, Rng(seed)), []
    for i in range(n):
        x, _, state = algorithm.ask(problem, state, Turn(Rng(seed).fold(i), wanted=1))
        state = algorithm.tell(problem, state, problem.evaluate(x, Rng(i)), Turn(Rng(seed).fold(n + i)))
        points.append(x[0, 0])
    return state, torch.stack(points)


def test_the_reference_point_is_inferred_once_and_then_kept():
    problem, algorithm = Sum(), bayes(n_initial=4)
    state, _ = asked(problem, algorithm, 4)
    assert state.reference_point.isnan().all()
    found = []
    for _ in range(3):
        state, _ = asked(problem, algorithm, 1, state)
        found.append(state.reference_point)
    assert found[0].isfinite().all() and torch.equal(found[0], found[1]) and torch.equal(found[1], found[2])


def test_a_reference_point_is_taken_whole_or_in_part():
    for given in ((2.0, 2.5), (2.0, NAN)):
        state, _ = asked(Sum(), bayes(n_initial=3, reference_point=given), 4)
        known = [value for value in given if not math.isnan(value)]
        assert state.reference_point[0, : len(known)].tolist() == known and state.reference_point.isfinite().all()
    assert bayes().init(moopt.problem("zdt1"), Rng(0)).reference_point.tolist() == [[1.1, 1.1]]
    with pytest.raises(ValueError, match="reference_point: expected 2 numbers"):
        moopt.minimize(Sum(), bayes(reference_point=[1.0]), 3, progress=False)
    for wrong in ("18,6", [1.0, math.inf], ["a", 1.0]):
        with pytest.raises(ValueError, match="reference_point: expected finite numbers or NaN such as"):
            bayes(reference_point=wrong)


def test_no_reference_point_is_inferred_from_what_is_infeasible():
    state, points = asked(Sum(least=1.9), bayes(n_initial=3), 6)
    data = state.data
    first = int((data.g[0, :, 0] <= 0).long().argmax()) if bool((data.g <= 0).any()) else 6
    assert first >= 3 and (points[first:].sum(-1) > 1.5).all()
    state, _ = asked(Sum(least=3.0), bayes(n_initial=3), 6)
    assert state.reference_point.isnan().all()


@pytest.mark.parametrize("failures", ["learn", "abandon"])
def test_failures_are_learned_or_abandoned_and_never_repeated(failures):
    """Everything beyond a third fails: who learns, hardly goes there any more."""
    state, points = asked(Sum(wall=1 / 3), bayes(n_initial=6, failures=failures), 18)
    beyond = (points[6:, 0] > 1 / 3).double().mean()
    assert len(points.unique(dim=0)) == 18 and int(state.data.failed.sum()) > 0
    surrogate, model, _ = bayes(failures=failures).models(Sum(wall=1 / 3), state)
    assert (model is None) == (failures == "abandon") and len(surrogate.x) == int((~state.data.failed).sum())
    if failures == "learn":
        assert beyond <= 0.35
    with pytest.raises(ValueError, match="failures: expected learn or abandon, got 'retry'"):
        bayes(failures="retry")


def test_duplicates_only_where_noise_asks_for_them(caplog):
    grid = moopt.Space({"a": moopt.Integer(0, 2), "b": moopt.Integer(0, 2)})
    with caplog.at_level(logging.WARNING, "moopt"):
        _, points = asked(Sum(grid), bayes(n_initial=2), 9)
        assert len(points.unique(dim=0)) == 9 and "repeating" not in caplog.text
        asked(Sum(grid), bayes(n_initial=2), 10)
        assert "already evaluated or pending; repeating one" in caplog.text
        caplog.clear()
        _, points = asked(Sum(grid, noise=0.5), bayes(n_initial=2), 12)
        assert len(points) == 12 and "repeating" not in caplog.text


def test_batches_and_pending_points_are_spread():
    problem, algorithm = Sum(), bayes(n_initial=6, batch=4)
    steps = []
    watching = [lambda snapshot: steps.append(snapshot.evaluated.x.shape[1])]
    result = moopt.minimize(problem, algorithm, 14, progress=False, monitors=watching)
    assert steps == [4, 2, 4, 4] and len(result.population.x.unique(dim=0)) == 14
    state, _ = asked(problem, bayes(n_initial=6), 6)
    first, _, _ = algorithm.ask(problem, state, Turn(Rng(1), wanted=1))
    second, _, _ = algorithm.ask(problem, state, Turn(Rng(1), wanted=1, pending=first))
    assert (first - second).norm() > 0.03


def test_one_objective_and_many():
    problem = moopt.FunctionProblem(
        lambda a, b: (a - 0.3) ** 2 + (b - 0.6) ** 2, {"a": moopt.Real(0, 1), "b": moopt.Real(0, 1)}, ["f"]
    )
    result = moopt.minimize(problem, bayes(), 20, progress=False)
    assert result.front.f.min() < 1e-3 and "the objective" in result.notes[0]
    result = moopt.minimize(moopt.problem("dtlz2", n_obj=6, n_var=7), bayes(n_initial=8), 11, progress=False)
    assert "scalarising" in result.notes[0] and len(result.population.x.unique(dim=0)) == 11


def test_it_is_picked_for_few_evaluations_and_says_what_it_did():
    problem = moopt.FunctionProblem(
        lambda a: {"cost": a, "gain": 1 - (1 - a) ** 2}, {"a": moopt.Real(0, 1)}, {"cost": "min", "gain": "max"}
    )
    result = moopt.minimize(problem, budget=12, progress=False)
    assert result.message.startswith("bayes was picked; ")
    text = "; ".join(result.notes)
    assert "improved hypervolume, for 2 objectives" in text and "(inferred)" in text
    assert "the models explain 100% of cost, 100% of gain" in text
    result = moopt.minimize(problem, bayes(reference_point=(1.5, -0.25)), 6, progress=False)
    assert "cost 1.5, gain 0.25" in "; ".join(result.notes)  # in the user's sign
    order = moopt.FunctionProblem(lambda order: order[0], {"order": moopt.Permutation(4)}, ["f"])
    assert moopt.minimize(order, budget=12, progress=False).message.startswith("nsga2 was picked; ")


def test_a_search_with_models_is_short_unless_told_otherwise():
    for name, evaluations in (("bayes", 100), ("qnehvi", 100), ("nsga2", 25_000)):
        assert moopt.Run("zdt1", name, progress=False).budget.limits()["evaluations"] == evaluations


def test_what_models_cannot_explain_is_said():
    state, _ = asked(Sum(noise=5.0), bayes(n_initial=14), 15)
    assert any("little better than random ones" in note for note in bayes(n_initial=14).notes(Sum(noise=5.0), state))


@pytest.mark.parametrize("name", ["bayes", "egbo", "parego", "qnehvi"])
@pytest.mark.parametrize(
    "trouble, initial, words",
    [
        ({}, [[0.2, 0.3]] * 5, ""),
        ({"constant": True}, None, "constant; modelled by the prior"),
        ({"scale": 1e12}, None, ""),
        ({"scale": 1e-12}, None, ""),
        ({"wall": -1.0}, None, ""),
        ({"least": 99.0}, None, ""),
    ],
    ids=["duplicates", "constant", "large", "small", "all-failed", "all-infeasible"],
)
def test_in_trouble_a_suggestion_always_comes(name, trouble, initial, words, caplog):
    problem = Sum(**trouble)
    with caplog.at_level(logging.INFO, "moopt"):
        result = moopt.minimize(problem, bayes(name, n_initial=3), 10, initial=initial, progress=False)
    assert result.spent["evaluations"] == 10 and words in caplog.text
    asked = result.population.x[len(initial or ()) :]
    assert len(asked.unique(dim=0)) == len(asked)
    if "wall" in trouble:
        assert result.status == "failed" and "all 10 evaluations failed: points were spread" in result.notes[-1]
    elif "least" in trouble:
        assert result.status == "infeasible" and (result.population.x[-4:].sum(-1) > 1.5).any()  # less violation


def test_one_point_is_enough_to_go_on():
    for name in ("bayes", "egbo", "parego", "qnehvi"):
        result = moopt.minimize(Sum(), bayes(name, n_initial=1), 4, progress=False)
        assert len(result.population.x.unique(dim=0)) == 4


def test_models_of_many_points_are_of_the_best():
    state, _ = asked(Sum(), bayes(n_initial=12), 12)
    surrogate, _, _ = bayes(n_modelled=8).models(Sum(), state)
    ranked, _, _ = survivors(state.data.f, state.data.violation, 8)
    assert len(surrogate.x) == 8 and torch.equal(surrogate.f, state.data.f[0, ranked[0].sort().values])
    result = moopt.minimize(Sum(), bayes(n_initial=5, n_modelled=8), 11, progress=False)
    assert "models are of the best 8 of 11 points" in result.notes


def test_many_variables_are_expected_to_matter_little():
    for n_var, sparse in ((8, False), (30, True)):
        assert bayes().is_sparse(moopt.problem("zdt1", n_var=n_var)) == sparse
        assert not bayes(sparse=False).is_sparse(moopt.problem("zdt1", n_var=n_var))
    assert not bayes("qnehvi").is_sparse(moopt.problem("zdt1", n_var=30))


def test_units_decide_nothing():
    """1e12 times one objective and 1e-12 times the other: the same points."""
    plain, scaled = (asked(Sum(scale=scale), bayes(n_initial=4), 8)[1] for scale in (1.0, 1e12))
    torch.testing.assert_close(plain, scaled, rtol=0, atol=1e-3)


def test_known_noise_goes_through_trials_and_their_journal(tmp_path):
    problem = moopt.FunctionProblem(
        lambda a: {"u": (a**2, 0.1 + a), "v": ((a - 1) ** 2, 0.2)}, {"a": moopt.Real(0, 1)}, ["u", "v"]
    )
    run = moopt.Run(problem, bayes(n_initial=3), 6, out=tmp_path / "run", progress=False)
    result = run.run()
    state = run.progress.groups[0].state
    torch.testing.assert_close(state.data.f_var[0, :, 0], (0.1 + state.data.x[0, :, 0]) ** 2)
    assert result.trials[0].f_var[1] == pytest.approx(0.04)
    again = moopt.Run.reopen(tmp_path / "run", problem=problem, budget=8, progress=False)
    again.run()
    assert torch.equal(again.progress.groups[0].state.data.f_var[:, :6], state.data.f_var)
    by_hand = moopt.Run(problem, bayes(), 3)
    (trial,) = by_hand.ask(1)
    trial.finish({"u": 1.0, "v": 2.0}, errors={"u": 0.3, "v": 0.1})
    assert trial.f_var == pytest.approx([0.09, 0.01])
    with pytest.raises(ValueError, match="errors: expected a finite number from 0 to inf, got -1.0"):
        trial.finish([1.0, 2.0], errors=[-1.0, 0.0])


# options of the model


def error(f, d, n, seed, grid, **options):
    """Share of the variance that a model of n points does not predict."""
    x = torch.rand(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    exact = f(grid)
    return (fit(x, f(x), deterministic=True, **options).predict(grid)[0] - exact).square().mean() / exact.var()


def test_sparse_length_scales_find_the_columns_that_matter():
    """Two of eighty columns by forty points: a tenth of the plain prior's error (Eriksson and Jankowiak 2021)."""
    new = torch.rand(300, 80, dtype=torch.float64, generator=torch.Generator().manual_seed(99))

    def f(x):
        return torch.sin(6 * x[:, 2:3]) + x[:, 1:2] ** 2

    plain, sparse = (
        sum(error(f, 80, 40, seed, new, sparse=option) for seed in range(3)) for option in (False, True)
    )
    assert sparse < 0.1 * plain


def test_warped_columns_follow_what_changes_fast_in_one_corner():
    """sin(8 x^0.2), of which warping makes a sine: a third of the plain error on average (Snoek et al. 2014)."""
    grid = torch.linspace(0.02, 0.98, 200, dtype=torch.float64)[:, None]
    plain, warped = (
        sum(error(lambda x: torch.sin(8 * x**0.2), 1, 20, seed, grid, warp=option) for seed in range(4))
        for option in (False, True)
    )
    assert warped < plain / 3


def test_options_go_with_categories_constraints_and_seeds():
    problem = moopt.problem("weldedbeam")
    for options in ({"warp": True}, {"sparse": True}):
        results = [moopt.minimize(problem, bayes(n_initial=6, **options), 9, seed=4, progress=False) for _ in "ab"]
        assert torch.equal(results[0].population.x, results[1].population.x)


def test_suggestions_are_the_same_whatever_happens_around():
    x = torch.rand(8, 3, dtype=torch.float64)
    f = torch.stack((x.sum(-1), (1 - x).square().sum(-1)), -1)
    surrogate = fit(x, f)
    first = suggest(surrogate, baseline_x=x, n=2, seed=5, **LIGHT)
    torch.manual_seed(123)
    torch.rand(10)
    assert torch.equal(first, suggest(surrogate, baseline_x=x, n=2, seed=5, **LIGHT))


def test_many_objectives_are_searched_by_scalars():
    """From five on a hypervolume costs more than a suggestion may."""
    algorithm = moopt.algorithm("bayes")
    goals = [algorithm.goal(moopt.problem("dtlz2", n_obj=m)) for m in (2, 4, 5, 6)]
    assert goals == ["hypervolume", "hypervolume", "scalarised", "scalarised"]
