"""What is searched: a space, objectives, constraints, and how points are evaluated."""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from moopt.core import checks
from moopt.core.checks import InputError, InputTypeError
from moopt.core.points import Points
from moopt.core.random import Rng
from moopt.core.reference import reference_point
from moopt.core.space import Kind, Space, Variable


@dataclass(frozen=True)
class Draw:
    """What a stochastic problem evaluates with: random numbers, and what it has learned so far (`Problem.memory`)."""

    rng: Rng
    memory: Any = field(default_factory=dict)


Answer = Tensor | tuple[Tensor, Tensor] | Mapping[str, Any]
"""What `_evaluate` may give: f[..., n, m] in the declared directions; f and g[..., n, c]; or a dict of "f" and any of
"g", "failed" bool[..., n], "f_var" [..., n, m], "cost" int64[..., n], "memory", and further columns by their names."""


# What one trial gives: minimised objectives, constraints, what it spent where the problem has a `cost_unit` (else 0 or
# nothing), and where the noise of the objectives is known, its variances.
TrialValue = (
    tuple[list[float], list[float]]
    | tuple[list[float], list[float], int]
    | tuple[list[float], list[float], int, list[float]]
)


class Problem(ABC):
    """A multi-objective problem. A subclass sets `space` and `n_obj` and writes `_evaluate`.

    Everything that a subclass may declare, with its default: `n_con` constraints; `directions`, "min" or "max" of
    each objective; `objective_names`, `constraint_names`; `objective_titles`, what pictures say instead of the names;
    `vectorized`, whether `_evaluate` takes many points as one tensor (`False`: one point at a time as a dict, see
    `FunctionProblem`); `stochastic`, whether `_evaluate` takes a `Draw` as second argument, and `trial` a seed as
    third, because its answers are noisy; `cost_unit`, the unit of `Points.cost`; `differentiable`. Where known:
    `ideal`, `nadir`, `reference_point` (each float64[m]), `pareto_front(n)`, in the minimised sense.
    """

    space: Space
    n_obj: int
    n_con: int = 0
    directions: Sequence[str] | None = None
    objective_names: Sequence[str] | None = None
    constraint_names: Sequence[str] | None = None
    objective_titles: Sequence[str] | None = None

    vectorized: bool = True
    stochastic: ClassVar[bool] = False
    differentiable: ClassVar[bool] = False
    cost_unit: ClassVar[str | None] = None
    timeout: float | None = None
    retries: int = 0

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        checks.misspelt(cls, Problem)

    @abstractmethod
    def _evaluate(self, x: Tensor) -> Answer:
        """Objectives of x[..., n, d] in the declared directions: f, or (f, g), or a dict of what is known by name.

        A stochastic problem takes `(x, draw)`, a `Draw`; one with a memory gives the new one as "memory".
        """

    def memory(self, rng: Rng) -> Any:
        """What the problem learns while it is searched, before the first evaluation; most learn nothing: {}.

        A tree of tensors whose leaves lead with the runs of `rng`. It is part of a run's state, and evaluations that
        are given none start from here and leave nothing behind.
        """
        return {}

    def measure(self, x: Tensor, rng: Rng, memory: Any = None) -> Points:
        """What points x[r, n, d] of a noisy problem are worth in the end, on draws that no search has seen."""
        return self.evaluate(x, rng, memory)

    @property
    def name(self) -> str:
        """How messages and files call the problem."""
        return type(self).__name__.lower()

    @property
    def n_var(self) -> int:
        """Number of columns of `x`."""
        return self.space.n_var

    @property
    def ideal(self) -> Tensor | None:
        """The least value of each objective on the Pareto front, float64[m], minimised."""
        return None

    @property
    def nadir(self) -> Tensor | None:
        """The greatest value of each objective on the Pareto front, float64[m], minimised."""
        return None

    @property
    def reference_point(self) -> Tensor | None:
        """Where hypervolume is measured from, float64[m], minimised; a tenth beyond the nadir where known."""
        if self.ideal is None or self.nadir is None:
            return None
        return reference_point(self.ideal, self.nadir)

    def pareto_front(self, n: int) -> Tensor | None:
        """About `n` points of the true front, float64[n, m], minimised; `None` where unknown."""
        return None

    def check_directions(self) -> None:
        """Raises InputError unless `directions` says "min" or "max" of each objective, or nothing."""
        known = self.directions
        if known is not None and (len(known) != self.n_obj or not set(known) <= {"min", "max"}):
            raise InputError(f"directions: expected {self.n_obj} of 'min' or 'max', got {known!r}")

    @cached_property
    def signs(self) -> tuple[int, ...]:
        """+1 for each minimised and -1 for each maximised objective. Raises ValueError for a bad declaration."""
        self.check_directions()
        return tuple(1 if direction == "min" else -1 for direction in self.directions or ["min"] * self.n_obj)

    @property
    def objective_labels(self) -> list[str]:
        """Names of the objectives: the declared ones or f1 f2 ..."""
        return list(self.objective_names or [f"f{i + 1}" for i in range(self.n_obj)])

    @property
    def constraint_labels(self) -> list[str]:
        """Names of the constraints: the declared ones or g1 g2 ..."""
        return list(self.constraint_names or [f"g{i + 1}" for i in range(self.n_con)])

    def slack(self, values: Tensor) -> Tensor:
        """Constraints as the user reads them to g (feasible at <= 0): [..., n, c]."""
        return values

    def constraint_values(self, g: Tensor) -> Tensor:
        """Constraints as the user reads them, the inverse of `slack`: g[..., n, c]."""
        return g

    def trial_function(self) -> Callable[[Any], TrialValue]:
        """`trial` as a function of one argument, for an executor."""
        return _Trial(self)

    def trial(self, x: Sequence[float], values: Mapping[str, Any], seed: int | None = None) -> TrialValue:
        """Minimised objectives and constraints of one point, given both ways, and its cost; what a worker runs.

        `seed`: of the draws of a stochastic problem. Raises whatever the evaluation raises, ValueError where it failed.
        """
        answer = self.evaluate(torch.as_tensor(x, dtype=torch.float64)[None], None if seed is None else Rng(seed))
        if answer.failed.item():
            raise InputError(f"expected finite objectives and no NaN constraint, got {values}")
        f, g = answer.f[0].tolist(), answer.g[0].tolist()
        cost = 0 if answer.cost is None else int(answer.cost[0])
        return (f, g, cost) if answer.f_var is None else (f, g, cost, answer.f_var[0].tolist())

    def evaluate(self, x: Any, rng: Rng | None = None, memory: Any = None) -> Points:
        """The points x[..., n, d], in search coordinates, with their objectives (minimised) and constraints.

        `rng`: draws of a stochastic problem (seed 0 when absent). `memory`: of a problem that learns. Points with an
        objective that is not finite or a NaN constraint come back as failed. Raises TypeError or ValueError for a wrong
        dtype or shape, of `x` or of what `_evaluate` gave.
        """
        return self.answer(x, rng, memory)[0]

    def answer(self, x: Any, rng: Rng | None = None, memory: Any = None) -> tuple[Points, Any]:
        """What `evaluate` gives, and the problem's memory after it: `None` where it learned nothing."""
        x = torch.as_tensor(x) if isinstance(x, Tensor) else torch.as_tensor(x, dtype=torch.float64)
        if not x.is_floating_point():
            raise InputTypeError(f"{self.name}: expected x of a floating dtype, got {x.dtype}")
        if x.ndim < 2 or x.shape[-1] != self.n_var:
            raise InputError(f"{self.name}: expected x of shape [..., n, {self.n_var}], got {list(x.shape)}")
        if self.stochastic:
            rng = rng or Rng(range(x.shape[0] if x.ndim > 2 else 1), device=x.device, dtype=x.dtype)
            return self._complete(x, self._evaluate(x, Draw(rng, memory or {})))  # type: ignore[call-arg]
        return self._complete(x, self._evaluate(x))

    def _complete(self, x: Tensor, answer: Any) -> tuple[Points, Any]:
        """Checks what `_evaluate` gave and fills what it left out."""
        if isinstance(answer, Mapping):
            known = dict(answer)
        elif isinstance(answer, tuple):
            known = dict(zip(("f", "g"), answer, strict=False))
        else:
            known = {"f": answer}
        f, g, failed, memory = (known.pop(name, None) for name in ("f", "g", "failed", "memory"))
        if g is None and isinstance(f, Tensor):
            g = f.new_zeros(*f.shape[:-1], 0)
        for what, value, width in (("f", f, self.n_obj), ("g", g, self.n_con)):
            if not isinstance(value, Tensor) or value.shape != (*x.shape[:-1], width):
                got = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
                raise InputError(
                    f"{self.name}._evaluate: expected {what} of shape {[*x.shape[:-1], width]}, got {got}"
                )
        for name, column in known.items():
            if not isinstance(column, Tensor) or column.shape[: x.ndim - 1] != x.shape[:-1] or column.ndim > x.ndim:
                got = list(column.shape) if isinstance(column, Tensor) else type(column).__name__
                batch = ", ".join(map(str, x.shape[:-1]))
                wanted = f"{name} of shape [{batch}] or [{batch}, k]"
                raise InputError(f"{self.name}._evaluate: expected {wanted}, got {got}")
        if -1 in self.signs:
            f = torch.stack([sign * column for sign, column in zip(self.signs, f.unbind(-1), strict=True)], -1)
        unusable = ~torch.isfinite(f).all(-1)
        if self.n_con:
            unusable |= torch.isnan(g).any(-1)
        failed = unusable if failed is None else failed | unusable
        return Points(x, f.masked_fill(failed[..., None], torch.nan), g, failed, self.signs, known), memory


