"""The loop: budgets, runs, monitors, points brought along, results, and resuming."""

import dataclasses
import inspect
import math

import pandas
import pytest
import torch

import moopt
from moopt import Box, Evaluations, FunctionProblem, Generations, Integer, Reached, Real, Seconds, Stalled, Status
from moopt.algorithms.alignment.policygradient import PolicyGradient
from moopt.core.budget import UNITS, Standing, first_of
from moopt.executors.inline import Inline
from moopt.experiment.frame import known_frame, scores
from moopt.indicators.table import INDICATORS
from moopt.storage import CheckpointError
from moopt.testing import Bowls


def nsga2(**options):
    return moopt.algorithm("nsga2", **{"pop_size": 20, **options})


def solve(problem=None, algorithm=None, budget=200, **options):
    return moopt.minimize(problem or Bowls(), algorithm or nsga2(), budget, progress=False, **options)


def beam(r, n):
    return {"mass": r * n, "stiffness": r**2 / n, "stress": 10 * r}


BEAM = FunctionProblem(
    beam, {"r": Real(0.1, 2), "n": Integer(1, 9)}, {"mass": "min", "stiffness": "max"}, {"stress": ("<=", 15)}
)


# budgets


def test_evaluations_are_never_exceeded():
    for n in (7, 20, 133):
        result = solve(budget=n)
        assert result.spent["evaluations"] == n and result.status is Status.FINISHED
        assert len(result.population) == min(20, n)


def test_an_integer_means_evaluations():
    assert solve(budget=60).spent == solve(budget=Evaluations(60)).spent


def test_budgets_combine():
    assert solve(budget=Generations(3) | 1000).spent["generations"] == 3
    assert solve(budget=Generations(3) & Evaluations(100)).spent["evaluations"] == 100
    assert solve(budget=Generations(9) & Evaluations(100)).spent["generations"] == 9


@pytest.mark.parametrize(
    "budget",
    [*(kind(2) for kind in UNITS.values()), Reached("hypervolume", 0.5), Stalled(3), Evaluations(1) | Seconds(1),
     Evaluations(1) & Seconds(1)],
    ids=lambda budget: type(budget).__name__,
)  # fmt: skip
def test_budgets_never_change(budget):
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(budget, dataclasses.fields(budget)[0].name, 5)
    assert hash(budget) == hash(dataclasses.replace(budget))


def test_one_table_says_what_budgets_are_written_in():
    from moopt.cli import resume, solve

    for unit, kind in UNITS.items():
        assert first_of({unit: 7}) == kind(7) and kind(7).limits() == {unit: 7}
        assert all(unit in inspect.signature(command).parameters for command in (solve, resume))
    several = first_of({"tokens": 900, "generations": 5, "seconds": 0.5})
    assert several == moopt.Tokens(900) | Generations(5) | Seconds(0.5) and first_of({}) is None
    goal = Reached("igd", 0.1)
    assert (Generations(5) & (several | goal)).leaves() == [
        Generations(5), moopt.Tokens(900), Generations(5), Seconds(0.5), goal
    ]  # fmt: skip


def test_reached_ends_each_run_on_its_own():
    goal = Reached("hypervolume", 0.6) | Generations(50)
    together = solve(budget=goal, runs=4, seed=11)
    generations = [part.spent["generations"] for part in together.runs]
    assert len(set(generations)) > 1 and max(generations) < 50
    assert all(part.hypervolume >= 0.6 for part in together.runs)
    for i, part in enumerate(together.runs):
        alone = solve(budget=goal, seed=11 + i)
        assert torch.equal(part.population.f, alone.population.f) and part.spent == alone.spent


def test_stalled_ends_when_nothing_improves():
    result = solve(Bowls(trouble="constant"), budget=Stalled(generations=5) | Generations(100))
    assert result.spent["generations"] == 6


@pytest.mark.parametrize("second, ends_at", [(1.09, 3), (1.11, 4), (0.9, 3)])
def test_a_standstill_is_less_than_the_tolerance(second, ends_at):
    """Of 1.0 a tenth is 0.1; what is gained counts once, from the generation that gained it."""
    budget, values = Stalled(generations=2, tolerance=0.1), [1.0, *[second] * 5]
    state, ended = budget.init(1), []
    for generation, value in enumerate(values, 1):
        spent = {"generations": torch.tensor([generation])}
        state, over = budget.update(state, Standing(spent, 0.0, lambda name, v=value: torch.tensor([v]).double()))
        ended.append(bool(over))
    assert ended.index(True) + 1 == ends_at


