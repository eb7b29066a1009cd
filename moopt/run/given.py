"""Points that the user brings along: x, dicts, a DataFrame or Points."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from moopt.catalogue.describe import describe, rebuild
from moopt.core.checks import InputError, InputTypeError
from moopt.core.points import Points
from moopt.core.problem import Problem
from moopt.storage.checkpoint import read_checkpoint, write_tree


class Initial(NamedTuple):
    """Evaluated points, which are not evaluated again, and points yet to evaluate (with the user's own values)."""

    known: Points
    x: Tensor
    values: list[dict[str, Any]]


def initial_points(problem: Problem, points: Any) -> Initial:
    """What `initial` means for a problem, on the CPU in float64.

    Raises TypeError or ValueError for points that are of no accepted form or outside the space.
    """
    space = problem.space
    known = Points.empty(problem, device="cpu", dtype=torch.float64)
    if isinstance(points, Points):
        x, f, g = (v.detach().cpu().double() for v in (points.x, points.f, points.g))
        _check(problem, x)
        for what, value, width in (("f", f, problem.n_obj), ("g", g, problem.n_con)):
            if value.shape != (len(x), width):
                raise InputError(f"initial: expected {what} of shape [{len(x)}, {width}], got {list(value.shape)}")
        return Initial(Points(x, f, g, points.failed.cpu(), problem.signs), x[:0], [])
    if hasattr(points, "to_dict") and hasattr(points, "columns"):
        return _frame(problem, points)
    if isinstance(points, (list, tuple)) and points and all(isinstance(point, dict) for point in points):
        x = torch.stack([_encode(problem, i, point) for i, point in enumerate(points)])
        return Initial(known, x, [dict(point) for point in points])
    try:
        x = torch.as_tensor(points).detach().cpu().double()
    except (TypeError, ValueError, RuntimeError):
        raise InputTypeError(
            f"initial: expected x, dicts, a DataFrame or Points, got {type(points).__name__}"
        ) from None
    _check(problem, x)
    return Initial(known, x, space.decode(x))


def initial_to_json(initial: Initial, problem: Problem, folder: Path) -> dict[str, Any]:
    """Points that the user brought along, for disk; with weights they go into a file of the folder."""
    known = initial.known
    if problem.space.blocks:  # too many numbers for JSON
        points = {"x": initial.x, "known": [known.x, known.f, known.g, known.failed]}
        write_tree(folder / "initial.safetensors", points)
        return {"file": "initial.safetensors"}
    return {
        "x": initial.x.tolist(), "values": [describe(values) for values in initial.values],
        "known": [known.x.tolist(), known.f.tolist(), known.g.tolist(), known.failed.tolist()],
    }  # fmt: skip


def initial_from_json(problem: Problem, saved: dict[str, Any] | None, folder: Path) -> Initial | None:
    """The user's own points of an interrupted run."""
    if saved is None:
        return None
    if "file" in saved:
        points = read_checkpoint(folder / saved["file"])
        x, f, g, failed = points["known"]
        return Initial(Points(x, f, g, failed, problem.signs), points["x"], problem.space.decode(points["x"]))
    widths = (problem.n_var, problem.n_obj, problem.n_con)
    x, f, g = (
        torch.tensor(rows, dtype=torch.float64).reshape(-1, width) if width else torch.zeros(len(rows), 0).double()
        for rows, width in zip(saved["known"][:3], widths, strict=True)
    )
    known = Points(x, f, g, torch.tensor(saved["known"][3], dtype=torch.bool), problem.signs)
    rest = torch.tensor(saved["x"], dtype=torch.float64).reshape(-1, problem.n_var)
    return Initial(known, rest, [rebuild(values) for values in saved["values"]])


def _encode(problem: Problem, i: int, point: dict[str, Any]) -> Tensor:
    try:
        return problem.space.encode(point)
    except ValueError as error:
        raise InputError(f"initial point {i + 1}: {error}") from None


def _check(problem: Problem, x: Tensor) -> None:
    if x.ndim != 2 or x.shape[1] != problem.n_var:
        raise InputError(f"initial: expected points of shape [n, {problem.n_var}], got {list(x.shape)}")
    outside = ~problem.space.contains(x)
    if outside.any():
        i = int(outside.nonzero()[0, 0])
        got = "one outside" if problem.space.blocks else x[i].tolist()
        raise InputError(f"initial point {i + 1}: expected a point of the space, got {got}")


def _frame(problem: Problem, frame: Any) -> Initial:
    """Rows with all objectives count as evaluated, in the user's sign; other rows are yet to evaluate."""
    names, labels, constraints = list(problem.space.variables), problem.objective_labels, problem.constraint_labels
    columns = problem.space.names
    flat = not problem.space.blocks and all(name in frame.columns for name in columns)
    missing = [name for name in (columns if flat else names) if name not in frame.columns]
    if missing:
        raise InputError(f"initial: expected columns {names}, got none for {missing}")
    if flat and columns != names:
        x = torch.as_tensor(frame[columns].to_numpy(dtype=float, copy=True))
        _check(problem, x)
        values = problem.space.decode(x)
    else:
        values = [dict(zip(names, row, strict=True)) for row in frame[names].itertuples(index=False, name=None)]
        x = torch.stack([_encode(problem, i, point) for i, point in enumerate(values)])
    outputs = labels + constraints
    if not all(name in frame.columns for name in outputs):
        return Initial(Points.empty(problem, device="cpu", dtype=torch.float64), x, values)
    told = torch.as_tensor(frame[outputs].to_numpy(dtype=float, copy=True))
    done = ~torch.isnan(told).any(-1)
    f = told[done][:, : problem.n_obj] * torch.tensor(problem.signs, dtype=torch.float64)
    g = problem.slack(told[done][:, problem.n_obj :])
    rest = [point for point, known in zip(values, done.tolist(), strict=True) if not known]
    known = Points(x[done], f, g, torch.zeros(len(f), dtype=torch.bool), problem.signs)
    return Initial(known, x[~done], rest)
