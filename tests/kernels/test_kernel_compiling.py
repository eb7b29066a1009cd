"""Kernels are compiled once per installation, and whoever looks is told."""

import io
import json
import logging
import subprocess
import sys

import moopt
from moopt.kernels import compiling
from moopt.monitors.progress import ProgressLine

TOLD = "compiling kernels (once per installation)…"
PROCESS = """
import json, logging, sys, torch
from moopt.kernels import compiling
from moopt.kernels.tournament import tournament
heard, logged = [], []
handler = logging.Handler()
handler.emit = lambda record: logged.append([record.levelname, record.getMessage()])
compiling.log.addHandler(handler)
compiling.log.setLevel(logging.INFO)
compiling.listen(lambda: heard.append(True))
u = torch.tensor([[[0.1, 0.9], [0.7, 0.4]]], dtype=torch.float64)
for _ in range(2):
    found = tournament(u, (torch.tensor([[2, 1, 3]]), torch.tensor([[0.5, 0.25, 0.125]], dtype=torch.float64)))
sys.stdout.write(json.dumps([found.tolist(), len(heard), logged]))
"""


def test_only_the_first_process_compiles_and_says_so_once(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    told = []
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", PROCESS], capture_output=True, text=True, check=True)
        assert done.stderr == ""
        told.append(json.loads(done.stdout))
    message = ["INFO", "compiling the kernel tournament (once per installation)"]
    # contestants are 0 and 2, then 2 and 1: the ranks are 2, 3 and 3, 1
    assert told == [[[[0, 1]], 1, [message]], [[[0, 1]], 0, []]]


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Compiles(moopt.Monitor):
    """Stands for a step that compiles, and knows what had been shown before and after it."""

    def __init__(self, stream):
        self.stream, self.shown = stream, []

    def on_step(self, snapshot):
        self.shown.append(self.stream.getvalue())
        compiling.announce("ranking")
        self.shown.append(self.stream.getvalue())


def run(stream):
    """What the stream showed before, right after and long after a kernel is compiled in the first step."""
    watching = Compiles(stream)
    monitors = [watching, ProgressLine(stream)]
    moopt.minimize("zdt1", "random", moopt.Evaluations(20), monitors=monitors, progress=False)
    before, after = watching.shown[:2]
    return before, after[len(before) :], stream.getvalue()


def test_the_line_of_a_terminal_tells_until_the_run_ends():
    compiling.announce("nobody")
    before, added, whole = run(Terminal())
    assert "zdt1 random" in before and TOLD not in before
    assert "zdt1 random" in added and added.count(TOLD) == 1
    assert "finished" in whole.split(TOLD)[-1] and not compiling._listeners


def test_a_stream_that_is_no_terminal_is_told_by_logging_alone(caplog):
    with caplog.at_level(logging.INFO, "moopt"):
        _, added, whole = run(io.StringIO())
    assert added == "" and TOLD not in whole
    message = "compiling the kernel ranking (once per installation)"
    assert ("moopt", logging.INFO, message) in caplog.record_tuples