@pytest.mark.parametrize("name", INDICATORS)
def test_every_indicator_of_the_table_can_be_a_goal(name):
    """The run ends with the first generation as good as asked, by the number that a study would give of its archive."""
    problem, seen = moopt.problem("zdt1", n_var=5), []
    watch = [lambda snapshot: seen.append((float(snapshot.indicator(name)), snapshot.front(0).f.clone()))]
    solve(problem, budget=Generations(12), monitors=watch)
    frame = known_frame(problem, "zdt1")
    assert [value for value, _ in seen] == pytest.approx(scores(frame, [name], [f for _, f in seen])[name])
    sign = 1 if INDICATORS[name].higher_is_better else -1
    values = [sign * value for value, _ in seen]
    assert values[-1] > values[0]
    wanted = (values[0] + values[-1]) / 2
    first = next(i for i, value in enumerate(values) if value >= wanted)
    goal = Reached(name, sign * wanted) | Generations(40)
    assert solve(problem, budget=goal).spent["generations"] == first + 1


def test_a_stalled_goal_knows_which_way_is_better():
    """The distance falls from step to step: that is an improvement. Constant objectives never improve."""
    budget = Stalled(generations=4, tolerance=0.0, indicator="igd") | Generations(30)
    assert solve(moopt.problem("zdt1", n_var=5), budget=budget).spent["generations"] > 15
    budget = Stalled(generations=4, indicator="expected_utility") | Generations(30)
    assert solve(Bowls(trouble="constant"), budget=budget).spent["generations"] == 5


@pytest.mark.parametrize("name, words", [("r2", "ideal and nadir"), ("gd", "its Pareto front")])
def test_a_goal_that_the_problem_cannot_tell(name, words):
    with pytest.raises(moopt.InputError, match=f"{name}: expected a problem that knows {words}"):
        solve(BEAM, budget=Reached(name, 0.1) | Evaluations(40))


def test_seconds_end_a_run():
    result = solve(budget=Seconds(0.05))
    assert result.seconds >= 0.05 and result.spent["evaluations"] > 0


@pytest.mark.parametrize(
    "budget, sentence",
    [
        (0, "Evaluations budget: expected a whole number of at least 1, got 0"),
        (math.inf, "Evaluations budget: expected a whole number of at least 1, got inf"),
        (-5, "got -5"),
        (2.5, "got 2.5"),
        (lambda: Seconds(0), "positive number, got 0"),
        (lambda: Seconds(math.inf), "finite number"),
        (lambda: Reached("hypervolum", 1), r"did you mean 'hypervolume'\?"),
        (lambda: Stalled(generations=0), "at least 1, got 0"),
        (lambda: moopt.Tokens(10), "NSGA2 on bowls spends evaluations, generations, seconds, got one in tokens"),
        (lambda: moopt.EnvSteps(10), "got one in env_steps"),
    ],
)
def test_bad_budgets_get_a_sentence(budget, sentence):
    with pytest.raises(ValueError, match=sentence):
        solve(budget=budget() if callable(budget) else budget)
    with pytest.raises(TypeError, match="budget: expected a number of evaluations or a Budget"):
        solve(budget="many")


class Unseen(PolicyGradient):
    """Nobody looks at it."""

    def looks_every(self, problem):
        return None


@pytest.mark.parametrize("goal", [Reached("igd", 0.1), Stalled(3)])
def test_goals_of_an_archive_need_points_that_the_loop_evaluates(goal):
    for budget in (goal, goal | Generations(5), Generations(5) & (moopt.Tokens(900) | goal)):
        with pytest.raises(ValueError, match="Unseen evaluates by itself") as caught:
            moopt.minimize("exactalignment", Unseen(), budget, progress=False)
        kind, words = type(goal).__name__, str(caught.value)
        assert words.endswith(f"expected one in generations, seconds, tokens, got {kind}") and "\n" not in words
        assert goal.indicator in words


# runs


