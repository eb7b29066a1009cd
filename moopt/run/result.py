"""What a run found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from moopt import selection
from moopt.catalogue.describe import Undescribable, describe, rebuild
from moopt.core import checks, tree
from moopt.core.checks import InputError
from moopt.core.points import Points
from moopt.core.problem import FunctionProblem, Problem
from moopt.core.random import Rng
from moopt.core.status import Status
from moopt.run.history import Rows
from moopt.run.trial import Trial
from moopt.run.versions import versions

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Result:
    """A finished (or interrupted) search.

    `front`: the best points found, [n, ...]; nondominated and feasible, or the least violating ones where nothing
    is feasible. `population`: the algorithm's last solutions. `status` and `message`: how it ended. `notes`: what the
    algorithm has to say about it, such as what it chose and how well its models predict. `spent`: unit -> total of all
    runs. `hypervolume`: of the front, by `convention`. `runs`: with several runs, a complete
    Result of each, and the front merges theirs. `trials`: of expensive problems, every evaluation with its error.
    `memory`: what the problem had learned at the end (`Problem.memory`), of one run; {} for most problems, and for
    what merges several runs: `origin` says whose point it is, and that run has the memory. `rows`: how all runs of the
    search went, and `number`: which of them this is (`None`: all); together they make the `history`.
    """

    problem: Problem
    algorithm: str
    population: Points
    front: Points
    status: Status
    message: str
    spent: Mapping[str, int]
    seconds: float
    seed: int
    hypervolume: float
    convention: str
    reference_point: Tensor | None = None
    failures: int = 0
    trials: Sequence[Trial] = ()
    versions: Mapping[str, str] = field(default_factory=versions)
    folder: Path | None = None
    parts: Sequence[Result] = ()
    memory: Any = field(default_factory=dict)
    notes: Sequence[str] = ()
    rows: Rows = field(default=Rows(), repr=False, compare=False)
    number: int | None = field(default=None, repr=False)

    @property
    def history(self) -> pandas.DataFrame:
        """How it went: rows for each run, of the steps in which its archive was merged and of its last step.

        That is every trial, or about every thousandth evaluation; in a long search it is evenly spaced ones of them,
        256 at most. Columns: `run`, `generations`, `evaluations` and other units spent so far, `seconds`, `hypervolume`
        of the archive, shares of `feasible` and `failed` ones of the points evaluated in that very step, `failures`
        so far.
        """
        return self.rows.to_dataframe(self.number)

    @property
    def runs(self) -> list[Result]:
        """One complete Result for each run (itself where there is one)."""
        return list(self.parts) or [self]

    @property
    def errors(self) -> list[str]:
        """The texts of failed evaluations, in order."""
        return [trial.error for trial in self.trials if trial.error]

    def to_dataframe(self, points: Points | None = None) -> pandas.DataFrame:
        """The front (or other points) as a table: variables, objectives in the user's sign, constraints, by name.

        Weights are left out: they stand in `front.x`, and `problem.space.decode` gives them by name.
        """
        return table_of(self.problem, self.front if points is None else points)

    def best(self, weights: Mapping[str, float] | Sequence[float] | None = None) -> dict[str, Any]:
        """The point of the front that is best by weights (default: equal), as a dict of values and objectives.

        Objectives are scaled to the front's range first; the weighted sum of what remains to the front's ideal is
        least. Raises ValueError for negative or missing weights, or an empty front.
        """
        labels = self.problem.objective_labels
        if isinstance(weights, Mapping):
            unknown = set(weights) - set(labels)
            if unknown:
                raise InputError(f"weights: expected names among {labels}, got {sorted(unknown)}")
            weights = [weights.get(label, 0.0) for label in labels]
        values = [1.0] * len(labels) if weights is None else [checks.number("weight", w, 0.0) for w in weights]
        if len(values) != len(labels) or sum(values) == 0:
            raise InputError(f"weights: expected one for each of {labels}, not all zero, got {values}")
        if not len(self.front):
            raise InputError("expected a front with at least one point, got an empty one")
        f = self.front.f
        low, width = f.amin(0), f.amax(0) - f.amin(0)
        scaled = (f - low) / torch.where(width > 0, width, 1.0)
        i = int(torch.argmin(scaled @ f.new_tensor(values)))
        point = self.front.select(torch.tensor([i]))
        blocks = self.problem.space.decode(point.x)[0] if self.problem.space.blocks else {}
        return {**blocks, **self.to_dataframe(point).to_dict("records")[0]}

    def pick(self, which: str | int = "knee") -> int:
        """The row of `front` (and of front.csv) that is meant: "knee", "best:NAME" of an objective, or the row itself.

        The knee is `selection.knee`; where the front is no front at all, its answer is the least sum of objectives
        scaled to their range. Raises ValueError for anything else, and for an empty front.
        """
        n, labels = len(self.front), self.problem.objective_labels
        if not n:
            raise InputError("expected a front with at least one point, got an empty one")
        text = str(which).strip()
        kind, colon, name = text.partition(":")
        if text == "knee":
            return int(selection.knee(self.front.f))
        if kind == "best" and name in labels:
            return int(self.front.f[:, labels.index(name)].argmin())
        if text.isdecimal() and int(text) < n:
            return int(text)
        known = ["knee", *(f"best:{label}" for label in labels)]
        near = "" if text.lstrip("-").isdecimal() else checks.nearest(text, known)
        raise InputError(f"pick: expected {', '.join(known)} or a row from 0 to {n - 1}, got {which!r}{near}")

    def origin(self, i: int) -> Result:
        """The run that row `i` of `front` comes from; the first where several found the same."""
        x, f = self.front.x[i], self.front.f[i]
        for run in self.runs:
            if bool(((run.front.x == x).all(-1) & (run.front.f == f).all(-1)).any()):
                return run
        raise InputError(f"row {i} of the front: expected it in the front of a run, got it in none")

    def plot(self, path: str | Path | None = None) -> Figure:
        """A picture of the front: scatter for two and three objectives, parallel coordinates above."""
        from moopt.render.plots import plot_front

        return plot_front(self, path)

    def summary(self) -> dict[str, Any]:
        """Everything but the points, as JSON."""
        return {
            "problem": self.problem.name,
            "algorithm": self.algorithm,
            "status": str(self.status),
            "message": self.message,
            "notes": list(self.notes),
            "hypervolume": self.hypervolume,
            "convention": self.convention,
            "reference_point": None if self.reference_point is None else self.reference_point.tolist(),
            "spent": dict(self.spent),
            "seconds": self.seconds,
            "failures": self.failures,
            "seed": self.seed,
            "front": len(self.front),
            "versions": dict(self.versions),
        }

    def save(self, folder: str | Path) -> Path:
        """Writes `result.json`, `result.safetensors` (this and every single run), `front.csv` and `history.csv`.

        Raises OSError.
        """
        from moopt.storage.checkpoint import write_tree
        from moopt.storage.files import write_atomic

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        points = [{"front": r.front, "population": r.population, "memory": r.memory} for r in (self, *self.parts)]
        write_tree(folder / "result.safetensors", tree.plain({"points": points, "history": self.rows.state()}))
        for name, content in self._texts().items():
            write_atomic(folder / name, content)
        return folder

    def _texts(self) -> dict[str, bytes]:
        """Files of `save`. Raises ValueError for names that are no text and options that cannot be described."""
        from moopt.storage.files import as_json

        content = {**self.summary(), "frame": frame_of(self.problem), "parts": [r.summary() for r in self.parts]}
        tables = {"front.csv": self.to_dataframe(), "history.csv": self.history}
        texts = {name: table.to_csv(index=False).encode() for name, table in tables.items()}
        return {"result.json": as_json(content), **texts}

    @staticmethod
    def load(folder: str | Path, problem: Problem | None = None) -> Result:
        """What `save` wrote; without the trials. Its problem has names and space, but may not evaluate.

        `problem`: that of the run, where it cannot be found by name. Raises CheckpointError for files that are
        damaged, foreign, or newer, ValueError for another problem.
        """
        from moopt.storage.checkpoint import read_checkpoint
        from moopt.storage.files import read_json

        folder = Path(folder)
        content, saved = read_json(folder / "result.json"), read_checkpoint(folder / "result.safetensors")
        if problem is not None and problem.name != content["problem"]:
            wanted = content["problem"]
            raise InputError(f"{folder}: expected the problem {wanted} that the run has, got {problem.name}")
        problem = problem or rebuilt(content["frame"])
        rows = Rows().restored(saved["history"]) if saved["history"] else Rows()
        whole, *parts = [
            replace(_loaded(problem, summary, points, folder), rows=rows, number=summary["seed"] - content["seed"])
            for summary, points in zip((content, *content["parts"]), saved["points"], strict=True)
        ]
        return replace(whole, parts=parts, number=None if parts else 0)


def table_of(problem: Problem, points: Points) -> pandas.DataFrame:
    """Points [n, ...] as a table: variables but weights, objectives in the user's sign, constraints, by name."""
    import pandas

    table: dict[str, Any] = {}
    names = iter(problem.space.names)
    for name, values in problem.space.table(points.x, blocks=False).items():
        own = [next(names) for _ in range(problem.space.variables[name].n_columns)]
        if own == [name]:
            table[name] = values
        else:  # several columns under one name
            table |= {column: [value[i] for value in values] for i, column in enumerate(own)}
    constraints = problem.constraint_values(points.g)
    table |= {name: points.objectives[:, i].tolist() for i, name in enumerate(problem.objective_labels)}
    table |= {name: constraints[:, i].tolist() for i, name in enumerate(problem.constraint_labels)}
    return pandas.DataFrame(table)


