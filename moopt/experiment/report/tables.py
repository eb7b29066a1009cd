"""Tables of a study, problems x algorithms: for the report, as LaTeX (booktabs) and as CSV."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from moopt.experiment.report.protocols import (
    Comparison,
    Key,
    StudyView,
    algorithms,
    final_values,
    higher_is_better,
    problems,
    quantiles,
)
from moopt.storage.files import write_atomic

if TYPE_CHECKING:
    import pandas

MARKS = {"+": "better", "=": "equal", "-": "worse"}


@dataclass(frozen=True)
class Cell:
    """One algorithm on one problem.

    `median`, `low`, `high`: quartiles of all `runs`, of which `valued` have a value; NaN counts as worst. `best`:
    whether no other median of the row is better. `mark`: "+", "-", "=" against the baseline, or "" where there is
    none; `p`, `a12`: of that comparison.
    """

    median: float
    low: float
    high: float
    runs: int
    valued: int
    best: bool = False
    mark: str = ""
    p: float = math.nan
    a12: float = math.nan


@dataclass(frozen=True)
class Table:
    """One indicator of all problems (rows) and algorithms (columns)."""

    indicator: str
    larger: bool
    problems: Sequence[str]
    algorithms: Sequence[str]
    baseline: str | None
    cells: Mapping[tuple[str, str], Cell]

    def counts(self, algorithm: str) -> tuple[int, int, int]:
        """On how many problems it is better than, equal to, worse than the baseline."""
        marks = [self.cells[problem, algorithm].mark for problem in self.problems]
        better, equal, worse = (marks.count(mark) for mark in MARKS)
        return better, equal, worse

    @property
    def is_marked(self) -> bool:
        """Whether anything is compared with the baseline."""
        return any(cell.mark for cell in self.cells.values())


def indicator_table(
    study: StudyView, indicator: str, comparison: Comparison, final: Mapping[Key, Mapping[int, float]] | None = None
) -> Table:
    """Medians and quartiles of an indicator at the end of the budget, with the comparison's marks."""
    final = final_values(study) if final is None else final
    larger, rows, names = higher_is_better(indicator), problems(study), algorithms(study)
    marks = _marks(comparison.marks, indicator)
    cells: dict[tuple[str, str], Cell] = {}
    for problem in rows:
        made = {name: _cell(final.get((problem, name, indicator), {}), larger) for name in names}
        medians = [cell.median for cell in made.values() if not math.isnan(cell.median)]
        best = (max if larger else min)(medians, default=math.nan)
        for name, cell in made.items():
            mark, p, a12 = marks.get((problem, name), ("", math.nan, math.nan))
            spread = (cell.median, cell.low, cell.high, cell.runs, cell.valued)
            cells[problem, name] = Cell(*spread, cell.median == best and len(names) > 1, mark, p, a12)
    return Table(indicator, larger, rows, names, comparison.baseline, cells)


def _cell(values: Mapping[int, float], larger: bool) -> Cell:
    column = np.array(list(values.values()), dtype=np.float64)
    low, median, high = quantiles(column, (0.25, 0.5, 0.75), larger).tolist()
    return Cell(median, low, high, len(column), int(np.isfinite(column).sum()))


def _marks(frame: pandas.DataFrame | None, indicator: str) -> dict[tuple[str, str], tuple[str, float, float]]:
    if frame is None:
        return {}
    rows = frame[frame["indicator"] == indicator]
    names = ("problem", "algorithm", "mark", "p", "a12")
    return {
        (problem, algorithm): (str(mark).replace("−", "-"), float(p), float(a12))
        for problem, algorithm, mark, p, a12 in zip(*(rows[name] for name in names), strict=True)
    }


def number(value: float, digits: int = 4) -> str:
    """A value to so many significant digits, with an exponent only where it needs one; a dash for NaN."""
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if -4 <= size < 6:
        return f"{value:.{max(0, digits - 1 - size)}f}"
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    return f"{mantissa}e{int(exponent)}"


def latex_table(table: Table) -> str:
    """The table as LaTeX: median, in small the interquartile range, the best in bold, marks; needs booktabs."""
    width = len(table.algorithms)
    head = " & ".join(["Problem", *(_latex(name) for name in table.algorithms)])
    best = "larger is better" if table.larger else "smaller is better"
    lines = [
        f"% {_comment(table.indicator)}: median and interquartile range, {best}; \\usepackage{{booktabs}}",
        f"\\begin{{tabular}}{{l*{{{width}}}{{r}}}}", "\\toprule", f"{head} \\\\", "\\midrule",
    ]  # fmt: skip
    if table.baseline is not None and table.is_marked:
        lines.insert(1, f"% +, =, -: better than, equal to, worse than {_comment(table.baseline)}")
    for problem in table.problems:
        cells = [_latex_cell(table.cells[problem, name]) for name in table.algorithms]
        lines.append(" & ".join([_latex(problem), *cells]) + " \\\\")
    if table.is_marked:
        counts = [
            "" if name == table.baseline else "/".join(map(str, table.counts(name))) for name in table.algorithms
        ]
        lines += ["\\midrule", " & ".join(["$+$/$=$/$-$", *counts]) + " \\\\"]
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])


def _latex_cell(cell: Cell) -> str:
    if math.isnan(cell.median):
        return "--"
    median, spread = (_latex(number(v, d)).replace("–", "--") for v, d in ((cell.median, 4), (cell.high - cell.low, 2)))
    median = f"\\textbf{{{median}}}" if cell.best else median
    return f"{median} {{\\scriptsize {spread}}}" + (f" ${cell.mark}$" if cell.mark in MARKS else "")


_SPECIAL = {
    "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "<": "\\textless{}",
    ">": "\\textgreater{}", "|": "\\textbar{}", **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}  # fmt: skip


def _latex(text: str) -> str:
    return "".join(_SPECIAL.get(letter, letter) for letter in " ".join(text.split()))


def _comment(text: str) -> str:
    return " ".join(text.split())


def csv_table(table: Table) -> str:
    """The table as CSV, a row for each problem and algorithm, numbers in full."""
    names = "problem algorithm indicator runs valued median q25 q75 best against_baseline p a12".split()
    rows: list[Sequence[Any]] = [
        (problem, name, table.indicator, cell.runs, cell.valued, *map(_full, (cell.median, cell.low, cell.high)),
         int(cell.best), MARKS.get(cell.mark, ""), _full(cell.p), _full(cell.a12))
        for (problem, name), cell in table.cells.items()
    ]  # fmt: skip
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return stream.getvalue()


def _full(value: float) -> str:
    return "" if math.isnan(value) else repr(float(value))


def write_tables(study: StudyView, folder: str | Path, comparison: Comparison | None = None) -> list[Path]:
    """Writes `tables/INDICATOR.tex` and `.csv` into a folder, and gives their paths. Raises OSError."""
    place = Path(folder) / "tables"
    place.mkdir(parents=True, exist_ok=True)
    final, written = final_values(study), []
    for indicator in dict.fromkeys(str(name) for name in study.results["indicator"]):
        table = indicator_table(study, indicator, comparison or Comparison(), final)
        stem = re.sub(r"[^\w.-]+", "_", indicator)
        for ending, content in (("tex", latex_table(table)), ("csv", csv_table(table))):
            write_atomic(place / f"{stem}.{ending}", content.encode())
            written.append(place / f"{stem}.{ending}")
    return written
