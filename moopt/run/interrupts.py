"""Ctrl-C without loss."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any


class Interrupts:
    """Lets Ctrl-C through at once, except inside `whole`, where it waits for the end of the block.

    A context manager that installs its handler in the main thread and puts the old one back.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._waiting = False
        self._old: Any = None

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._old = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._old is not None:
            signal.signal(signal.SIGINT, self._old)
            self._old = None

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._depth:
            self._waiting = True
        else:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def whole(self) -> Iterator[None]:
        """A block that Ctrl-C does not cut in two."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
        if self._waiting and not self._depth:
            self._waiting = False
            raise KeyboardInterrupt
