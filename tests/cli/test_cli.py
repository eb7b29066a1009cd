"""The command line as a hurried user meets it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pandas
import pytest
import torch
from typer.testing import CliRunner

import moopt
from moopt import catalogue
from moopt.cli import app

FILE = """
from pathlib import Path

import moopt

with open(Path(__file__).with_name("imports.log"), "a") as log:
    log.write("once ")


def beam(r, n):
    return {"mass": 7 * r * n, "stiffness": r**3 * n}


VARIABLES = {"r": moopt.Real(0.1, 2), "n": moopt.Integer(1, 9)}
problem = moopt.FunctionProblem(beam, VARIABLES, {"mass": "min", "stiffness": "max"})


def line(n_var=3, where="here"):
    return moopt.problem("zdt1", n_var=n_var)


class Slope(moopt.Problem):
    n_obj = 2

    def __init__(self, width=2.0):
        self.width = width
        self.space = moopt.Box(0.0, width, 2)

    def _evaluate(self, x):
        return x


class Wrong(Slope):
    def _evaluate(self, x):
        raise OSError("the sensor is gone")


class Careless(Slope):
    def _evaluate(self, x):
        raise ValueError("the solver did not converge")


class Lost(Slope):
    def _evaluate(self, x):
        import not_installed_anywhere


class Narrow(Slope):
    def _evaluate(self, x):
        return x[..., :1]


def nothing():
    return "no problem"


def broken():
    return {}["missing"]


def all_fail():
    def function(r, n):
        raise ArithmeticError("no solution")

    return moopt.FunctionProblem(function, VARIABLES, ["f", "h"])


def hopeless():
    def function(r, n):
        return r, n, r + n

    return moopt.FunctionProblem(function, VARIABLES, ["f", "h"], {"sum": ("<=", 1)})


