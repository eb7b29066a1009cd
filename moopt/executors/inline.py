"""Evaluations in this process, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from moopt.core.checks import InputError
from moopt.executors.base import Executor, Outcome, check_function, check_limits, describe, log


class Inline(Executor):
    """Evaluates in `wait`, one payload per call, in submission order, in this process.

    An exception of the function (`sys.exit` included) becomes a failed outcome. KeyboardInterrupt leaves
    `wait`; its evaluation stays pending, and every outcome before it has been handed out already. `wait(0)`
    evaluates nothing; a longer timeout of `wait` cannot interrupt an evaluation.
    """

    workers = 1

    def __init__(self) -> None:
        self._function: Callable[[Any], Any] | None = None
        self._retries = 0
        self._queue: dict[int, Any] = {}  # in submission order
        self._finished: list[Outcome] = []

    def start(
        self, function: Callable[[Any], Any], *, timeout: float | None = None, retries: int = 0
    ) -> None:
        if self._function is not None:
            raise RuntimeError("this executor is already started: expected one start before each close")
        check_function(function)
        if timeout is not None:
            raise InputError(
                f"timeout: expected None, got {timeout!r}: evaluations in this process cannot be stopped, "
                'use executor="processes:N" (N worker processes) to limit their time'
            )
        _, self._retries = check_limits(timeout, retries)
        self._function = function

    def submit(self, key: int, payload: Any) -> None:
        if self._function is None:
            raise RuntimeError("this executor is not started: expected start(function) before submit")
        if key in self._queue:
            raise InputError(f"key: expected one that is not pending, got {key!r} twice")
        self._queue[key] = payload

    def wait(self, timeout: float | None = None) -> list[Outcome]:
        if not self._finished and self._queue and (timeout is None or timeout > 0):
            self._evaluate_next()
        finished, self._finished = self._finished, []
        return finished

    def close(self, cancel: bool = True) -> None:
        while self._queue and not cancel:
            self._evaluate_next()
        self._queue = {}
        self._function = None

    @property
    def pending(self) -> int:
        return len(self._queue) + len(self._finished)

    def _evaluate_next(self) -> None:
        function = self._function
        if function is None:
            raise RuntimeError("this executor is closed")
        key, payload = next(iter(self._queue.items()))
        value: Any = None
        error: str | None = ""
        seconds, attempts = 0.0, 0
        while error is not None and attempts <= self._retries:
            attempts += 1
            begin = perf_counter()
            try:
                value, error = function(payload), None
            except (Exception, SystemExit) as raised:
                error = describe(raised)
                log.debug("evaluation %d failed at attempt %d", key, attempts, exc_info=True)
            seconds = perf_counter() - begin
        self._finished.append(Outcome(key, value, error, seconds, attempts))
        del self._queue[key]  # only now: a KeyboardInterrupt above leaves the evaluation pending
