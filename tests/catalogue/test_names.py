"""One door for names: the catalogue's and "path.py:name"; and what descriptions on disk call things."""

import os
import shutil
import subprocess
import sys

import pytest
import torch

import moopt
from moopt import catalogue, learning, operators
from moopt.bridges import contender
from moopt.catalogue import names, v010
from moopt.catalogue.describe import Undescribable, describe, public, rebuild
from moopt.experiment import Entry, Spec, bench, identity

OWN = """
import math
from dataclasses import dataclass

import moopt
import moopt.algorithms.random


def slope(steep=2.0):
    def function(x, y):
        return x + y, steep * (1 - x) + y

    return moopt.FunctionProblem(function, {"x": moopt.Real(0, 1), "y": moopt.Real(0, 1)}, ["near", "far"])


gentle = slope(0.5)


class Walker(moopt.Problem):
    n_obj = 2

    def __init__(self, width=1.0, ends=None):
        self.width, self.ends = width, ends
        self.space = moopt.Box(0.0, width, 2)

    def _evaluate(self, x):
        return x.flip(-1)


@dataclass(frozen=True, kw_only=True)
class Few(moopt.algorithms.random.RandomSearch):
    pop_size: int = 4


few = Few(pop_size=3)
number = 3


def search(problem, budget, seed):
    return [[0.5, 0.5]] * budget
"""


