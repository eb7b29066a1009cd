"""Evaluations in worker processes that may hang, crash or be killed without harm to the run.

One pipe and one supervising thread per worker; workers share nothing. A pool whose workers share a queue
(pebble 5.2) was tried first: there a process killed while it writes its result blocks all others for good,
one killed while idle breaks the pool, and `os._exit(0)` is never noticed.
"""

from __future__ import annotations

import atexit
import math
import multiprocessing
import os
import pickle
import re
import runpy
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from time import monotonic
from types import ModuleType
from typing import Any

from moopt.core import checks
from moopt.core.checks import InputError
from moopt.executors import worker
from moopt.executors.base import Executor, Outcome, check_function, check_limits, describe, log
from moopt.executors.shipping import ship

_TICK = 0.1  # s, how soon a supervising thread notices `close`, or a death that its pipe does not tell
_START_LIMIT = 300.0  # s for a worker to come up; loading torch from a cold network disk can take minutes
_GRACE = 2.0  # s for an idle worker to leave by itself
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")  # MKL and OpenBLAS follow the first

# A module's name in a pickle: opcode SHORT_BINUNICODE, length, the name, and then a dot or MEMOIZE.
_NAMES_TORCH = re.compile(rb"\x8c.(?:torch|moopt)[.\x94]", re.DOTALL)

# To start a process touches state of the whole interpreter; and multiprocessing then polls all its children,
# while two polls of one child at a time can lose its exit code.
_LOCK = threading.Lock()


class Processes(Executor):
    """Evaluates in up to `workers` processes (default: one per core), each started when there is work for it.

    `start_method` is "forkserver" (default where the system has it) or "spawn". The user's `__main__` is
    never imported again, so scripts need no `if __name__ == "__main__"`. The function travels once per
    worker, in memory, by cloudpickle; a module that a fresh process could not import travels by value.

    A timeout counts from when a worker that is up gets the payload, so imports are not charged to it. It ends
    in SIGKILL for the worker's process group, with every program that the function started there. A worker
    that died is replaced. Workers ignore Ctrl-C and die with this process. They have its environment as of
    `start`, its stdout and stderr, and no stdin.

    Threads: a worker gets max(1, cores // workers), by OMP_NUM_THREADS (which torch, MKL and OpenBLAS follow)
    and NUMBA_NUM_THREADS; a variable that the user has set keeps its value. torch is loaded only if the
    function refers to it or to moopt, and then once, in the fork server. That one belongs to
    `multiprocessing` and is shared with whoever else uses it: who starts it first decides what it has loaded.

    Raises ValueError for fewer workers than 1 or an unknown start method.
    """

    def __init__(self, workers: int | None = None, *, start_method: str | None = None) -> None:
        self.workers = _cores() if workers is None else checks.whole("workers", workers)
        known = multiprocessing.get_all_start_methods()
        available = [name for name in ("forkserver", "spawn") if name in known]
        if start_method is not None and start_method not in available:
            raise InputError(f"start_method: expected one of {available} or None, got {start_method!r}")
        self.start_method = start_method or available[0]
        self._recipe: _Recipe | None = None
        self._retries = 0
        self._tasks: SimpleQueue[tuple[int, bytes] | None] = SimpleQueue()
        self._cancelled = threading.Event()
        self._threads: list[threading.Thread] = []
        self._changed = threading.Condition()  # guards what follows
        self._keys: set[int] = set()  # submitted and not handed out
        self._unfinished = 0
        self._finished: list[Outcome] = []

    def start(
        self, function: Callable[[Any], Any], *, timeout: float | None = None, retries: int = 0
    ) -> None:
        if self._recipe is not None:
            raise RuntimeError("this executor is already started: expected one start before each close")
        timeout, self._retries = check_limits(timeout, retries)
        self._recipe = _Recipe.of(function, timeout, self.start_method, self.workers)
        self._tasks, self._cancelled = SimpleQueue(), threading.Event()
        atexit.register(self.close)  # runs before multiprocessing's own, which would wait for the workers

    def submit(self, key: int, payload: Any) -> None:
        if self._recipe is None:
            raise RuntimeError("this executor is not started: expected start(function) before submit")
        data = ship("payload", payload)
        with self._changed:
            if key in self._keys:
                raise InputError(f"key: expected one that is not pending, got {key!r} twice")
            self._keys.add(key)
            self._unfinished += 1
            self._tasks.put((key, data))
            if len(self._threads) < min(self.workers, self._unfinished):
                process = _Worker(self._recipe, self._cancelled)
                thread = threading.Thread(target=self._supervise, args=(process, self._tasks), daemon=True)
                self._threads.append(thread)
                thread.start()

    def wait(self, timeout: float | None = None) -> list[Outcome]:
        with self._changed:
            self._changed.wait_for(lambda: self._finished or not self._unfinished, timeout)
            outcomes = self._finished[:]
            self._keys.difference_update(outcome.key for outcome in outcomes)
        del self._finished[: len(outcomes)]  # last, so that a KeyboardInterrupt above loses none
        return outcomes

    def close(self, cancel: bool = True) -> None:
        if cancel:
            self._cancelled.set()
        if self._recipe is not None:
            self._recipe = None
            for _ in self._threads:
                self._tasks.put(None)
        for thread in self._threads:
            thread.join()
        self._threads = []
        with self._changed:
            self._keys, self._unfinished = {outcome.key for outcome in self._finished}, 0
            self._changed.notify_all()
        atexit.unregister(self.close)

    @property
    def pending(self) -> int:
        return len(self._keys)

    def _supervise(self, process: _Worker, tasks: SimpleQueue[tuple[int, bytes] | None]) -> None:
        """What a thread does: hand tasks to its worker until the queue ends or all is cancelled."""
        while (task := tasks.get()) is not None and not process.cancelled.is_set():
            key, payload = task
            attempt, attempts = process.evaluate(payload), 1
            while attempt.error is not None and not process.cancelled.is_set():
                reason = attempt.trace or attempt.error
                log.debug("evaluation %d failed at attempt %d: %s", key, attempts, reason)
                if attempts > self._retries:
                    break
                attempt, attempts = process.evaluate(payload), attempts + 1
            if attempt.error is not None and process.cancelled.is_set():
                break
            with self._changed:
                self._finished.append(Outcome(key, attempt.value, attempt.error, attempt.seconds, attempts))
                self._unfinished -= 1
                self._changed.notify_all()
        process.leave()


