"""The table that every statistic begins with: the runs of several algorithms on several problems, one indicator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moopt.core.checks import InputError

Array = NDArray[np.float64]
COLUMNS = ("problem", "algorithm", "seed", "value")


@dataclass(frozen=True)
class Runs:
    """Runs by (problem, algorithm), turned so that larger is better: `scores` are ascending, without NaN.

    `sign` is 1 or -1: a score is `sign` times the indicator. Labels stand in the order of their first appearance.
    """

    problems: tuple[str, ...]
    algorithms: tuple[str, ...]
    scores: dict[tuple[str, str], Array]
    sign: float

    def medians(self) -> Array:
        """Median scores [problems, algorithms]; NaN where an algorithm has no run."""
        table = np.full((len(self.problems), len(self.algorithms)), np.nan)
        for i, problem in enumerate(self.problems):
            for j, algorithm in enumerate(self.algorithms):
                if len(scores := self.scores[problem, algorithm]):
                    table[i, j] = np.median(scores)
        return table

    def complete(self) -> tuple[str, ...]:
        """The problems on which every algorithm has at least one run."""
        return tuple(p for p in self.problems if all(len(self.scores[p, a]) for a in self.algorithms))


def checked(values: Any, higher: bool) -> Runs:
    """The runs in a frame with columns problem, algorithm, seed, value; other columns are not read.

    A row with NaN is a run that is not there; infinity in the bad sense is a run worse than every other. Raises
    ValueError for a missing column or label, values that are not numbers, a run that appears twice, and infinity
    in the good sense.
    """
    import pandas

    if not isinstance(values, pandas.DataFrame) or not set(COLUMNS) <= set(values.columns):
        got = list(values.columns) if isinstance(values, pandas.DataFrame) else type(values).__name__
        raise InputError(f"values: expected a data frame with columns {', '.join(COLUMNS)}, got {got}")
    if not isinstance(higher, (bool, np.bool_)):
        raise InputError(f"higher: expected True or False, got {higher!r}")
    if values[["problem", "algorithm", "seed"]].isna().any(axis=None):
        raise InputError("values: expected a problem, an algorithm and a seed in every row, got empty cells")
    try:
        scores = values["value"].to_numpy(dtype=np.float64, na_value=np.nan) * (1.0 if higher else -1.0)
    except (TypeError, ValueError) as error:
        raise InputError(f"values: expected numbers in column value, got {error}") from None
    if (scores == np.inf).any():
        raise InputError("values: expected no infinitely good value; infinity stands for the worst")
    if (twice := values.duplicated(["problem", "algorithm", "seed"])).any():
        run = values.loc[twice, ["problem", "algorithm", "seed"]].iloc[0].tolist()
        raise InputError(f"values: expected each run once, got {run} twice; give one indicator at a time")
    problems, algorithms = (values[name].astype(str).to_numpy() for name in ("problem", "algorithm"))
    names: list[tuple[str, ...]] = [tuple(dict.fromkeys(column)) for column in (problems, algorithms)]
    found: dict[tuple[str, str], list[float]] = {(p, a): [] for p in names[0] for a in names[1]}
    for problem, algorithm, score in zip(problems, algorithms, scores, strict=True):
        if not np.isnan(score):
            found[problem, algorithm].append(score)
    ordered = {key: np.sort(np.array(column, dtype=np.float64)) for key, column in found.items()}
    return Runs(names[0], names[1], ordered, 1.0 if higher else -1.0)


def difference(x: Array, y: Array) -> Array:
    """x - y, where two equal infinities differ by nothing."""
    with np.errstate(invalid="ignore"):
        return np.where(x == y, 0.0, x - y)
