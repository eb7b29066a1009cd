"""The suite of executors finds what is wrong with them, and nothing where nothing is."""

from dataclasses import replace

import pytest

from moopt.executors import Inline
from moopt.testing import ContractError, check_executor


class Lossy(Inline):
    """Hands out every outcome but those of failures."""

    def wait(self, timeout=None):
        return [outcome for outcome in super().wait(timeout) if outcome.error is None]


class Stuck(Inline):
    """As if a worker never answered for one key."""

    @property
    def pending(self):
        return super().pending + (getattr(self, "lost", 0))

    def submit(self, key, payload):
        if key == 3:
            self.lost = 1
        else:
            super().submit(key, payload)


class Repeating(Inline):
    """Hands out an outcome twice."""

    def wait(self, timeout=None):
        found = super().wait(timeout)
        return found + found


class Raising(Inline):
    """Lets an error of the function through."""

    def wait(self, timeout=None):
        found = super().wait(timeout)
        for outcome in found:
            if outcome.error:
                raise RuntimeError(outcome.error)
        return found


class Shuffling(Inline):
    """Gives each key the value of the one before."""

    last = None

    def wait(self, timeout=None):
        found = []
        for outcome in super().wait(timeout):
            if outcome.error is None:
                value, self.last = self.last or outcome.value, outcome.value
                outcome = replace(outcome, value=value)
            found.append(outcome)
        return found


class Impatient(Inline):
    """Tries once whatever is asked."""

    def start(self, function, *, timeout=None, retries=0):
        super().start(function, timeout=timeout, retries=min(retries, 0))


class Miscounting(Inline):
    def wait(self, timeout=None):
        return [replace(outcome, attempts=1) for outcome in super().wait(timeout)]


class Forgetful(Inline):
    """Drops what it should finish."""

    def close(self, cancel=True):
        super().close(True)


class Careless(Inline):
    """Takes a key that is pending."""

    def submit(self, key, payload):
        self._queue.pop(key, None)
        super().submit(key, payload)


class Hiding(Inline):
    """Says nothing of what went wrong."""

    def wait(self, timeout=None):
        return [replace(o, error=o.error and "failed") for o in super().wait(timeout)]


@pytest.mark.parametrize(
    "kind, sentence",
    [
        (Lossy, "loses the outcomes of keys"), (Stuck, r"no outcome of keys \[3\] within"),
        (Repeating, "that nobody awaits"), (Shuffling, "has the value of another"),
        (Impatient, "expected 2 attempts with 2 retries, got 1"), (Miscounting, "counts 1 attempts, expected 2"),
        (Forgetful, "loses the outcomes of keys"), (Careless, "takes a key that is pending"),
        (Hiding, "expected the error 'ArithmeticError: no beam is that thin', got 'failed'"),
    ],
)  # fmt: skip
def test_broken_executors_are_found(kind, sentence):
    with pytest.raises(ContractError, match=sentence):
        check_executor(kind, patience=0.5)


def test_an_error_that_comes_through_comes_through():
    with pytest.raises(RuntimeError, match="no beam is that thin"):
        check_executor(Raising)