def rehearse(problem: Problem) -> None:
    """Makes the files of a result without points: whether there can be any is known before something is spent.

    Raises InputError.
    """
    none = Points.empty(problem, device="cpu", dtype=torch.float64)
    try:
        Result(problem, "", none, none, Status.FAILED, "", {}, 0.0, 0, 0.0, "")._texts()
    except ValueError as error:
        raise InputError(f"out: expected a problem that can be kept in a folder, got {problem.name}: {error}") from None


def frame_of(problem: Problem) -> dict[str, Any]:
    """JSON of what results need of a problem: itself where a new process can make it, and its names."""
    try:
        whole = describe(problem)
    except Undescribable:
        whole = None
    if isinstance(problem, FunctionProblem):
        constraints = dict(problem.constraints or {})
    else:
        constraints = dict.fromkeys(problem.constraint_labels, ("<=", 0.0))
    directions = ["min" if sign > 0 else "max" for sign in problem.signs]
    return {
        "problem": whole,
        "variables": describe(problem.space),
        "objectives": describe(dict(zip(problem.objective_labels, directions, strict=True))),
        "constraints": describe(constraints),
    }


def rebuilt(frame: dict[str, Any]) -> Problem:
    """The problem where it can be made, or else one with its names and space that does not evaluate."""
    try:
        whole = rebuild(frame["problem"])
    except (ValueError, ImportError):  # a file that this process has not imported, a package that it has not
        whole = None
    return whole or FunctionProblem(
        None, *(rebuild(frame[key]) for key in ("variables", "objectives", "constraints"))
    )


