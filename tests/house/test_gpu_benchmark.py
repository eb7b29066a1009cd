"""benchmarks/gpu.py ends in time and loses nothing, whatever its parts do."""

import importlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
ROW = "import json, time; print(json.dumps({!r}), flush=True); "


@pytest.fixture
def parts(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    module = importlib.import_module("parts")
    monkeypatch.setattr(module, "GRACE", 0.2)
    monkeypatch.setattr(module, "LEAST", 0.5)
    return module


def part(parts, title, seconds, code):
    return parts.Part(title, ["what", "ms"], seconds, [sys.executable, "-c", code])


def sections(text):
    """Title -> rows of its table, as lists of cells."""
    found = {}
    for section in text.split("\n## ")[1:]:
        title, *lines = section.strip().splitlines()
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
        found[title] = rows[2:]
    return found


def test_it_ends_in_time_and_keeps_what_there_was(parts, tmp_path, capfd):
    out, ticks = tmp_path / "results" / "gpu.md", tmp_path / "ticks"
    child = f"import time\nwhile True:\n    open({str(ticks)!r}, 'a').write('.'); time.sleep(0.05)"
    hangs = ROW.format(["half", "2"]) + f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    began = time.monotonic()
    parts.run(
        [
            part(parts, "good", 30, "print('a library speaks'); " + ROW.format(["a|b", "1"])),
            part(parts, "reads", 30, f"import json; print(json.dumps(['a/b | 1' in open({str(out)!r}).read()]))"),
            part(parts, "raises", 30, ROW.format(["first", "3"]) + "raise ValueError('no such thing')"),
            part(parts, "silent", 30, "pass"),
            part(parts, "hangs", 1.5, hangs),
            part(parts, "leaves a child", 30, "import subprocess; subprocess.Popen(['sleep', '60']); "
                 + ROW.format(["done"])),
            part(parts, "closes its output", 1.0, "import os, time; os.close(1); time.sleep(60)"),
            part(parts, "has the rest", 1000, ROW.format(["some", "4"]) + "time.sleep(60)"),
            part(parts, "is late", 1000, ROW.format(["never"])),
        ],
        began + 7, "# Head", out,
    )  # fmt: skip
    assert time.monotonic() - began < 8
    text = out.read_text()
    assert text.startswith("# Head\n\n## good\n\n| what | ms |\n|---|---|\n| a/b | 1 |\n")
    found = sections(text)
    assert found.pop("good") == [["a/b", "1"]] and found.pop("reads") == [["True", ""]]
    first, why = found.pop("raises")
    assert first == ["first", "3"] and why[0].endswith("failed, exit code 1: ValueError: no such thing")
    assert found.pop("silent") == [["found nothing", ""]]
    half, why = found.pop("hangs")
    assert half == ["half", "2"] and why[0] == "after 2 s: stopped, out of time"
    assert found.pop("leaves a child") == [["done", ""]]
    assert found.pop("closes its output")[0][0].endswith("stopped, out of time")
    some, why = found.pop("has the rest")
    assert some == ["some", "4"] and why[0].endswith("stopped, out of time")
    assert found.pop("is late") == [["not begun: no time was left", ""]] and not found
    told = capfd.readouterr().out
    assert "a library speaks\n" in told and "half | 2\n" in told
    grown = ticks.stat().st_size
    time.sleep(0.3)
    assert ticks.stat().st_size == grown > 0  # what a part has started ends with it
    assert os.listdir(out.parent) == ["gpu.md"]


def test_nothing_is_written_where_it_should_not(parts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parts.run([part(parts, "good", 30, ROW.format(["a", "1"]))], time.monotonic() + 30, "# Head", None)
    assert os.listdir() == []


def test_one_row_is_asked_for(parts):
    assert parts.ask([sys.executable, "-c", ROW.format(["cuda", "head"])], 30, ["", ""]) == (["cuda", "head"], "")
    row, wrong = parts.ask([sys.executable, "-c", "import time; time.sleep(60)"], 0.5, ["", ""])
    assert row == ["", ""] and wrong == "stopped, out of time"
    assert parts.ask([sys.executable, "-c", ""], 30, ["none"]) == (["none"], "it said nothing")


def gpu(*arguments):
    """The script on a machine whose devices are hidden, and what became of its report."""
    report = FOLDER / "results" / "gpu.md"
    before = report.read_bytes() if report.exists() else None
    done = subprocess.run(
        [sys.executable, str(FOLDER / "gpu.py"), *arguments], capture_output=True, text=True, check=False, timeout=300,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip
    assert (report.read_bytes() if report.exists() else None) == before
    return done


def test_without_a_device_nothing_is_measured():
    done = gpu("--all")
    assert done.returncode == 0 and done.stdout == "no CUDA device here: nothing was measured\n", done.stderr
    refused = gpu("--al")
    assert refused.returncode == 1 and refused.stderr.startswith("expected --all, --smoke, or parts among tests,")


def test_a_smoke_run_says_what_is_missing():
    done = gpu("--smoke", "thinning", "cuda-moea")
    found = sections(done.stdout.replace("\n\n## ", "\n## "))
    assert done.returncode == 0 and len(found) == 2, done.stderr
    lines = done.stdout.splitlines()
    assert sum(line.startswith("200 | ") and line.endswith(" | yes") for line in lines) == 2
    if importlib.util.find_spec("cuda_moea") is None:
        assert "not measured, a package is missing: No module named 'cuda_moea'" in lines


def test_eight_minutes(parts):
    module = importlib.import_module("gpu")
    assert module.BUDGET + 10 < 8 * 60 and all(0 < work.seconds < module.BUDGET / 3 for work in module.WORK.values())
    assert module.DEVICE == "cpu"  # a driver that hangs would hang the process that keeps the time
