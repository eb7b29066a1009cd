"""What was asked of a search: checked once, and written down so that it can be asked again."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from moopt import catalogue
from moopt.catalogue import sources
from moopt.catalogue.describe import Undescribable, describe, describe_items, rebuild, rebuild_items
from moopt.core import checks
from moopt.core.algorithm import Algorithm, Asking, misfit
from moopt.core.budget import Budget, Evaluations, Reached, Stalled
from moopt.core.budget import budget as as_budget
from moopt.core.checks import InputError, InputTypeError
from moopt.core.problem import Problem
from moopt.core.space import Space
from moopt.run.given import Initial, initial_from_json, initial_points, initial_to_json
from moopt.run.versions import versions
from moopt.storage.files import read_json

EXPENSIVE_EVALUATIONS = 200  # up to here a model of the function pays for itself: reference Knowles 2006
FILES = {"problem": "file", "algorithm": "algorithm_file"}  # of a configuration: what was made from a file
DTYPES = {"float32": torch.float32, "float64": torch.float64}


@dataclass(frozen=True)
class Search:
    """A problem, an algorithm, a budget, and how the runs are done; nothing of it changes on the way.

    Run i of `runs` has `seed` + i. `initial`: the user's own points. `by_trials`: evaluations go one by one, by the
    executor called `executor` (`None`: one that has no name). `picked`: what was chosen in place of the user.
    """

    problem: Problem
    algorithm: Algorithm
    budget: Budget
    seed: int
    runs: int
    device: torch.device
    dtype: torch.dtype
    initial: Initial | None
    by_trials: bool
    executor: str | None = None
    picked: str = ""

    @staticmethod
    def asked(
        problem: Any, algorithm: Any, budget: Any, *, initial: Any, seed: int, runs: int, device: Any, dtype: Any,
        executor: Any,
    ) -> Search:  # fmt: skip
        """What a user asks for with the arguments of `minimize`.

        Raises ValueError or TypeError, with one sentence, for whatever does not fit together.
        """
        problem = check_problem(catalogue.problem(problem) if isinstance(problem, str) else problem)
        algorithm, picked = catalogue.algorithm(algorithm) if isinstance(algorithm, str) else algorithm, ""
        budget = default_budget(problem, algorithm) if budget is None else as_budget(budget)
        if algorithm is None:
            name = default_algorithm(problem, budget)
            algorithm, picked = catalogue.algorithm(name), f"{name} was picked; "
        if not isinstance(algorithm, Algorithm):
            raise InputTypeError(f"algorithm: expected a name or an Algorithm, got {algorithm!r}")
        catalogue.check_pair(problem, algorithm)
        check_budget(problem, algorithm, budget)
        seed, runs = checks.whole("seed", seed, low=-(2**62), high=2**62), checks.whole("runs", runs)
        found_device, found_dtype = device_of(device), dtype_of(dtype)
        points = None if initial is None else initial_points(problem, initial)
        if points is not None and not isinstance(algorithm, Asking):
            raise InputError(f"initial: {type(algorithm).__name__} learns by itself and takes no points")
        by_trials = isinstance(algorithm, Asking) and (not problem.vectorized or executor is not None)
        return Search(
            problem, algorithm, budget, seed, runs, found_device, found_dtype, points, by_trials,
            executor if isinstance(executor, str) else None, picked,
        )  # fmt: skip

    @property
    def algorithm_name(self) -> str:
        """How messages and files call the algorithm."""
        return type(self.algorithm).__name__.lower()

    def in_trials(self) -> Search:
        """The same with evaluations one by one, as a loop of the user's own asks for them."""
        return replace(self, by_trials=True)

    def to_json(self, folder: Path) -> dict[str, Any]:
        """`config.json` of a run in a folder, from which `from_json` makes the same search."""
        content = {
            "problem": {"name": self.problem.name, **described(self.problem)},
            "algorithm": {"name": type(self.algorithm).__name__, **described(self.algorithm)},
            "budget": describe(self.budget),
            "seed": self.seed,
            "runs": self.runs,
            "device": str(self.device),
            "dtype": str(self.dtype).removeprefix("torch."),
            "executor": self.executor,
            "by_trials": self.by_trials,
            "initial": None if self.initial is None else initial_to_json(self.initial, self.problem, folder),
            "versions": versions(),
        }
        for key, thing in (("problem", self.problem), ("algorithm", self.algorithm)):
            source = sources.source_of(thing)
            if source is not None:
                content[FILES[key]] = sources.kept(source, folder, describe_items(source.options))
        return content

    @staticmethod
    def from_json(
        content: dict[str, Any], folder: Path, problem: Any = None, algorithm: Any = None, budget: Any = None,
        executor: Any = None,
    ) -> Search:  # fmt: skip
        """The search of the run in a folder, with what is given in place of what was written.

        Raises ValueError or TypeError where it cannot be made or does not fit, KeyError for a foreign file.
        """
        found = from_config(content, "problem", problem, folder)
        search = Search.asked(
            found, from_config(content, "algorithm", algorithm, folder),
            rebuild(content["budget"]) if budget is None else budget, initial=None, seed=content["seed"],
            runs=content["runs"], device=content["device"], dtype=content["dtype"],
            executor=executor or content["executor"],
        )  # fmt: skip
        initial = initial_from_json(found, content["initial"], folder)
        return replace(search, initial=initial, by_trials=content["by_trials"])


