"""The contract between the run loop and the places where evaluations run."""

from __future__ import annotations

import logging
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from moopt.core import checks
from moopt.core.checks import InputError, InputTypeError

log = logging.getLogger("moopt")


@dataclass(frozen=True)
class Outcome:
    """What became of one submitted payload.

    `key` as submitted; `value`, what the function returned, or None where it failed; `error`, the text of the
    failure, None exactly when it succeeded; `seconds`, run time of the last attempt; `attempts`, how often it
    was tried, at least 1.
    """

    key: int
    value: Any | None
    error: str | None
    seconds: float
    attempts: int


class Executor(ABC):
    """Where expensive evaluations run: `start` once, `submit` payloads, `wait` for outcomes, `close`.

    No failure of the function raises here: it comes back as an `Outcome` with its text. A context manager,
    whose exit closes and cancels. After `close` the executor may be started again, with another function.
    """

    workers: int

    @abstractmethod
    def start(
        self, function: Callable[[Any], Any], *, timeout: float | None = None, retries: int = 0
    ) -> None:
        """Say what to evaluate: `function(payload)`.

        An attempt may take `timeout` seconds; what failed is tried again up to `retries` more times. Raises
        ValueError for a timeout that is not positive or cannot be kept here and for negative retries,
        TypeError for a function that cannot be sent to where it should run, RuntimeError if already started.
        """

    @abstractmethod
    def submit(self, key: int, payload: Any) -> None:
        """Queue one evaluation under a key that no pending evaluation has.

        Raises ValueError for a key that is pending, TypeError for a payload that cannot be sent, RuntimeError
        before `start` and after `close`.
        """

    @abstractmethod
    def wait(self, timeout: float | None = None) -> list[Outcome]:
        """Outcomes not handed out before, in the order they finished.

        Blocks until there is one, for at most `timeout` seconds; empty then, or where nothing is pending.
        """

    @abstractmethod
    def close(self, cancel: bool = True) -> None:
        """End all work: drop and kill what is unfinished, or with `cancel=False` finish it first. Idempotent.

        What finished before can still be fetched with `wait`.
        """

    @property
    @abstractmethod
    def pending(self) -> int:
        """How many submitted evaluations `wait` has not handed out yet."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def check_function(function: Any) -> None:
    """Raises InputTypeError for what cannot be called."""
    if not callable(function):
        raise InputTypeError(f"function: expected a callable, got {function!r}")


def check_limits(timeout: float | None, retries: int) -> tuple[float | None, int]:
    """`timeout` as a positive float or None and `retries` as an int; raises ValueError otherwise."""
    if timeout is not None and checks.number("timeout", timeout) <= 0:
        raise InputError(f"timeout: expected a positive number of seconds or None, got {timeout!r}")
    return None if timeout is None else float(timeout), checks.whole("retries", retries, low=0)


def describe(error: BaseException) -> str:
    """`"ValueError: text"`, as the last lines of a traceback say it."""
    return "".join(traceback.format_exception_only(error)).strip()