number = 3
"""


@pytest.fixture(autouse=True)
def at_home(tmp_path, monkeypatch):
    """Works in an empty folder; what a test imports from there is forgotten after it."""
    modules, path = set(sys.modules), list(sys.path)
    monkeypatch.chdir(tmp_path)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def process(*arguments, **options):
    command = [sys.executable, "-m", "moopt.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def refused(answer, *words):
    """One sentence on stderr, exit code 2, and nothing else."""
    stderr = answer.stderr
    code = answer.exit_code if hasattr(answer, "exit_code") else answer.returncode
    assert code == 2, (code, stderr, getattr(answer, "exception", None))
    assert answer.stdout == ""
    assert stderr.startswith("moopt: ") and stderr.count("\n") == 1 and stderr.endswith("\n"), stderr
    for word in words:
        assert word in stderr


def files(folder):
    return {
        path.relative_to(folder): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*") if path.is_file() and path.name != ".lock"
    }  # fmt: skip


def solve(*arguments):
    """A small search."""
    return run("solve", "zdt1", "--algorithm", "nsga2", "--set", "pop_size=20", "--evaluations", "100", *arguments)


# searches


def test_a_search_and_what_it_leaves(tmp_path):
    answer = solve("--seed", "7", "--set", "problem.n_var=4")
    assert answer.exit_code == 0 and answer.stderr.startswith("zdt1 nsga2: finished, 100/100 evaluations, HV ")
    assert answer.stderr.count("\n") == 1
    told = dict(line.split(None, 1) for line in answer.stdout.splitlines())
    folder = tmp_path / "runs" / "zdt1-nsga2-7"
    assert told["status"] == "finished" and told["message"] == "finished after 100 evaluations, 5 generations"
    assert told["files"] == "runs/zdt1-nsga2-7: front.csv, front.png, history.csv, result.json"
    result = moopt.Result.load(folder)
    assert told["hypervolume"].startswith(f"{result.hypervolume:.6g} (scaled by ideal and nadir, reference 1.1")
    assert told["front"] == f"{len(result.front)} points"
    table = pandas.read_csv(folder / "front.csv")
    assert list(table) == ["x1", "x2", "x3", "x4", "f1", "f2"] and len(table) == len(result.front)
    problem, algorithm = moopt.problem("zdt1", n_var=4), moopt.algorithm("nsga2", pop_size=20)
    same = moopt.minimize(problem, algorithm, 100, seed=7, progress=False)
    assert torch.equal(result.front.f, same.front.f)


def test_folders_are_numbered_and_never_overwritten(tmp_path):
    for _ in range(3):
        assert solve().exit_code == 0
    names = ["zdt1-nsga2-0", "zdt1-nsga2-0-2", "zdt1-nsga2-0-3"]
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == names
    before = files(tmp_path)
    refused(solve("--out", "runs/zdt1-nsga2-0"), "expected a new folder, got one that holds a run")
    assert files(tmp_path) == before


def test_a_larger_budget_continues_a_finished_run(tmp_path):
    assert solve("--runs", "2").exit_code == 0
    folder = tmp_path / "runs" / "zdt1-nsga2-0"
    answer = run("resume", folder, "--evaluations", "300")
    assert answer.exit_code == 0 and "600 evaluations" in answer.stdout
    whole = moopt.minimize("zdt1", moopt.algorithm("nsga2", pop_size=20), 300, runs=2, progress=False)
    resumed = moopt.Result.load(folder)
    assert torch.equal(resumed.runs[1].population.f, whole.runs[1].population.f)
    assert json.loads((folder / "config.json").read_text())["budget"]["options"] == {"n": 300}
    assert "600 evaluations" in run("resume", folder).stdout  # the larger budget is the run's own from now on


def test_budgets_combine():
    answer = run("solve", "zdt1", "--algorithm", "random", "--evaluations", "1e4", "--generations", 3, "--seconds", 60)
    assert answer.exit_code == 0 and "3 generations" in answer.stdout


def test_an_algorithm_is_picked_and_named():
    answer = run("solve", "zdt1", "--evaluations", "200")
    assert "message      nsga2 was picked; finished after 200 evaluations" in answer.stdout
    assert os.listdir("runs") == ["zdt1-nsga2-0"]


def test_options_go_where_they_belong():
    options = ["--set", "algorithm.pop_size=30", "--set", "n_var=2"]
    answer = run("solve", "zdt1", "--algorithm", "nsga2", "--evaluations", 60, *options)
    assert answer.exit_code == 0
    config = json.loads(open("runs/zdt1-nsga2-0/config.json").read())
    assert config["algorithm"]["described"]["options"]["pop_size"] == 30
    assert config["problem"]["described"]["options"]["n_var"] == 2


@pytest.mark.parametrize("progress, lines", [("--progress", 1), ("--no-progress", 0)])
def test_progress_goes_to_stderr(progress, lines):
    answer = solve(progress)
    assert answer.exit_code == 0 and len(answer.stderr.splitlines()) == lines
    assert answer.stdout.startswith("status ")


# problems of the user's own


def test_a_problem_of_a_file(tmp_path):
    (tmp_path / "beam.py").write_text(FILE)
    answer = run("solve", "beam.py:problem", "--algorithm", "nsga2", "--evaluations", "30", "--set", "pop_size=10")
    assert answer.exit_code == 0, answer.output
    assert (tmp_path / "imports.log").read_text() == "once "
    folder = tmp_path / "runs" / "beam-nsga2-0"
    assert list(pandas.read_csv(folder / "front.csv")) == ["r", "n", "mass", "stiffness"]
    assert (pandas.read_csv(folder / "front.csv")["stiffness"] > 0).all()
    assert run("resume", folder, "--evaluations", "50").exit_code == 0
    assert (tmp_path / "imports.log").read_text() == "once "


@pytest.mark.parametrize(
    "name, options, run_name", [("line", ["n_var=5"], "zdt1"), ("Slope", ["problem.width=3.5"], "slope")]
)
def test_functions_and_classes_of_a_file(tmp_path, name, options, run_name):
    (tmp_path / "own.py").write_text(FILE)
    settings = [part for option in options for part in ("--set", option)]
    first = run("solve", f"own.py:{name}", "--algorithm", "nsga2", "--evaluations", 200, *settings)
    assert first.exit_code == 0, first.output
    second = run("resume", f"runs/{run_name}-nsga2-0", "--evaluations", 300)
    assert second.exit_code == 0 and "300 evaluations" in second.stdout


def test_a_file_that_moved_is_named_again(tmp_path):
    (tmp_path / "beam.py").write_text(FILE)
    assert run("solve", "beam.py:problem", "--algorithm", "nsga2", "--evaluations", 100).exit_code == 0
    (tmp_path / "elsewhere").mkdir()
    shutil.move("beam.py", "elsewhere/beam.py")
    del sys.modules["beam"]
    folder = "runs/beam-nsga2-0"
    refused(run("resume", folder, "--evaluations", 200), "name it with --problem path.py:problem")
    assert run("resume", folder, "--evaluations", 200, "--problem", "elsewhere/beam.py:problem").exit_code == 0
    refused(run("resume", folder, "--problem", "zdt1"), "expected path.py:NAME, got 'zdt1'")
    other = run("resume", folder, "--problem", "elsewhere/beam.py:Slope")
    refused(other, "expected the problem beam that the run has, got slope")


def test_a_run_that_moves_with_its_file_finds_it(tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "beam.py").write_text(FILE)
    monkeypatch.chdir("project")
    assert run("solve", "beam.py:problem", "--algorithm", "nsga2", "--evaluations", 100).exit_code == 0
    monkeypatch.chdir(tmp_path)
    os.rename("project", "archived")
    assert run("resume", "archived/runs/beam-nsga2-0", "--evaluations", 200).exit_code == 0


@pytest.mark.parametrize(
    "spec, words",
    [
        ("own.py:problm", ["own.py: expected something named 'problm' in it", "(did you mean 'problem'?)"]),
        ("own.py:number", ["own.py:number: expected a Problem", "got 3"]),
        ("own.py:nothing", ["expected a Problem, a subclass of it or a function that returns one, got 'no problem'"]),
        ("own.py:broken", ["own.py:broken: expected a problem, got KeyError: 'missing' (line 58)"]),
        ("own.py:beam", ["own.py:beam: expected a problem, or what makes one without arguments", "'r'"]),
        ("own.py:Narrow", ["narrow._evaluate: expected f of shape [1, 100, 2], got [1, 100, 1]"]),
        ("own.py", ["own.py: expected own.py:NAME"]),
        ("missing.py:problem", ["missing.py: expected a Python file, got none there"]),
        ("raises.py:problem", ["raises.py: expected a file that can be imported, got RuntimeError: two lines"]),
        ("raises.py:problem", ["(line 2)"]),
        ("syntax.py:problem", ["syntax.py: expected a file that can be imported, got SyntaxError"]),
        ("exits.py:problem", ["exits.py: expected a file that can be imported, got SystemExit: 3"]),
        ("needs.py:problem", ["got ModuleNotFoundError: No module named 'not_installed_anywhere'"]),
    ],
)  # fmt: skip
def test_files_that_do_not_help(tmp_path, spec, words):
    (tmp_path / "own.py").write_text(FILE)
    (tmp_path / "raises.py").write_text("1 + 1\nraise RuntimeError('two\\nlines')")
    (tmp_path / "syntax.py").write_text("def problem(:")
    (tmp_path / "exits.py").write_text("import sys\nsys.exit(3)")
    (tmp_path / "needs.py").write_text("import not_installed_anywhere")
    refused(run("solve", spec, "--algorithm", "nsga2", "--evaluations", "200"), *words)


def test_a_file_named_like_a_module_of_python_hides_nothing(tmp_path):
    for name in ("queue.py", "two.parts-name.py"):
        (tmp_path / name).write_text(FILE)
        assert run("solve", f"{name}:problem", "--algorithm", "random", "--evaluations", "10").exit_code == 0
    import queue

    assert hasattr(queue, "SimpleQueue")


def test_an_error_inside_the_problem_is_no_bad_input(tmp_path):
    (tmp_path / "own.py").write_text(FILE)
    answer = run("solve", "own.py:Wrong", "--algorithm", "nsga2", "--evaluations", "200")
    assert answer.exit_code == 1 and isinstance(answer.exception, OSError)
    assert answer.stderr == "moopt: an error ended the run; to go on from there: moopt resume runs/wrong-nsga2-0\n"


@pytest.mark.parametrize("name, error", [("Careless", ValueError), ("Lost", ImportError)])
def test_an_error_of_any_kind_inside_the_problem_is_no_bad_input(tmp_path, name, error):
    (tmp_path / "own.py").write_text(FILE)
    answer = run("solve", f"own.py:{name}", "--algorithm", "nsga2", "--evaluations", "200", "--out", "run")
    assert answer.exit_code == 1 and isinstance(answer.exception, error)
    assert answer.stderr == "moopt: an error ended the run; to go on from there: moopt resume run\n"


@pytest.mark.parametrize("error", [ValueError, TypeError, KeyError])
def test_a_bug_of_our_own_is_no_bad_input(monkeypatch, error):
    def buggy(self, *_):
        raise error("a bug")

    monkeypatch.setattr("moopt.run.group.Group.after", buggy)
    answer = solve()
    assert answer.exit_code == 1 and isinstance(answer.exception, error)


def test_what_is_refused_is_an_input_error():
    for call, kind in (
        (lambda: moopt.problem("zdt11"), ValueError),
        (lambda: moopt.problem("zdt1", n_var=1), ValueError),
        (lambda: moopt.Box(1.0, 0.5), ValueError),
        (lambda: moopt.minimize("zdt1", "nsga2", "many"), TypeError),
        (lambda: moopt.minimize("zdt1", "nsga2", 10, initial=[[7.0]]), ValueError),
        (lambda: moopt.resume("nowhere"), FileNotFoundError),
    ):
        with pytest.raises(kind) as refusal:
            call()
        assert isinstance(refusal.value, moopt.InputError | OSError)


def test_a_search_in_which_everything_fails(tmp_path):
    (tmp_path / "own.py").write_text(FILE)
    answer = run("solve", "own.py:all_fail", "--algorithm", "random", "--evaluations", "10", "--set", "pop_size=5")
    assert answer.exit_code == 1 and "status       failed" in answer.stdout
    assert "first error  ArithmeticError: no solution" in answer.stdout


def test_the_hypervolume_says_what_it_means(tmp_path):
    (tmp_path / "own.py").write_text(FILE)
    small = ("--algorithm", "nsga2", "--evaluations", "20", "--set", "pop_size=10")
    answer = run("solve", "own.py:problem", *small, "--out", "raw")
    result = moopt.Result.load(tmp_path / "raw")
    reference = [float(f"{value:.6g}") for value in result.reference_point]
    said = f"hypervolume  {result.hypervolume:.6g} (not scaled, reference {reference} (minimised))"
    assert said in answer.stdout.splitlines() and result.hypervolume > 0
    answer = run("solve", "own.py:hopeless", *small)
    said = "hypervolume  none yet: no feasible point to infer a reference point from"
    assert said in answer.stdout.splitlines() and "status       infeasible" in answer.stdout


# bad input


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["zdt11"], ["got 'zdt11' (did you mean 'zdt1'?)"]),
        (["zdt1", "--algorithm", "nsg2"], ["got 'nsg2' (did you mean 'nsga2'?)"]),
        (["zdt1", "--evaluations", "0"], ["Evaluations budget: expected a whole number of at least 1, got 0"]),
        (["zdt1", "--evaluations", "inf"], ["Evaluations budget: expected a whole number of at least 1, got inf"]),
        (["zdt1", "--evaluations", "-5"], ["got -5"]),
        (["zdt1", "--evaluations", "many"], ["Evaluations budget: expected a number, got 'many'"]),
        (["zdt1", "--seconds", "nan"], ["Seconds budget: expected a finite number"]),
        (["zdt1", "--env-steps", "1000"], ["spends evaluations, generations, seconds, got one in env_steps"]),
        (["zdt1", "--runs", "0"], ["runs: expected a whole number of at least 1, got 0"]),
        (["zdt1", "--device", "gpu9"], ["device: expected 'cpu' or 'cuda', got 'gpu9'"]),
        (["zdt1", "--dtype", "float8"], ["dtype: expected float64 or float32, got 'float8'"]),
        (["zdt1", "--executor", "cloud"], ["executor: expected", "got 'cloud'"]),
        (["zdt1", "--algorithm", "policygradient", "--tokens", "9"], ["PolicyGradient does not fit", "what would: "]),
    ],
)
def test_values_that_do_not_fit(tmp_path, arguments, words):
    refused(run("solve", *arguments), *words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "settings, words",
    [
        (["pop_sizee=10"], ["got 'pop_sizee' (did you mean 'pop_size'?)"]),
        (["problem.pop_size=10"], ["--set: expected an option among n_var, got 'pop_size'"]),
        (["pop_size"], ["expected [problem.|algorithm.]KEY=VALUE, got 'pop_size'"]),
        (["solver.pop_size=3"], ["expected [problem.|algorithm.]KEY=VALUE, got 'solver.pop_size=3'"]),
        (["pop_size=ten"], ["pop_size: expected a whole number of at least 2, got 'ten'"]),
        (["pop_size=[10]"], ["got [10]"]),
        (["n_var=1"], ["n_var: expected a whole number of at least 2, got 1"]),
        (["n_var=True"], ["n_var: expected a whole number of at least 2, got True"]),
    ],
)
def test_options_that_do_not_fit(tmp_path, settings, words):
    parts = [part for setting in settings for part in ("--set", setting)]
    refused(run("solve", "zdt1", "--algorithm", "nsga2", "--evaluations", "100", *parts), *words)
    assert list(tmp_path.iterdir()) == []


def test_an_option_that_both_have_needs_a_prefix(tmp_path):
    text = "import moopt\ndef sized(pop_size=4):\n    return moopt.problem('zdt1', n_var=pop_size)\n"
    (tmp_path / "own.py").write_text(text)
    base = ["solve", "own.py:sized", "--algorithm", "nsga2", "--evaluations", "30", "--set"]
    refused(run(*base, "pop_size=10"), "--set pop_size: expected problem.pop_size or algorithm.pop_size")
    assert run(*base, "problem.pop_size=5", "--set", "algorithm.pop_size=10").exit_code == 0
    config = json.loads(open("runs/zdt1-nsga2-0/config.json").read())
    assert config["file"]["options"] == {"pop_size": 5}
    assert config["algorithm"]["described"]["options"]["pop_size"] == 10


def test_folders_that_cannot_be_used(tmp_path):
    (tmp_path / "file").write_text("precious")
    refused(solve("--out", "file"), "file: expected a folder, got a file")
    refused(solve("--out", "file/below"), "expected a folder that can be written, got: Not a directory")
    assert (tmp_path / "file").read_text() == "precious"
    refused(run("resume", "nowhere"), "nowhere: expected the folder of a run, got no config.json in it")
    (tmp_path / "empty").mkdir()
    refused(run("resume", "empty"), "empty: expected the folder of a run, got no config.json in it")
    assert list((tmp_path / "empty").iterdir()) == []


def newest(folder):
    return sorted((folder / "checkpoints").glob("*.safetensors"))[-1]


def foreign(path):
    from safetensors.torch import save_file

    save_file({"weight": torch.ones(3)}, path)


def of_the_future(path):
    from safetensors.torch import save_file

    save_file({"0": torch.ones(3)}, path, {"moopt": json.dumps({"format": 99, "tree": {"tensor": "0"}, "crc": 0})})


def truncated(path):
    for checkpoint in path.parent.iterdir():
        checkpoint.write_bytes(checkpoint.read_bytes()[:100])


@pytest.mark.parametrize(
    "harm, words",
    [
        (truncated, ["expected a whole safetensors file, got a damaged one"]),
        (foreign, ["expected a checkpoint of moopt, got a foreign safetensors file"]),
        (of_the_future, ["expected format 1 or older, got format 99 of a newer moopt"]),
    ],
)
def test_checkpoints_that_cannot_be_used(tmp_path, harm, words):
    assert solve().exit_code == 0
    folder = tmp_path / "runs" / "zdt1-nsga2-0"
    harm(newest(folder))
    before = files(folder)
    refused(run("resume", folder), *words)
    assert files(folder) == before


@pytest.mark.parametrize(
    "content, words",
    [
        ("{", ["config.json: expected a JSON file of moopt, got a damaged or missing one"]),
        ('{"name": "other"}', ["config.json: expected a file of moopt, got a foreign one"]),
        ('{"format": 99}', ["config.json: expected format 1 or older, got format 99 of a newer moopt"]),
        ('{"format": 1}', ["config.json: expected 'problem' in it, got a foreign file"]),
    ],
)
def test_configurations_that_cannot_be_used(tmp_path, content, words):
    assert solve().exit_code == 0
    folder = tmp_path / "runs" / "zdt1-nsga2-0"
    (folder / "config.json").write_text(content)
    before = files(folder)
    refused(run("resume", folder, "--evaluations", "200"), *words)
    assert files(folder) == before


def test_debug_shows_where_an_error_comes_from():
    answer = run("solve", "zdt1", "--evaluations", "0", "--debug")
    assert answer.exit_code == 1 and isinstance(answer.exception, ValueError)


def test_mistyped_commands_are_typers_to_tell():
    for arguments in (["solve"], ["sovle", "zdt1"], ["solve", "zdt1", "--evaluation"], ["list", "everything"]):
        answer = run(*arguments)
        assert answer.exit_code == 2 and "Traceback" not in answer.output


# the catalogue


def test_list_shows_every_name():
    answer = run("list")
    assert answer.exit_code == 0
    first_words = {line.split()[0] for line in answer.stdout.splitlines() if line.strip()}
    assert {*catalogue.table("problems"), *catalogue.table("algorithms")} <= first_words
    assert "Deb" in answer.stdout and "(2002)" in answer.stdout


def test_list_for_programs():
    problems = json.loads(run("list", "problems", "--json").stdout)
    assert list(problems) == ["problems"]
    rows = {row["name"]: row for row in problems["problems"]}
    assert list(rows) == list(catalogue.table("problems"))
    assert {**rows["zdt4"], "what": ""} == {"name": "zdt4", "n_obj": 2, "n_var": 10, "n_con": 0, "what": ""}
    algorithms = {row["name"]: row for row in json.loads(run("list", "algorithms", "--json").stdout)["algorithms"]}
    assert list(algorithms) == list(catalogue.table("algorithms"))
    assert algorithms["nsga2"]["paper"] == (
        "K. Deb, A. Pratap, S. Agarwal, T. Meyarivan (2002), "
        '"A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II"'
    )
    assert algorithms["policygradient"]["problems"] == "generative"
    assert algorithms["policygradient"]["variables"] == "real"
    assert algorithms["nsga2"]["objectives"] == "1 or more" and algorithms["nsga2"]["constraints"] == "yes"


# real processes


def test_a_process_refuses_in_one_line():
    answer = process("solve", "zdt1", "--algorithm", "nsga2", "--evaluations", "100", "--set", "pop_sizes=10")
    refused(answer, "got 'pop_sizes' (did you mean 'pop_size'?)")


def test_processes_share_a_problem_of_a_file(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "own.py").write_text("from beside import problem\n")
    (tmp_path / "work" / "beside.py").write_text(FILE)
    first = process(
        "solve", "work/own.py:problem", "--algorithm", "nsga2", "--set", "pop_size=8", "--evaluations", 24,
        "--executor", "processes:1", "--out", "work/run",
    )  # fmt: skip
    assert first.returncode == 0, first.stderr
    second = process("resume", "../run", "--evaluations", "40", cwd=tmp_path / "work" / "run")
    assert second.returncode == 0, second.stderr
    assert "finished after 40 evaluations" in second.stdout
    assert moopt.Result.load(tmp_path / "work" / "run").spent["evaluations"] == 40


SLOW = """
import time
from pathlib import Path

import moopt


def slow(x):
    time.sleep(0.02)
    Path("started").touch()
    return x, (x - 1) ** 2


problem = moopt.FunctionProblem(slow, {"x": moopt.Real(-1, 2)}, ["f", "h"])
"""


def test_an_interrupted_process_says_how_to_go_on(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    command = [sys.executable, "-m", "moopt.cli", "solve", "slow.py:problem", "--algorithm", "random"]
    child = subprocess.Popen([*command, "--evaluations", "100000"], stdout=-1, stderr=-1, text=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "started").exists() and time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    stdout, stderr = child.communicate(timeout=60)
    assert child.returncode == 130 and "status       interrupted" in stdout
    line, way = stderr.splitlines()
    assert "interrupted" in line and way == "moopt: interrupted; to go on: moopt resume runs/slow-random-0"
    folder = tmp_path / "runs" / "slow-random-0"
    first = moopt.Result.load(folder)
    answer = run("resume", folder, "--evaluations", first.spent["evaluations"] + 100)
    assert answer.exit_code == 0, answer.output
    assert moopt.Result.load(folder).history.iloc[-1]["evaluations"] == first.spent["evaluations"] + 100
