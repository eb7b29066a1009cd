"""A study on disk: what a folder holds of a spec."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from moopt.core.points import Points
from moopt.core.problem import Problem
from moopt.experiment.cell import fronts
from moopt.experiment.frame import Frame
from moopt.run.result import rebuilt, table_of
from moopt.storage.checkpoint import read_checkpoint
from moopt.storage.files import read_json, write_atomic, write_json

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Front:
    """What one run found."""

    problem: Problem
    points: Points

    @property
    def x(self) -> NDArray[np.float64]:
        """[n, d] in search coordinates."""
        return self.points.x.double().numpy()

    @property
    def f(self) -> NDArray[np.float64]:
        """[n, m], minimised."""
        return self.points.f.double().numpy()

    @property
    def objectives(self) -> NDArray[np.float64]:
        """[n, m] in the user's sign."""
        return self.points.objectives.double().numpy()

    @cached_property
    def table(self) -> pandas.DataFrame:
        """Variables, objectives and constraints by name."""
        return table_of(self.problem, self.points)


@dataclass(frozen=True)
class Study:
    """What a folder holds of a spec: complete where all runs have ended.

    `results`: problem, algorithm, seed, indicator, value at the end of the budget. `trace`: the same at each
    checkpoint, with the `fraction` of the budget. `runs`: problem, algorithm, seed, status ("finished", "infeasible",
    "failed" with its error as message, "missing"), spent, unit, seconds (a share of the batch's), failures, message.
    `frames`: what the indicators of each problem refer to.
    """

    folder: Path
    spec: dict[str, Any]
    frames: dict[str, Frame]
    environment: dict[str, Any]

    @property
    def name(self) -> str:
        """Of the study."""
        return str(self.spec["name"])

    @cached_property
    def _runs(self) -> dict[tuple[str, str], list[dict[str, Any]]]:
        """(problem, algorithm) -> what is booked of their runs, by seed."""
        kept = {pair: [run for path in self.summaries(*pair) for run in read_json(path)["runs"]] for pair in self.pairs}
        return {
            pair: sorted((run for run in runs if run["seed"] in self.seeds(pair[0])), key=lambda run: int(run["seed"]))
            for pair, runs in kept.items()
        }

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Labels of every problem and algorithm, in order."""
        return [(problem, algorithm) for problem, algorithm, _ in self.spec["cells"]]

    def seeds(self, problem: str) -> list[int]:
        """Of its runs."""
        entry = next(entry for entry in self.spec["problems"] if entry["label"] == problem)
        return list(entry.get("seeds", self.spec["seeds"]))

    def summaries(self, problem: str, algorithm: str) -> list[Path]:
        """The files of those tasks that are done."""
        place = next(place for p, a, place in self.spec["cells"] if (p, a) == (problem, algorithm))
        return sorted((self.folder / "cells" / place).glob("*.json"))

    @cached_property
    def trace(self) -> pandas.DataFrame:
        import pandas

        rows = [
            (*pair, run["seed"], name, (k + 1) / len(run["scores"][name]), value)
            for pair, runs in self._runs.items()
            for run in runs
            for name in self.spec["indicators"]
            for k, value in enumerate(run["scores"].get(name, ()))
        ]
        return pandas.DataFrame(rows, columns=["problem", "algorithm", "seed", "indicator", "fraction", "value"])

    @cached_property
    def results(self) -> pandas.DataFrame:
        last = self.trace[self.trace["fraction"] == 1.0]
        return last.drop(columns="fraction").reset_index(drop=True)

    @cached_property
    def runs(self) -> pandas.DataFrame:
        import pandas

        missing: dict[str, Any] = {"status": "missing", "spent": {}, "seconds": math.nan, "failures": 0, "message": ""}
        rows = []
        for pair, runs in self._runs.items():
            known = {run["seed"]: run for run in runs}
            for seed in self.seeds(pair[0]):
                run = known.get(seed, missing)
                unit = next((unit for unit in self.spec["budget"] if unit in run["spent"]), "evaluations")
                spent, rest = run["spent"].get(unit, 0), [run[key] for key in ("seconds", "failures", "message")]
                rows.append((*pair, seed, run["status"], spent, unit, *rest))
        columns = ["problem", "algorithm", "seed", "status", "spent", "unit", "seconds", "failures", "message"]
        return pandas.DataFrame(rows, columns=columns)

    @property
    def is_complete(self) -> bool:
        """Whether every run of the spec has ended."""
        return not bool((self.runs["status"] == "missing").any())

    def populations(self, problem: str, algorithm: str) -> dict[int, Points]:
        """seed -> what its run found."""
        found: dict[int, Points] = {}
        for path in self.summaries(problem, algorithm):
            found |= zip((run["seed"] for run in read_json(path)["runs"]), fronts(path), strict=False)
        return {seed: found[seed] for seed in self.seeds(problem) if seed in found}

    def fronts(self, problem: str, algorithm: str) -> dict[int, Front]:
        """seed -> the front that its run found."""
        made = rebuilt(next(entry["frame"] for entry in self.spec["problems"] if entry["label"] == problem))
        return {seed: Front(made, points) for seed, points in self.populations(problem, algorithm).items()}

    def front(self, problem: str, algorithm: str, seed: int) -> Front:
        """The front that one run found. Raises KeyError where it has not ended or has failed."""
        return self.fronts(problem, algorithm)[seed]

    def save(self) -> None:
        """Writes `results.csv`, `trace.csv`, `runs.csv` and `frames.json`. Raises OSError."""
        for name in ("results", "trace", "runs"):
            write_atomic(self.folder / f"{name}.csv", getattr(self, name).to_csv(index=False).encode())
        write_json(self.folder / "frames.json", {label: frame.summary() for label, frame in self.frames.items()})


def read(folder: str | Path) -> Study:
    """The study in a folder, whatever has ended of it. Raises FileNotFoundError where there is none."""
    folder = Path(folder)
    if not (folder / "spec.json").exists():
        raise FileNotFoundError(f"{folder}: expected the folder of a study, got no spec.json in it")
    spec = read_json(folder / "spec.json")
    files = {entry["label"]: frame_file(folder, entry["file"]) for entry in spec["problems"]}
    frames = {label: Frame(**read_checkpoint(path)) for label, path in files.items() if path.exists()}
    return Study(folder, spec, frames, read_json(folder / "environment.json"))


def frame_file(folder: Path, name: str) -> Path:
    """Where the frame of a problem is kept."""
    return folder / "frames" / f"{name}.safetensors"
