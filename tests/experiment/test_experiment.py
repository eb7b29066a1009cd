"""Studies: what a spec says is what is run, kept, scored, and found again after any end."""

import math
import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pandas
import pytest
import torch
from typer.testing import CliRunner

import moopt
from moopt.cli import app
from moopt.experiment import Entry, Frame, Spec, bench, read, serve
from moopt.experiment.frame import known_frame, scores
from moopt.experiment.identity import identity
from moopt.indicators import hypervolume, igd_plus

SPEC = """
name = "two"
seeds = 3
budget = { evaluations = 600 }
indicators = ["hypervolume", "igd_plus"]
checkpoints = 3
[[problems]]
name = "zdt1"
options = { n_var = 5 }
[[problems]]
name = "re21"
[[algorithms]]
name = "nsga2"
options = { pop_size = 40 }
[[algorithms]]
name = "random"
"""


HERE = {"executor": "inline", "progress": False, "report": False}
THERE = {**HERE, "executor": "processes:2"}


def moopt_command(*arguments):
    return CliRunner().invoke(app, arguments)


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "spec.toml"
    path.write_text(SPEC)
    return path


def tables(folder):
    return [(folder / f"{name}.csv").read_text() for name in ("results", "trace")]


def test_a_study_holds_what_single_runs_find(spec, tmp_path):
    study = bench(spec, tmp_path / "out", **HERE)
    results = pandas.read_csv(tmp_path / "out" / "results.csv")
    assert list(results.columns) == ["problem", "algorithm", "seed", "indicator", "value"]
    assert len(results) == 2 * 2 * 3 * 2 and study.is_complete
    problem = moopt.problem("zdt1", n_var=5)
    for seed in range(3):
        alone = moopt.minimize(problem, moopt.algorithm("nsga2", pop_size=40), 600, seed=seed)
        row = study.results.query("problem == 'zdt1' and algorithm == 'nsga2' and seed == @seed").set_index("indicator")
        assert row.value["hypervolume"] == pytest.approx(alone.hypervolume, rel=1e-12)
        expected = float(igd_plus(alone.front.f, problem.pareto_front(1000)))
        assert row.value["igd_plus"] == pytest.approx(expected, rel=1e-12)
        front = study.front("zdt1", "nsga2", seed)
        assert torch.equal(torch.from_numpy(front.f), alone.front.f)
        pandas.testing.assert_frame_equal(front.table, alone.to_dataframe())
    assert (study.runs.status == "finished").all() and (study.runs.spent == 600).all()
    assert set(study.runs.unit) == {"evaluations"}


def test_checkpoints_are_what_shorter_runs_find(spec, tmp_path):
    trace = bench(spec, tmp_path / "out", **HERE).trace
    short = moopt.minimize(moopt.problem("zdt1", n_var=5), moopt.algorithm("nsga2", pop_size=40), 200, seed=1)
    rows = trace.query("problem == 'zdt1' and algorithm == 'nsga2' and seed == 1 and indicator == 'hypervolume'")
    assert rows.fraction.tolist() == pytest.approx([1 / 3, 2 / 3, 1])
    assert rows.value.tolist()[0] == pytest.approx(short.hypervolume, rel=1e-12)
    better = trace.query("indicator == 'hypervolume'").pivot_table(
        index=["problem", "algorithm", "seed"], columns="fraction", values="value"
    )
    assert (better.diff(axis=1).iloc[:, 1:] >= -1e-3).all(axis=None)


def test_a_frame_is_inferred_once_and_then_frozen(tmp_path):
    problem = moopt.FunctionProblem(
        lambda a, b: {"mass": 5 + a, "power": 10 * (1 - a) ** 2 + b}, {"a": moopt.Real(0, 1), "b": moopt.Real(0, 1)},
        objectives={"mass": "min", "power": "min"}, vectorized=True,
    )  # fmt: skip
    settings = dict(name="own", problems={"own": problem}, budget=300, seeds=2, indicators=["hypervolume", "igd"])
    first = bench(Spec(algorithms=["nsga2"], **settings), tmp_path / "out", **HERE)
    frame = first.frames["own"]
    f = torch.cat([p.f for p in first.populations("own", "nsga2").values()])
    ideal, nadir = f.amin(0), f[(f[:, 0] <= f[:, 0].max())].amax(0)
    assert frame.ideal == pytest.approx(ideal.tolist()) and "all runs" in frame.origin
    assert frame.nadir[0] <= nadir[0] + 1e-12 and frame.nadir[1] <= nadir[1] + 1e-12
    both = bench(Spec(algorithms=["nsga2", "random"], **settings), tmp_path / "out", **HERE)
    assert both.frames["own"].ideal == frame.ideal and torch.equal(both.frames["own"].front, frame.front)
    old = both.results[both.results.algorithm == "nsga2"].reset_index(drop=True)
    pandas.testing.assert_frame_equal(old, first.results)
    points = both.populations("own", "random")[1].f
    scaled = (points - torch.tensor(frame.ideal)) / (torch.tensor(frame.nadir) - torch.tensor(frame.ideal))
    value = both.results.query("algorithm == 'random' and seed == 1 and indicator == 'hypervolume'").value.item()
    assert value == pytest.approx(float(hypervolume(scaled, 1.1)))


