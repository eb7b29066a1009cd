"""Evaluations on a Ray cluster, or on a Ray of its own on this machine; extra `ray`."""

from __future__ import annotations

import importlib
import logging
import os
import pickle
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, perf_counter
from typing import Any

from moopt.core import checks
from moopt.core.checks import InputError, MissingPackage
from moopt.executors.base import Executor, Outcome, check_function, check_limits, describe
from moopt.executors.shipping import ship


@dataclass
class _Attempt:
    key: int
    data: bytes
    number: int
    began: float


class Ray(Executor):
    """Evaluates in Ray tasks of one CPU each, at most `workers` at a time (default: the CPUs of the cluster).

    Joins the Ray that the process is connected to or the cluster at `address`; without either it starts one on this
    machine, ends it with `close`, and sends no usage statistics. Function and payloads travel by cloudpickle, in
    memory. A timeout counts from when a task is handed to Ray and ends its worker process; a worker that died is
    replaced. Raises ValueError for fewer workers than 1; `start` raises ImportError without Ray.
    """

    def __init__(self, workers: int | None = None, *, address: str | None = None) -> None:
        self._wanted = None if workers is None else checks.whole("workers", workers)
        self.workers = self._wanted or os.cpu_count() or 1
        self._address = address
        self._ray: Any = None
        self._ours = False
        self._function: Any = None
        self._timeout: float | None = None
        self._retries = 0
        self._queue: deque[_Attempt] = deque()
        self._running: dict[Any, _Attempt] = {}
        self._finished: list[Outcome] = []

    def start(
        self, function: Callable[[Any], Any], *, timeout: float | None = None, retries: int = 0
    ) -> None:
        if self._ray is not None:
            raise RuntimeError("this executor is already started: expected one start before each close")
        check_function(function)
        self._timeout, self._retries = check_limits(timeout, retries)
        data = ship("function", function)
        try:
            ray: Any = importlib.import_module("ray")
        except ImportError as error:
            raise MissingPackage(f"executor 'ray': expected Ray, install moopt[ray] ({error})") from None
        if not ray.is_initialized():
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            own: dict[str, Any] = {"address": self._address} if self._address else {"num_cpus": self.workers}
            ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, **own)
            self._ours = True
        self.workers = self._wanted or max(1, int(ray.cluster_resources().get("CPU", 1)))
        self._ray, self._function = ray, ray.put(data)
        self._task = ray.remote(num_cpus=1, max_retries=0)(_evaluate)

    def submit(self, key: int, payload: Any) -> None:
        if self._ray is None:
            raise RuntimeError("this executor is not started: expected start(function) before submit")
        attempts = [*self._queue, *self._running.values()]
        if key in {attempt.key for attempt in attempts} | {outcome.key for outcome in self._finished}:
            raise InputError(f"key: expected one that is not pending, got {key!r} twice")
        self._queue.append(_Attempt(key, ship("payload", payload), 0, 0.0))
        self._fill()

    def wait(self, timeout: float | None = None) -> list[Outcome]:
        deadline = None if timeout is None else monotonic() + timeout
        while not self._finished and self._running:
            limits = [deadline] if deadline is not None else []
            if self._timeout is not None:
                limits.append(min(attempt.began for attempt in self._running.values()) + self._timeout)
            left = max(0.0, min(limits) - monotonic()) if limits else None
            self._ray.wait(list(self._running), num_returns=1, timeout=left)
            ready, _ = self._ray.wait(list(self._running), num_returns=len(self._running), timeout=0)
            for reference in ready:
                self._settle(reference)
            self._expire()
            self._fill()
            if deadline is not None and monotonic() >= deadline:
                break
        finished, self._finished = self._finished, []
        return finished

    def close(self, cancel: bool = True) -> None:
        if self._ray is None:
            return
        outcomes = self._finished
        while not cancel and (self._running or self._queue):
            self._finished = []
            outcomes += self.wait()
        for reference in self._running:
            self._ray.cancel(reference, force=True)
        self._finished = outcomes
        self._queue.clear()
        self._running = {}
        if self._ours:
            self._ray.shutdown()
        self._ray, self._function, self._ours = None, None, False

    @property
    def pending(self) -> int:
        return len(self._queue) + len(self._running) + len(self._finished)

    def _fill(self) -> None:
        """Hands tasks to Ray, as many as there are workers, so that one which waits is not charged for waiting."""
        while self._queue and len(self._running) < self.workers:
            attempt = self._queue.popleft()
            attempt.number, attempt.began = attempt.number + 1, monotonic()
            self._running[self._task.remote(self._function, attempt.data)] = attempt

    def _settle(self, reference: Any) -> None:
        attempt = self._running.pop(reference)
        try:
            value, error, seconds = self._ray.get(reference)
        except Exception as lost:  # Ray's own errors: the worker died, was short of memory, or the node is gone
            value, seconds = None, monotonic() - attempt.began
            error = f"the Ray worker was lost ({' '.join(describe(lost).split())[:300]})"
        self._end(attempt, value, error, seconds)

    def _expire(self) -> None:
        for reference, attempt in list(self._running.items()):
            if self._timeout is not None and monotonic() - attempt.began >= self._timeout:
                del self._running[reference]
                self._ray.cancel(reference, force=True)
                self._end(attempt, None, f"exceeded the timeout of {self._timeout:g} s", self._timeout)

    def _end(self, attempt: _Attempt, value: Any, error: str | None, seconds: float) -> None:
        if error is not None and attempt.number <= self._retries:
            self._queue.appendleft(attempt)
        else:
            self._finished.append(Outcome(attempt.key, value, error, seconds, attempt.number))


def _evaluate(function: bytes, data: bytes) -> tuple[Any, str | None, float]:
    """What a task does: value, error and seconds."""
    began = perf_counter()
    try:
        return pickle.loads(function)(pickle.loads(data)), None, perf_counter() - began
    except (Exception, SystemExit) as error:
        return None, describe(error), perf_counter() - began
