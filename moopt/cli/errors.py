"""What the user can mend becomes one sentence and exit code 2; nothing else does."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import typer

from moopt.core.checks import InputError

GIVEN = (InputError, OSError, ImportError)  # values, files and packages: what is not there or does not fit


@contextlib.contextmanager
def one_sentence(debug: bool, told: tuple[type[Exception], ...] = GIVEN) -> Iterator[None]:
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
