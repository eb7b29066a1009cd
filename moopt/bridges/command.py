"""A program that searches by itself and writes the points it evaluated."""

from __future__ import annotations

import re
import shlex
import string
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moopt.core.problem import Problem


class Command:
    """A command line with places in braces: {problem}, its name, {evaluations}, the budget, {seed}, {n_var}, {n_obj},
    {n_con}, and the options by name; {{ and }} are braces. No shell reads it.

    The program writes one point per line to its standard output, in search coordinates, in the order in which it
    evaluated them: numbers separated by spaces, commas or tabs. Empty lines and those that begin with # are ignored.
    An exit code other than 0 is a failure, whose text is the last line of its standard error.

    Raises ValueError for a line that is empty or has unpaired quotes or braces.
    """

    def __init__(self, line: str) -> None:
        try:
            self.words = shlex.split(line)
            parts = [field for word in self.words for _, field, _, _ in string.Formatter().parse(word)]
        except ValueError as error:
            raise ValueError(f"command {line!r}: expected a command line, got: {error}") from None
        if not self.words:
            raise ValueError("command: expected a command line, got an empty one")
        self.fields = {field for field in parts if field is not None}
        self.name = f"command {Path(self.words[0]).name}"

    def __call__(self, problem: Problem, budget: int, seed: int, **options: Any) -> NDArray[np.float64]:
        """The points, float64[n, d]. Raises ValueError with one sentence."""
        known = {
            "problem": problem.name, "evaluations": budget, "seed": seed, "n_var": problem.n_var,
            "n_obj": problem.n_obj, "n_con": problem.n_con, **options,
        }  # fmt: skip
        for field in sorted(self.fields - known.keys()):
            raise ValueError(f"expected places among {', '.join(known)}, got {{{field}}}")
        for option in options:
            if option not in self.fields:
                raise ValueError(f"expected {{{option}}} in the command, for it is an option, got none")
        words = [word.format(**known) for word in self.words]
        try:
            done = subprocess.run(
                words, capture_output=True, stdin=subprocess.DEVNULL, encoding="utf-8", errors="replace", check=False
            )
        except OSError as error:
            raise ValueError(f"expected a program that can be started, got: {error}") from None
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["nothing on its standard error"]
            raise ValueError(f"ended with exit code {done.returncode}: {said[-1].strip()}")
        return _points(done.stdout, problem.n_var)


def _points(text: str, width: int) -> NDArray[np.float64]:
    rows = []
    for i, line in enumerate(text.splitlines()):
        words = re.split(r"[\s,]+", line.strip().strip(","))
        if not words[0] or words[0].startswith("#"):
            continue
        try:
            row = [float(word) for word in words]
        except ValueError:
            raise ValueError(f"line {i + 1} of its output: expected numbers, got {line.strip()[:60]!r}") from None
        if len(row) != width:
            raise ValueError(f"line {i + 1} of its output: expected {width} numbers, got {len(row)}")
        rows.append(row)
    return np.array(rows, dtype=float).reshape(-1, width)