def test_a_batch_of_runs_is_the_runs_alone():
    batch = solve(runs=31, seed=100, budget=160)
    assert len(batch.runs) == 31 and batch.spent["evaluations"] == 31 * 160
    for i in (0, 7, 30):
        alone = solve(seed=100 + i, budget=160)
        for name in ("x", "f", "g", "failed"):
            assert torch.equal(getattr(batch.runs[i].population, name), getattr(alone.population, name))
            assert torch.equal(getattr(batch.runs[i].front, name), getattr(alone.front, name))
        assert batch.runs[i].seed == 100 + i and batch.runs[i].hypervolume == alone.hypervolume


def test_the_merged_front_is_nondominated_and_at_least_as_good():
    batch = solve(runs=5)
    assert moopt.selection.nondominated_mask(batch.front.f).all()
    assert batch.hypervolume >= max(part.hypervolume for part in batch.runs)


def test_calls_to_a_problem_do_not_grow_with_the_runs():
    calls = []

    class Counted(moopt.Problem):
        space, n_obj = Box(0, 1, 3), 2

        def _evaluate(self, x):
            calls.append(tuple(x.shape))
            return x[..., :2]

    solve(Counted(), runs=9, budget=Generations(4))
    assert calls == [(9, 20, 3)] * 4


@pytest.mark.parametrize("algorithm", ["nsga2", "random"])
def test_trials_of_several_runs_equal_single_runs(algorithm):
    batch = solve(BEAM, moopt.algorithm(algorithm, pop_size=10), 30, runs=3, seed=4)
    for i, part in enumerate(batch.runs):
        alone = solve(BEAM, moopt.algorithm(algorithm, pop_size=10), 30, seed=4 + i)
        assert torch.equal(part.front.f, alone.front.f) and torch.equal(part.population.x, alone.population.x)
        assert len(part.trials) == 30 and part.spent["evaluations"] == 30


# monitors


def test_monitors_see_every_step_and_may_stop():
    seen = []

    class Watch(moopt.Monitor):
        def on_start(self, snapshot):
            seen.append("start")

        def on_step(self, snapshot):
            seen.append((snapshot.step, int(snapshot.spent["evaluations"][0]), len(snapshot.evaluated)))
            assert snapshot.population.x.shape == (1, 20, 3)
            assert 0 <= float(snapshot.indicator()[0]) <= 1 and len(snapshot.front()) > 0
            return snapshot.step == 3

        def on_end(self, result):
            seen.append(result.status)

    result = solve(monitors=[Watch()])
    assert seen == ["start", (1, 20, 20), (2, 40, 20), (3, 60, 20), Status.STOPPED]
    assert "stopped by a monitor" in result.message
    assert solve(monitors=[lambda snapshot: snapshot.step == 2]).spent["generations"] == 2


def test_a_snapshot_stays_what_it_was(monkeypatch):
    monkeypatch.setattr("moopt.run.archives.pareto.ARCHIVE_CAPACITY", 100)
    kept, told = [], []

    def watch(snapshot):
        kept.append(snapshot)
        told.append(facts(snapshot))

    def facts(snapshot):
        front, history = snapshot.front(), snapshot.history.drop(columns="seconds")
        return [
            snapshot.step, snapshot.total_spent, snapshot.fraction, snapshot.failures, snapshot.runs.tolist(),
            float(snapshot.indicator()[0]), front.f.tolist(), snapshot.population.x.tolist(), history.to_csv(),
        ]  # fmt: skip

    goal = Reached("hypervolume", 0.95) | Generations(30)  # some runs end before the others
    solve(Bowls(constrained=True), nsga2(pop_size=60), goal, runs=4, seed=11, monitors=[watch])
    assert len({len(snapshot.runs) for snapshot in kept}) > 1 and kept[-1].rows.kept
    assert [facts(snapshot) for snapshot in kept] == told


