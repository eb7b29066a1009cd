"""`moopt list`: what can be named."""

from __future__ import annotations

import inspect
import json
import re
import sys
from enum import StrEnum
from typing import Annotated, Any

import typer


class Catalogue(StrEnum):
    """One of the two."""

    PROBLEMS = "problems"
    ALGORITHMS = "algorithms"


def list_(
    group: Annotated[Catalogue | None, typer.Argument(help="Only one of the two.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show the catalogue: problems and algorithms."""
    from moopt import catalogue

    describe = {Catalogue.PROBLEMS: _problem_row, Catalogue.ALGORITHMS: _algorithm_row}
    shown = [group] if group else list(Catalogue)
    tables = {which: [describe[which](name) for name in catalogue.table(which)] for which in shown}
    if as_json:
        typer.echo(json.dumps(tables, indent=1))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 140)
    for which, rows in tables.items():
        table = Table(title=which, title_justify="left", title_style="bold", box=None, header_style="dim")
        for column in rows[0] if rows else ():
            table.add_column(column, no_wrap=column == "name", justify="right" if column.startswith("n_") else "left")
        for row in rows:
            table.add_row(*(Text("" if value is None else str(value)) for value in row.values()))
        console.print(table)


def _first_sentence(thing: Any) -> str:
    paragraph = " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())
    return re.split(r"(?<=\.) (?=[A-Z])", paragraph)[0]


def _problem_row(name: str) -> dict[str, Any]:
    from moopt import catalogue

    try:
        problem = catalogue.problem(name)
    except ImportError as error:
        return {"name": name, "n_obj": None, "n_var": None, "n_con": None, "what": f"needs {error.name or error}"}
    return {
        "name": name, "n_obj": problem.n_obj, "n_var": problem.n_var, "n_con": problem.n_con,
        "what": _first_sentence(type(problem)),
    }  # fmt: skip


def _algorithm_row(name: str) -> dict[str, Any]:
    from moopt import catalogue
    from moopt.core.algorithm import ALL_KINDS
    from moopt.core.problem import Problem

    try:
        found = catalogue.load("algorithms", name)
    except ImportError as error:
        return {
            "name": name, "objectives": None, "variables": None, "constraints": None, "problems": None,
            "what": f"needs {error.name or error}", "paper": None,
        }  # fmt: skip
    least, most = found.objectives
    kinds = "all" if found.kinds == ALL_KINDS else ", ".join(sorted(kind.name.lower() for kind in found.kinds))
    needs = "any" if found.needs is Problem else found.needs.__name__.removesuffix("Problem").lower()
    return {
        "name": name, "objectives": f"{least} or more" if most is None else f"{least} to {most}", "variables": kinds,
        "constraints": "yes" if found.constraints else "no", "problems": needs, "what": _first_sentence(found),
        "paper": _paper(inspect.getmodule(found)),
    }  # fmt: skip


def _paper(module: Any) -> str | None:
    """Authors, year and title of the paper that a module's docstring names."""
    for paragraph in (inspect.getdoc(module) or "").split("\n\n"):
        text = " ".join(paragraph.split())
        match = re.match(r'(.*?\(\d{4}\)[,:.]?(?: "[^"]*")?)', text)
        if match:
            return match.group(1).rstrip(",:.").replace(',"', '"')
    return None