def check_problem(problem: Any) -> Problem:
    """Raises TypeError or ValueError for a problem whose declaration does not hold together."""
    if not isinstance(problem, Problem):
        raise InputTypeError(f"problem: expected a name or a Problem, got {problem!r}")
    if not isinstance(getattr(problem, "space", None), Space):
        raise InputTypeError(f"{problem.name}.space: expected a Space or Box, got {getattr(problem, 'space', None)!r}")
    if not isinstance(getattr(problem, "n_obj", None), int) or problem.n_obj < 1 or problem.n_con < 0:
        raise InputError(
            f"{problem.name}: expected n_obj of at least 1 and n_con of at least 0, "
            f"got {getattr(problem, 'n_obj', None)!r} and {problem.n_con!r}"
        )
    if problem.n_var != problem.space.n_var:
        raise InputError(f"{problem.name}: expected n_var of its space, {problem.space.n_var}, got {problem.n_var}")
    for what, labels, n in (
        ("objective_names", problem.objective_labels, problem.n_obj),
        ("objective_titles", problem.objective_titles or problem.objective_labels, problem.n_obj),
        ("constraint_names", problem.constraint_labels, problem.n_con),
    ):
        if len(labels) != n:
            raise InputError(f"{problem.name}.{what}: expected {n} names, got {labels}")
    for what in ("ideal", "nadir", "reference_point"):
        point = getattr(problem, what)
        if point is not None and (point.shape != (problem.n_obj,) or not torch.isfinite(point).all()):
            raise InputError(f"{problem.name}.{what}: expected {problem.n_obj} finite numbers, got {point}")
    problem.check_directions()
    return problem


def default_budget(problem: Problem, algorithm: Algorithm | None) -> Budget:
    """Evaluations of the order that papers spend on such problems; raises ValueError where there is no custom."""
    if algorithm is not None and not isinstance(algorithm, Asking):
        raise InputError(f"budget: {type(algorithm).__name__} needs one in {problem.cost_unit}, got none")
    usual = algorithm.usual_evaluations if algorithm is not None else None
    return Evaluations(usual or (25_000 if problem.vectorized else 100))


def default_algorithm(problem: Problem, budget: Budget) -> str:
    """A name of the catalogue: Bayesian where evaluations are few and slow, evolutionary elsewhere."""
    few = budget.limits().get("evaluations", math.inf) <= EXPENSIVE_EVALUATIONS
    fits = misfit(problem, catalogue.load("algorithms", "bayes")) is None
    return "bayes" if few and not problem.vectorized and fits else "nsga2"