def test_a_monitor_that_raises_loses_no_trial(tmp_path):
    """Of trials that end together all are booked before it sees the first."""

    class Together(Inline):
        """Ends all that it has at the same time."""

        def wait(self, timeout=None):
            return [outcome for _ in range(self.pending) for outcome in super(Together, self).wait(timeout)]

    def watch(snapshot):
        raise RuntimeError("the disk of the monitor is full")

    with pytest.raises(RuntimeError, match="of the monitor"):
        solve(BEAM, nsga2(pop_size=4), 8, runs=2, executor=Together(), monitors=[watch], out=tmp_path / "run")
    run = moopt.Run.reopen(tmp_path / "run", problem=BEAM, progress=False, executor=Together())
    result = run.result()
    assert result.spent["evaluations"] == 8 and [trial.status for trial in result.trials] == ["finished"] * 8
    run.close()


def test_watching_changes_nothing():
    quiet = solve(runs=2)
    watched = solve(runs=2, monitors=[lambda s: (s.indicator(), s.front(), s.population, s.fraction) and None])
    assert torch.equal(quiet.front.f, watched.front.f) and torch.equal(quiet.population.x, watched.population.x)


def test_an_error_of_the_problem_propagates_and_what_was_computed_is_kept(tmp_path):
    class Breaks(moopt.Problem):
        space, n_obj, calls = Box(0, 1, 3), 2, 0

        def _evaluate(self, x):
            Breaks.calls += 1
            if Breaks.calls == 4:
                raise RuntimeError("the simulator is gone")
            return x[..., :2]

    with pytest.raises(RuntimeError, match="simulator"):
        solve(Breaks(), out=tmp_path / "run")
    result = moopt.resume(tmp_path / "run", problem=Breaks(), progress=False)
    whole = solve(Breaks())
    assert torch.equal(result.population.f, whole.population.f)


# points brought along


def test_initial_points_are_evaluated_first_and_count():
    x = torch.tensor([[0.1, 0.2, 0.3], [0.4, 0.0, -0.5]], dtype=torch.float64)
    first = []
    result = solve(initial=x, budget=50, monitors=[lambda s: first.append(s.evaluated.x)])
    assert torch.equal(first[0][0], x) and result.spent["evaluations"] == 50


def test_points_of_a_box_are_kept_with_the_run(tmp_path):
    x = torch.tensor([[0.1, 0.2, 0.3], [0.4, 0.0, -0.5]], dtype=torch.float64)
    problem = FunctionProblem(lambda x: {"f": x[0], "h": x[1] - x[0]}, Box(-1.0, 1.0, 3), ["f", "h"])
    whole = solve(problem, initial=x, budget=30)
    assert [trial.values["x"].tolist() for trial in whole.trials[:2]] == x.tolist()
    solve(problem, initial=x, budget=30, out=tmp_path / "run")
    again = moopt.Run.reopen(tmp_path / "run", problem=problem, progress=False)
    initial = again.search.initial
    assert torch.equal(initial.x, x) and [v["x"].tolist() for v in initial.values] == x.tolist()
    assert torch.equal(again.run().front.f, whole.front.f)


def test_evaluated_points_are_not_evaluated_again():
    before = solve(budget=60)
    calls = []

    class Counted(Bowls):
        def _evaluate(self, x):
            calls.append(x.shape[-2])
            return super()._evaluate(x)

    after = solve(Counted(), initial=before.front, budget=40)
    assert sum(calls) == 40 and after.hypervolume >= before.hypervolume


def test_dicts_and_frames_speak_the_users_values(tmp_path):
    points = [{"r": 0.7, "n": 3}, {"r": 1.3, "n": 8}]
    result = solve(BEAM, budget=30, initial=points)
    assert [trial.values for trial in result.trials[:2]] == points
    frame = pandas.DataFrame(points)
    assert [t.values for t in solve(BEAM, budget=30, initial=frame).trials[:2]] == points
    told = frame.assign(mass=[2.1, 10.4], stiffness=[0.163, 0.211], stress=[7.0, 13.0])
    known = solve(BEAM, moopt.algorithm("random", pop_size=30), 5, initial=told)
    row = known.population.f[0].tolist()
    assert row == [2.1, -0.163] and known.population.g[0].tolist() == [-8.0]
    assert known.spent["evaluations"] == 5


