"""What the benchmark scripts share: tables, and where they are written with date, versions and hardware."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

SMOKE = "--smoke" in sys.argv
RESULTS = Path(__file__).parent / "results"


def hardware() -> str:
    """Processor and number of cores; and the GPU where there is one."""
    import torch

    text = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    cpu = Path("/proc/cpuinfo")
    if cpu.exists():
        names = [line.split(":")[1].strip() for line in cpu.read_text().splitlines() if line.startswith("model name")]
        text = f"{names[0]}, {len(names)} cores" if names else text
    return text + (f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else "")


def versions(*packages: str) -> str:
    """Python and the packages that are there."""
    found = [f"Python {platform.python_version()}"]
    for package in ("torch", *packages):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"no {package}")
    return ", ".join(found)


def heading(title: str, *packages: str) -> str:
    """The title, and below it when, with what and on what."""
    return f"# {title}\n\n{date.today()}; {versions(*packages)}; {hardware()}."


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in markdown."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def write(name: str, title: str, body: str, *packages: str) -> None:
    """Prints the report and, unless this is a smoke run, writes it to `results/name.md`."""
    text = f"{heading(title, *packages)}\n\n{body}\n"
    sys.stdout.write(text)
    if not SMOKE:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")
