"""`moopt render`: a policy in a film."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from moopt.cli.errors import one_sentence
from moopt.cli.options import Debug, Moved
from moopt.core.checks import InputError


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
    with one_sentence(debug):
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
