"""What CONTRIBUTING.md tells the author of a catalogue of one's own, followed to the letter."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

GUIDE = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## Your own catalogue")[1]
INIT = 'PROBLEMS = {"beams.cantilever": "Cantilever"}\nALGORITHMS = {"beams.guess": "Guess"}\n'
CANTILEVER = """
import torch

import moopt


class Cantilever(moopt.Problem):
    space, n_obj = moopt.Box([0.5, 1.0], [2.0, 3.0]), 2

    def _evaluate(self, x):
        area, length = x.unbind(-1)
        return torch.stack((area * length, length * length / area), -1)
"""
GUESS = """
from moopt.algorithms.random import RandomSearch


class Guess(RandomSearch):
    pass
"""


def block(language):
    return re.search(rf"```{language}\n(.*?)```", GUIDE, flags=re.DOTALL).group(1)


@pytest.fixture
def beams(tmp_path):
    """A folder with the package as if it were installed, and its tests."""
    entries = tomllib.loads(block("toml"))["project"]["entry-points"]
    package, info = tmp_path / "beams", tmp_path / "beams-1.0.dist-info"
    package.mkdir()
    info.mkdir()
    (package / "__init__.py").write_text(INIT)
    (package / "cantilever.py").write_text(CANTILEVER)
    (package / "guess.py").write_text(GUESS)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: beams\nVersion: 1.0\n")
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in rows.items()) for group, rows in entries.items()]
    (info / "entry_points.txt").write_text("\n".join(lines))
    (tmp_path / "test_beams.py").write_text(block("python"))
    return tmp_path


def outcome_of(folder):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "test_beams.py"]
    path = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=path, capture_output=True, text=True, check=False)


def test_the_example_tests_what_a_package_adds(beams):
    done = outcome_of(beams)
    assert done.returncode == 0 and "2 passed" in done.stdout, done.stdout
    path = beams / "beams" / "cantilever.py"
    path.write_text(path.read_text().replace("area * length,", "area * length / area.mean(),"))
    done = outcome_of(beams)
    assert done.returncode == 1 and "1 failed, 1 passed" in done.stdout
    assert "ContractError: cantilever: point 0 alone gives other values than among 64" in done.stdout


def test_the_example_is_short():
    lines = [line for line in block("python").splitlines() if line.strip() and "import" not in line]
    assert len(lines) <= 10