def _loaded(problem: Problem, summary: dict[str, Any], saved: Any, folder: Path) -> Result:
    front, population = (Points(**{**saved[key], "signs": problem.signs}) for key in ("front", "population"))
    reference = summary["reference_point"]
    return Result(
        problem, summary["algorithm"], population, front, Status(summary["status"]), summary["message"],
        summary["spent"], summary["seconds"], summary["seed"], summary["hypervolume"], summary["convention"],
        None if reference is None else torch.tensor(reference, dtype=torch.float64), summary["failures"],
        versions=summary["versions"], folder=folder, memory=_remembered(problem, saved["memory"]),
        notes=summary["notes"],
    )  # fmt: skip


def _remembered(problem: Problem, saved: Any) -> Any:
    """A plain tree as the problem's memory, in the precision it was saved in: a GPU's is another than the CPU's."""
    dtypes: list[torch.dtype] = []

    def note(leaf: Tensor) -> Tensor:
        dtypes.append(leaf.dtype)
        return leaf

    tree.map_tensors(note, saved)
    if not dtypes:  # nothing was learned
        return saved
    template = problem.memory(Rng([0]))
    dtype = iter(dtypes)
    return tree.restore(tree.map_tensors(lambda leaf: leaf.to(next(dtype, leaf.dtype)), template), saved)
