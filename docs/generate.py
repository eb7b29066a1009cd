"""Writes what documentation takes from the code: `docs/api.md` and the tables of `README.md`.

`python docs/generate.py` after a change of public names, catalogues or results of benchmarks; a test compares.
"""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

from moopt import catalogue
from moopt.core.algorithm import ALL_KINDS
from moopt.core.problem import Problem

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "moopt", "moopt.selection", "moopt.indicators", "moopt.operators", "moopt.monitors", "moopt.executors",
    "moopt.experiment", "moopt.bridges", "moopt.learning", "moopt.physics", "moopt.surrogate",
    "moopt.storage",
    "moopt.testing",
)  # fmt: skip


def public_names() -> list[tuple[str, str, Any]]:
    """(package, name, object) of everything public, submodules apart."""
    found = []
    for package in PACKAGES:
        module = importlib.import_module(package)
        names = getattr(module, "__all__", None)
        if names is None:
            own = [n for n, thing in vars(module).items() if getattr(thing, "__module__", "") == package]
            names = [n for n in own if not n.startswith("_")]
        found += [(package, name, getattr(module, name)) for name in names]
    return [(package, name, thing) for package, name, thing in found if not inspect.ismodule(thing)]


def first_sentence(thing: Any) -> str:
    """What a docstring says first."""
    text = " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())
    return re.split(r"(?<=[a-z)\]`])\. ", text)[0].rstrip(".") + "."


def signature(thing: Any) -> str:
    """Names of the parameters, with their defaults."""
    if not callable(thing):
        return ""
    try:
        parameters = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return ""
    shown = []
    for parameter in parameters:
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and not any(name.startswith("*") for name in shown):
            shown.append("*")
        default = parameter.default
        plain = isinstance(default, (int, float, str, bool, tuple, type(None)))
        tail = "" if default is inspect.Parameter.empty else f"={default!r}" if plain else "=..."
        shown.append(("*" if parameter.kind is inspect.Parameter.VAR_POSITIONAL else "") + parameter.name + tail)
    return f"({', '.join(shown)})"


def api() -> str:
    """`docs/api.md`."""
    lines = ["# Public names", "", "Written by `docs/generate.py`; shapes, units and errors stand in the docstrings."]
    package = None
    for owner, name, thing in public_names():
        if owner != package:
            package = owner
            lines += ["", f"## {package}", ""]
        lines.append(f"- `{package}.{name}{signature(thing)}`: {first_sentence(thing)}")
    return "\n".join(lines) + "\n"


def paper(cls: Any) -> str:
    """The source that a catalogue file names: surname of the first author and year."""
    text = inspect.getdoc(importlib.import_module(cls.__module__)) or ""
    year = re.search(r"\((\d{4})\)", text)
    author = re.search(r"^[A-Z]\.(?:[ -]?[A-Z]\.)* ?([A-Z][\w'\-]+)", text, flags=re.MULTILINE)
    return f"{author.group(1)} {year.group(1)}" if author and year else ""


def problems_table() -> str:
    """One row for each suite."""
    rows = ["| problems | objectives | variables | constraints | source |", "|---|---|---|---|---|"]
    suites: dict[str, list[str]] = {}
    for name, target in catalogue.table("problems").items():
        suites.setdefault(target.split(":")[0], []).append(name)
    for names in suites.values():
        names.sort(key=lambda name: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)])
        made: list[Problem] = [catalogue.problem(name) for name in names]
        n_obj, n_var, n_con = (
            span([getattr(problem, key) for problem in made]) for key in ("n_obj", "n_var", "n_con")
        )
        options = inspect.signature(type(made[0])).parameters
        n_obj += " or any" if "n_obj" in options and len(set(n_obj)) == 1 and names[0] != "exactalignment" else ""
        n_var += " or any" if "n_var" in options else ""
        rows.append(f"| {' '.join(f'`{n}`' for n in names)} | {n_obj} | {n_var} | {n_con} | {paper(type(made[0]))} |")
    return "\n".join(rows)


