"""A search as a study of one algorithm on one problem, so that it has the same report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moopt.core.budget import UNITS
from moopt.core.status import Status
from moopt.experiment.report.page import write_report
from moopt.experiment.report.protocols import Comparison, Floats
from moopt.run.result import Result
from moopt.run.scorer import REFERENCE, scale

if TYPE_CHECKING:
    import pandas



@dataclass(frozen=True)
class RunFrame:
    """Names and scale of the result's problem; see `FrameView`."""

    objective_names: list[str]
    directions: list[str]
    variable_names: list[str]
    ideal: list[float]
    nadir: list[float]
    front: Any
    reference: float
    origin: str


@dataclass(frozen=True)
class RunFront:
    """The front of one run; see `FrontView`."""

    x: Floats
    f: Floats
    objectives: Floats
    table: pandas.DataFrame


@dataclass(frozen=True)
class RunStudy:
    """A result as a study; see `StudyView`. Its runs are the seeds, its history the trace of the hypervolume."""

    result: Result

    @property
    def folder(self) -> Path:
        """Where the result is kept."""
        return self.result.folder or Path()

    @property
    def name(self) -> str:
        """Of the problem and the algorithm."""
        return f"{self.result.problem.name} · {self.result.algorithm}"

    @property
    def unit(self) -> str:
        """What progress is measured in."""
        return next((unit for unit in UNITS if self.result.spent.get(unit)), "evaluations")

    @property
    def spec(self) -> Mapping[str, Any]:
        """What was asked for, as far as a result tells."""
        runs, result = self.result.runs, self.result
        spent = max(run.spent.get(self.unit, 0) for run in runs)
        return {
            "name": self.name, "problem": result.problem.name, "algorithm": result.algorithm,
            "seeds": [run.seed for run in runs], "budget": {self.unit: spent},
        }  # fmt: skip

    @property
    def _pair(self) -> tuple[str, str]:
        return self.result.problem.name, self.result.algorithm

    @cached_property
    def results(self) -> pandas.DataFrame:
        """The hypervolume of each run that has one."""
        import pandas

        rows = [
            (*self._pair, run.seed, "hypervolume", run.hypervolume)
            for run in self.result.runs
            if run.status is not Status.FAILED and not run.convention.startswith("none")
        ]
        return pandas.DataFrame(rows, columns=["problem", "algorithm", "seed", "indicator", "value"])

    @cached_property
    def trace(self) -> pandas.DataFrame:
        """The hypervolume in the history, by share of what the longest run spent."""
        import pandas

        history, seeds = self.result.history, [run.seed for run in self.result.runs]
        total = history[self.unit].max() if self.unit in history and len(history) else math.nan
        known = history[history["hypervolume"].notna()] if total > 0 else history[:0]
        return pandas.DataFrame({
            "problem": self._pair[0], "algorithm": self._pair[1], "seed": [seeds[int(run)] for run in known["run"]],
            "indicator": "hypervolume", "fraction": [float(n) / float(total) for n in known[self.unit]],
            "value": known["hypervolume"].to_numpy(float),
        })  # fmt: skip

    @cached_property
    def runs(self) -> pandas.DataFrame:
        """How each run ended; seconds are shared, for runs go together."""
        import pandas

        words = {Status.FAILED: "failed", Status.INFEASIBLE: "infeasible"}
        rows = [
            (*self._pair, run.seed, words.get(run.status, "finished"), run.spent.get(self.unit, 0), self.unit,
             run.seconds / len(self.result.runs), run.failures, run.errors[0] if run.errors else run.message)
            for run in self.result.runs
        ]  # fmt: skip
        columns = ["problem", "algorithm", "seed", "status", "spent", "unit", "seconds", "failures", "message"]
        return pandas.DataFrame(rows, columns=columns)

    @cached_property
    def frames(self) -> Mapping[str, RunFrame]:
        """The problem's own scale where it has one, or else the range of the front."""
        import torch

        result, problem, f = self.result, self.result.problem, self.result.front.f.double()
        ends, reference = scale(problem), REFERENCE
        origin = f"hypervolume {result.convention}"
        if ends is not None:
            ideal, nadir = ends
        else:
            reference = math.nan
            f = f[torch.isfinite(f).all(-1)]
            ideal, nadir = (f.amin(0), f.amax(0)) if len(f) else (torch.full((problem.n_obj,), torch.nan),) * 2
            origin = f"the range of the front; {origin}"
        known = problem.pareto_front(500)
        front = torch.zeros(0, problem.n_obj, dtype=torch.float64) if known is None else known
        frame = RunFrame(
            problem.objective_labels, ["min" if sign > 0 else "max" for sign in problem.signs],
            list(problem.space.names), ideal.tolist(), nadir.tolist(), front, reference, origin,
        )  # fmt: skip
        return {problem.name: frame}

    @property
    def environment(self) -> Mapping[str, str]:
        """Versions."""
        return self.result.versions

    def fronts(self, problem: str, algorithm: str) -> Mapping[int, RunFront]:
        """Seed -> front."""
        return {
            run.seed: RunFront(
                run.front.x.double().numpy(), run.front.f.double().numpy(), run.front.objectives.double().numpy(),
                run.to_dataframe(),
            )
            for run in self.result.runs
        }  # fmt: skip


def report_of_run(result: Result, path: str | Path) -> Path:
    """Writes the report of one search (`Result.load(folder)` reads a run folder), and gives its path.

    Raises OSError.
    """
    n = len(result.front)
    message = result.message
    named = message.startswith(result.algorithm)  # a name keeps its letters
    sentences = [f"{message if named else message[:1].upper() + message[1:]}."]
    sentences.append(f"The front has {n:,} point{'' if n == 1 else 's'}.")
    if not result.convention.startswith("none"):
        merged = "of the merged front " if len(result.runs) > 1 else ""
        sentences.append(f"Hypervolume {merged}{result.hypervolume:.6g} ({result.convention}).")
    sentences += [f"{note[:1].upper() + note[1:]}." for note in result.notes]
    commands = [] if result.folder is None else [f"moopt resume {result.folder.name}"]
    return write_report(RunStudy(result), path, Comparison(sentences), commands=commands)
