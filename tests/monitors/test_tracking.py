"""Trackers: what they write is read back, and the search neither notices nor ends because of them."""

import atexit
import errno
import functools
import importlib
import io
import itertools
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

import moopt
from moopt import Choice, Evaluations, Flag, FunctionProblem, Generations, Integer, Permutation, Real
from moopt.monitors import tracker as base
from moopt.monitors.tracker import Tracker
from moopt.testing import Bowls

TRACKERS = {
    "TensorBoard": ["tensorboard"], "WandB": ["wandb"], "MLflow": ["mlflow", "sqlalchemy", "alembic"],
}  # fmt: skip
THERE = [name for name, packages in TRACKERS.items() if all(map(importlib.util.find_spec, packages))]


@pytest.fixture(params=list(TRACKERS))
def name(request):
    for package in TRACKERS[request.param]:
        pytest.importorskip(package)
    return request.param


@functools.cache
def store():
    """An empty store of MLflow, which takes a second to make."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    solve(2, monitors=[moopt.monitors.MLflow(folder, experiment="first")])
    return folder / "mlflow.db"


def make(name, folder, **options):
    """The tracker."""
    for package in TRACKERS[name]:
        pytest.importorskip(package)
    if name == "MLflow" and not (folder / "mlflow.db").exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(store(), folder)
    return getattr(moopt.monitors, name)(folder, **options)


@pytest.fixture
def eager(monkeypatch):
    """Every row at its own step."""
    monkeypatch.setattr(base, "SECONDS", 0.0)
    monkeypatch.setattr(base, "REST", 0.0)


def solve(budget=20, **options):
    """Its history has a row every second generation."""
    algorithm = moopt.algorithm("nsga2", pop_size=500)
    return moopt.minimize("zdt1", algorithm, Generations(budget), progress=False, **options)


# what was written: name -> facts, rows {generations: {column: value}}, front, picture, status, message


def read_tensorboard(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    found = {}
    for place in (path for path in folder.iterdir() if path.is_dir()):
        events = EventAccumulator(str(place), {"scalars": 0, "tensors": 0, "images": 0})
        events.Reload()
        tags = events.Tags()
        rows, texts = {}, {}
        for tag in tags["scalars"]:
            for event in events.Scalars(tag):
                row = rows.setdefault(event.step, {})
                assert tag not in row, "twice"
                row[tag] = event.value
        for tag in tags["tensors"]:
            if tag.endswith("/text_summary"):
                texts[tag.split("/")[0]] = events.Tensors(tag)[-1].tensor_proto.string_val[0].decode()
        meta = HParamsPluginData.FromString(events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content)
        facts = {
            key: getattr(value, value.WhichOneof("kind")) for key, value in meta.session_start_info.hparams.items()
        }
        front = picture = status = message = None
        if texts:
            lines = [line.split("|") for line in texts["front"].splitlines()]
            assert set(lines.pop(1)) == {"---"}
            front = pd.DataFrame(lines[1:], columns=lines[0])
            status, _, message = texts["status"].partition(": ")
        if tags["images"]:
            picture = events.Images("front")[-1].encoded_image_string
        found[place.name] = SimpleNamespace(
            facts=facts, rows=rows, front=front, picture=picture, status=status, message=message, group=None, ended=None
        )
    return found


def wandb_records(path):
    """The records of an offline file: blocks of 32 KiB after 7 bytes, as a log of LevelDB."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, content, records = path.read_bytes(), 7, b"", []
    assert data.startswith(b":W&B")
    while at + 7 <= len(data):
        left = 2**15 - at % 2**15
        if left < 7:
            at += left
            continue
        _, n, kind = struct.unpack("<IHB", data[at : at + 7])
        content += data[at + 7 : at + 7 + n]
        at += 7 + n
        if kind in (1, 4):  # whole, or the last part
            records.append(Record.FromString(content))
            content = b""
    return records