def span(values: list[int]) -> str:
    """"2" or "2 to 9"."""
    return str(values[0]) if len(set(values)) == 1 else f"{min(values)} to {max(values)}"


def algorithms_table() -> str:
    """One row for each algorithm."""
    rows = ["| algorithm | searches | variables | constraints | source |", "|---|---|---|---|---|"]
    for name in catalogue.table("algorithms"):
        cls = catalogue.load("algorithms", name)
        kinds = "all" if cls.kinds == ALL_KINDS else ", ".join(sorted(kind.name.lower() for kind in cls.kinds))
        needs = {"Problem": "any problem"}.get(cls.needs.__name__, cls.needs.__name__.removesuffix("Problem").lower())
        heeds = "yes" if cls.constraints else "no"
        rows.append(f"| `{name}` | {needs} | {kinds} | {heeds} | {paper(cls)} |")
    return "\n".join(rows)


MEASURED = {  # result -> what it says, and the columns of its first table that the README shows (none: all)
    "population": ("a generation through `minimize`, archive and history on, in milliseconds on one thread", (
        "work", "population", "moopt", "pymoo", "pygmo", "EvoX", "EvoX compiled",
    )),
    "kernels": ("Pareto ranks of 20,000 points, in milliseconds on one thread", (
        "points", "m", "moopt", "moocore", "moocore / moopt",
    )),
    "bayesian": ("what hypervolume lacks of the best after fifty evaluations, as decimal logarithm (less is better),"
                 " mean [bootstrap 95 %] of the seeds", (
        "problem", "seeds", "bayes", "botorch", "optuna-gp", "optuna-tpe", "pymoo-nsga2", "sobol",
        "botorch / bayes, time",
    )),
    "bayesian_workers": ("hypervolume of `bayes` when so many mean evaluations' time has passed, one to sixteen workers"
                         " that wait for each other or do not", ()),
    "bayesian_growth": ("`bayes` until 300 evaluations: seconds a suggestion, and memory", ()),
    "robot_control": ("control steps a second with policies, observations and rewards in the loop, on two threads", (
        "task", "worlds", "moopt, steps/s", "rollout", "moopt / rollout",
    )),
    "robot_study": ("hypervolume of fronts of policies on held-out episodes, medians [quartiles] of five seeds", ()),
    "study": ("a whole comparison study", ()),
    "overhead": ("what the interface costs", ()),
}  # fmt: skip


def measured() -> str:
    """The leading table of each committed result of the benchmarks, with a link to the script that made it."""
    parts = []
    for name, (what, wanted) in MEASURED.items():
        text = (ROOT / "benchmarks" / "results" / f"{name}.md").read_text(encoding="utf-8")
        made = next(line for line in text.splitlines()[1:] if line)
        lines = [line for line in text.split("\n\n") if line.startswith("|")][0].splitlines()
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        kept = [rows[0].index(column) for column in wanted] or list(range(len(rows[0])))
        table = "\n".join("| " + " | ".join(row[i] for i in kept) + " |" for row in rows)
        links = f"[script](benchmarks/{name}.py), [all of it](benchmarks/results/{name}.md)"
        parts.append(f"{what[0].upper()}{what[1:]} ({links}; {made.rstrip('.')}):\n\n{table}")
    return "\n\n".join(parts)


def readme(text: str) -> str:
    """The README with fresh tables between its markers."""
    tables = {"algorithms": algorithms_table(), "problems": problems_table(), "measured": measured()}
    for marker, table in tables.items():
        begin, end = f"<!-- {marker} -->", f"<!-- /{marker} -->"
        head, rest = text.split(begin)
        text = f"{head}{begin}\n{table}\n{end}{rest.split(end)[1]}"
    return text


if __name__ == "__main__":
    (ROOT / "docs" / "api.md").write_text(api(), encoding="utf-8")
    path = ROOT / "README.md"
    path.write_text(readme(path.read_text(encoding="utf-8")), encoding="utf-8")