@pytest.mark.parametrize(
    "initial, error, sentence",
    [
        ([[0.1, 0.2]], ValueError, r"shape \[n, 3\], got \[1, 2\]"),
        ([[9.0, 0.0, 0.0]], ValueError, "initial point 1: expected a point of the space"),
        ([[math.nan, 0.0, 0.0]], ValueError, "initial point 1"),
        ("best", TypeError, "expected x, dicts, a DataFrame or Points, got str"),
        ([{"y": 1}], ValueError, r"initial point 1: expected values for \['x'\]"),
    ],
)
def test_bad_initial_points_get_a_sentence(initial, error, sentence):
    with pytest.raises(error, match=sentence):
        solve(initial=initial)


# results


def test_nothing_feasible_gives_the_least_violating_points():
    result = solve(Bowls(trouble="infeasible"))
    assert result.status is Status.INFEASIBLE and len(result.front) > 0
    violation = result.front.violation
    assert (violation == violation.min()).all() and "nothing feasible" in result.message
    assert violation.min() <= result.population.violation.min()


def test_everything_failing_gives_an_empty_front_and_says_so():
    def broken(r, n):
        raise ArithmeticError("no steady state")

    problem = FunctionProblem(broken, {"r": Real(0, 1), "n": Integer(1, 2)}, ["a", "b"])
    result = solve(problem, budget=12)
    assert result.status is Status.FAILED and len(result.front) == 0 and result.failures == 12
    assert result.errors == ["ArithmeticError: no steady state"] * 12
    assert result.to_dataframe().columns.tolist() == ["r", "n", "a", "b"]


def test_the_user_reads_own_names_and_signs(tmp_path):
    result = solve(BEAM, budget=200)
    table = result.to_dataframe()
    assert table.columns.tolist() == ["r", "n", "mass", "stiffness", "stress"]
    assert (table.stiffness > 0).all() and (table.stress <= 15).all()
    assert (table.mass - table.r * table.n).abs().max() < 1e-12
    assert torch.allclose(result.front.objectives[:, 1], -result.front.f[:, 1])
    lightest, stiffest = result.best({"mass": 1}), result.best([0, 1])
    assert result.best({"stiffness": 1}) == stiffest != lightest == result.best([1, 0])
    assert lightest["mass"] == table.mass.min() and stiffest["stiffness"] == table.stiffness.max()
    with pytest.raises(ValueError, match=r"expected names among \['mass', 'stiffness'\], got \['cost'\]"):
        result.best({"cost": 1})


def test_results_survive_the_disk(tmp_path):
    for problem in (BEAM, Bowls(mixed=True), FunctionProblem(lambda r: (r, -r), {"r": Real(1, 2)}, ["a", "b"])):
        result = solve(problem, runs=2)
        back = moopt.Result.load(result.save(tmp_path / problem.name))
        assert back.to_dataframe().equals(result.to_dataframe())
        assert [p.hypervolume for p in back.runs] == [p.hypervolume for p in result.runs]
        assert (back.status, back.message, back.spent, back.seed) == (
            result.status, result.message, result.spent, result.seed,
        )  # fmt: skip


def test_the_folder_holds_what_the_readme_promises(tmp_path):
    solve(BEAM, budget=100, out=tmp_path / "run")
    names = {p.name for p in (tmp_path / "run").iterdir()}
    assert {"config.json", "result.json", "front.csv", "front.png", "checkpoints", "trials.jsonl"} <= names
    table = pandas.read_csv(tmp_path / "run" / "front.csv")
    assert table.columns.tolist() == ["r", "n", "mass", "stiffness", "stress"] and (table.n % 1 == 0).all()


def test_defaults_are_picked_and_named():
    assert solve(BEAM, budget=300, algorithm=nsga2()).message.startswith("finished after 300 evaluations")
    assert moopt.minimize(Bowls(), budget=200, progress=False).message.startswith("nsga2 was picked; ")


# a loop of your own


def test_ask_and_tell_give_what_run_gives():
    run = moopt.Run(BEAM, nsga2(), 60, seed=9)
    while trials := run.ask(7):
        for trial in trials:
            answer = beam(**trial.values)
            trial.finish({k: answer[k] for k in ("mass", "stiffness")}, {"stress": answer["stress"]})
        run.tell(trials)
    own, driven = run.result(), solve(BEAM, budget=60, seed=9)
    assert torch.equal(own.population.x, driven.population.x) and torch.equal(own.front.f, driven.front.f)