@dataclass(frozen=True)
class _Trial:
    problem: Problem

    def __call__(self, payload: tuple[Any, ...]) -> TrialValue:
        return self.problem.trial(*payload)


Constraint = tuple[str, float]


@dataclass(frozen=True)
class FunctionProblem(Problem):
    """A Python function of named values, such as a simulation or a training run.

    `function` is called with the variables as keyword arguments, or with one dict when it takes a single argument that
    is no variable. It returns a dict with every objective and constraint by name, or their values in order (objectives
    first); an objective may be a pair, its mean and the standard error of that. `objectives`: name -> "min" or "max";
    `constraints`: name -> ("<=" or ">=", bound).

    With `vectorized=False` it gets plain Python numbers, one point at a time, and runs where the executor runs it;
    each evaluation may take `timeout` seconds and is tried again `retries` times when it raises, times out or
    loses its worker. With `vectorized=True` it gets float64 arrays of n values in this process (lists for choices
    and permutations, a tensor [n, k] for weights). `function` may be `None` for a search whose points are evaluated by
    the caller (`Run.ask`, `Run.tell`).

    Raises ValueError for a declaration that does not hold together.
    """

    function: Callable[..., Any] | None
    variables: Mapping[str, Variable] | Space
    objectives: Mapping[str, str] | Sequence[str]
    constraints: Mapping[str, Constraint] | None = None
    vectorized: bool = False
    timeout: float | None = None
    retries: int = 0

    def __post_init__(self) -> None:
        if self.function is not None and not callable(self.function):
            raise InputError(f"function: expected a callable, got {self.function!r}")
        if not isinstance(self.variables, Space):
            object.__setattr__(self, "variables", Space(self.variables))
        if isinstance(self.objectives, str) or not self.objectives:
            raise InputError(f"objectives: expected names with 'min' or 'max', got {self.objectives!r}")
        if not isinstance(self.objectives, Mapping):
            object.__setattr__(self, "objectives", dict.fromkeys(self.objectives, "min"))
        for name, bound in (self.constraints or {}).items():
            if not (isinstance(bound, (tuple, list)) and len(bound) == 2 and bound[0] in ("<=", ">=")):
                raise InputError(f'constraint {name!r}: expected ("<=", bound) or (">=", bound), got {bound!r}')
            checks.number(f"bound of constraint {name!r}", bound[1])
        outputs = [*self.objective_labels, *self.constraint_labels]
        if len(set(outputs)) < len(outputs):
            raise InputError(f"expected different names for objectives and constraints, got {outputs}")
        if self.timeout is not None:
            checks.number("timeout", self.timeout, low=1e-3)
        checks.whole("retries", self.retries, low=0)
        self.check_directions()
        object.__setattr__(self, "_by_keyword", self._takes_keywords())

    @property
    def name(self) -> str:
        return getattr(self.function, "__name__", "function") if self.function else "problem"

    @property
    def space(self) -> Space:  # type: ignore[override]
        return self.variables  # type: ignore[return-value]

    @property
    def n_obj(self) -> int:  # type: ignore[override]
        return len(self.objectives)

    @property
    def n_con(self) -> int:  # type: ignore[override]
        return len(self.constraints or {})

    @property
    def directions(self) -> Sequence[str]:  # type: ignore[override]
        return list(self.objectives.values())  # type: ignore[union-attr]

    @property
    def objective_names(self) -> Sequence[str]:  # type: ignore[override]
        return list(self.objectives)

    @property
    def constraint_names(self) -> Sequence[str]:  # type: ignore[override]
        return list(self.constraints or {})

    def _takes_keywords(self) -> bool:
        """Whether the function takes the variables as keyword arguments; raises ValueError if it takes neither."""
        if self.function is None:
            return True
        try:
            signature = inspect.signature(self.function)
        except (ValueError, TypeError):  # some builtins have none
            return True
        names = list(self.space.variables)
        try:
            signature.bind(**dict.fromkeys(names))
            return True
        except TypeError:
            pass
        try:
            signature.bind({})
            return False
        except TypeError:
            raise InputError(
                f"function {self.name}{signature}: expected arguments {', '.join(names)}, or a single one for a dict"
            ) from None

    def call(self, values: Mapping[str, Any]) -> list[Any]:
        """The function's outputs for named values, in order: objectives, then constraints.

        Raises ValueError when the function answers with anything else, and whatever the function raises.
        """
        if self.function is None:
            raise InputError(f"{self.name} has no function: evaluate its points yourself, with Run.ask and Run.tell")
        answer = self.function(**values) if self._by_keyword else self.function(dict(values))  # type: ignore[attr-defined]
        names = [*self.objective_labels, *self.constraint_labels]
        if isinstance(answer, Mapping):
            missing = [name for name in names if name not in answer]
            if missing:
                raise InputError(f"{self.name}: expected {names} in the answer, got {sorted(answer)}")
            return [answer[name] for name in names]
        several = isinstance(answer, (tuple, list)) or getattr(answer, "ndim", 0) > 0
        outputs = list(answer) if several else [answer]
        if len(outputs) != len(names):
            raise InputError(f"{self.name}: expected {len(names)} outputs ({', '.join(names)}), got {len(outputs)}")
        return outputs

    def outcome(self, outputs: Sequence[Any]) -> tuple[list[float], list[float], list[float]]:
        """Outputs of one point as (objectives in the user's sign, constraints g <= 0, variances of the objectives).

        Variances are NaN where they are not known. Raises ValueError where an output is no number or an objective is
        not finite, naming it.
        """
        values: list[float] = []
        variances = [math.nan] * self.n_obj
        for i, (name, output) in enumerate(
            zip([*self.objective_labels, *self.constraint_labels], outputs, strict=True)
        ):
            if i < self.n_obj and isinstance(output, (tuple, list)) and len(output) == 2:
                output, variances[i] = output[0], checks.number(f"standard error of {name!r}", output[1], 0.0) ** 2
            try:
                value = float(output)
            except (TypeError, ValueError):
                raise InputError(f"expected a number for {name!r}, got {output!r}") from None
            if math.isnan(value) or (len(values) < self.n_obj and math.isinf(value)):
                raise InputError(f"expected a finite number for {name!r}, got {value}")
            values.append(value)
        slack = self.slack(torch.tensor(values[self.n_obj :], dtype=torch.float64)).tolist()
        return values[: self.n_obj], slack, variances

    def trial(self, x: Sequence[float], values: Mapping[str, Any], seed: int | None = None) -> TrialValue:
        objectives, slack, variances = self.outcome(self.call(values))
        f = [sign * value for sign, value in zip(self.signs, objectives, strict=True)]
        return (f, slack) if all(map(math.isnan, variances)) else (f, slack, 0, variances)

    @cached_property
    def _bounds(self) -> tuple[Tensor, Tensor]:
        """Sign and bound of each constraint: g = sign (value - bound)."""
        limits = list((self.constraints or {}).values())
        signs = [1.0 if relation == "<=" else -1.0 for relation, _ in limits]
        return torch.tensor(signs, dtype=torch.float64), torch.tensor([b for _, b in limits], dtype=torch.float64)

    def slack(self, values: Tensor) -> Tensor:
        signs, bounds = (v.to(values) for v in self._bounds)
        return signs * (values - bounds)

    def constraint_values(self, g: Tensor) -> Tensor:
        signs, bounds = (v.to(g) for v in self._bounds)
        return signs * g + bounds

    def _evaluate(self, x: Tensor) -> Answer:
        import numpy as np

        rows, batch, f_var = x.reshape(-1, self.n_var), x.shape[:-1], None
        if self.vectorized:
            table = self.space.table(rows, blocks=False)
            numeric = {Kind.REAL, Kind.INTEGER}
            columns = {
                name: np.asarray(values, dtype=float) if self.space.variables[name].kind in numeric else values
                for name, values in table.items()
            } | {name: rows[:, self.space.columns[name]].detach().cpu() for name in self.space.blocks}
            outputs = [torch.as_tensor(np.asarray(v), dtype=torch.float64) for v in self.call(columns)]
            answer = torch.stack([v.expand(len(rows)) for v in outputs], -1)
            f, g = answer[:, : self.n_obj], self.slack(answer[:, self.n_obj :])
        else:
            found = [self.outcome(self.call(values)) for values in self.space.decode(rows)]
            f, g, known = (torch.tensor(part, dtype=torch.float64) for part in zip(*found, strict=True))
            if not bool(known.isnan().all()):
                f_var = known.to(x.device, x.dtype).reshape(*batch, self.n_obj)
        f, g = f.to(x.device, x.dtype).reshape(*batch, self.n_obj), g.to(x.device, x.dtype).reshape(*batch, self.n_con)
        return {"f": f, "g": g} if f_var is None else {"f": f, "g": g, "f_var": f_var}