def wandb_files(folder):
    """Path and records of each; wandb's own process ends a file some milliseconds after `finish`."""
    for path in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
        for _ in range(100):
            records = wandb_records(path)
            if records and records[-1].WhichOneof("record_type") == "exit":
                break
            time.sleep(0.02)
        yield path, records


def read_wandb(folder):
    found = {}
    for path, records in wandb_files(folder):
        summary, run = {}, None
        for record in records:
            kind = record.WhichOneof("record_type")
            if kind == "run":
                new = SimpleNamespace(
                    id=record.run.run_id, group=record.run.run_group, project=record.run.project, rows={}, front=None,
                    picture=None, status=None, message=None, ended=None,
                )  # fmt: skip
                run = found.setdefault(record.run.display_name, new)
                assert run.id == new.id and run.group == new.group
                run.facts = {
                    u.key: json.loads(u.value_json) for u in record.run.config.update if not u.key.startswith("_")
                }
            elif kind == "history":
                items = {"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in record.history.item}
                row = {key: value for key, value in items.items() if "/" not in key and not key.startswith("_")}
                assert items["_step"] not in run.rows or not row, "twice"
                run.rows.setdefault(items["_step"], {}).update(row)
                if "front/path" in items:
                    table = json.loads((path.parent / "files" / items["front/path"]).read_text())
                    run.front = pd.DataFrame(table["data"], columns=table["columns"])
                if "picture/path" in items:
                    run.picture = (path.parent / "files" / items["picture/path"]).read_bytes()
            elif kind == "summary":
                summary |= {i.key: json.loads(i.value_json) for i in record.summary.update if i.key}
            elif kind == "exit":
                run.ended = record.exit.exit_code
        run.status, run.message = summary.get("status"), summary.get("message")
    for run in found.values():
        run.rows = {step: row for step, row in run.rows.items() if row}
    return found


def read_mlflow(folder, experiment="moopt"):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder.as_posix()}/mlflow.db")
    found = {}
    for run in client.search_runs([client.get_experiment_by_name(experiment).experiment_id]):
        rows = {}
        for key in run.data.metrics:
            for metric in client.get_metric_history(run.info.run_id, key):
                row = rows.setdefault(metric.step, {})
                assert key not in row, "twice"
                row[key] = metric.value
        files = {file.path for file in client.list_artifacts(run.info.run_id)}
        local = folder / "artifacts" / run.info.run_id / "artifacts"
        assert files <= {"front.csv", "front.png"}
        found[run.info.run_name] = SimpleNamespace(
            id=run.info.run_id, facts=run.data.params, rows=rows, status=run.data.tags.get("status"),
            message=run.data.tags.get("message"), group=run.data.tags.get("mlflow.parentRunId"), ended=run.info.status,
            front=pd.read_csv(local / "front.csv") if "front.csv" in files else None,
            picture=(local / "front.png").read_bytes() if "front.png" in files else None,
        )  # fmt: skip
    return found


def read(name, folder):
    return {"TensorBoard": read_tensorboard, "WandB": read_wandb, "MLflow": read_mlflow}[name](folder)


def check_rows(written, history, exact=True):
    """Every row of a history, each once, and nothing else; `exact`: seconds, too."""
    table = history.set_index("generations", drop=False).drop(columns="run")
    assert sorted(written) == table.index.tolist() and len(table) > 3
    for step, row in table.to_dict("index").items():
        known = {key: value for key, value in row.items() if value == value}
        assert set(written[step]) == set(known)
        for key, value in known.items():
            assert written[step][key] == pytest.approx(value, rel=1e-6, abs=1e-12) or (key == "seconds" and not exact)


# each tracker


