"""A long benchmark in parts, each in a process of its own, so that it ends in time and loses nothing.

A part is a command. Each line of its standard output that is a list in JSON is a row of its table; other lines are
shown. What it has written when it fails, hangs or runs out of time is kept, and a row says what became of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Thread
from typing import IO, Any, NamedTuple

import report

LEAST = 3.0  # seconds below which a part is not begun
GRACE = 2.0  # seconds that a killed process is waited for: one that hangs in a driver cannot end
OFTEN = 0.5  # seconds between looks at a process that says nothing

Row = list[str]


class Part(NamedTuple):
    """A command that may take `seconds`, and the heading and columns of what it finds."""

    title: str
    columns: Sequence[str]
    seconds: float
    command: Sequence[str]


def run(parts: Sequence[Part], ends: float, heading: str, out: Path | None) -> None:
    """Runs parts in turn until `ends`, of `time.monotonic`, prints rows as they come, and keeps `out` up to date."""
    tables: list[tuple[Part, list[Row]]] = []

    def take(row: Row) -> None:
        part, rows = tables[-1]
        rows.append([str(cell).replace("|", "/") for cell in row] + [""] * (len(part.columns) - len(row)))
        _say(" | ".join(rows[-1]).rstrip(" |"))
        if out is not None:
            _write(out, "\n\n".join([heading, *(f"## {p.title}\n\n{report.table(p.columns, r)}" for p, r in tables)]))

    for part in parts:
        tables.append((part, []))
        _say(f"\n## {part.title}")
        began = time.monotonic()
        seconds = min(part.seconds, ends - began - GRACE)
        if seconds < LEAST:
            take(["not begun: no time was left"])
            continue
        wrong = _follow(part.command, seconds, take)
        took = f"{time.monotonic() - began:.0f} s"
        if wrong:
            take([f"after {took}: {wrong}"])
        elif not tables[-1][1]:
            take(["found nothing"])
        _say(f"({took}, {max(0.0, ends - time.monotonic()):.0f} s left)")


def ask(command: Sequence[str], seconds: float, otherwise: Row) -> tuple[Row, str]:
    """The first row that a command gives, or `otherwise`; and what went wrong, or ""."""
    rows: list[Row] = []
    wrong = _follow(command, seconds, rows.append)
    return (rows or [otherwise])[0], wrong or ("" if rows else "it said nothing")


def _follow(command: Sequence[str], seconds: float, take: Callable[[Row], None]) -> str:
    """Gives each row to `take` as soon as it is there. Returns what went wrong, or ""."""
    ends = time.monotonic() + seconds
    with tempfile.TemporaryFile("w+", errors="replace") as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True, errors="replace",
            start_new_session=True,
        )  # fmt: skip
        lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        Thread(target=_read, args=(process.stdout, lines), daemon=True).start()
        try:
            while True:
                gone = process.poll() is not None
                try:
                    line = lines.get(timeout=max(0.0, min(OFTEN, ends - time.monotonic())))
                except queue.Empty:
                    if gone:  # what it started has its output still open
                        break
                    line = ""
                if line is None:
                    break
                _sort_out(line, take)
                if time.monotonic() > ends:
                    break
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, ends - time.monotonic()))
            code = process.returncode
        finally:
            _end(process)
        if code == 0:
            return ""
        errors.seek(0)
        said = [line.strip() for line in errors.read().splitlines() if line.strip()]
        what = "stopped, out of time" if code is None else f"failed, exit code {code}"
        raised = [line for line in said if re.match(r"[\w.]+(Error|Exception)\b", line)]
        return f"{what}: {(raised or said)[-1][:300]}" if said else what


def _read(stream: IO[str], lines: queue.SimpleQueue[str | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def _sort_out(line: str, take: Callable[[Row], None]) -> None:
    found: Any = None
    with contextlib.suppress(ValueError):
        found = json.loads(line)
    if isinstance(found, list):
        take(found)
    elif line.strip():
        _say(line.rstrip())


def _end(process: subprocess.Popen[str]) -> None:
    """Ends a process and what it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)


def _write(out: Path, text: str) -> None:
    out.parent.mkdir(exist_ok=True)
    draft = out.with_suffix(".part")
    draft.write_text(text + "\n", encoding="utf-8")
    draft.replace(out)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
