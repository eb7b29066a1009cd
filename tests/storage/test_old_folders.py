"""Folders that moopt 0.1.0 wrote are read, resumed and completed by this version."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch

import moopt
import old_folders
from moopt import experiment

DATA = Path(__file__).parents[1] / "data" / "v010"
NAMES = sorted(path.name for path in DATA.iterdir() if (path / "begun").is_dir())


@pytest.fixture
def copied(tmp_path):
    """`copied("name/begun")`: a folder to write in."""
    return lambda name: Path(shutil.copytree(DATA / name, tmp_path / name))


def same(a, b):
    """Another machine may round otherwise."""
    return a.shape == b.shape and torch.allclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=True)


def test_there_is_one_of_each_kind():
    assert NAMES == ["bayesian", "box", "catalogue", "learner", "plain", "trials"]


@pytest.mark.parametrize("name", NAMES)
def test_a_result_is_loaded(name):
    found = moopt.Result.load(DATA / name / "finished")
    asked = old_folders.RUNS[name]["problem"]
    assert found.status == "finished" and found.problem.name == asked.name and type(found.problem) is type(asked)
    assert len(found.front) > 0 and found.problem.space.names == asked.space.names
    if asked.vectorized and not asked.stochastic and asked.cost_unit is None:
        values = asked.evaluate(found.front.x[None])
        assert same(values.f[0], found.front.f)


@pytest.mark.parametrize("name", NAMES)
def test_an_interrupted_run_goes_on(copied, name):
    folder = copied(f"{name}/begun")
    before = json.loads((folder / "result.json").read_text())
    assert before["status"] == "interrupted"
    done = moopt.resume(folder, progress=False)
    whole = moopt.Result.load(DATA / name / "finished")
    assert done.status == "finished" and done.spent == whole.spent and done.seed == whole.seed
    assert [part.seed for part in done.runs] == [part.seed for part in whole.runs]
    if name != "bayesian":  # a suggestion of models is another on another machine
        assert same(done.front.x, whole.front.x) and same(done.front.f, whole.front.f)
    assert type(done.problem) is type(old_folders.RUNS[name]["problem"])


def test_options_budgets_and_given_points_are_those_that_were_asked(copied):
    for name in NAMES:
        asked = old_folders.RUNS[name]
        run = moopt.Run.reopen(copied(f"{name}/begun"))
        assert run.algorithm == asked["algorithm"] and type(run.algorithm) is type(asked["algorithm"])
        budget = asked["budget"]
        assert run.budget == (moopt.Evaluations(budget) if isinstance(budget, int) else budget)
        if "initial" in asked:
            assert run.search.initial.values == asked["initial"]
        run.close()


def test_a_problem_in_a_file_beside_it(copied, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))  # the folder of the file is added to it
    folder = copied("file") / "run"
    done = moopt.resume(folder, budget=40, progress=False)
    assert done.status == "finished" and done.spent["evaluations"] == 40
    near, far = done.front.f.unbind(-1)
    assert same(far, 2.5 * (1 - near))  # with the option of its run


@pytest.fixture
def no_work(monkeypatch):
    """Nothing is computed: no cell is run, none is scored."""

    def refuse(task):
        raise AssertionError(f"{task} was to be done, though it was")

    monkeypatch.setattr(experiment.running.cells, "work", refuse)


def kept(folder):
    """By label and file; the digests in the names of folders are of the version."""
    files = [path for path in (folder / "cells").rglob("*") if path.is_file()]
    return {(path.parent.name.rpartition("-")[0], path.name): path.read_bytes() for path in files}


def test_a_finished_study_is_found_finished(copied, no_work):
    folder, spec = copied("study"), DATA / "study.toml"
    before = moopt.experiment.read(folder)
    assert before.is_complete and len(before.results) == 8
    f = before.front("zdt1", "nsga2", 1).points.f
    study = experiment.bench(spec, folder, executor="inline", progress=False, report=False)
    assert study.is_complete and (study.runs["status"] == "finished").all()
    assert kept(folder) == kept(DATA / "study")
    assert study.results.equals(before.results)
    assert torch.equal(study.frames["zdt1"].front, before.frames["zdt1"].front)
    assert same(study.front("zdt1", "nsga2", 1).points.f, f)


def test_a_finished_study_of_objects_is_found_finished(copied, no_work):
    folder = copied("objects")
    before = experiment.read(folder)
    assert before.is_complete and len(before.results) == 16 and len(before.runs) == 18
    study = experiment.bench(old_folders.spec_of_objects(), folder, executor="inline", progress=False, report=False)
    assert study.is_complete and study.runs.equals(before.runs)
    assert kept(folder) == kept(DATA / "objects") and study.results.equals(before.results)


def test_what_is_asked_anew_is_computed(copied):
    """The same folder with another option: no cell of the old name serves for it."""
    folder = copied("study")
    spec = experiment.Spec.read(DATA / "study.toml")
    entries = {"zdt1": experiment.Entry("zdt1", {"n_var": 6})}
    other = experiment.Spec(
        name="old", problems=entries, algorithms=spec.algorithms, budget=spec.budget, seeds=2, checkpoints=4
    )
    study = experiment.bench(other, folder, executor="inline", progress=False, report=False)
    assert study.front("zdt1", "nsga2", 0).x.shape[1] == 6
    assert len(list((folder / "cells").iterdir())) == 4