def test_hypervolume_reaches_to_the_reference_point_that_a_problem_publishes():
    """Treasure from 0 to 124 (of the discounted front) and 50 steps: a point of half of both is worth a quarter."""
    problem = moopt.problem("deepseatreasure")
    frame = known_frame(problem, "sea")
    assert problem.reference_point.tolist() == [0, 50] and frame.ideal == problem.ideal.tolist()
    half = (problem.ideal + problem.reference_point) / 2
    (value,) = scores(frame, ["hypervolume"], [half[None]])["hypervolume"]
    assert value == pytest.approx(1.1**2 / 4)
    with pytest.MonkeyPatch.context() as patch:  # whatever the units
        for name in ("ideal", "nadir", "reference_point"):
            patch.setattr(type(problem), name, getattr(problem, name) * 1e-12)
        (tiny,) = scores(known_frame(problem, "sea"), ["hypervolume"], [half[None] * 1e-12])["hypervolume"]
    assert tiny == pytest.approx(value)
    plain = moopt.problem("zdt1")
    assert known_frame(plain, "plain").nadir == plain.nadir.tolist()


def test_more_seeds_algorithms_and_indicators_repeat_nothing(spec, tmp_path):
    out = tmp_path / "out"
    bench(spec, out, **HERE)
    before = {path: path.stat().st_mtime_ns for path in out.glob("cells/*/*.safetensors")}
    text = SPEC.replace("seeds = 3", "seeds = 5").replace('"igd_plus"]', '"igd_plus", "epsilon_additive"]')
    spec.write_text(text + '[[algorithms]]\nname = "nsga3"\noptions = { pop_size = 40 }\n')
    study = bench(spec, out, **HERE)
    assert all(path.stat().st_mtime_ns == when for path, when in before.items())
    assert len(study.results) == 2 * 3 * 5 * 3 and study.is_complete
    added = study.trace.query("indicator == 'epsilon_additive' and algorithm == 'nsga2' and problem == 'zdt1'")
    early = added[(added.seed < 3) & (added.fraction < 1)]
    assert early.value.isna().all() and added[added.fraction == 1].value.notna().all()


def test_objects_of_a_script_and_files(tmp_path):
    (tmp_path / "own.py").write_text(
        "import torch, moopt\n"
        "class Bowls(moopt.Problem):\n"
        "    space, n_obj = moopt.Box(-1, 2, 3), 2\n"
        "    def _evaluate(self, x):\n"
        "        return torch.stack(((x**2).sum(-1), ((x - 1) ** 2).sum(-1)), -1)\n"
    )
    entry = Entry(f"{tmp_path / 'own.py'}:Bowls", label="bowls")
    spec = Spec(
        name="mixed", problems=[entry, Entry("zdt1", seeds=[7, 5, 9])], seeds=[4, 7], budget={"generations": 80},
        algorithms={"small": moopt.algorithm("nsga2", pop_size=12), "large": moopt.algorithm("nsga2", pop_size=30)},
    )  # fmt: skip
    study = bench(spec, tmp_path / "out", **THERE)
    assert study.is_complete and set(study.runs.unit) == {"generations"}
    assert study.results.query("algorithm == 'small'").groupby("problem").seed.agg(list).to_dict() == {
        "bowls": [4, 7], "zdt1": [5, 7, 9],
    }  # fmt: skip
    large = study.results.query("problem == 'zdt1' and algorithm == 'large'").value.mean()
    assert large > study.results.query("problem == 'zdt1' and algorithm == 'small'").value.mean()
    again = read(tmp_path / "out")
    pandas.testing.assert_frame_equal(again.results, study.results)
    assert again.front("bowls", "small", 7).table.columns.tolist()[-2:] == ["f1", "f2"]


