"""`moopt solve` and `moopt resume`: a run, and how it ended."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moopt.cli.errors import one_sentence
from moopt.cli.options import Debug, Moved, Number, Progress, Workers, budget_of, parameters, settings_of
from moopt.core.checks import InputError

if TYPE_CHECKING:
    from moopt.run.result import Result
    from moopt.run.run import Run


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
    with one_sentence(debug):
        from moopt import catalogue
        from moopt.run import search
        from moopt.run.run import Run

        budget = budget_of(
            evaluations=evaluations, generations=generations, env_steps=env_steps, tokens=tokens, seconds=seconds
        )  # fmt: skip
        made = catalogue.find("problems", problem)
        # what is picked without a name depends on the problem, so that its options come first
        chosen = None if algorithm is None else catalogue.find("algorithms", algorithm)
        for_problem, for_algorithm = settings_of(
            settings or [], parameters(made), [] if chosen is None else parameters(chosen)
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
    with one_sentence(debug):
        from moopt.run.run import Run

        run = Run.reopen(
            folder, problem=problem, algorithm=algorithm, executor=executor, progress=progress is not False,
            budget=budget_of(
                evaluations=evaluations, generations=generations, env_steps=env_steps, tokens=tokens, seconds=seconds
            ),
        )  # fmt: skip
    _drive(run, debug)


def _drive(run: Run, debug: bool) -> None:
    folder = run.folder or Path()
    with one_sentence(debug, (InputError,)):  # a file or package that a problem misses on the way is its own error
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
