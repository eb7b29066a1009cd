"""What runs in a worker process. Run as a file, not imported: importing the package would load torch."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from io import TextIOWrapper
from multiprocessing.connection import Connection
from time import perf_counter
from typing import Any, TypeAlias

RUN_NAME = "moopt_worker"  # `__name__` of this file in a worker

Answer: TypeAlias = tuple[bytes | None, str | None, str | None, float]  # value, error, its traceback, seconds


def main(pipe: Connection, streams: dict[int, Connection]) -> None:
    """Answer payloads on `pipe` until its other end closes; a stream becomes the descriptor of its key."""
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)  # own group: Ctrl-C passes by, and a kill reaches what the function started
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_die_with_parent, daemon=True).start()
    for number, stream in streams.items():
        os.dup2(stream.fileno(), number)
        stream.close()
    for standard in (sys.stdout, sys.stderr):
        if isinstance(standard, TextIOWrapper):
            standard.reconfigure(line_buffering=True)  # a killed worker takes no finished line with it
    try:
        environment, threads = pipe.recv()
        os.environ.clear()
        os.environ.update(environment)
        if threads is not None and "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(threads)  # the fork server loaded it, with its environment
        function = _load(pipe.recv_bytes())
        pipe.send(None)
        while True:
            pipe.send(_evaluate(function, pipe.recv_bytes()))
    except (EOFError, ConnectionError):
        pass  # the other end has closed


class _Refusal(Exception):
    """An error whose text is the whole sentence."""


def _load(data: bytes) -> Callable[[Any], Any]:
    """The function, or one that says why there is none."""
    import cloudpickle  # type: ignore[import-untyped]  # noqa: F401  (now, not in the first evaluation)

    try:
        function: Callable[[Any], Any] = pickle.loads(data)
        return function
    except BaseException as error:
        reason = _describe(error)

        def refuse(payload: Any) -> Any:
            raise _Refusal(f"the function could not be loaded in a worker process: {reason}")

        return refuse


def _evaluate(function: Callable[[Any], Any], data: bytes) -> Answer:
    import cloudpickle

    begin = perf_counter()
    try:
        payload = pickle.loads(data)
        begin = perf_counter()
        value = function(payload)
        seconds = perf_counter() - begin
    except BaseException as error:  # also SystemExit: it ends the evaluation, not the worker
        return None, _describe(error), traceback.format_exc(), perf_counter() - begin
    try:
        return cloudpickle.dumps(value), None, None, seconds
    except Exception as error:
        return None, f"the result could not be pickled: {_describe(error)}", traceback.format_exc(), seconds


def _describe(error: BaseException) -> str:
    lines = [str(error)] if isinstance(error, _Refusal) else traceback.format_exception_only(error)
    return "".join(lines).strip()


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    if hasattr(os, "killpg"):
        os.killpg(os.getpgid(0), signal.SIGKILL)
    os._exit(1)


if __name__ == RUN_NAME:
    main(**globals()["arguments"])