def test_learners_have_curves(tmp_path):
    """Each checkpoint but the last is the first look at which its share of the budget was used."""
    learners = Entry("qlearners", options={"pop_size": 10, "n_steps": 100})
    spec = Spec(name="steps", problems=["deepseatreasure"], algorithms=[learners], seeds=2, checkpoints=4,
                budget={"env_steps": 40_000})  # fmt: skip
    study = bench(spec, tmp_path / "out", **HERE)
    values = study.trace.pivot_table(index="seed", columns="fraction", values="value", dropna=False)
    for seed in range(2):
        algorithm = moopt.algorithm("qlearners", pop_size=10, n_steps=100)
        table = moopt.minimize(
            "deepseatreasure", algorithm, moopt.EnvSteps(40_000), seed=seed, progress=False
        ).history
        looks = [table.query(f"env_steps >= {share * 40_000}").hypervolume.iloc[0] for share in (0.25, 0.5, 0.75)]
        scale = values.loc[seed, 1.0] / table.hypervolume.iloc[-1]  # of the study's frame
        assert values.loc[seed, [0.25, 0.5, 0.75]].tolist() == pytest.approx([v * scale for v in looks])
        assert table.env_steps.tolist() == [1000 * s for s in (1, 11, 21, 31, 40)]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("seeds = 3", "seeds = 0"), "seeds: expected a whole number"),
        (("seeds = 3", 'seeds = "three"'), "seeds: expected how many or a list such as"),
        (('name = "re21"', 'name = "re21"\nseeds = []'), "problem seeds: expected at least one, got none"),
        (("evaluations = 600", "evaluation = 600"), "did you mean 'evaluations'"),
        (('"igd_plus"', '"igdplus"'), "did you mean 'igd_plus'"),
        (('name = "nsga2"', 'name = "nsga22"'), "did you mean 'nsga2'"),
        (("pop_size", "popsize"), "did you mean 'pop_size'"),
        (('name = "random"', 'name = "nsga2"'), "expected a label of its own for each, got nsga2 more than once"),
        (('name = "two"', "named = 2"), "did you mean 'name'"),
        (("checkpoints = 3", "checkpoints = 3\nbaseline = 'moead'"), "baseline: expected one of nsga2, random"),
        (("[[problems]]", "[[problems"), "expected a file in TOML"),
        (('name = "random"', 'name = "qlearners"'), "qlearners"),
    ],
)
def test_bad_specs_get_one_sentence(spec, tmp_path, change, sentence):
    spec.write_text(SPEC.replace(*change))
    done = moopt_command("bench", str(spec), "--out", str(tmp_path / "out"))
    assert done.exit_code == 2 and done.stderr.count("\n") == 1, done.stderr
    assert sentence.lower() in done.stderr.lower(), done.stderr
    assert not (tmp_path / "out" / "spec.json").exists()


