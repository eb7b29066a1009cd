"""Checkpoints of buffers: what was added is written, and comes back, whatever write fails."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import moopt
import moopt.testing
from moopt.core import tree
from moopt.core.points import Points
from moopt.core.tree import Appended, Rebuilt
from moopt.storage import CheckpointError, Checkpoints, checkpoint, read_newest
from moopt.storage.checkpoint import read_checkpoint, write_tree

WIDTH = 256  # float64: rows of 2 KiB


def ring(places, added, seed=0, runs=2):
    """A buffer as a loop would fill it that writes row i at i % places; each row tells its number."""
    rows = torch.zeros(runs, places, WIDTH, dtype=torch.float64)
    flags = torch.zeros(runs, places, dtype=torch.bool)
    for i in range(max(0, added - places), added):
        rows[:, i % places] = torch.arange(WIDTH) + 1000.0 * i + seed + torch.arange(runs)[:, None] / 7
        flags[:, i % places] = i % 3 == 0
    return Appended({"rows": rows, "flags": flags}, added)


def same(a, b):
    return a.added == b.added and all(map(torch.equal, tree.leaves(a.rows), tree.leaves(b.rows)))


@pytest.fixture
def written(monkeypatch):
    """Bytes of every file since it was cleared."""
    sizes, plain = [], checkpoint.write_atomic

    def counted(path, content):
        sizes.append(len(content))
        plain(path, content)

    monkeypatch.setattr(checkpoint, "write_atomic", counted)
    return sizes


def test_markers_are_nodes_of_a_tree():
    state = {"cache": Rebuilt(torch.ones(2, 3)), "buffer": ring(5, 7), "n": 1}
    flat = tree.plain(state)
    assert flat["cache"] is None and isinstance(flat["buffer"], Appended)
    assert list(flat["buffer"].kept()) == [2, 3, 4, 5, 6]
    template = {"cache": Rebuilt(torch.zeros(2, 3)), "buffer": ring(5, 0), "n": 0}
    back = tree.restore(template, flat)
    assert back["cache"].value.sum() == 0 and same(back["buffer"], state["buffer"]) and back["n"] == 1
    part = tree.take(state, torch.tensor([1]))
    assert part["cache"].value.shape == (1, 3) and part["buffer"].added == 7
    assert torch.equal(part["buffer"].rows["rows"], state["buffer"].rows["rows"][1:])
    rows, whole = state["buffer"].numbered(4, 6)["rows"], state["buffer"].rows["rows"]
    assert torch.equal(rows, whole[:, [4, 0]])
    with pytest.raises(ValueError, match=r"one k, got k of \['2', '3'\]"):
        _ = Appended([torch.zeros(1, 2), torch.zeros(1, 3)], 0).places


def test_what_is_written_once_holds_the_whole_buffer(tmp_path):
    write_tree(tmp_path / "t", tree.plain({"b": ring(5, 7)}))
    back = tree.restore({"b": ring(5, 0)}, read_checkpoint(tmp_path / "t"))
    assert same(back["b"], ring(5, 7))


def test_a_checkpoint_costs_what_was_added(tmp_path, written):
    row, least, kept = 2 * (8 * WIDTH + 1), checkpoint.SEGMENT_LEAST, Checkpoints(tmp_path)
    for number in range(1, 25):
        written.clear()
        kept.write(number, {"b": ring(3000, 40 * number)})
        assert 40 * row < sum(written) < 40 * row + least + 20_000
    assert len(list(kept.segments.iterdir())) <= 2 + 24 * 40 * row / least
    written.clear()
    kept.write(25, {"b": ring(3000, 40 * 24)})
    assert sum(written) < 5_000 and len(written) == 1  # nothing was added
    assert same(read_newest(tmp_path)[1]["b"], ring(3000, 40 * 24))


def test_much_is_written_in_pieces(tmp_path, written, monkeypatch):
    monkeypatch.setattr(checkpoint, "SEGMENT_MOST", 100_000)
    kept = Checkpoints(tmp_path)
    kept.write(1, {"b": ring(200, 130)})
    assert max(written) < 105_000 and len(written) == 7  # 24 rows each
    assert same(read_newest(tmp_path)[1]["b"], ring(200, 130))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.lists(st.integers(0, 25), min_size=1, max_size=8), st.sampled_from([0, 10_000, 10**6]),
       st.data())  # fmt: skip
def test_rings_come_back_however_far_they_turned(tmp_path_factory, places, steps, least, data):
    folder, added = tmp_path_factory.mktemp("ring"), 0
    row = 2 * (8 * WIDTH + 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "SEGMENT_LEAST", least)
        kept = Checkpoints(folder)
        for number, step in enumerate(steps, start=1):
            added += step
            kept.write(number, {"b": ring(places, added), "number": number})
            if data.draw(st.booleans()):
                kept = Checkpoints(folder)  # a new process
                found, saved = kept.read_newest()
                assert found == saved["number"] == number and same(saved["b"], ring(places, added))
        size = sum(path.stat().st_size for path in folder.glob("segments/*"))
        # two checkpoints, rings of each and rows that another segment holds, too
        assert size <= 4 * (places * row + least) + 50_000
    assert same(read_newest(folder)[1]["b"], ring(places, added))


def test_a_growing_buffer_may_get_more_room(tmp_path, written):
    kept = Checkpoints(tmp_path)
    kept.write(1, {"b": ring(1000, 900)})
    written.clear()
    kept.write(2, {"b": ring(2000, 910)})
    assert sum(written) < 20 * 2 * (8 * WIDTH + 1)
    assert same(read_newest(tmp_path)[1]["b"], ring(2000, 910))
    kept.write(3, {"b": ring(2000, 2100)})
    kept.write(4, {"b": ring(500, 2101)})  # places moved after it was full: all of it is written anew
    assert same(read_newest(tmp_path)[1]["b"], ring(500, 2101))


@pytest.mark.parametrize(
    "other", [ring(50, 45, seed=3), ring(50, 20), ring(50, 45, runs=1), Appended(ring(50, 45).rows["rows"].float(), 45)]
)
def test_another_buffer_in_its_place_is_written_whole(tmp_path, other):
    kept = Checkpoints(tmp_path)
    kept.write(1, {"b": ring(50, 40)})
    kept.write(2, {"b": other})
    assert same(read_newest(tmp_path)[1]["b"], other)


def break_segment(path, how):
    content = bytearray(path.read_bytes())
    if how == "missing":
        path.unlink()
    elif how == "torn":
        path.write_bytes(content[:-9])
    else:
        content[-9] ^= 0x10
        path.write_bytes(content)


@pytest.mark.parametrize("how", ["missing", "torn", "flipped"])
def test_a_broken_segment_costs_its_checkpoint_only(tmp_path, how, caplog, monkeypatch):
    monkeypatch.setattr(checkpoint, "SEGMENT_LEAST", 0)
    kept = Checkpoints(tmp_path)
    for number, added in ((1, 10), (2, 14), (3, 18)):
        kept.write(number, {"b": ring(100, added)})
    names = sorted(path.name for path in kept.segments.iterdir())
    assert names == ["000000001-0-0.safetensors", "000000002-0-0.safetensors", "000000003-0-0.safetensors"]
    break_segment(kept.segments / names[2], how)
    again = Checkpoints(tmp_path)
    number, saved = again.read_newest()
    assert number == 2 and same(saved["b"], ring(100, 14)) and "damaged" in caplog.text and "older one" in caplog.text
    again.write(3, {"b": ring(100, 19)})
    assert same(read_newest(tmp_path)[1]["b"], ring(100, 19))
    break_segment(kept.segments / names[0], how)
    with pytest.raises(CheckpointError, match="damaged"):
        read_newest(tmp_path)


def test_the_segment_of_another_time_is_noticed(tmp_path):
    kept = Checkpoints(tmp_path)
    kept.write(1, {"b": ring(100, 10)})
    (path,) = kept.segments.iterdir()
    write_tree(path, tree.plain(ring(100, 10, seed=2).numbered(0, 10)))
    with pytest.raises(CheckpointError, match="expected the rows that a checkpoint names, got a damaged file"):
        read_newest(tmp_path)


ADDED = [3, 8, 8, 21, 60, 61]


@pytest.mark.parametrize("least", [0, 10**6])
def test_a_disk_that_dies_at_any_operation_leaves_a_checkpoint_with_its_rows(tmp_path, fail_at, monkeypatch, least):
    monkeypatch.setattr(checkpoint, "SEGMENT_LEAST", least)
    monkeypatch.setattr(checkpoint, "SEGMENT_MOST", 40_000)

    def go(kept, first):
        for number in range(first, len(ADDED) + 1):
            kept.write(number, {"b": ring(20, ADDED[number - 1]), "n": torch.tensor(number)})
            done.append(number)

    died = 0
    for k in range(1, 300):
        folder, done = tmp_path / str(k), []
        fail_at(k, dead=True)
        try:
            go(Checkpoints(folder), 1)
            break
        except OSError:
            died += 1
        finally:
            fail_at(None)
        again = Checkpoints(folder)
        found = again.read_newest()
        number = 0 if found is None else found[0]
        assert number in (len(done), len(done) + 1)  # the fsync of the folder may fail after the rename
        assert found is None or (same(found[1]["b"], ring(20, ADDED[number - 1])) and int(found[1]["n"]) == number)
        go(again, number + 1)
        assert same(read_newest(folder)[1]["b"], ring(20, 61))
        if number < len(ADDED):  # something was written since: nothing is left of what died
            assert {path.name for path in again.segments.iterdir()} == set().union(*again._needs.values())
    assert died == k - 1 > 40


@dataclass(frozen=True)
class State:
    population: Points
    seen: Appended[torch.Tensor]
    middle: Rebuilt[torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class Remembering(moopt.Generational[Any, State]):
    """Children around the middle of the last rows it has seen, which is kept beside them."""

    pop_size: int = 6

    def init(self, problem, rng):
        population = Points.empty(problem, rng.runs, device=rng.device, dtype=rng.dtype)
        seen = Appended(torch.zeros(rng.runs, 15, problem.n_var, dtype=rng.dtype), 0)
        return State(population, seen, Rebuilt(torch.zeros(rng.runs, problem.n_var, dtype=rng.dtype)))

    def mate(self, problem, state, turn):
        step = 0.1 * (turn.rng.uniform(self.pop_size, problem.n_var) - 0.5)
        return problem.space.repair(state.middle.value[:, None] + step * (1 + state.seen.rows.mean(1, keepdim=True)))

    def survive(self, problem, state, born, turn):
        rows, added = state.seen.rows.clone(), state.seen.added
        rows[:, torch.arange(added, added + len(born)) % 15] = born.x
        return self.rebuild(problem, State(born, Appended(rows, added + len(born)), state.middle))

    def rebuild(self, problem, state):
        n = max(1, min(15, state.seen.added))
        return replace(state, middle=Rebuilt(state.seen.rows.sum(1) / n))


def test_a_run_with_a_ring_and_a_cache_is_killed_anywhere_and_ends_in_the_same_bits(tmp_path, fail_at, monkeypatch):
    monkeypatch.setattr("moopt.storage.keeper.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr("moopt.storage.keeper.CHECKPOINT_SHARE", 1e9)
    monkeypatch.setattr("moopt.render.plots.plot_front", lambda result, path=None: None)
    problem, ask = moopt.testing.Bowls(), {"progress": False, "seed": 5, "runs": 2}
    whole = moopt.minimize(problem, Remembering(), 41, **ask).population
    died = 0
    for k in range(1, 300):
        out = tmp_path / str(k)
        fail_at(k, dead=True)
        try:
            moopt.minimize(problem, Remembering(), 41, out=out, **ask)
            break
        except OSError:
            died += 1
        finally:
            fail_at(None)
        if (out / "config.json").exists():
            again = moopt.resume(out, problem=problem, algorithm=Remembering(), progress=False).population
            assert torch.equal(again.x, whole.x) and torch.equal(again.f, whole.f), f"operation {k}"
    assert died == k - 1 > 40