def test_a_whole_generation_is_awaited():
    run = moopt.Run(BEAM, nsga2(pop_size=4), 12)
    first = run.ask()
    assert len(first) == 4
    with pytest.raises(ValueError, match="nsga2 needs the results of all 4 points of its generation"):
        run.ask(1)
    for trial in first[:3]:
        trial.finish([1.0 + trial.id, 2.0], [3.0])
    run.tell(first[:3])
    with pytest.raises(ValueError, match="needs the results"):
        run.ask(1)
    with pytest.raises(ValueError, match="trial 3: expected an outcome"):
        run.tell(first[3])
    first[3].fail("power cut")
    run.tell(first[3])
    assert len(run.ask(2)) == 2
    with pytest.raises(ValueError, match="not told yet, got trial 0"):
        run.tell(first[0])
    assert run.result().errors == ["power cut"]


def test_points_of_a_problem_without_function_are_evaluated_by_the_caller(tmp_path):
    problem = FunctionProblem(None, {"r": Real(0, 1)}, {"a": "max", "b": "min"})
    run = moopt.Run(problem, "random", 6, out=tmp_path / "run")
    done = run.ask(2)
    for trial in done:
        trial.finish([trial.values["r"], trial.values["r"] ** 2])
    run.tell(done)
    left = run.ask(1)
    run.close()
    again = moopt.Run.reopen(tmp_path / "run")
    asked = again.ask(1)
    assert (asked[0].id, asked[0].x) == (left[0].id, left[0].x)
    assert [t.status for t in again.result().trials] == ["finished", "finished", "asked"]
    with pytest.raises(ValueError, match=r"objectives: expected values for \['a', 'b'\]"):
        asked[0].finish({"a": 1.0})


# what does not fit together


@pytest.mark.parametrize(
    "call, error, sentence",
    [
        (lambda: solve("zdt11"), ValueError, r"got 'zdt11' \(did you mean 'zdt1'\?\)"),
        (lambda: moopt.minimize("zdt1", "nsg2"), ValueError, r"did you mean 'nsga2'\?"),
        (lambda: nsga2(pop_sizee=10), ValueError, r"no option 'pop_sizee' \(did you mean 'pop_size'\?\)"),
        (lambda: moopt.problem("zdt1", nvar=5), ValueError, r"zdt1 has no option 'nvar' \(did you mean 'n_var'\?\)"),
        (lambda: nsga2(pop_size=1), ValueError, "pop_size: expected a whole number of at least 2, got 1"),
        (lambda: solve(3), TypeError, "problem: expected a name or a Problem, got 3"),
        (lambda: solve(algorithm=7), TypeError, "algorithm: expected a name or an Algorithm, got 7"),
        (lambda: solve(runs=0), ValueError, "runs: expected a whole number of at least 1, got 0"),
        (lambda: solve(seed=1.5), ValueError, "seed: expected a whole number"),
        (lambda: solve(dtype="float16"), ValueError, "dtype: expected float64 or float32, got 'float16'"),
        (lambda: solve(device="gpu"), ValueError, "device: expected"),
        (lambda: solve(executor="threads"), ValueError, "threads"),
        (lambda: solve(monitors=[3]), TypeError, "expected a Monitor or a callable, got 3"),
        (lambda: solve("zdt1", "policygradient", 9), ValueError, "PolicyGradient does not fit: it needs a Generative"),
    ],
)
def test_bad_input_gets_one_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_wrong_declaration_gets_one_sentence():
    class Wrong(moopt.Problem):
        space, n_obj = Box(0, 1, 3), 2

        def _evaluate(self, x):
            return x

    with pytest.raises(ValueError, match=r"wrong._evaluate: expected f of shape \[1, 20, 2\], got \[1, 20, 3\]"):
        solve(Wrong())

    class NoSpace(moopt.Problem):
        n_obj = 2

        def _evaluate(self, x):
            return x

    with pytest.raises(TypeError, match="nospace.space: expected a Space or Box, got None"):
        solve(NoSpace())


# resuming


def interrupted_at(step):
    def stop(snapshot):
        if snapshot.step == step:
            raise KeyboardInterrupt

    return stop