def test_a_folder_of_something_else_is_refused(spec, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("all of it")
    with pytest.raises(FileExistsError, match="expected a new folder or one of a study"):
        bench(spec, tmp_path / "out", **HERE)
    with pytest.raises(FileNotFoundError, match=r"no spec\.json"):
        read(tmp_path / "out")
    with pytest.raises(FileExistsError, match="expected a folder, got a file"):
        bench(spec, tmp_path / "out" / "thesis.tex", **HERE)
    with pytest.raises(ValueError, match="port: expected a whole number from 0 to 65535, got 99999"):
        serve(bench(spec, tmp_path / "study", **HERE).folder, 99999)


def test_a_kill_before_the_first_file_leaves_a_folder_that_will_do(spec, tmp_path):
    (out := tmp_path / "out").mkdir()
    for name in (".lock", ".spec.json.4711.tmp"):
        (out / name).touch()
    assert bench(spec, out, **HERE).is_complete


# ends that nobody planned

SLOW = """
import time, torch, moopt
from moopt.storage import keeper
keeper.CHECKPOINT_SECONDS, keeper.CHECKPOINT_SHARE = 0.1, 1.0
class Slow(moopt.Problem):
    space, n_obj, ideal, nadir = moopt.Box(0, 1, 4), 2, torch.zeros(2).double(), torch.ones(2).double()
    def _evaluate(self, x):
        time.sleep(0.02)
        y = x[..., 1:].sum(-1)
        return torch.stack((x[..., 0] + y, 1 - x[..., 0] + y**2), -1)
"""


@pytest.mark.slow
def test_twenty_kills_change_nothing(tmp_path):
    """Cells of a second and cells of some ten seconds, killed with all their workers at any moment."""
    (tmp_path / "own.py").write_text(SLOW)
    spec = tmp_path / "spec.toml"
    spec.write_text(
        'name = "killed"\nseeds = 4\nbudget = { generations = 400 }\nindicators = ["hypervolume"]\n'
        f'problems = [{{ name = "{tmp_path / "own.py"}:Slow" }}, {{ name = "zdt1" }}, {{ name = "re21" }}]\n'
        'algorithms = [{ name = "nsga2", options = { pop_size = 40 } }, { name = "moead" }]\n'
    )
    command = [sys.executable, "-m", "moopt.cli", "bench", str(spec), "--executor", "processes:2", "--out"]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True)
    began = time.monotonic()
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True)
    start = time.monotonic() - began  # of a study with nothing left to do
    draws, kills, resumed = random.Random(8), 0, 0
    while kills < 20:
        process = subprocess.Popen(
            [*command, str(tmp_path / "killed")], start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            process.wait(draws.uniform(0.2 * start, start + 4.0))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
            resumed += bool(list(tmp_path.glob("killed/cells/*/*/checkpoints/*")))
            continue
        assert process.returncode == 0, process.stderr.read()
        for place in sorted(tmp_path.glob("killed/cells/*"))[:3]:  # done before twenty: lose something and go on
            for path in place.glob("0*"):
                path.unlink()
    subprocess.run([*command, str(tmp_path / "killed")], check=True, capture_output=True)
    assert resumed > 5
    assert tables(tmp_path / "killed") == tables(tmp_path / "whole")
    left, right = (pandas.read_csv(tmp_path / name / "runs.csv") for name in ("killed", "whole"))
    pandas.testing.assert_frame_equal(left.drop(columns="seconds"), right.drop(columns="seconds"))


@pytest.mark.slow
def test_ctrl_c_ends_a_study_that_goes_on_later(spec, tmp_path):
    (tmp_path / "own.py").write_text(SLOW.replace("0.02", "0.2"))
    spec.write_text(SPEC.replace('name = "re21"', f'name = "{tmp_path / "own.py"}:Slow"'))
    command = [sys.executable, "-m", "moopt.cli", "bench", str(spec), "--out", str(tmp_path / "out")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob("out/cells/Slow-nsga2*/0000-0002/config.json")):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "to go on: moopt bench" in errors
    subprocess.run(command, check=True, capture_output=True)
    assert read(tmp_path / "out").is_complete


class Bowls(moopt.Problem):
    """Two bowls; the twentieth call is interrupted, once, or every evaluation fails."""

    space, n_obj = moopt.Box(0.0, 1.0, 3), 2
    ideal, nadir = torch.zeros(2).double(), torch.full((2,), 3.0).double()
    calls, broken = -(10**9), False

    def _evaluate(self, x):
        Bowls.calls += 1
        if Bowls.calls == 20:
            raise KeyboardInterrupt
        f = torch.stack(((x**2).sum(-1), ((x - 1) ** 2).sum(-1)), -1)
        return f * torch.nan if self.broken else f


def test_an_interrupted_run_in_this_process_goes_on(tmp_path):
    spec = Spec(name="once more", problems={"bowls": Bowls()}, algorithms=["nsga2"], budget=5000, seeds=2)
    whole = bench(spec, tmp_path / "whole", **HERE)
    Bowls.calls = 0
    with pytest.raises(KeyboardInterrupt):
        bench(spec, tmp_path / "out", **HERE)
    assert not read(tmp_path / "out").is_complete
    assert 20 < Bowls.calls + 20 and bench(spec, tmp_path / "out", **HERE).is_complete
    assert Bowls.calls < 20 + 50 - 15  # did not begin anew
    assert tables(tmp_path / "out") == tables(tmp_path / "whole") and whole.is_complete


def test_a_run_without_a_single_success_has_failed(tmp_path):
    broken = Bowls()
    broken.broken = True
    spec = Spec(name="broken", problems={"bowls": Bowls(), "broken": broken}, algorithms=["nsga2"], budget=300, seeds=2)
    study = bench(spec, tmp_path / "out", **HERE)
    assert set(study.runs.query("problem == 'broken'").status) == {"failed"}
    assert set(study.results.problem) == {"bowls"}
    again = bench(spec, tmp_path / "out", **HERE)
    pandas.testing.assert_frame_equal(again.runs, study.runs)


def test_what_crashes_hangs_or_lies_is_named_and_the_rest_goes_on(tmp_path):
    (tmp_path / "own.py").write_text(
        "import os, time, numpy\n"
        "def crashes(problem, budget, seed): os._exit(3)\n"
        "def raises(problem, budget, seed): raise ArithmeticError('no luck today')\n"
        "def hangs(problem, budget, seed): time.sleep(3600)\n"
        "def lies(problem, budget, seed): return [[float('nan')] * 30]\n"
        "def draws(problem, budget, seed): return numpy.random.rand(budget, 30)\n"
    )
    names = ["crashes", "raises", "hangs", "lies", "draws"]
    spec = Spec(
        name="bad company", problems=["zdt1"], seeds=2, budget=500, timeout=6.0,
        algorithms=["nsga2", *(f"{tmp_path / 'own.py'}:{name}" for name in names)],
    )  # fmt: skip
    study = bench(spec, tmp_path / "out", **THERE)
    status = study.runs.groupby("algorithm").status.unique().map(list).to_dict()
    assert status == {name: ["failed"] for name in names[:4]} | {"nsga2": ["finished"], "draws": ["finished"]}
    messages = study.runs.groupby("algorithm").message.first()
    assert "no luck today" in messages["raises"] and "6" in messages["hangs"] and "got nan" in messages["lies"]
    assert "3" in messages["crashes"]
    first = torch.from_numpy(study.front("zdt1", "draws", 0).f)
    assert not torch.equal(first, torch.from_numpy(study.front("zdt1", "draws", 1).f))


def test_failed_runs_stay_failed_until_they_are_tried_again(tmp_path):
    def moody(problem, budget, seed):
        if not (tmp_path / "sunny").exists():
            raise OSError("it rains")
        return [[0.5] * 30] * budget

    spec = Spec(name="moody", problems=["zdt1"], seeds=2, budget=10, algorithms={"moody": moody, "random": "random"})
    study = bench(spec, tmp_path / "out", **HERE)
    messages = study.runs.query("algorithm == 'moody'").message
    assert messages.str.contains("OSError: it rains").all() and study.is_complete
    (tmp_path / "sunny").touch()
    assert set(bench(spec, tmp_path / "out", **HERE).runs.status) == {"failed", "finished"}
    study = bench(spec, tmp_path / "out", **HERE, retry_failed=True)
    assert set(study.runs.status) == {"finished"} and not study.results.value.isna().any()


def test_files_of_a_spec_lie_beside_it_and_count_by_their_content(spec, tmp_path, monkeypatch):
    text = "import moopt\ndef easy():\n    return moopt.problem('zdt1', n_var=3)\n"
    (tmp_path / "own.py").write_text(text)
    spec.write_text(SPEC.replace('name = "re21"', 'name = "own.py:easy"'))
    monkeypatch.chdir(tmp_path.parent)
    first = Spec.read(spec)
    assert [entry.label for entry in first.problems] == ["zdt1", "easy"]
    before = [cell.folder for cell in first.cells()]
    (tmp_path / "own.py").write_text(text.replace("3", "4"))
    after = [cell.folder for cell in Spec.read(spec).cells()]
    assert before[:2] == after[:2] and set(before[2:]).isdisjoint(after[2:])
    assert len(set(before)) == 4


@pytest.mark.parametrize("name", ["bi-objective", "many-objective", "real-world", "robot-control"])
def test_shipped_specs_hold_together(name):
    from moopt import catalogue
    from moopt.experiment import cell

    spec = Spec.read(name)
    assert spec.name == name and len(spec.algorithms) == 6
    for made in map(cell.make_problem, spec.problems):
        for entry in spec.algorithms:
            catalogue.check_pair(made, cell.make_algorithm(entry))


def test_the_commands_leave_tables_and_a_report(spec, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = moopt_command("bench", "spec.toml", "--out", "out", "--executor", "inline", "--no-progress")
    assert done.exit_code == 0, done.stderr
    assert "nsga2 has the best median hypervolume on" in done.stdout and "out: results.csv, report.html" in done.stdout
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "zdt1" in page and "http://" not in page.replace("http://www.w3.org", "")
    wanted = {"hypervolume.tex", "hypervolume.csv", "hypervolume-by-problem.csv", "igd_plus-ranks.csv"}
    assert wanted <= {path.name for path in (tmp_path / "out" / "tables").iterdir()}
    pairs = pandas.read_csv(tmp_path / "out" / "tables" / "hypervolume-by-problem.csv")
    assert pairs.groupby("problem").a12.sum().tolist() == [1.0, 1.0] and set(pairs["first"]) == {"nsga2", "random"}
    solved = moopt_command("solve", "zdt1", "--evaluations", "500", "--out", "one", "--no-progress")
    assert solved.exit_code == 0
    done = moopt_command("report", "one")
    assert done.stdout.strip() == str(Path("one") / "report.html"), done.stderr
    assert "zdt1" in (tmp_path / "one" / "report.html").read_text(encoding="utf-8")
    done = moopt_command("report", "nothing")
    assert done.exit_code == 2 and done.stderr.count("\n") == 1 and "expected the folder of a study" in done.stderr


def scaled(low, high):
    """Two objectives between bounds of their own; knows neither ideal nor nadir."""
    return moopt.FunctionProblem(
        lambda a, b: {"f": low + (high - low) * a + b, "g": low + (high - low) * (1 - a) + b},
        {"a": moopt.Real(0, 1), "b": moopt.Real(0, 1)}, objectives=["f", "g"], vectorized=True,
    )  # fmt: skip


def test_another_problem_under_the_same_label_has_a_frame_of_its_own(tmp_path):
    for low, high in ((0.0, 1.0), (100.0, 300.0)):
        (tmp_path / "own.py").write_text(
            "import moopt\nproblem = moopt.FunctionProblem(lambda a, b: "
            f"({low} + {high - low} * a + b, {low} + {high - low} * (1 - a) + b), "
            "{'a': moopt.Real(0, 1), 'b': moopt.Real(0, 1)}, ['f', 'g'], vectorized=True)\n"
        )
        sys.modules.pop("own", None)
        sys.modules.pop("_file_own", None)
        own = f"{tmp_path / 'own.py'}:problem"
        spec = Spec(name="edited", problems=[own], algorithms=["nsga2"], budget=2000, seeds=1)
        study = bench(spec, tmp_path / "out", **HERE)
        assert study.frames["problem"].ideal == pytest.approx([low, low], abs=0.02 * (high - low))
        assert 0.5 < study.results.value.item() < 1.21


def test_labels_that_look_alike_on_disk(tmp_path):
    problems = {"a/b": scaled(0, 1), "a_b": scaled(100, 300)}
    study = bench(Spec(name="x", problems=problems, algorithms=["nsga2"], budget=400, seeds=1), tmp_path / "o", **HERE)
    assert study.frames["a/b"].nadir[0] < 10 < 100 < study.frames["a_b"].nadir[0]


@pytest.mark.parametrize("name", ["zdt1", "re21"])
def test_distances_that_are_asked_for_later(tmp_path, name):
    """With the front of the problem, or of all runs where it knows ideal and nadir only."""
    common = {"name": "x", "problems": [name], "algorithms": ["nsga2"], "budget": 600, "seeds": 2}
    before = bench(Spec(indicators=["hypervolume"], **common), tmp_path / "out", **HERE)
    later = bench(Spec(indicators=["hypervolume", "igd_plus"], **common), tmp_path / "out", **HERE)
    once = bench(Spec(indicators=["hypervolume", "igd_plus"], **common), tmp_path / "once", **HERE)
    pandas.testing.assert_frame_equal(later.results, once.results)
    assert later.frames[name].ideal == before.frames[name].ideal and later.results.value.notna().all()


def test_nothing_feasible_freezes_nothing(tmp_path):
    def made(bound):
        return moopt.FunctionProblem(
            lambda a: {"f": a, "g": 1 - a, "c": a}, {"a": moopt.Real(0, 1)}, objectives=["f", "g"],
            constraints={"c": (">=", bound)}, vectorized=True,
        )  # fmt: skip

    common = {"name": "x", "budget": 300, "seeds": 2, "indicators": ["hypervolume", "igd"], "algorithms": ["nsga2"]}
    study = bench(Spec(problems={"p": made(7.0)}, **common), tmp_path / "out", **{**HERE, "report": True})
    assert set(study.runs.status) == {"infeasible"}
    assert study.results.set_index("indicator").value.groupby("indicator").max().to_dict() == {
        "hypervolume": 0.0, "igd": float("inf"),
    }  # fmt: skip
    assert not list((tmp_path / "out" / "frames").glob("*")) and (tmp_path / "out" / "report.html").exists()


def test_the_same_script_in_another_process_repeats_nothing_unless_it_was_edited(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import moopt\nfrom moopt.experiment import Spec, bench\n"
        "def f(a, b):\n    return a + b, 1 - a + b * 1.0\n"
        "variables = {'a': moopt.Real(0, 1), 'b': moopt.Real(0, 1)}\n"
        "problem = moopt.FunctionProblem(f, variables, ['f', 'g'], vectorized=True)\n"
        "def draws(problem, budget, seed):\n    return [[0.5, 0.5]] * budget\n"
        "spec = Spec(name='x', problems={'p': problem}, algorithms={'n': 'nsga2', 'd': draws}, budget=100, seeds=2)\n"
        "bench(spec, 'out', executor='inline', progress=False, report=False)\n"
    )
    for times, edited in ((1, False), (2, False), (3, True)):
        if edited:
            script.write_text(script.read_text().replace("1 - a + b * 1.0", "1 - a + b * 2.0"))
        subprocess.run([sys.executable, str(script)], cwd=tmp_path, check=True, capture_output=True)
        assert len(list(tmp_path.glob("out/cells/*"))) == (4 if edited else 2), times


def test_a_timeout_that_cannot_be_kept_is_refused(tmp_path):
    spec = Spec(name="x", problems=["zdt1"], algorithms=["nsga2"], budget=100, seeds=1, timeout=5.0)
    with pytest.raises(ValueError, match="timeout: expected None"):
        bench(spec, tmp_path / "out", **HERE)


def test_what_makes_an_object_another_one():
    def made(bound, rule=min):
        return lambda a: rule(a, bound)

    class Own(moopt.Problem):
        space, n_obj = moopt.Box(0, 1, 2), 1

        def __init__(self, weights, start=0):
            self.weights, self.start = torch.tensor(weights), start

        def _evaluate(self, x):
            return (x * self.weights).sum(-1, keepdim=True) + self.start

    same = [lambda: made(1.0), lambda: made(1.0), lambda: Own([1.0, 2.0]), lambda: partial(made, 3), lambda: {1, 2},
            lambda: moopt.problem("zdt1"), lambda: moopt.algorithm("nsga2", pop_size=8)]  # fmt: skip
    other = [made(2.0), made(1.0, max), Own([1.0, 2.0], 1), partial(made, 4), {1, 3},
             moopt.problem("zdt2"), moopt.algorithm("nsga2", pop_size=12)]  # fmt: skip
    for make, different in zip(same, other, strict=True):
        assert identity(make()) == identity(make()) != identity(different)
    assert identity(Own([1.0, 2.0])) != identity(Own([1.0, 3.0]))
    rows = [[made(float(k)) for k in range(20)] for _ in range(20)]
    for k, row in enumerate(rows):  # what was read and let go must not stand for what is read later
        row[k] = made(-1.0)
    assert len({identity(row) for row in rows}) == 20
    circle = [1]
    circle.append(circle)
    assert identity(circle) == identity(circle)
    typed = [eval(f"lambda a: a + {n}") for n in (1, 1, 2)]
    assert identity(typed[0]) == identity(typed[1]) != identity(typed[2])


def test_expected_utility_of_a_study():
    """Scaled from 0 at the nadir to 1 at the ideal; larger is better, nothing at all is worst."""
    from moopt.experiment.frame import scores

    frame = Frame("p", ["a", "b"], ["min", "max"], ["x"], [2.0, -5.0], [4.0, 5.0], "by hand", torch.zeros(0, 2))
    ends = torch.tensor([[2.0, 5.0], [4.0, -5.0]], dtype=torch.float64)
    sets = [ends.amin(0)[None], ends.amax(0)[None], ends, ends[:0]]
    found = scores(frame, ["expected_utility"], sets)["expected_utility"]
    assert found[:2] == [1.0, 0.0] and found[3] == -math.inf
    assert found[2] == pytest.approx(0.75, abs=0.01)  # the mean of max(w, 1 - w)