@dataclass(frozen=True)
class _Recipe:
    """All that a worker is made of."""

    function: bytes
    timeout: float | None
    start_method: str
    environment: dict[str, str]
    threads: int | None  # for torch where it is loaded already; None where the user has set a variable

    @staticmethod
    def of(function: Callable[[Any], Any], timeout: float | None, start_method: str, workers: int) -> _Recipe:
        check_function(function)
        data = ship("function", function)
        threads = max(1, _cores() // workers)
        limits = {name: str(threads) for name in _THREAD_VARIABLES if name not in os.environ}
        environment = {**os.environ, **limits}
        if start_method == "forkserver":
            _start_fork_server(limits, preload=["torch"] if _NAMES_TORCH.search(data) else [])
        chosen = "OMP_NUM_THREADS" in os.environ or "MKL_NUM_THREADS" in os.environ
        return _Recipe(data, timeout, start_method, environment, None if chosen else threads)


@dataclass(frozen=True)
class _Attempt:
    value: Any | None
    error: str | None
    trace: str | None
    seconds: float


class _Lost(Exception):
    """The worker gives no answer and is gone; the text says why."""


class _Worker:
    """A process that is started when it is needed, and again after each death."""

    def __init__(self, recipe: _Recipe, cancelled: threading.Event) -> None:
        self.cancelled = cancelled
        self._recipe = recipe
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None

    def evaluate(self, payload: bytes) -> _Attempt:
        """One attempt. Whatever happens is its result."""
        begin = monotonic()
        try:
            pipe = self._ready()
            begin = monotonic()
            with suppress(OSError):  # a dead worker shows in what is received
                pipe.send_bytes(payload)
            limit = self._recipe.timeout
            data, error, trace, seconds = self._receive(pipe, limit, "exceeded the timeout of {:g} s")
            return _Attempt(None if data is None else pickle.loads(data), error, trace, seconds)
        except _Lost as lost:
            return _Attempt(None, str(lost), None, monotonic() - begin)
        except Exception as failure:  # a user's __setstate__ may raise anything
            text = f"the result could not be loaded: {describe(failure)}"
            return _Attempt(None, text, None, monotonic() - begin)

    def leave(self) -> None:
        """End an idle worker, at first by closing its pipe."""
        alive = self._alive()
        if self._process is not None and self._pipe is not None:
            self._pipe.close()
            connection.wait([self._process.sentinel], _GRACE)
        self._end(kill=alive)

    def _ready(self) -> Connection:
        """The pipe to a process that waits for a payload."""
        if self._process is not None and self._pipe is not None:
            # an idle worker says nothing: what there is to read is the end of its pipe
            if not self._pipe.poll() and self._alive():
                return self._pipe
            self._end(kill=False)  # dead for how long? its process id may be another's by now
        try:
            pipe = self._start()
            with suppress(OSError):
                pipe.send((self._recipe.environment, self._recipe.threads))
                pipe.send_bytes(self._recipe.function)
        except Exception as failure:  # no process, memory or file descriptor left
            self._end()
            raise _Lost(f"no worker process could be started: {describe(failure)}") from failure
        self._receive(pipe, _START_LIMIT, "the worker process did not come up within {:g} s")
        return pipe

    def _start(self) -> Connection:
        context: Any = multiprocessing.get_context(self._recipe.start_method)
        self._pipe, theirs = context.Pipe()
        streams = _standard_streams() if self._recipe.start_method == "forkserver" else {}
        names = {"arguments": {"pipe": theirs, "streams": streams}}
        try:
            with _LOCK, _undisturbed():
                self._process = context.Process(
                    target=runpy.run_path,
                    args=(worker.__file__,),
                    kwargs={"init_globals": names, "run_name": worker.RUN_NAME},
                )
                self._process.start()
        finally:
            for mine in (theirs, *streams.values()):
                mine.close()  # else the end of the worker would not end the pipe
        return self._pipe

    def _receive(self, pipe: Connection, limit: float | None, late: str) -> Any:
        """The worker's next message; raises _Lost where none comes."""
        deadline = math.inf if limit is None else monotonic() + limit
        try:
            while not pipe.poll(max(0.0, min(_TICK, deadline - monotonic()))):
                if self.cancelled.is_set() or monotonic() >= deadline:
                    self._end()
                    raise _Lost("cancelled" if self.cancelled.is_set() else late.format(limit))
                if not self._alive() and not pipe.poll():  # a child of the worker can hold the pipe open
                    raise EOFError
            return pipe.recv()
        except _Lost:
            raise
        except (EOFError, OSError):
            raise _Lost(f"the worker process died (exit code {self._end()})") from None
        except Exception as failure:  # no memory for it, or the function wrote into the pipe
            self._end()
            raise _Lost(f"the worker process gave no readable answer: {describe(failure)}") from failure

    def _alive(self) -> bool:
        with _LOCK:
            return self._process is not None and self._process.is_alive()

    def _end(self, kill: bool = True) -> int | None:
        """See the process off, and where `kill` all that it started; its exit code."""
        process, pipe, self._process, self._pipe = self._process, self._pipe, None, None
        if pipe is not None:
            pipe.close()
        if process is None or process.pid is None:
            return None
        if kill:
            if sys.platform != "win32":
                with suppress(OSError):  # no such group: nothing is left of it, or it was not made yet
                    os.killpg(process.pid, signal.SIGKILL)
            with suppress(OSError):
                process.kill()
        if not connection.wait([process.sentinel], _GRACE):
            return None  # a device or a disk holds it, even against SIGKILL
        with _LOCK:
            process.join(_GRACE)
            return process.exitcode


@contextmanager
def _undisturbed() -> Iterator[None]:
    """While a child starts: `__main__` has no file that it would run again, and SIGINT does not reach it."""
    main = sys.modules["__main__"]
    stand_in = ModuleType("__main__")
    vars(stand_in).update({**vars(main), "__file__": None, "__spec__": None})
    if sys.platform != "win32":
        resource_tracker.ensure_running()  # to start it later would unblock SIGINT
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    sys.modules["__main__"] = stand_in
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _start_fork_server(limits: dict[str, str], preload: list[str]) -> None:
    """Start it now, so that it loads while the caller goes on; nothing where it runs already."""
    from multiprocessing import forkserver  # not on every system

    with _LOCK, _undisturbed():
        if preload:
            forkserver.set_forkserver_preload(preload)
        os.environ.update(limits)  # libraries read these once, when they are loaded
        try:
            forkserver.ensure_running()
        finally:
            for name in limits:
                del os.environ[name]


def _standard_streams() -> dict[int, Connection]:
    """This process's stdout and stderr as they are now: the fork server has those of when it was started."""
    streams = {}
    for number in (1, 2):
        with suppress(OSError):  # closed
            streams[number] = Connection(os.dup(number), readable=False)
    return streams


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
