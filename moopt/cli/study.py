"""`moopt bench` and `moopt report`: studies of many runs, and what is written about them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from moopt.cli.errors import one_sentence
from moopt.cli.options import Debug, Progress


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
    with one_sentence(debug):
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


def report(
    folder: Annotated[Path, typer.Argument(help="The folder of a study, or of a single run.")],
    live: Annotated[bool, typer.Option("--live", help="Serve it on this machine while the study goes on.")] = False,
    port: Annotated[int, typer.Option(help="For --live; 0: any that is free.")] = 0,
    debug: Debug = False,
) -> None:
    """Write the report of a study or of a run, one HTML file that needs no network; or serve it."""
    with one_sentence(debug):
        from moopt import experiment

        if live:
            experiment.serve(folder, port, lambda address: typer.echo(f"{address} (Ctrl-C ends it)"))
            return
        typer.echo(str(experiment.publish(folder)))
