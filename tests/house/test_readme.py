"""The README is true: its blocks run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import moopt

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(word):
    """The Python block that contains a word."""
    return next(code for code in re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL) if word in code)


def test_own_function_runs_as_written(tmp_path):
    """Without a main guard, in four worker processes."""
    script = tmp_path / "script.py"
    script.write_text(block("def beam") + "print(len(result.front), result.status)\n")
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    points, status = done.stdout.split()
    assert int(points) > 20 and status == "finished"


def test_own_problem_runs_as_written():
    names = {"moopt": moopt, "torch": torch}
    exec(block("class Bowls").replace("25_000", "2_500"), names)
    assert len(names["runs"]) == 31 and all(len(run.front) > 20 for run in names["runs"])


def test_own_monitor_stops_as_it_says():
    names = {"moopt": moopt}
    exec(block("class Slope"), names)
    assert len(block("class Slope").splitlines()) <= 12
    result = moopt.minimize("zdt1", "nsga2", 60_000, monitors=[names["Slope"]()], progress=False)
    assert result.status == "stopped" and 100 < result.spent["generations"] < 600


def test_own_loop_runs_as_written():
    class Cluster:
        def evaluate(self, values):
            return {"objectives": {"a": values["r"], "b": 1 - values["r"]}}

    problem = moopt.FunctionProblem(None, {"r": moopt.Real(0, 1)}, ["a", "b"])
    names = {"moopt": moopt, "problem": problem, "my_cluster": Cluster()}
    exec(block("run.ask(4)").replace('"bayes", 40', '"random", 9'), names)
    assert names["result"].spent["evaluations"] == 9


@pytest.mark.parametrize("word", ["deepseatreasure", "\"bayes\", 40", "Strategy()"])
def test_other_blocks_are_python(word):
    compile(block(word), "README.md", "exec")


def test_links_lead_somewhere():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