def test_interrupted_and_resumed_is_uninterrupted(tmp_path):
    part = solve(runs=3, monitors=[interrupted_at(4)], out=tmp_path / "run")
    assert part.status is Status.INTERRUPTED and part.spent["generations"] == 12
    rest, whole = moopt.resume(tmp_path / "run", progress=False), solve(runs=3)
    assert torch.equal(rest.population.x, whole.population.x) and torch.equal(rest.front.f, whole.front.f)
    assert rest.spent == whole.spent and rest.status is Status.FINISHED


def test_a_finished_run_continues_with_a_larger_budget(tmp_path):
    solve(budget=100, runs=2, out=tmp_path / "run")
    longer = moopt.resume(tmp_path / "run", budget=200, progress=False)
    whole = solve(budget=200, runs=2)
    assert torch.equal(longer.front.f, whole.front.f) and longer.spent == whole.spent


def test_trials_resume_without_repeating(tmp_path):
    counter = tmp_path / "calls"

    def counted(r, n):
        with open(counter, "a") as stream:
            stream.write(f"{r!r}\n")
        return beam(r, n)

    problem = FunctionProblem(counted, BEAM.variables, BEAM.objectives, BEAM.constraints)
    solve(problem, moopt.algorithm("random"), 20, monitors=[interrupted_at(9)], out=tmp_path / "run")
    done = counter.read_text().splitlines()
    assert len(done) == 9
    with pytest.raises(ValueError, match="expected problem=... to resume with"):
        moopt.resume(tmp_path / "run")
    rest = moopt.resume(tmp_path / "run", problem=problem, progress=False)
    calls = counter.read_text().splitlines()
    whole = solve(BEAM, moopt.algorithm("random"), 20)
    assert len(calls) == len(set(calls)) == 20 and torch.equal(rest.front.f, whole.front.f)


def test_resume_refuses_what_it_cannot_continue(tmp_path):
    solve(out=tmp_path / "run")
    with pytest.raises(FileExistsError, match="expected a new folder, got one that holds a run"):
        solve(out=tmp_path / "run")
    with pytest.raises(FileNotFoundError, match="expected the folder of a run"):
        moopt.resume(tmp_path)
    with pytest.raises(ValueError, match="expected the problem bowls that the run has, got beam"):
        moopt.resume(tmp_path / "run", problem=BEAM)
    newest = max((tmp_path / "run" / "checkpoints").iterdir())
    for path in (tmp_path / "run" / "checkpoints").iterdir():
        path.write_bytes(newest.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="expected a whole safetensors file"):
        moopt.resume(tmp_path / "run")
    config = tmp_path / "run" / "config.json"
    config.write_text(config.read_text().replace('"format": 1', '"format": 3'))
    with pytest.raises(CheckpointError, match="format 3 of a newer moopt"):
        moopt.resume(tmp_path / "run")


def test_a_larger_budget_is_kept_before_anything_is_spent(tmp_path):
    """Whoever is killed on the way there resumes to the larger one."""
    solve(Bowls(), nsga2(), Generations(2), out=tmp_path / "run")
    moopt.Run.reopen(tmp_path / "run", progress=False).close()
    assert moopt.Run.reopen(tmp_path / "run", budget=Generations(5), progress=False).close() is None
    again = moopt.Run.reopen(tmp_path / "run", progress=False)
    assert again.budget == Generations(5) and again.run().spent["generations"] == 5


def test_a_trial_is_shown_without_its_problem():
    trial = moopt.Run(BEAM, moopt.algorithm("random"), 5).ask(1)[0]
    assert "problem" not in repr(trial) and trial.problem is BEAM
    assert trial == dataclasses.replace(trial, problem=None)


def test_an_algorithm_hears_what_is_pending():
    """Points that were asked for and not yet told, in the order of asking."""
    heard = []

    class Listening(type(moopt.algorithm("random"))):
        def ask(self, problem, state, turn):
            heard.append(None if turn.pending is None else turn.pending[0].tolist())
            return super().ask(problem, state, turn)

    run = moopt.Run(BEAM, Listening(pop_size=4), 20, progress=False)
    first = run.ask(2)
    second = run.ask(3)
    for trial in (first[1], second[0]):
        trial.finish([1.0, 2.0], [0.0])
    run.tell([first[1], second[0]])
    run.ask(1)
    assert heard == [None, [t.x for t in first], [t.x for t in (first[0], *second[1:])]]
    run.close()

