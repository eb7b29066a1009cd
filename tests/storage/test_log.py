"""The log in a file keeps what the contract promises, whatever its writers die of."""

import functools
import json
import os
import signal
import time

import pytest
import torch

import moopt
from moopt.storage import CheckpointError, Journal, Log
from moopt.testing import check_log, check_shared_log
from moopt.testing.sharing import started

GROUP = [{"n": 1, "fill": "x" * 3000}, {"n": 2}]


def die_within_a_line(open_log, writer, ready, go):
    log = open_log()

    def half(stream, lines):
        stream.write(lines[0][: len(lines[0]) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    log._write = half
    ready.release()
    go.wait()
    log.append(GROUP)


def die_with_a_lease(open_log, writer, ready, go):
    assert open_log().lock("trial", 1.0)
    ready.release()
    go.wait()
    os.kill(os.getpid(), signal.SIGKILL)


def test_the_journal_keeps_the_contract_of_logs():
    check_log(Journal)


def test_processes_share_a_journal():
    check_shared_log(Journal)


def test_a_log_is_a_log_and_lines_are_those_of_0_1_0(tmp_path):
    log = Journal(tmp_path / "t.jsonl")
    assert isinstance(log, Log)
    log.append([{"a": 1}])
    log.append([{"b": 2}, {"c": 3}])
    lines = (tmp_path / "t.jsonl").read_text().splitlines()
    assert lines == ['{"moopt": "trials", "format": 1}', '{"a": 1}', '[{"b": 2}, {"c": 3}]']


@pytest.mark.parametrize("cut", [1, 2, 40, 2990, 3030])
def test_a_torn_group_is_none(tmp_path, cut):
    path = tmp_path / "t.jsonl"
    log, reader = Journal(path), Journal(path)
    log.append([{"n": 0}])
    log.append(GROUP)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    late = Journal.__new__(Journal)  # as of one that only reads: opening cuts
    late.path, late._count, late._lines, late._end = path, 0, 0, 0
    assert late.read() == reader.read() == [(1, {"n": 0})] and path.read_bytes() == whole[:-cut]
    assert reader.append([{"n": 5}]) == 2 and late.read(1) == [(2, {"n": 5})]
    assert json.loads(path.read_text().splitlines()[-1]) == {"n": 5}


def test_a_writer_killed_within_a_line(tmp_path):
    open_log = functools.partial(Journal, tmp_path / "t.jsonl")
    first = open_log()
    first.append(GROUP)
    (victim,) = started(die_within_a_line, open_log, 1)
    victim.join()
    assert victim.exitcode == -signal.SIGKILL
    size = (tmp_path / "t.jsonl").stat().st_size
    assert size > len(json.dumps(GROUP)) + 1500  # half of the second one is there
    began = time.monotonic()
    assert [event for _, event in first.read()] == GROUP and first.append([{"n": 3}]) == 3
    assert time.monotonic() - began < 1.0
    assert open_log().read()[-1] == (3, {"n": 3})


def test_a_lease_of_the_dead_ends(tmp_path):
    open_log = functools.partial(Journal, tmp_path / "t.jsonl")
    (victim,) = started(die_with_a_lease, open_log, 1)
    victim.join()
    log, deadline = open_log(), time.monotonic() + 10.0
    while (lease := log.lock("trial", 30.0)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert lease.renew(30.0)


@pytest.mark.parametrize("k", range(1, 10))
def test_a_disk_that_fails_in_a_group_with_tensors_leaves_none_of_it(tmp_path, fail_at, k):
    path = tmp_path / "t.jsonl"
    log = Journal(path)
    log.append([{"n": 0}])
    fail_at(k)
    try:
        log.append([{"n": 1, "x": torch.arange(50.0)}, {"n": 2}])
        failed = False
    except OSError:
        failed = True
    fail_at(None)
    assert failed == (k <= 7)  # four for the tensors, the name of their folder, a write and an fsync
    assert len(log.read()) == len(Journal(path).read()) == (1 if failed else 3)
    log.append([{"n": 3, "x": torch.arange(3.0)}])
    assert Journal(path).read()[-1][1]["x"].tolist() == [0, 1, 2]


def test_damage_is_not_taken_for_a_torn_end(tmp_path):
    path = tmp_path / "t.jsonl"
    for foreign in ("hello\n", "hello", '{"a": 1}\n'):
        path.write_text(foreign)
        with pytest.raises(CheckpointError, match="foreign"):
            Journal(path)
        assert path.read_text() == foreign
    path.unlink()
    log = Journal(path)
    log.append([{"x": torch.arange(100.0)}])
    log.append([{"a": 1}])
    (side,) = (tmp_path / "t").iterdir()
    content = side.read_bytes()
    side.write_bytes(content[:-5])
    with pytest.raises(CheckpointError, match=r"t.jsonl: 000000001.safetensors: expected .*damaged"):
        Journal(path).read()
    side.write_bytes(content)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(CheckpointError, match="expected at least"):
        log.read(2)


def rows(net, lr):
    return {"a": float((net - 1).square().mean()) + lr, "b": float((net + 1).square().mean())}


def test_trials_of_weights_refer_to_a_file_and_resume(tmp_path):
    space = {"lr": moopt.Real(1e-4, 1.0, log=True), "net": moopt.Weights(3000, scale=0.5)}
    problem = moopt.FunctionProblem(rows, space, ["a", "b"])
    given = [{"lr": 0.25, "net": torch.linspace(-1, 1, 3000)}]
    ask = {"initial": given, "progress": False}
    whole = moopt.minimize(problem, moopt.algorithm("nsga2", pop_size=4), 13, **ask)
    out = tmp_path / "run"
    begun = moopt.minimize(problem, moopt.algorithm("nsga2", pop_size=4), 5, out=out, **ask)
    assert torch.equal(begun.trials[0].values["net"], given[0]["net"].double())
    for path in (out / "checkpoints").iterdir():
        path.unlink()  # the log alone brings it back
    done = moopt.resume(out, problem=problem, budget=13, progress=False)
    assert torch.equal(done.population.x, whole.population.x) and torch.equal(done.front.f, whole.front.f)
    assert all(torch.equal(a.x, b.x) for a, b in zip(done.trials, whole.trials, strict=True))
    assert (out / "trials.jsonl").stat().st_size < 13 * 500 and (out / "config.json").stat().st_size < 3000
    assert "net" not in (out / "front.csv").read_text() and (out / "front.csv").stat().st_size < 2000
    assert torch.equal(moopt.Result.load(out).front.x, done.front.x)
    kept = sum(path.stat().st_size for path in (out / "trials").iterdir())
    assert kept < 13 * 3001 * 8 + 5 * 500