@pytest.mark.parametrize("runs", [1, 3])
def test_what_goes_in_comes_out(name, runs, tmp_path, eager):
    result = solve(runs=runs, seed=5, monitors=[make(name, tmp_path / "a folder")])
    found = read(name, tmp_path / "a folder")
    seeds = {f"zdt1-nsga2-{5 + i}": part for i, part in enumerate(result.runs)}
    parts = seeds if runs == 1 else {**seeds, "zdt1-nsga2-all": result}
    assert set(found) == set(parts)
    for label, part in parts.items():
        run = found[label]
        if label in seeds:
            check_rows(run.rows, part.history)
        else:
            ((step, row),) = run.rows.items()
            assert step == 20 and row["hypervolume"] == pytest.approx(result.hypervolume, rel=1e-6)
            assert row["evaluations"] == 30_000 and row["seconds"] == pytest.approx(result.seconds, rel=1e-6)
        facts = {key: str(value) for key, value in run.facts.items()}
        expected = {
            "problem": "zdt1", "problem.n_var": 30, "algorithm": "nsga2", "algorithm.pop_size": 500, "runs": runs,
            "seed": part.seed, "budget": "Generations(n=20)", **{f"version.{k}": v for k, v in part.versions.items()},
        }  # fmt: skip
        for key, value in expected.items():
            number = isinstance(value, int)
            assert float(facts[key]) == value if number else facts[key] == value
        assert "crossover_eta=20.0" in facts["algorithm.variation"]
        assert (run.status, run.message) == ("finished", part.message)
        table = part.to_dataframe()
        assert list(run.front) == list(table) == [*(f"x{i}" for i in range(1, 31)), "f1", "f2"]
        assert np.allclose(run.front.astype(float), table, rtol=1e-5)
        assert (run.picture is not None) == (label == "zdt1-nsga2-all" or runs == 1)
        assert run.ended in (None, 0, "FINISHED")
        if run.picture is not None:
            from PIL import Image

            canvas = moopt.monitors.plot_front(part).canvas
            canvas.draw()
            picture = np.asarray(Image.open(io.BytesIO(run.picture)).convert("RGBA"))
            assert np.array_equal(picture, np.asarray(canvas.buffer_rgba()))
    if runs > 1 and name == "MLflow":
        parent = found["zdt1-nsga2-all"]
        assert parent.group is None and {found[label].group for label in seeds} == {parent.id}
    if name == "WandB":
        (group,) = {run.group for run in found.values()}
        assert group.startswith("zdt1-nsga2-")


def test_names_of_all_kinds_and_failures_are_written(name, tmp_path, eager):
    def part(order, mode, on, n, x):
        if x > 0.7:
            raise ValueError("too much")
        return {"cost": x * n + order[0], "gain": (1 - x) * (2 if mode == "a" else 1) * n - on, "load": x - n / 10}

    variables = {
        "order": Permutation(3), "mode": Choice(["a", None, 2]), "on": Flag(), "n": Integer(1, 5), "x": Real(0, 1),
    }  # fmt: skip
    problem = FunctionProblem(part, variables, {"cost": "min", "gain": "max"}, {"load": ("<=", 0.2)})
    result = moopt.minimize(problem, moopt.algorithm("nsga2", pop_size=10), 60, monitors=[make(name, tmp_path)])
    (run,) = read(name, tmp_path).values()
    check_rows(run.rows, result.history)
    table = result.to_dataframe()
    assert list(run.front) == list(table) and len(run.front) == len(table) > 0
    assert np.allclose(run.front[["cost", "gain", "load"]].astype(float), table[["cost", "gain", "load"]], rtol=1e-5)
    assert run.rows[max(run.rows)]["failures"] == result.failures > 0
    assert run.message == result.message and "failed" in run.message
    assert "part" in str(run.facts["problem.function"])


def test_an_empty_front_is_written(name, tmp_path):
    def never(x):
        raise ValueError("no")

    problem = FunctionProblem(never, {"x": Real(0, 1)}, ["f", "h"])
    moopt.minimize(problem, moopt.algorithm("nsga2", pop_size=4), 12, monitors=[make(name, tmp_path)])
    (run,) = read(name, tmp_path).values()
    assert run.status == "failed" and len(run.front) == 0 and run.ended in (None, 1, "FAILED")


