"""A problem that remembers what was evaluated, in order, and ends a search whose budget is spent."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moopt.core import tree
from moopt.core.points import Points
from moopt.core.problem import Problem
from moopt.core.random import Rng
from moopt.core.space import Kind, Space
from moopt.executors.inline import Inline
from moopt.run.trial import evaluate

DECLARED = (
    "space", "n_obj", "n_con", "directions", "objective_names", "constraint_names", "objective_titles", "stochastic",
    "differentiable", "cost_unit",
)  # fmt: skip
FAR = 1e30  # stands for the objectives of a failed point while no point has succeeded, and for its constraints


class BudgetSpent(BaseException):
    """An evaluation was asked for beyond the budget.

    No `Exception`, so that a search which survives failed evaluations ends here all the same.
    """


class Recorded(Problem):
    """`problem`, as a contender sees it: everything that goes through `evaluate` is kept in order.

    Points may have any floating dtype and leading batch dimensions; they are evaluated and kept in float64, and
    answers come back as the points came. A noisy problem draws from `seed` and the number of points before, unless
    the caller brings its own `Rng`. A point where the user's function raises has failed. What the problem declares
    and whatever else it has is there, too; only `evaluate` is recorded.
    """

    def __init__(self, problem: Problem, budget: int, seed: int = 0) -> None:
        self.__dict__.update({name: getattr(problem, name) for name in DECLARED})
        self.problem, self.budget, self.seed = problem, budget, seed
        self.spent = 0
        self._parts: list[Points] = []
        self._low = torch.full((problem.n_obj,), torch.inf, dtype=torch.float64)  # of the first `_counted` parts
        self._high, self._counted = -self._low, 0

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "problem":  # copies are asked before they have anything
            raise AttributeError(name)
        return getattr(self.problem, name)

    @property
    def name(self) -> str:
        return self.problem.name

    @property
    def ideal(self) -> Tensor | None:
        return self.problem.ideal

    @property
    def nadir(self) -> Tensor | None:
        return self.problem.nadir

    @property
    def reference_point(self) -> Tensor | None:
        return self.problem.reference_point

    def pareto_front(self, n: int) -> Tensor | None:
        return self.problem.pareto_front(n)

    def slack(self, values: Tensor) -> Tensor:
        return self.problem.slack(values)

    def constraint_values(self, g: Tensor) -> Tensor:
        return self.problem.constraint_values(g)

    @property
    def population(self) -> Points:
        """All evaluated points in order, on the CPU in float64."""
        return Points.empty(self.problem, device="cpu", dtype=torch.float64).join(*self._parts)

    def answer(self, x: Any, rng: Rng | None = None, memory: Any = None) -> tuple[Points, Any]:
        """The points x[..., n, d] with their objectives (minimised) and constraints, kept; without a memory.

        Raises ValueError for a wrong shape and for a point outside of the space, before anything is evaluated;
        BudgetSpent where the points are more than the budget has left, after as many as it has were evaluated.
        """
        x = numbers("x", x)
        if x.ndim < 2 or x.shape[-1] != self.n_var:
            raise ValueError(f"expected x of shape [..., n, {self.n_var}], got {list(x.shape)}")
        whole, left = within(self.space, x, self.spent), self.budget - self.spent
        if whole.shape[:-1].numel() > left:
            if left:
                rows = whole.reshape(-1, self.n_var)[:left]
                self._keep(rows, self.unrecorded(rows))
            raise BudgetSpent(f"{self.name}: the budget of {self.budget} evaluations is spent")
        answer = self.unrecorded(whole, rng)
        self._keep(whole, answer)
        return tree.map_tensors(lambda leaf: leaf.to(x.dtype) if leaf.is_floating_point() else leaf, answer), None

    def arrays(self, x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """`evaluate` for tools that know no failed points: x[n, d] -> f[n, m] and g[n, c].

        A failed point is worse in every objective than all points so far, by the width of what they span (by 1
        where they span nothing), and violates every constraint.
        """
        points = self.evaluate(torch.from_numpy(x))
        f, g, failed = points.f, points.g, points.failed
        if bool(failed.any()):
            f = torch.where(failed[:, None], self._worst().to(f.device), f)
            g = g.masked_fill(failed[:, None], FAR)
        return f.cpu().numpy(), g.cpu().numpy()

    def _worst(self) -> Tensor:
        """What a failed point stands for among those so far: float64[m]."""
        for part in self._parts[self._counted :]:
            if len(good := part.f[~part.failed]):
                self._low, self._high = torch.minimum(self._low, good.amin(0)), torch.maximum(self._high, good.amax(0))
        self._counted = len(self._parts)
        width = torch.where(self._high > self._low, self._high - self._low, 1.0)
        return torch.where(torch.isfinite(self._high), self._high + width, FAR)

    def _evaluate(self, x: Tensor) -> Points:  # type: ignore[override]
        return self.unrecorded(x)

    def unrecorded(self, x: Tensor, rng: Rng | None = None) -> Points:
        """What the problem answers, not recorded; x[..., n, d] in float64."""
        batch, rows = x.shape[:-1], x.reshape(-1, self.n_var)
        if rng is not None:
            return self.problem.evaluate(x, rng)
        if not self.problem.vectorized:
            answer = self._one_by_one(rows)
        elif self.stochastic:
            answer = self.problem.evaluate(rows, self._draws(x))
        else:
            answer = self.problem.evaluate(rows)
        return tree.map_tensors(lambda leaf: leaf.reshape(*batch, *leaf.shape[1:]), answer)

    def _one_by_one(self, rows: Tensor) -> Points:
        with Inline() as executor:
            executor.start(self.problem.trial_function(), retries=self.problem.retries)
            return evaluate(self.problem, executor, rows, self._draws(rows).seed() if self.stochastic else None)

    def _draws(self, x: Tensor) -> Rng:
        return Rng(self.seed, device=x.device, dtype=x.dtype).fold(self.spent)

    def _keep(self, x: Tensor, answer: Points) -> None:
        x, f, g = (v.detach().to("cpu", torch.float64, copy=True).flatten(0, -2) for v in (x, answer.f, answer.g))
        failed = answer.failed.to("cpu", copy=True).flatten()
        self._parts.append(Points(x, f, g, failed, self.problem.signs))
        self.spent += len(x)


def numbers(what: str, values: Any) -> Tensor:
    """A tensor, or anything that looks like an array, as floating numbers. Raises ValueError."""
    if isinstance(values, Tensor):
        return values if values.is_floating_point() else values.double()
    try:
        rows = np.asarray(values)
    except ValueError:
        raise ValueError(f"expected {what} as rows of one length, got rows of different lengths") from None
    if rows.dtype.kind not in "fiu":
        raise ValueError(f"expected {what} as numbers, got {np.array2string(rows.ravel()[:1])[:60]}")
    return torch.from_numpy(np.array(rows, dtype=np.float32 if rows.dtype == np.float32 else np.float64))


def within(space: Space, x: Tensor, before: int = 0) -> Tensor:
    """x[..., d] in float64, where all of it is inside the space, for its own dtype; float32 may round a bound.

    Raises ValueError naming the first point that is not, counted after those `before`.
    """
    valid = space.contains(x).flatten()
    if bool(valid.all()):
        return x.double().clamp(*space.bounds(torch.float64, x.device))
    i = int((~valid).nonzero()[0])
    if space.blocks:
        raise ValueError(f"point {before + i + 1}: expected a point of the space, got one outside")
    row = x.reshape(-1, x.shape[-1])[i].detach().cpu()
    low, high = space.bounds(row.dtype, row.device)
    whole = (row == row.round()) | space.column_mask(Kind.REAL, row.device)
    for name, value, a, b, fits in zip(space.names, row.tolist(), low.tolist(), high.tolist(), whole, strict=True):
        if not a <= value <= b:
            raise ValueError(f"point {before + i + 1}: expected {name} in [{a}, {b}], got {value}")
        if not fits:
            raise ValueError(f"point {before + i + 1}: expected a whole number for {name}, got {value}")
    raise ValueError(f"point {before + i + 1}: expected every item once in a permutation, got {row.tolist()}")
