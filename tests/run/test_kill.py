"""Runs that lose their process or their disk, and what is left of them."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import kill_driver
import moopt
from moopt import EnvSteps, FunctionProblem, Generations, Integer, Real
from moopt.testing import Bowls

DRIVER = Path(kill_driver.__file__)


def digest(result):
    points = [getattr(p, k) for p in (result.population, result.front) for k in ("x", "f", "g")]
    return [t.tolist() for t in points], dict(result.spent)


# a disk that dies at every operation


def noted(r, n):
    return {"a": r * n, "b": (r - 2) ** 2 + n / 7}


NOTED = FunctionProblem(noted, {"r": Real(0.1, 2), "n": Integer(1, 9)}, ["a", "b"])


class Noisy(moopt.Problem):
    """Trials that draw, and last differently long."""

    space, n_obj, vectorized, stochastic, cost_unit = moopt.Box(0, 1, 2), 2, False, True, "env_steps"

    def trial(self, x, values, seed=None):
        drawn = random.Random(seed).random()
        return [x[0] + drawn, (1 - x[0]) ** 2 + x[1] * drawn], [], 1 + int(5 * x[1])

    def _evaluate(self, x, draw=None):
        raise NotImplementedError


QNEHVI = moopt.algorithm("qnehvi", n_initial=2, n_raw=16, n_restarts=1, n_draws=8)
LEARNERS = moopt.algorithm("qlearners", pop_size=4, n_steps=5)


@pytest.mark.parametrize(
    "problem, algorithm, budget",
    [
        (Bowls(), moopt.algorithm("nsga2", pop_size=5), Generations(4)),
        (moopt.problem("deepseatreasure"), LEARNERS, Generations(4)),
        (moopt.problem("exactalignment"), moopt.algorithm("policygradient", pop_size=3), Generations(4)),
        (NOTED, moopt.algorithm("nsga2", pop_size=5), 20),
        (NOTED, moopt.algorithm("random", pop_size=5), 6),
        (Noisy(), moopt.algorithm("nsga2", pop_size=4), EnvSteps(30)),
        pytest.param(NOTED, QNEHVI, 4, marks=pytest.mark.slow),
    ],
    ids=["population", "sequential", "generative", "whole trials", "single trials", "noisy trials", "expensive"],
)
def test_a_disk_that_dies_at_any_operation_costs_no_bit(tmp_path, fail_at, monkeypatch, problem, algorithm, budget):
    monkeypatch.setattr("moopt.storage.keeper.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr("moopt.storage.keeper.CHECKPOINT_SHARE", 1e9)
    monkeypatch.setattr("moopt.render.plots.plot_front", lambda result, path=None: None)  # half a second each
    whole = digest(moopt.minimize(problem, algorithm, budget, progress=False))
    died = 0
    for k in range(1, 200):
        out = tmp_path / str(k)
        fail_at(k, dead=True)
        try:
            moopt.minimize(problem, algorithm, budget, out=out, progress=False)
        except OSError:
            died += 1
        else:
            break
        finally:
            fail_at(None)
        started = (out / "config.json").exists()
        again = {"out": out, "progress": False}
        rest = (
            moopt.resume(out, problem=problem, algorithm=algorithm, progress=False)
            if started else moopt.minimize(problem, algorithm, budget, **again)
        )  # fmt: skip
        assert digest(rest) == whole, f"operation {k}"
    assert died == k - 1 > 15


# kill -9 at random moments


def drive(folder, kind, kill_after=None):
    """Runs the driver to its end, or kills it; returns what it printed."""
    process = subprocess.Popen(
        [sys.executable, str(DRIVER), kind, str(folder)], stdout=subprocess.PIPE, text=True, cwd=folder.parent
    )
    if kill_after is not None:
        config = folder / "run" / "config.json"
        while not config.exists() and process.poll() is None:
            time.sleep(0.02)
        time.sleep(kill_after)
        process.send_signal(signal.SIGKILL)
    out, _ = process.communicate(timeout=300)
    return out


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["population", "sequential", "generative", "robots"])
def test_synchronous_runs_end_in_the_same_bits(tmp_path, kind):
    (tmp_path / "whole").mkdir()
    began = time.monotonic()
    whole = drive(tmp_path / "whole", kind)
    seconds = time.monotonic() - began
    assert whole.strip()
    folder = tmp_path / "killed"
    folder.mkdir()
    moments = random.Random(17)
    out = ""
    for _ in range(10):
        out = drive(folder, kind, kill_after=moments.uniform(0.0, 0.3 * seconds))
    assert (out or drive(folder, kind)).strip().splitlines()[-1] == whole.strip().splitlines()[-1]


@pytest.mark.slow
def test_the_expensive_slice_loses_and_repeats_nothing(tmp_path, caplog):
    folder = tmp_path / "killed"
    folder.mkdir()
    moments = random.Random(23)
    for _ in range(10):
        drive(folder, "expensive", kill_after=moments.uniform(0.0, 4.0))
    drive(folder, "expensive")
    events = [json.loads(line) for line in (folder / "run" / "trials.jsonl").read_text().splitlines()][1:]
    finished = [t["id"] for event in events if event.get("finished") for t in event["trials"]]
    asked = {t[0]: t[2] for event in events if not event.get("finished") for t in event["trials"]}
    assert sorted(finished) == list(range(16)) and len(asked) == 16
    # a call that ended before its result was in the journal may be made again, a journalled one never
    calls = [json.loads(line) for line in (folder / "calls.jsonl").read_text().splitlines()]
    kept = {json.dumps(x) for x in asked.values()}
    assert all(json.dumps(call["x"]) in kept for call in calls)
    for event in events:
        for outcome in event["trials"] if event.get("finished") else ():
            made = [c for c in calls if c["x"] == asked[outcome["id"]]]
            assert sum(c["when"] > outcome_time(folder, outcome["id"]) for c in made) == 0
    # given the journalled order, the same points are suggested
    for path in (folder / "run" / "checkpoints").iterdir():
        path.unlink()
    again = moopt.resume(folder / "run", problem=kill_driver.expensive_problem(folder), progress=False)
    assert "suggests other points" not in caplog.text
    assert [t.x for t in again.trials] == [asked[i] for i in range(16)]
    assert torch.isfinite(again.front.f).all() and os.path.exists(folder / "run" / "front.csv")


def outcome_time(folder, number):
    """When a result was known to the loop: the driver's monitor notes it after the journal has it."""
    lines = (folder / "heard.jsonl").read_text().splitlines()
    times = [json.loads(line)["when"] for line in lines if json.loads(line)["id"] == number]
    return min(times) if times else float("inf")