def test_two_searches_share_a_folder_and_are_told_apart(name, tmp_path):
    watching = make(name, tmp_path)
    first, second = (solve(budget, monitors=[watching]) for budget in (8, 10))
    if name == "TensorBoard":
        found = read(name, tmp_path)
        check_rows(found["zdt1-nsga2-0"].rows, first.history)
        check_rows(found["zdt1-nsga2-0-2"].rows, second.history)
    elif name == "WandB":
        assert len({path.name for path in tmp_path.glob("wandb/*/*.wandb")}) == 2
    else:
        from mlflow import MlflowClient

        client = MlflowClient(f"sqlite:///{tmp_path.as_posix()}/mlflow.db")
        (experiment,) = [e for e in client.search_experiments() if e.name == "moopt"]
        runs = client.search_runs([experiment.experiment_id])
        assert sorted(run.data.metrics["generations"] for run in runs) == [8, 10]


def test_nothing_changes(name, tmp_path, eager):
    expected = solve(runs=2, seed=3)
    torch.manual_seed(1), np.random.seed(2), random.seed(3)
    before = torch.get_rng_state(), str(np.random.get_state()), random.getstate()
    variables, hook = dict(os.environ), sys.excepthook
    result = solve(runs=2, seed=3, monitors=[make(name, tmp_path)])
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (str(np.random.get_state()), random.getstate())
    changed = {key for key in {*variables, *os.environ} if variables.get(key) != os.environ.get(key)}
    assert changed <= {"WANDB_SERVICE"} and sys.excepthook is hook  # the way to wandb's own process
    for one, other in zip((expected, *expected.runs), (result, *result.runs), strict=True):
        assert torch.equal(one.front.f, other.front.f) and torch.equal(one.population.x, other.population.x)
        pd.testing.assert_frame_equal(one.history.drop(columns="seconds"), other.history.drop(columns="seconds"))


def test_an_interrupted_search_goes_on_in_the_same_runs(name, tmp_path, eager):
    def interrupt(snapshot):
        if snapshot.step == 9:
            raise KeyboardInterrupt

    options = {"runs": 2, "out": tmp_path / "run"}
    part = solve(monitors=[make(name, tmp_path / "log"), interrupt], **options)
    assert part.status is moopt.Status.INTERRUPTED
    found = read(name, tmp_path / "log")
    assert {run.status for run in found.values()} == {"interrupted"}
    assert {run.ended for run in found.values()} <= {None, 255, "KILLED"}
    ids = {label: getattr(run, "id", None) for label, run in found.items()}
    result = moopt.resume(tmp_path / "run", monitors=[make(name, tmp_path / "log")])
    found = read(name, tmp_path / "log")
    assert {label: getattr(run, "id", None) for label, run in found.items()} == ids
    for i, one in enumerate(result.runs):
        run = found[f"zdt1-nsga2-{i}"]
        assert run.rows.pop(9)["generations"] == 9  # where it was interrupted, which the history leaves out then
        check_rows(run.rows, one.history)
        assert run.status == "finished" and len(run.front) == len(one.front) and run.ended in (None, 0, "FINISHED")


def test_a_tracker_that_joins_gets_the_earlier_rows(name, tmp_path):
    def stop(snapshot):
        return snapshot.step == 12

    solve(monitors=[stop], out=tmp_path / "run")
    result = moopt.resume(tmp_path / "run", monitors=[make(name, tmp_path / "log")])
    (run,) = read(name, tmp_path / "log").values()
    check_rows(run.rows, result.history)


