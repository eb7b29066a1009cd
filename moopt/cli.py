"""The command line: `moopt solve`, `moopt resume`, `moopt render`, `moopt bench`, `moopt report`, `moopt list`.

Exit codes: 0, done; 1, an unexpected error, or no evaluation succeeded; 2, bad input, told in one sentence; 130,
interrupted.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import re
import sys
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from moopt.core.checks import InputError

if TYPE_CHECKING:
    from moopt.core.budget import Budget
    from moopt.run.result import Result
    from moopt.run.run import Run

app = typer.Typer(
    help="Searches Pareto fronts of anything.", no_args_is_help=True, add_completion=False,
    pretty_exceptions_enable=False, rich_markup_mode=None,
)  # fmt: skip

# numbers are taken as text: moopt's own checks know what fits and say it in one sentence
Number = Annotated[str | None, typer.Option(metavar="N")]
Progress = Annotated[bool | None, typer.Option(help="A line on stderr; off with --no-progress.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show where an error comes from.")]
Moved = Annotated[str | None, typer.Option(help="path.py:name, where the file is no longer where it was.")]
Workers = Annotated[str | None, typer.Option(metavar="SPEC", help="Where evaluations run: inline, processes:4.")]


def main() -> None:
    """Runs the command line."""
    app()


@app.command()
def solve(
    problem: Annotated[str, typer.Argument(help="A name of `moopt list`, or path.py:name of a problem of your own.")],
    algorithm: Annotated[str | None, typer.Option(help="Named likewise; without, one is picked.")] = None,
    evaluations: Number = None,
    generations: Number = None,
    env_steps: Number = None,
    tokens: Number = None,
    seconds: Number = None,
    seed: Annotated[int, typer.Option(help="Run i has seed + i.")] = 0,
    runs: Annotated[int, typer.Option(help="Independent runs.")] = 1,
    out: Annotated[Path | None, typer.Option(help="A new folder; runs/PROBLEM-ALGORITHM-SEED by default.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda.")] = None,
    dtype: Annotated[str | None, typer.Option(help="float64 or float32.")] = None,
    executor: Workers = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="[problem.|algorithm.]KEY=VALUE", help="An option of either.")
    ] = None,
    progress: Progress = None,
    debug: Debug = False,
) -> None:
    """Search the Pareto front of a problem; whichever of several budgets is used up first ends it."""
    with _one_sentence(debug):
        from moopt import catalogue
        from moopt.run import search
        from moopt.run.run import Run

        budget = _budget(
            evaluations=evaluations, generations=generations, env_steps=env_steps, tokens=tokens, seconds=seconds
        )  # fmt: skip
        made = catalogue.find("problems", problem)
        # what is picked without a name depends on the problem, so that its options come first
        chosen = None if algorithm is None else catalogue.find("algorithms", algorithm)
        for_problem, for_algorithm = _options(
            settings or [], _parameters(made), [] if chosen is None else _parameters(chosen)
        )
        found = catalogue.problem(problem, **for_problem)
        searching = None if algorithm is None else catalogue.algorithm(algorithm, **for_algorithm)
        if algorithm is None:
            name = search.default_algorithm(found, budget or search.default_budget(found, None))
        else:
            name = algorithm.rpartition(":")[2]
        run = Run(
            found, searching, budget, seed=seed, runs=runs, progress=progress is not False, device=device, dtype=dtype,
            executor=executor, out=out or _free_folder(f"{found.name}-{name}-{seed}"),
        )  # fmt: skip
    _drive(run, debug)


@app.command()
def resume(
    folder: Annotated[Path, typer.Argument(help="The folder of an interrupted or finished run.")],
    evaluations: Number = None,
    generations: Number = None,
    env_steps: Number = None,
    tokens: Number = None,
    seconds: Number = None,
    problem: Moved = None,
    algorithm: Moved = None,
    executor: Workers = None,
    progress: Progress = None,
    debug: Debug = False,
) -> None:
    """Continue a run, to its own budget or to a larger one."""
    with _one_sentence(debug):
        from moopt.run.run import Run

        run = Run.reopen(
            folder, problem=problem, algorithm=algorithm, executor=executor, progress=progress is not False,
            budget=_budget(
                evaluations=evaluations, generations=generations, env_steps=env_steps, tokens=tokens, seconds=seconds
            ),
        )  # fmt: skip
    _drive(run, debug)


@app.command()
def bench(
    spec: Annotated[str, typer.Argument(help="A spec file, or the name of one that is shipped.")],
    out: Annotated[Path, typer.Option(help="The study's folder; one that is there already is completed.")],
    executor: Annotated[str, typer.Option(metavar="SPEC", help="Where cells run: processes, processes:4, inline.")] = (
        "processes"
    ),
    device: Annotated[str | None, typer.Option(help="cpu or cuda.")] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try again what failed before.")] = False,
    progress: Progress = None,
    debug: Debug = False,
) -> None:
    """Compare algorithms: problems x algorithms x seeds, kept in a folder, with statistics and a report."""
    with _one_sentence(debug):
        from moopt import experiment

        try:
            study = experiment.bench(
                spec, out, executor=executor, device=device, progress=progress is not False, retry_failed=retry_failed
            )  # fmt: skip
        except KeyboardInterrupt:
            typer.echo(f"moopt: interrupted; to go on: moopt bench {spec} --out {out}", err=True)
            raise typer.Exit(130) from None
        failed = study.runs[study.runs["status"] == "failed"]
        for sentence in experiment.sentences(study):
            typer.echo(sentence)
        for (problem, algorithm), rows in failed.groupby(["problem", "algorithm"], sort=False):
            error = str(rows["message"].iloc[0]).splitlines()[0]
            typer.echo(f"{algorithm} on {problem}: {len(rows)} of {len(study.seeds(problem))} runs failed: {error}")
        files = [name for name in ("results.csv", "report.html") if (out / name).exists()]
        typer.echo(f"{out}: {', '.join(files)}")
        if len(failed) == len(study.runs):
            raise typer.Exit(1)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="The folder of a study, or of a single run.")],
    live: Annotated[bool, typer.Option("--live", help="Serve it on this machine while the study goes on.")] = False,
    port: Annotated[int, typer.Option(help="For --live; 0: any that is free.")] = 0,
    debug: Debug = False,
) -> None:
    """Write the report of a study or of a run, one HTML file that needs no network; or serve it."""
    with _one_sentence(debug):
        from moopt import experiment

        if live:
            experiment.serve(folder, port, lambda address: typer.echo(f"{address} (Ctrl-C ends it)"))
            return
        typer.echo(str(experiment.publish(folder)))


@app.command()
def render(
    folder: Annotated[Path, typer.Argument(help="The folder of a finished or interrupted run.")],
    pick: Annotated[
        str, typer.Option(help="The policy: knee, best:NAME of an objective, or a row of front.csv, the first being 0.")
    ] = "knee",
    seed: Annotated[int, typer.Option(help="Of the episode.")] = 0,
    seconds: Annotated[float, typer.Option(help="At most so much of it.")] = 5.0,
    out: Annotated[
        Path | None, typer.Option(help="A .gif, .webp, .png or .mp4; policy-ROW.gif in the folder by default.")
    ] = None,
    size: Annotated[str, typer.Option(metavar="WxH", help="Pixels.")] = "480x360",
    fps: Annotated[float, typer.Option(help="Frames a second.")] = 30.0,
    problem: Moved = None,
    debug: Debug = False,
) -> None:
    """Film a policy that a search of a robot's control found."""
    with _one_sentence(debug):
        from moopt.render.watch import named, span, watch
        from moopt.run import search
        from moopt.run.result import Result

        if not (folder / "result.json").is_file():
            way = f"; moopt resume {folder} ends it" if (folder / "config.json").is_file() else ""
            raise FileNotFoundError(f"{folder}: expected the folder of a run, got no result.json in it{way}")
        pixels = re.fullmatch(r"(\d+)x(\d+)", size)
        if pixels is None:
            raise InputError(f"--size: expected WIDTHxHEIGHT in pixels, got {size!r}")
        result = Result.load(folder, search.problem_in_file(folder, problem))
        found = result.problem
        wide, high = map(int, pixels.groups())
        seen = watch(result, pick, out, seed=seed, seconds=seconds, size=(wide, high), fps=fps)
        if seen.no_renderer:
            typer.echo(
                f"moopt: no offscreen renderer works here ({seen.no_renderer}): this is a plot of the trajectory",
                err=True,
            )
        of = f"row {seen.row} of front.csv" + (f", of seed {seen.run.seed}" if result.parts else "")
        lines = {
            "policy": f"{of}: {named(found, result.front.objectives[seen.row].tolist())}",
            "episode": f"seed {seed}: {named(found, seen.lived.objectives.tolist())}",
            "shown": span(seen.shown, seen.lived.seconds),
            "file": str(seen.path),
        }
        typer.echo("\n".join(f"{name:12} {line}" for name, line in lines.items()))