@pytest.fixture(autouse=True)
def at_home(tmp_path, monkeypatch):
    """Works in a folder with own.py in it; what a test imports from there is forgotten after it."""
    known, path = set(sys.modules), list(sys.path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(OWN)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def forget():
    """As in a new process: own.py is not loaded, under whichever of its two names."""
    for name in ("own", "_file_own"):
        sys.modules.pop(name, None)


def elsewhere(code, cwd):
    """What a new process prints."""
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# the door


def test_strings_and_objects_of_a_file():
    assert moopt.problem("own.py:slope", steep=3.0).evaluate(torch.zeros(1, 1, 2)).f.tolist() == [[[0.0, 3.0]]]
    assert moopt.problem("own.py:gentle") is moopt.problem("own.py:gentle")
    assert moopt.problem("own.py:Walker", width=2.5).space.high.tolist() == [2.5, 2.5]
    assert moopt.algorithm("own.py:Few", pop_size=7).pop_size == 7 and moopt.algorithm("own.py:few").pop_size == 3
    assert catalogue.find("problems", "own.py:Walker").__name__ == "Walker"
    assert catalogue.find("problems", "zdt1") is moopt.problems.ZDT1


def test_every_way_in_takes_a_file(tmp_path):
    found = moopt.minimize("own.py:gentle", "own.py:few", 6, progress=False)
    assert found.problem is moopt.problem("own.py:gentle") and found.algorithm == "few"
    assert moopt.Run("own.py:gentle", "own.py:Few", 6).algorithm.pop_size == 4
    command = [sys.executable, "-m", "moopt.cli", "solve", "own.py:slope", "--algorithm", "own.py:Few", "--no-progress"]
    settings = ["--set", "steep=4.0", "--set", "pop_size=5", "--evaluations", "10"]
    done = subprocess.run([*command, *settings], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs" / "function-Few-0"
    assert moopt.resume(folder, budget=15, progress=False).spent["evaluations"] == 15
    spec = Spec(
        name="own", problems=["own.py:Walker"], seeds=1, budget=8, checkpoints=2,
        algorithms=["own.py:few", Entry("own.py:Few", {"pop_size": 2}), "own.py:search", "nsga2"],
    )  # fmt: skip
    study = bench(spec, tmp_path / "study", executor="inline", progress=False, report=False)
    assert study.runs["status"].tolist() == ["finished"] * 4, study.runs["message"].tolist()
    assert contender("own.py:search").search(None, 2, 0) == [[0.5, 0.5]] * 2


@pytest.mark.parametrize(
    "group, name, kind, sentence",
    [
        ("problem", "own.py:slop", ValueError, "own.py: expected something named 'slop' in it, .*mean 'slope'"),
        ("problem", "owned.py:slope", FileNotFoundError, "^owned.py: expected a Python file, got none there$"),
        ("problem", "own.py:number", TypeError, "^own.py:number: expected a Problem, .*, got 3$"),
        ("problem", "own.py:few", TypeError, "^own.py:few: expected a Problem, .*, got Few"),
        ("problem", "own.py:search", ValueError, "^own.py:search: expected a problem, or what makes one without"),
        ("problem", "own.py", ValueError, "^own.py: expected own.py:NAME, with the name of one of the problems in"),
        ("problem", "own:slope", ValueError, "^expected one of the .* problems of the catalogue, got 'own:slope'"),
        ("algorithm", "own.py:Walker", TypeError, "^own.py:Walker: expected an Algorithm, a subclass of it or"),
        ("algorithm", "own.py:Fewer", ValueError, "expected something named 'Fewer' in it, .*did you mean 'Few'"),
        ("algorithm", "nsga", ValueError, "^expected one of the .* algorithms of the catalogue, got 'nsga'.*nsga"),
    ],
)
def test_what_does_not_fit_is_one_sentence(group, name, kind, sentence):
    with pytest.raises(kind, match=sentence) as caught:
        getattr(moopt, group)(name)
    assert "\n" not in str(caught.value)


def test_options_for_what_is_made_already_are_refused():
    with pytest.raises(ValueError, match="own.py:gentle: expected no options, for it is made already, got steep"):
        moopt.problem("own.py:gentle", steep=1.0)


# runs in folders


@pytest.mark.parametrize("name, how", [("slope", "string"), ("Walker", "object"), ("gentle", "object")])
def test_a_run_resumes_in_a_new_process(tmp_path, name, how):
    (tmp_path / "work").mkdir()
    given = f"own.py:{name}" if how == "string" else moopt.problem(f"own.py:{name}")
    moopt.minimize(given, "own.py:few", 6, out="work/run", progress=False)
    if how == "object":
        code = "import moopt; print(moopt.resume('run', budget=18, progress=False).spent['evaluations'])"
        assert elsewhere(code, tmp_path / "work") == "18"
        return
    command = [sys.executable, "-m", "moopt.cli", "resume", "work/run", "--evaluations", "18", "--no-progress"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "finished after 18 evaluations" in done.stdout, done.stderr


def test_options_of_any_kind_come_back(tmp_path):
    ends = {"left": (1, None), "right": float("inf")}
    made = moopt.problem("own.py:Walker", width=3.0, ends=ends)
    moopt.minimize(made, "random", 10, out="run", progress=False)
    run = moopt.Run.reopen("run")
    assert run.problem is not made and run.problem.ends == ends and run.problem.width == 3.0
    run.close()


def test_a_file_that_moved_or_changed(tmp_path, caplog):
    moopt.minimize(moopt.problem("own.py:slope", steep=4.0), "random", 10, out="run", progress=False)
    (tmp_path / "new").mkdir()
    shutil.move("own.py", "new/own.py")
    forget()
    with pytest.raises(FileNotFoundError, match=r"own.py: expected the file of the problem, got none there"):
        moopt.resume("run", progress=False)
    with pytest.raises(ValueError, match="problem: expected path.py:NAME, got 'zdt1'"):
        moopt.resume("run", problem="zdt1", progress=False)
    found = moopt.resume("run", problem="new/own.py:slope", budget=20, progress=False)
    near, far = found.front.f.unbind(-1)
    x, y = found.front.x.unbind(-1)
    assert found.spent["evaluations"] == 20 and torch.allclose(far, 4 * (1 - x) + y) and not caplog.records
    (tmp_path / "own.py").write_text(OWN + "\n# another text\n")
    os.remove("new/own.py")
    forget()
    moopt.resume("run", budget=30, progress=False)
    assert [record.message.rpartition(": ")[2] for record in caplog.records] == [
        "the file has changed since the run began"
    ]


# names on disk


def test_descriptions_name_no_file_of_moopt():
    described = describe(moopt.problem("zdt1", n_var=4))
    assert described == {"problem": "zdt1", "options": {"n_var": 4}} and rebuild(described).n_var == 4
    described = describe(moopt.algorithm("nsga2", pop_size=6))
    assert described["algorithm"] == "nsga2"
    assert described["options"]["variation"]["class"] == "moopt.operators:Variation"
    assert rebuild(described) == moopt.algorithm("nsga2", pop_size=6)
    budget = moopt.Evaluations(3) | (moopt.Seconds(2.5) & moopt.Stalled())
    described = describe(budget)
    assert described["class"] == "moopt:Either" and rebuild(described) == budget
    assert describe(moopt.Box(0, 1, 2))["class"] == "moopt:Box"
    variables = describe(moopt.Space({"a": moopt.Choice(["u", "v"])}))["options"]["variables"]
    assert variables["dict"]["a"]["class"] == "moopt:Choice"


def test_a_point_of_a_box_is_kept(tmp_path):
    from moopt.testing import Bowls

    moopt.minimize(Bowls(), "nsga2", 100, initial=Bowls().space.low[None] + 0.25, out="run", progress=False)
    run = moopt.Run.reopen("run")
    assert torch.equal(run.search.initial.x, Bowls().space.low[None] + 0.25)
    run.close()


def test_public_names():
    assert public(moopt.Box) == "moopt:Box" and public(operators.Variation) == "moopt.operators:Variation"
    assert public(learning.MLP) == "moopt.learning:MLP" and public(moopt.problems.ZDT1) == "problems:zdt1"
    assert public(moopt.algorithms.random.RandomSearch) == "algorithms:random"
    assert public(OrderedWalk) == f"{__name__}:OrderedWalk"
    with pytest.raises(Undescribable, match="cannot be imported by name"):
        describe(lambda x: x)


class OrderedWalk(moopt.Problem):
    """For the name alone."""


@pytest.mark.parametrize("group", ["problems", "algorithms"])
def test_every_catalogue_entry_is_described_by_its_name(group):
    for name in catalogue.table(group):
        assert public(catalogue.load(group, name)) == f"{group}:{name}"


def test_what_0_1_0_wrote_is_known():
    for old, now in v010.NOW.items():
        group, _, name = now.partition(":")
        found = catalogue.load(group, name) if group in names.KINDS else names.resolve(now)
        assert found.__name__ == old.partition(":")[2] and v010.THEN[now][0] == old and public(found) == now
    old = {"class": "moopt.budget:Seconds", "options": {"n": {"float": "2.5"}}}
    assert rebuild(old) == moopt.Seconds(2.5)
    old = {"class": "moopt.problems.zdt:ZDT2", "options": {"n_var": 5}}
    assert rebuild(old) == moopt.problem("zdt2", n_var=5)


def test_another_packages_table(monkeypatch):
    place = moopt.problems.ZDT1.__module__

    class Point:
        def load(self):
            return {place: "ZDT1 ZDT2", "other": f"{place}:ZDT3"}

    monkeypatch.setattr(names.importlib.metadata, "entry_points", lambda group: [Point()])
    names.table.cache_clear()
    try:
        assert catalogue.table("problems") == {
            "other": f"{place}:ZDT3", "zdt1": f"{place}:ZDT1", "zdt2": f"{place}:ZDT2",
        }  # fmt: skip
        assert moopt.problem("other").name == "zdt3"
    finally:
        names.table.cache_clear()


def test_a_digest_sees_no_place(monkeypatch):
    """It is the same wherever the class stands and whatever it inherits, and another for another class or value."""
    things = (moopt.Evaluations(5), moopt.algorithm("nsga2"), OrderedWalk)
    before = [identity.identity(thing) for thing in things]
    assert len({*before, identity.identity(moopt.Generations(5)), identity.identity(moopt.Evaluations(6))}) == 5
    monkeypatch.setattr(moopt.Evaluations, "__module__", "moopt.run")
    monkeypatch.setattr(moopt.Problem, "__module__", "moopt.run")
    assert [identity.identity(thing) for thing in things] == before


@pytest.mark.parametrize("group", ["problems", "algorithms"])
def test_digests_of_catalogue_entries_name_no_module_of_moopt(group):
    for name in catalogue.table(group):
        tokens = list(identity._tokens(names.make(group, name, {}), set(), former=False))
        assert f"'{group}:{name}'" in tokens
        places = {token[1:].partition(":")[0] for token in tokens if token.startswith("'moopt.")}
        assert places <= {"moopt.operators", "moopt.learning"}, name


def test_a_digest_of_a_space_names_no_module_of_moopt():
    kinds = {"a": moopt.Real(0, 1), "b": moopt.Integer(0, 3), "c": moopt.Choice([1, 2]), "d": moopt.Permutation(3)}
    for space in (moopt.Box(0, 1, 2), moopt.Space({**kinds, "e": moopt.Flag()})):
        assert not [token for token in identity._tokens(space, set(), former=False) if token.startswith("'moopt.")]
    assert identity.identity(moopt.Box(0, 1, 2)) != identity.identity(moopt.Box(0, 2, 2))