KILLED = """
import os, signal, sys, time, moopt
from moopt.monitors import tracker
from moopt.storage import keeper
tracker.SECONDS = tracker.REST = 0.0
keeper.CHECKPOINT_SECONDS, keeper.CHECKPOINT_SHARE = 0.0, float("inf")

def kill(snapshot):
    if snapshot.step == 7:
        keeper.CHECKPOINT_SECONDS = 1e9
    if snapshot.step == 15:
        time.sleep(2)  # wandb writes every second
        os.kill(os.getpid(), signal.SIGKILL)

folder, *names = sys.argv[1:]
watching = [getattr(moopt.monitors, name)(f"{folder}/{name}") for name in names]
algorithm = moopt.algorithm("nsga2", pop_size=500)
moopt.minimize("zdt1", algorithm, moopt.Generations(20), out=f"{folder}/run", monitors=[*watching, kill])
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
@pytest.mark.skipif(not THERE, reason="needs a tracker")
def test_a_kill_repeats_no_row(tmp_path, eager):
    """The checkpoint is of generation 6 and the trackers at 14 when the power goes."""
    # without the way to this process's own helper of wandb, which would think the run still open
    environment = {key: value for key, value in os.environ.items() if key != "WANDB_SERVICE"}
    command = [sys.executable, "-c", KILLED, str(tmp_path), *THERE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    steps, watching = [], [getattr(moopt.monitors, name)(tmp_path / name) for name in THERE]
    result = moopt.resume(tmp_path / "run", monitors=[*watching, lambda seen: steps.append(seen.step)])
    assert 6 <= steps[0] <= 8
    for name in THERE:
        (run,) = read(name, tmp_path / name).values()
        history = result.history
        if name == "WandB":  # where a row waits for the next one
            history = history[history["generations"] != 14]
        check_rows(run.rows, history, exact=False)
        assert run.status == "finished" and run.ended in (None, 0, "FINISHED")


def open_files(folder):
    place = Path("/proc/self/fd")
    if not place.exists():
        return []
    links = [os.readlink(link) for link in place.iterdir() if link.is_symlink()]
    return [link for link in links if link.startswith(str(folder))]


def test_an_error_ends_the_runs(name, tmp_path, eager):
    def fail(snapshot):
        if snapshot.step == 11:
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        solve(runs=2, monitors=[make(name, tmp_path), fail])
    found = read(name, tmp_path)
    for i in (0, 1):
        assert sorted(found[f"zdt1-nsga2-{i}"].rows) == [2, 4, 6, 8, 10]
    assert {run.ended for run in found.values()} <= {None, 1, "FAILED"} and len(found) == 3
    assert not open_files(tmp_path)


def test_an_own_loop_ends_the_run(name, tmp_path, eager):
    problem = FunctionProblem(lambda x: (x, 1 - x), {"x": Real(0, 1)}, ["f", "h"])
    run = moopt.Run(problem, moopt.algorithm("nsga2", pop_size=4), 20, monitors=[make(name, tmp_path)])
    while trials := run.ask(4):
        for trial in trials:
            trial.finish((trial.values["x"], 1 - trial.values["x"]))
        run.tell(trials)
    run.close()
    (written,) = read(name, tmp_path).values()
    assert sorted(written.rows) == [1, 2, 3, 4, 5] and written.ended in (None, 0, "FINISHED")


def test_a_folder_that_goes_away_does_not_end_the_search(name, tmp_path, eager):
    def remove(snapshot):
        if snapshot.step == 9:
            shutil.rmtree(tmp_path / "log")

    expected = solve()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = solve(monitors=[make(name, tmp_path / "log"), remove])
    assert torch.equal(result.front.f, expected.front.f) and result.status is moopt.Status.FINISHED
    (said,) = [str(warning.message) for warning in caught if warning.category is RuntimeWarning]
    assert said.startswith(f"{name} gave up on {tmp_path / 'log'}, the search goes on: ")


def test_a_place_that_cannot_be_written_is_an_error_at_once(name, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        solve(monitors=[getattr(moopt.monitors, name)(tmp_path / "file" / "log")])


@pytest.mark.parametrize(("tracker", "package"), [(t, package) for t, all in TRACKERS.items() for package in all])
def test_a_missing_package_is_named_with_its_extra(tracker, package, tmp_path, monkeypatch):
    for other in TRACKERS[tracker][: TRACKERS[tracker].index(package)]:
        pytest.importorskip(other)
    monkeypatch.setitem(sys.modules, package, None)
    sentence = rf"^{tracker} needs the package {package}: pip install 'moopt\[tracking\]' \(.*{package}.*\)$"
    with pytest.raises(ImportError, match=sentence):
        getattr(moopt.monitors, tracker)(tmp_path / "log")
    assert not (tmp_path / "log").exists()


WITHOUT_NETWORK = """
import socket, sys
asked = []

