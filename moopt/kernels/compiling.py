"""Who hears that kernels are compiled, which takes seconds and is kept on disk for every later process."""

from __future__ import annotations

import logging
from collections.abc import Callable

Listener = Callable[[], None]

log = logging.getLogger("moopt")
_listeners: list[Listener] = []


def listen(listener: Listener) -> None:
    """From now on `listener()` is called before a kernel is compiled, in the thread that does it."""
    _listeners.append(listener)


def unlisten(listener: Listener) -> None:
    """Ends what `listen` began, if it did."""
    if listener in _listeners:
        _listeners.remove(listener)


def announce(name: str) -> None:
    """Says that a kernel is about to be compiled: to the listeners, and to the log."""
    log.info("compiling the kernel %s (once per installation)", name)
    for listener in tuple(_listeners):
        listener()
