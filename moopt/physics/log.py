"""What MuJoCo tells a terminal, and the folder that a program runs in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

_lock = Lock()  # MuJoCo's log belongs to the process
_inside: list[Any] = []  # for each block that runs, MuJoCo's settings from before the first of them


@contextmanager
def quiet() -> Iterator[None]:
    """Without MuJoCo's warnings on stderr and in MUJOCO_LOG.TXT; does nothing where MuJoCo is not installed.

    Blocks may overlap in several threads: the last that ends gives back the settings from before the first. MuJoCo
    counts its warnings all the same, and a handler of the user's own hears of them.
    """
    try:
        from mujoco import MjLogConfig
    except (ImportError, AttributeError):  # the latter where MUJOCO_GL names what is not installed
        yield
        return
    with _lock:
        _inside.append(_inside[0] if _inside else MjLogConfig.get())
        silent = MjLogConfig.get()
        silent.logto_console = silent.logto_file = False
        silent.set()
    try:
        yield
    finally:
        with _lock:
            before = _inside.pop()
            if not _inside:
                before.set()