def guard(function):
    def guarded(self, address, *rest):
        if self.family != getattr(socket, "AF_UNIX", None):  # how wandb speaks with its own process
            asked.append(address)
            raise OSError("no network")
        return function(self, address, *rest)
    return guarded

def no_names(*arguments, **options):
    asked.append(arguments)
    raise OSError("no network")

socket.socket.connect = guard(socket.socket.connect)
socket.socket.connect_ex = guard(socket.socket.connect_ex)
socket.getaddrinfo = no_names

import moopt, time
folder, *names = sys.argv[1:]
watching = [getattr(moopt.monitors, name)(f"{folder}/{name}") for name in names]
moopt.minimize("zdt1", "nsga2", 2000, runs=2, monitors=watching)
time.sleep(0.3)  # for threads
if asked:
    sys.exit(f"asked for {asked}")
"""


@pytest.mark.skipif(not THERE, reason="needs a tracker")
def test_nothing_is_asked_of_the_network(tmp_path):
    """In a process that does not look like a test, in which MLflow is quiet by itself, and told to be online."""
    own = {"PYTEST_CURRENT_TEST", "CI", "GITHUB_ACTIONS", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK", "WANDB_SERVICE"}
    environment = {key: value for key, value in os.environ.items() if key not in own}
    environment |= {"WANDB_MODE": "online", "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    command = [sys.executable, "-c", WITHOUT_NETWORK, str(tmp_path), *THERE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout == "" and "Traceback" not in done.stderr, done.stderr
    for name in THERE:
        assert set(read(name, tmp_path / name)) == {f"zdt1-nsga2-{end}" for end in ("0", "1", "all")}


def test_wandb_is_offline_or_nothing(tmp_path):
    with pytest.raises(ValueError, match="mode: expected 'offline' .* or 'disabled', got 'online'"):
        make("WandB", tmp_path, mode="online")
    result = solve(monitors=[make("WandB", tmp_path, project="beams", mode="disabled")])
    assert result.status is moopt.Status.FINISHED and not list(tmp_path.rglob("*.wandb"))
    solve(monitors=[make("WandB", tmp_path, project="beams")])
    assert {run.project for run in read_wandb(tmp_path).values()} == {"beams"}


def test_the_users_own_runs_stay_active(tmp_path):
    wandb = pytest.importorskip("wandb")
    own = wandb.init(dir=tmp_path, mode="offline", settings=wandb.Settings(silent=True, x_disable_stats=True))
    try:
        solve(monitors=[make("WandB", tmp_path / "log")])
        assert wandb.run is own
        own.log({"a": 1})
    finally:
        own.finish()


def test_mlflow_keeps_the_users_settings(tmp_path):
    mlflow = pytest.importorskip("mlflow")
    before = mlflow.get_tracking_uri()
    solve(monitors=[make("MLflow", tmp_path, experiment="beams")])
    solve(monitors=[make("MLflow", tmp_path, experiment="beams")], seed=4)
    assert mlflow.get_tracking_uri() == before and mlflow.active_run() is None
    assert set(read_mlflow(tmp_path, "beams")) == {"zdt1-nsga2-0", "zdt1-nsga2-4"}


def test_an_import_loads_no_tracker():
    packages = sorted({package for all in TRACKERS.values() for package in all})
    code = f"import sys, moopt, moopt.monitors; print([m for m in {packages} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    with pytest.raises(AttributeError, match="no attribute 'Comet'"):
        moopt.monitors.Comet  # noqa: B018
    assert {"MLflow", "TensorBoard", "WandB"} <= set(moopt.monitors.__all__)


# what they share, without any package


class Listed(Tracker):
    """Keeps what it gets."""

    _packages = ()
    _environment = {"LISTED": "yes"}

    def __init__(self, folder, broken=None):
        super().__init__(folder)
        self.calls, self.broken = [], broken

    def _note_down(self, kind, *content):
        assert os.environ["LISTED"] == "yes"
        self.calls.append((kind, *content))
        if kind == self.broken:
            raise OSError(errno.ENOSPC, "No space left on device")

    def _open(self, name, facts, known):
        self._note_down("open", name, facts, known)
        return known or f"id of {name}", name

    def _log(self, run, rows):
        self._note_down("log", run, [step for step, _ in rows])

    def _show(self, run, step, result, picture):
        self._note_down("show", run, step, None if picture is None else picture.shape)

    def _end(self, run, status):
        self._note_down("end", run, status)

    def kinds(self):
        return Counter(kind for kind, *_ in self.calls)


@pytest.mark.parametrize("broken", ["log", "show", "end"])
def test_a_full_disk_is_said_once(broken, tmp_path, eager):
    watching, expected = Listed(tmp_path, broken), solve(runs=2)
    with pytest.warns(RuntimeWarning) as caught:
        result = solve(runs=2, monitors=[watching])
    assert torch.equal(result.front.f, expected.front.f) and "LISTED" not in os.environ
    assert [str(w.message) for w in caught if w.category is RuntimeWarning] == [
        f"Listed gave up on {tmp_path}, the search goes on: [Errno 28] No space left on device"
    ]
    kinds = watching.kinds()
    assert kinds["end"] == 3  # whatever else failed, its runs are let go
    assert kinds[broken] == (3 if broken == "end" else 1)


def test_a_tracker_that_cannot_start_is_an_error(tmp_path):
    with pytest.raises(OSError, match="No space"):
        solve(monitors=[Listed(tmp_path, "open")])


def test_a_visit_waits_for_a_hundred_times_what_the_last_one_took(tmp_path, monkeypatch):
    now, visits = [0.0], []

    def look(self, run, rows):
        visits.append((now[0], [step for step, _ in rows]))
        now[0] += 0.05

    def second(snapshot):
        now[0] += 0.5

    monkeypatch.setattr(base.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(Listed, "_log", look)
    solve(40, monitors=[Listed(tmp_path), second])
    times, rows = zip(*visits, strict=True)
    gaps = [after - before for before, after in itertools.pairwise(times)]
    # half a second a step, a row every second step; the last visit is at the end
    assert times[0] == 1.0 and all(5.05 <= gap <= 5.55 for gap in gaps[:-1]) and len(gaps) >= 3
    assert sum(rows, []) == list(range(2, 42, 2))


def test_quick_rows_go_together_and_slow_ones_at_once(tmp_path, eager, monkeypatch):
    watching = Listed(tmp_path)
    solve(8, monitors=[watching], runs=2)
    assert [content for kind, *content in watching.calls if kind == "log"] == [
        [f"zdt1-nsga2-{run}", [step]] for step in (2, 4, 6, 8) for run in (0, 1)
    ] + [["zdt1-nsga2-all", [8]]]  # fmt: skip
    monkeypatch.setattr(base, "SECONDS", 1e6)
    watching = Listed(tmp_path)
    solve(8, monitors=[watching], runs=2)
    labels = ["zdt1-nsga2-all", "zdt1-nsga2-0", "zdt1-nsga2-1"]
    assert [content for kind, *content in watching.calls if kind == "log"] == [
        [labels[0], [8]], [labels[1], [2, 4, 6, 8]], [labels[2], [2, 4, 6, 8]]
    ]  # fmt: skip
    assert [run for kind, run, *_ in watching.calls if kind == "open"] == labels
    assert [run for kind, run, *_ in watching.calls if kind == "end"] == labels[::-1]
    assert [call[1:] for call in watching.calls if call[0] == "show"] == [
        (labels[0], 8, (480, 640, 4)), (labels[1], 8, None), (labels[2], 8, None)
    ]  # fmt: skip


def test_runs_that_end_apart_have_their_own_rows(tmp_path, eager):
    watching = Listed(tmp_path)
    result = solve(30, monitors=[watching], runs=3)
    budget = moopt.Reached("hypervolume", float(result.runs[1].history["hypervolume"][9])) | Generations(60)
    watching = Listed(tmp_path)
    result = moopt.minimize(
        "zdt1", moopt.algorithm("nsga2", pop_size=500), budget, runs=3, monitors=[watching], progress=False
    )
    ends = [int(run.history["generations"].max()) for run in result.runs]
    assert len(set(ends)) > 1
    for i, part in enumerate(result.runs):
        steps = [step for kind, run, *c in watching.calls if kind == "log" and run.endswith(f"-{i}") for step in c[0]]
        assert steps == part.history["generations"].tolist()


def test_rows_ahead_of_a_checkpoint_are_not_repeated(tmp_path, eager):
    """As after a kill: an old state, and a search that goes through steps once more that were written before."""
    first, again = Listed(tmp_path), Listed(tmp_path)
    keys = []
    solve(14, monitors=[first, lambda seen: keys.append(first.state()["key"])], runs=2)
    assert len(set(keys)) == 1 and first.state()["key"] == ""  # it may watch another search now
    again.restore({"key": keys[0]})
    solve(20, monitors=[again], runs=2)
    opened = [call[1:] for call in again.calls if call[0] == "open"]
    assert [known for *_, known in opened] == [f"id of {label}" for label, *_ in opened]
    logged = [content for kind, *content in again.calls if kind == "log"]
    assert logged[:-1] == [[f"zdt1-nsga2-{run}", [step]] for step in (16, 18, 20) for run in (0, 1)]
    assert logged[-1] == ["zdt1-nsga2-all", [20]]


def test_another_monitors_state_is_not_taken_for_ones_own(tmp_path, eager):
    def stop(snapshot):
        return snapshot.step == 9

    first, other = Listed(tmp_path / "a"), Listed(tmp_path / "b")
    solve(monitors=[first, other, stop], out=tmp_path / "run")
    moved, joined = Listed(tmp_path / "c"), Listed(tmp_path / "a")
    moopt.resume(tmp_path / "run", monitors=[moved, joined], budget=Generations(14))
    for watching in (moved, joined):  # both begin anew
        (opened,) = [known for kind, _, _, known in (c for c in watching.calls if c[0] == "open")]
        steps = [step for kind, *c in watching.calls if kind == "log" for step in c[1]]
        assert opened is None and steps == [2, 4, 6, 8, 9, 10, 12, 14]


def test_an_algorithm_that_evaluates_by_itself_has_rows_without_hypervolume(tmp_path, eager):
    watching = Listed(tmp_path)
    result = moopt.minimize("deepseatreasure", "qlearners", moopt.EnvSteps(3000), monitors=[watching], progress=False)
    steps = [step for kind, *c in watching.calls if kind == "log" for step in c[1]]
    assert steps == result.history["generations"].tolist()
    facts = watching.calls[0][2]
    assert facts["budget"] == "EnvSteps(n=3000)" and facts["algorithm"] == "qlearners"


def test_budget_and_options_of_a_problem_of_ones_own(tmp_path):
    class Mine(Bowls):
        pass

    watching = Listed(tmp_path)
    moopt.minimize(Mine(n_obj=3), "nsga2", Evaluations(300), monitors=[watching])
    facts = watching.calls[0][2]
    assert facts["problem.n_obj"] == 3 and facts["device"] == "cpu" and facts["dtype"] == "torch.float64"
    assert all(isinstance(value, int | float | str) for value in facts.values())
    assert importlib.import_module("moopt.run.result").versions()["torch"] == facts["version.torch"]
