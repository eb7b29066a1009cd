"""The command line: `moopt solve`, `moopt resume`, `moopt render`, `moopt bench`, `moopt report`, `moopt list`.

Exit codes: 0, done; 1, an unexpected error, or no evaluation succeeded; 2, bad input, told in one sentence; 130,
interrupted.
"""

import typer

from moopt.cli.catalogue import list_
from moopt.cli.film import render
from moopt.cli.search import resume, solve
from moopt.cli.study import bench, report

app = typer.Typer(
    help="Searches Pareto fronts of anything.", no_args_is_help=True, add_completion=False,
    pretty_exceptions_enable=False, rich_markup_mode=None,
)  # fmt: skip
app.command()(solve)
app.command()(resume)
app.command()(bench)
app.command()(report)
app.command()(render)
app.command("list")(list_)


def main() -> None:
    """Runs the command line."""
    app()
