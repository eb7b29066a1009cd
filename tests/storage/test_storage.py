"""Nothing that was written is lost, whatever write or rename fails."""

import json
import struct

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import moopt
from moopt.core import tree
from moopt.core.points import Points
from moopt.storage import CheckpointError, Journal, RunFolder, read_newest, write_checkpoint
from moopt.storage.checkpoint import read_checkpoint, write_tree
from moopt.storage.files import read_json, write_atomic, write_json

TREE = {
    "a": torch.arange(6.0).reshape(2, 3),
    "empty": torch.zeros(4, 0, 2),
    "flags": torch.tensor([True, False]),
    "nothing": None,
    "list": [1, 2.5, "text", {}, [], torch.tensor(7)],
    "nested": {"x": {"y": torch.tensor([float("nan"), float("inf")])}},
}


def same(a, b):
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a.nan_to_num(7.5), b.nan_to_num(7.5))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def test_a_tree_survives_the_disk(tmp_path):
    write_checkpoint(tmp_path, 3, TREE)
    number, back = read_newest(tmp_path)
    assert number == 3 and same(back, TREE)


def test_views_of_one_tensor_survive(tmp_path):
    whole = torch.arange(12.0).reshape(3, 4)
    write_tree(tmp_path / "t", {"a": whole, "b": whole[1:], "c": whole.T})
    back = read_checkpoint(tmp_path / "t")
    assert torch.equal(back["b"], whole[1:]) and torch.equal(back["c"], whole.T)


def test_plain_and_restore_of_dataclasses():
    x, f, g, failed = torch.ones(2, 0, 3), torch.ones(2, 0, 2), torch.ones(2, 0, 0), torch.zeros(2, 0).bool()
    points = Points(x, f, g, failed, (1, -1))
    template = {"population": points, "pair": (torch.zeros(2), 1), "any": None}
    filled = {"population": tree.map_tensors(lambda leaf: leaf + 1 if leaf.dtype != torch.bool else leaf, points),
              "pair": (torch.tensor([3.0, 4.0]), 2), "any": torch.ones(2)}  # fmt: skip
    back = tree.restore(template, tree.plain(filled))
    assert isinstance(back["population"], Points) and back["population"].signs == (1, -1)
    assert back["pair"][0].tolist() == [3.0, 4.0] and back["pair"][1] == 2 and torch.equal(back["any"], torch.ones(2))
    with pytest.raises(ValueError, match="population"):
        tree.restore(template, tree.plain({**filled, "population": {"x": torch.ones(2)}}))


def test_take_keeps_the_axis_and_copies():
    source = {"a": torch.arange(6).reshape(3, 2)}
    part = tree.take(source, torch.tensor([2, 0]))
    assert part["a"].tolist() == [[4, 5], [0, 1]] and tree.take(source, 1)["a"].tolist() == [[2, 3]]
    part["a"][0] = 9
    assert source["a"][2].tolist() == [4, 5]


def test_the_newest_valid_checkpoint_wins(tmp_path, caplog):
    for number in (1, 2, 3, 4):
        write_checkpoint(tmp_path, number, {"n": torch.tensor(number)})
    newest = tmp_path / "000000004.safetensors"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["000000003.safetensors", "000000004.safetensors"]
    newest.write_bytes(newest.read_bytes()[:-3])
    assert read_newest(tmp_path)[0] == 3 and "damaged" in caplog.text


@pytest.mark.parametrize("where", ["header", "data"])
def test_a_flipped_bit_is_noticed(tmp_path, where):
    write_checkpoint(tmp_path, 1, {"n": torch.arange(100)})
    path = tmp_path / "000000001.safetensors"
    content = bytearray(path.read_bytes())
    content[20 if where == "header" else -5] ^= 0x40
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"expected .*, got"):
        read_newest(tmp_path)