def check_budget(problem: Problem, algorithm: Algorithm, budget: Budget) -> None:
    """Raises ValueError for a budget that could not tell when the run ends.

    That is one in a unit that neither the problem nor the algorithm spends, a goal of the archive where nobody looks at
    an algorithm that evaluates by itself, and a standstill within the steps from one look to the next.
    """
    spends = {"generations", "seconds", problem.cost_unit}
    if isinstance(algorithm, Asking):
        spends.add("evaluations")
    for unit in budget.limits():
        if unit not in spends:
            known = ", ".join(sorted(unit for unit in spends if unit))
            raise InputError(f"budget: {type(algorithm).__name__} on {problem.name} spends {known}, got one in {unit}")
    every = 1 if isinstance(algorithm, Asking) else algorithm.looks_every(problem)
    for part in budget.leaves():
        if every is not None and isinstance(part, Stalled) and part.generations < every:
            raise InputError(
                f"budget: {type(algorithm).__name__} is looked at every {every} steps: "
                f"expected Stalled of {every} generations or more, got {part.generations}"
            )
        if isinstance(part, Reached | Stalled) and every is None:
            known = ", ".join(sorted(unit for unit in spends if unit))
            raise InputError(
                f"budget: {type(algorithm).__name__} evaluates by itself and shows no {part.indicator} on its way: "
                f"expected one in {known}, got {type(part).__name__}"
            )


def device_of(device: torch.device | str | None) -> torch.device:
    """A device that is there. Raises ValueError otherwise."""
    try:
        found = torch.device(device or "cpu")
    except RuntimeError:
        raise InputError(f"device: expected 'cpu' or 'cuda', got {device!r}") from None
    if found.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device: expected a device that is there, got {device!r}, and this torch sees no GPU")
    return found


def dtype_of(dtype: torch.dtype | str | None) -> torch.dtype:
    """float64 or float32. Raises ValueError otherwise."""
    found = dtype if isinstance(dtype, torch.dtype) else DTYPES.get(dtype or "float64")
    if found is None or found not in DTYPES.values():
        raise InputError(f"dtype: expected float64 or float32, got {dtype!r}")
    return found


def described(thing: Any) -> dict[str, Any]:
    """A description for disk, or why there is none."""
    try:
        return {"described": describe(thing)}
    except Undescribable as error:
        return {"undescribed": str(error)}


def from_config(content: dict[str, Any], key: str, given: Any, folder: Path) -> Any:
    """The problem or algorithm of a run: the given one or that of a given "path.py:name", of its file, or as described.

    Raises ValueError where the description is not enough, or the given one is of another kind, and what the file
    raises.
    """
    saved = content[key]
    if given is None or isinstance(given, str):
        given = _from_file(content, key, given, folder)
    if given is not None:
        name = given.name if key == "problem" else type(given).__name__
        if name != saved["name"]:
            raise InputError(f"{folder}: expected the {key} {saved['name']} that the run has, got {name}")
        return given
    if "undescribed" in saved:
        raise InputError(
            f"{folder}: expected {key}=... to resume with, because that of the run cannot be found by name "
            f"({saved['undescribed']})"
        )
    return rebuild(saved["described"])


def _from_file(content: dict[str, Any], key: str, given: str | None, folder: Path) -> Any:
    """The problem or algorithm of a run that was made from a file; `None` where it was not."""
    file = content.get(FILES[key])
    if file is None and given is None:
        return None
    if file is not None and "sha256" in file:  # 0.1.0 kept no such digest, and its options as they were
        file = {**file, "options": rebuild_items(file["options"])}
    return sources.again(key, Problem if key == "problem" else Algorithm, file, folder, given)


def problem_in_file(folder: Path, given: str | None) -> Problem | None:
    """The problem of the run in a folder where that came from a file; `None` where it did not.

    `given`: "path.py:name", where the file has moved. Raises ValueError, TypeError or FileNotFoundError.
    """
    path = folder / "config.json"
    found: Problem | None = _from_file(read_json(path) if path.exists() else {}, "problem", given, folder)
    return found
