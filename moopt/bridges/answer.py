"""What counts of a contender's answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from moopt.bridges.recorded import Recorded, numbers, within
from moopt.core.points import Points

SAMPLE = 10  # of points whose values were handed in are evaluated again; one wrong in four is missed by 6 in 100


def settle(record: Recorded, answer: Any) -> Points:
    """What a contender evaluated, of its record and its answer. Raises ValueError."""
    if answer is None:
        if not record.spent:
            raise ValueError("expected points, got none: nothing was evaluated and nothing returned")
        return record.population
    values = None
    if isinstance(answer, tuple) and len(answer) == 2 and np.ndim(answer[0]) == 2:
        answer, values = answer
    x = numbers("the points", answer)
    if not len(x) or x.ndim != 2 or x.shape[1] != record.n_var:
        raise ValueError(f"expected points of shape [n, {record.n_var}], got {list(x.shape)}")
    if len(x) > record.budget:
        raise ValueError(f"expected at most {record.budget} points, the budget, got {len(x)}")
    x = within(record.space, x).detach().cpu()
    if record.spent:
        known = {row.tobytes() for row in (record.population.x + 0.0).numpy()}  # + 0.0 turns -0.0 into 0.0
        for i, row in enumerate((x + 0.0).numpy()):
            if row.tobytes() not in known:
                raise ValueError(f"point {i + 1} was returned, but not evaluated by problem.evaluate as others were")
        return record.population
    if values is None:
        record.evaluate(x)
        return record.population
    return _handed_in(record, x, values)


def _handed_in(record: Recorded, x: Tensor, values: Any) -> Points:
    """Points with the values that came with them, checked. Raises ValueError."""
    if hasattr(values, "f"):
        values = (values.f, getattr(values, "g", None))
    f, g = values if isinstance(values, tuple) and len(values) == 2 else (values, None)
    if g is None and not record.n_con:
        g = np.zeros((len(x), 0))
    checked = []
    for what, value, width in (("f", f, record.n_obj), ("g", g, record.n_con)):
        matrix = numbers(what, value).detach().to("cpu", torch.float64)
        if matrix.shape != (len(x), width):
            raise ValueError(f"expected {what} of shape {[len(x), width]}, got {list(matrix.shape)}")
        checked.append(matrix)
    f, g = checked
    failed = ~torch.isfinite(f).all(-1) | torch.isnan(g).any(-1)
    points = Points(x, f.masked_fill(failed[:, None], torch.nan), g, failed, record.signs)
    if not record.stochastic:
        sample = np.random.default_rng(record.seed).choice(len(x), min(len(x), SAMPLE), replace=False)
        index = torch.from_numpy(np.sort(sample))
        own = record.unrecorded(x[index])
        _compare(points.f[index], own.f, index, [f"objective {name}" for name in record.objective_labels])
        _compare(g[index], own.g, index, [f"constraint {name}" for name in record.constraint_labels])
    return points


def _compare(given: Tensor, own: Tensor, index: Tensor, names: list[str]) -> None:
    """Raises ValueError where values differ by more than 1e-6 of their size, or of their column's where that is larger,
    for a value near 0 is a difference of larger ones."""
    scale = torch.maximum(own.abs(), own.abs().nanquantile(0.5, dim=0)) if own.numel() else own
    fits = (given == own) | ((given - own).abs() <= 1e-6 * scale) | (given.isnan() & own.isnan())
    for i, j in (~fits).nonzero().tolist():
        raise ValueError(
            f"point {int(index[i]) + 1}: {names[j]} was handed in as {float(given[i, j])}, but the problem gives "
            f"{float(own[i, j])} (minimised, and feasible at <= 0)"
        )