def test_foreign_newer_and_truncated_checkpoints_are_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"w": torch.ones(2)}, tmp_path / "000000001.safetensors")
    with pytest.raises(CheckpointError, match="expected a checkpoint of moopt, got a foreign safetensors file"):
        read_newest(tmp_path)
    header = {"format": 99, "tree": {}, "crc": 0}
    save_file({}, tmp_path / "000000002.safetensors", {"moopt": json.dumps(header)})
    with pytest.raises(CheckpointError, match="expected format 1 or older, got format 99 of a newer moopt"):
        read_newest(tmp_path)
    (tmp_path / "000000003.safetensors").write_bytes(struct.pack("<Q", 10**6))
    (tmp_path / "000000002.safetensors").unlink()
    (tmp_path / "000000001.safetensors").unlink()
    with pytest.raises(CheckpointError, match="expected a whole safetensors file, got a damaged one"):
        read_newest(tmp_path)
    assert read_newest(tmp_path / "nowhere") is None


@pytest.mark.parametrize("missing", ["format", "tree", "crc"])
def test_a_header_without_a_part_is_damaged(tmp_path, missing, caplog):
    from safetensors.torch import save_file

    write_checkpoint(tmp_path, 1, {"n": torch.tensor(1)})
    header = {"format": 1, "tree": {"dict": {"n": {"tensor": "0"}}}, "crc": 0}
    del header[missing]
    path = tmp_path / "000000002.safetensors"
    save_file({"0": torch.tensor(2)}, path, {"moopt": json.dumps(header)})
    with pytest.raises(CheckpointError, match=f"000000002.safetensors: expected '{missing}' in its header, got a dam"):
        read_checkpoint(path)
    assert read_newest(tmp_path)[0] == 1 and missing in caplog.text


@pytest.mark.parametrize(
    "header", ["[1]", "null", "7", "{", '{"format": 1, "tree": {"dict": {"n": {"tensor": "9"}}}, "crc": 0}']
)
def test_a_header_of_another_shape_is_damaged(tmp_path, header):
    from safetensors.torch import save_file

    save_file({"0": torch.tensor(2)}, tmp_path / "t", {"moopt": header})
    with pytest.raises(CheckpointError, match="got a damaged"):
        read_checkpoint(tmp_path / "t")


EVENTS = [{"a": 1}, {"b": [1.5, None]}, {"c": "text"}]