class Catalogue(StrEnum):
    """One of the two."""

    PROBLEMS = "problems"
    ALGORITHMS = "algorithms"


@app.command("list")
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


# a run and how it ended


GIVEN = (InputError, OSError, ImportError)  # values, files and packages: what is not there or does not fit


@contextlib.contextmanager
def _one_sentence(debug: bool, told: tuple[type[Exception], ...] = GIVEN) -> Iterator[None]:
    """Turns what the user can mend into one line on stderr and exit code 2; any other error shows its traceback."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("moopt: interrupted", err=True)
        raise typer.Exit(130) from None
    except told as error:
        if debug:
            raise
        from moopt.catalogue.sources import one_line

        typer.echo(f"moopt: {one_line(error)}", err=True)
        raise typer.Exit(2) from None


def _drive(run: Run, debug: bool) -> None:
    folder = run.folder or Path()
    with _one_sentence(debug, (InputError,)):  # a file or package that a problem misses on the way is its own error
        try:
            result = run.run()
        except InputError:
            raise
        except Exception:
            typer.echo(f"moopt: an error ended the run; to go on from there: moopt resume {folder}", err=True)
            raise
    typer.echo(_summary(result, folder))
    if result.status == "interrupted":
        typer.echo(f"moopt: interrupted; to go on: moopt resume {folder}", err=True)
        raise typer.Exit(130)
    if result.status == "failed":
        raise typer.Exit(1)


def _summary(result: Result, folder: Path) -> str:
    what = result.convention
    files = [name for name in ("front.csv", "front.png", "history.csv", "result.json") if (folder / name).exists()]
    lines = {
        "status": str(result.status),
        "message": result.message,
        "hypervolume": what if what.startswith("none") else f"{result.hypervolume:.6g} ({what})",
        "front": f"{len(result.front):,} point" + ("s" if len(result.front) != 1 else ""),
        "files": f"{folder}: {', '.join(files)}",
    }
    if result.errors:
        lines["first error"] = result.errors[0].splitlines()[0]
    notes = [("notes" if i == 0 else "", note) for i, note in enumerate(result.notes)]
    return "\n".join(f"{name:12} {line}" for name, line in [*lines.items(), *notes])


def _free_folder(name: str) -> Path:
    """runs/NAME, or with -2, -3 ... where that is taken."""
    base = re.sub(r"[^\w.-]+", "_", name).strip("_")
    number, folder = 1, Path("runs") / base
    while folder.exists():
        number += 1
        folder = folder.with_name(f"{base}-{number}")
    return folder


# what the user wrote


def _budget(**amounts: str | None) -> Budget | None:
    """The budget of the options that were given, by unit: whichever ends first."""
    from moopt.core.budget import UNITS, first_of

    numbers: dict[str, float] = {}
    for unit, text in amounts.items():
        if text is None:
            continue
        try:
            n = float(text)
        except ValueError:
            raise InputError(f"{UNITS[unit].__name__} budget: expected a number, got {text!r}") from None
        numbers[unit] = int(n) if n.is_integer() else n
    return first_of(numbers)


def _parameters(made: Any) -> list[str]:
    """Names of the options that a class or function takes; none for a problem that is made."""
    return list(inspect.signature(made).parameters) if callable(made) else []


def _options(
    settings: Sequence[str], of_problem: Sequence[str], of_algorithm: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """`--set` for the problem and for the algorithm. Raises ValueError where it is not clear whose it is."""
    from moopt.core import checks

    known = {"problem": of_problem, "algorithm": of_algorithm}
    chosen: dict[str, dict[str, Any]] = {"problem": {}, "algorithm": {}}
    for setting in settings:
        key, equals, text = setting.partition("=")
        owner, dot, option = key.strip().rpartition(".")
        if not equals or not option or (dot and owner not in known):
            raise InputError(f"--set: expected [problem.|algorithm.]KEY=VALUE, got {setting!r}")
        owners = [owner] if dot else [name for name, options in known.items() if option in options]
        if len(owners) > 1:
            raise InputError(f"--set {option}: expected problem.{option} or algorithm.{option}, for both have it")
        if not owners or option not in known[owners[0]]:
            among = [name for part in (owners or known) for name in known[part]]
            has = f"an option among {', '.join(among)}" if among else "no options, for there are none"
            raise InputError(f"--set: expected {has}, got {option!r}{checks.nearest(option, among)}")
        try:
            value = json.loads(text)
        except ValueError:
            value = {"True": True, "False": False, "None": None}.get(text, text)
        chosen[owners[0]][option] = value
    return chosen["problem"], chosen["algorithm"]


# the catalogue


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


if __name__ == "__main__":
    main()
