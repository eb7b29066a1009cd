"""What results are made with."""

from __future__ import annotations

import platform
from functools import cache

import torch


@cache
def _version() -> str:
    from importlib.metadata import version

    return version("moopt")


def versions() -> dict[str, str]:
    """Versions of moopt, torch and Python."""
    return {"moopt": _version(), "torch": torch.__version__, "python": platform.python_version()}