@given(st.integers(1, 10))
def test_a_torn_line_is_dropped(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("journal") / "t.jsonl"
    journal = Journal(path)
    journal.append(*EVENTS)
    journal.close()
    path.write_bytes(path.read_bytes()[:-cut])
    again = Journal(path)
    assert again.events == EVENTS[:-1]
    again.append({"d": 4})
    again.close()
    third = Journal(path)
    assert third.events == [*EVENTS[:-1], {"d": 4}]
    third.close()


def test_a_damaged_or_foreign_journal_is_refused(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"moopt": "trials", "format": 1}\ngarbage\n{"a": 1}\n')
    with pytest.raises(CheckpointError, match="line 2"):
        Journal(path)
    path.write_text('{"something": 1}\n{"a": 1}\n')
    with pytest.raises(CheckpointError, match="foreign"):
        Journal(path)
    path.write_text('{"moopt": "trials", "format": 7}\n')
    with pytest.raises(CheckpointError, match="format 7 of a newer moopt"):
        Journal(path)


@pytest.mark.parametrize("k", range(1, 6))
def test_a_fault_while_replacing_a_file_keeps_the_old_or_the_new_one(tmp_path, fail_at, k):
    path = tmp_path / "f.json"
    write_json(path, {"v": 1})
    fail_at(k)
    try:
        write_json(path, {"v": 2})
        failed = False
    except OSError:
        failed = True
    assert read_json(path)["v"] in ((1, 2) if failed else (2,))
    assert failed == (k <= 4)
    assert [p.name for p in tmp_path.iterdir()] == ["f.json"]


@pytest.mark.parametrize("k", range(1, 6))
def test_a_fault_while_checkpointing_keeps_the_checkpoint_before(tmp_path, fail_at, k):
    write_checkpoint(tmp_path, 1, {"n": torch.tensor(1)})
    fail_at(k)
    try:
        write_checkpoint(tmp_path, 2, {"n": torch.tensor(2)})
    except OSError:
        assert k <= 4
    number, back = read_newest(tmp_path)
    assert number == int(back["n"]) and number in (1, 2)


@pytest.mark.parametrize("k", range(1, 4))
def test_a_fault_while_appending_keeps_the_lines_before(tmp_path, fail_at, k):
    path = tmp_path / "t.jsonl"
    Journal(path).close()
    fail_at(k)
    journal = Journal(path)
    kept = []
    for event in EVENTS:
        try:
            journal.append(event)
            kept.append(event)
        except OSError:
            assert journal.events == kept
    journal.close()
    again = Journal(path)
    assert again.events == kept and len(kept) >= 2
    again.close()


def test_json_files_refuse_what_they_do_not_know(tmp_path):
    path = tmp_path / "c.json"
    for content, sentence in (
        ("{", "damaged"), ("[1]", "foreign"), ('{"a": 1}', "foreign"), ('{"format": 2}', "format 2 of a newer moopt"),
    ):  # fmt: skip
        path.write_text(content)
        with pytest.raises(CheckpointError, match=sentence):
            read_json(path)


def test_a_folder_belongs_to_one_run(tmp_path):
    first = RunFolder(tmp_path / "run", new=True)
    with pytest.raises(FileExistsError, match="a running search holds"):
        RunFolder(tmp_path / "run", new=True)
    write_json(first.path / "config.json", {})
    first.close()
    with pytest.raises(FileExistsError, match="expected a new folder, got one that holds a run"):
        RunFolder(tmp_path / "run", new=True)
    RunFolder(tmp_path / "run", new=False).close()
    with pytest.raises(FileNotFoundError, match="expected the folder of a run"):
        RunFolder(tmp_path, new=False)
    (tmp_path / "file").write_text("precious")
    for below in ("file", "file/below"):
        with pytest.raises(OSError, match="expected a folder"):
            RunFolder(tmp_path / below, new=True)
    assert (tmp_path / "file").read_text() == "precious"


@pytest.mark.parametrize("name", ["front.csv", "front.png", "result.json", "result.safetensors", "history.csv"])
@pytest.mark.parametrize("new", [True, False])
def test_what_cannot_be_written_at_the_end_is_known_at_the_start(tmp_path, name, new):
    (tmp_path / name).mkdir()
    if not new:
        write_json(tmp_path / "config.json", {})
    with pytest.raises(FileExistsError, match=f"{name}: expected a file that can be written, got something else"):
        RunFolder(tmp_path, new=new)
    (tmp_path / name).rmdir()
    (tmp_path / name).write_text("of before")
    RunFolder(tmp_path, new=new).close()  # it was let go of
    assert (tmp_path / name).read_text() == "of before"


def test_a_folder_in_which_nothing_can_be_replaced_is_refused(tmp_path, fail_at):
    (tmp_path / "checkpoints").mkdir()
    for k in range(1, 9):
        fail_at(k)
        with pytest.raises(OSError, match="expected a folder that can be written, got: no space left on device"):
            RunFolder(tmp_path, new=True)
        fail_at(None)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "checkpoints"]
    (tmp_path / "checkpoints").rmdir()
    (tmp_path / "checkpoints").write_text("")
    with pytest.raises(FileExistsError, match="checkpoints: expected a folder that can be written"):
        RunFolder(tmp_path, new=True)


class Thing:
    """An option that no file can hold."""


@pytest.mark.parametrize(
    "options, names, sentence",
    [([Thing(), Thing()], ["a", "b"], "Thing is no dataclass"), (["p", "q"], ["a\udc80", "b"], "surrogates")],
)
def test_a_result_that_no_file_can_hold_is_refused_before_anything_is_spent(tmp_path, options, names, sentence):
    calls = []
    problem = moopt.FunctionProblem(lambda k: calls.append(k) or (1.0, 2.0), {"k": moopt.Choice(options)}, names)
    with pytest.raises(moopt.InputError, match=f"out: expected a problem that can be kept .*, got .*{sentence}"):
        moopt.minimize(problem, "random", 4, out=tmp_path / "run", progress=False)
    assert not calls
    assert len(moopt.minimize(problem, "random", 4, progress=False).trials) == 4


def test_write_atomic_leaves_no_temporary_files(tmp_path):
    write_atomic(tmp_path / "a", b"1")
    write_atomic(tmp_path / "a", b"2")
    assert [p.name for p in tmp_path.iterdir()] == ["a"] and (tmp_path / "a").read_bytes() == b"2"
