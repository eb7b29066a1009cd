"""What all suites share: the broken promise as an error, and what counts as the same."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from moopt.core.points import Points


class ContractError(AssertionError):
    """A promise that is not kept; the text says which, and by whom."""


def require(kept: bool | Tensor, promise: str) -> None:
    """Raises ContractError with the text unless the promise is kept."""
    if not bool(kept):
        raise ContractError(promise)


def refuses(call: Callable[[], Any], *errors: type[Exception]) -> bool:
    """Whether a call raises one of these errors."""
    try:
        call()
    except errors:
        return True
    return False


@contextmanager
def global_draws_untouched(who: str) -> Iterator[None]:
    """Raises ContractError if what happens inside draws from torch's, NumPy's or Python's global generator."""

    def state() -> tuple[Any, ...]:
        numpy_state = np.random.get_state(legacy=False)
        return torch.random.get_rng_state().tolist(), repr(numpy_state), random.getstate()

    before = state()
    yield
    require(state() == before, f"{who}: draws from a global random generator instead of its Rng")


def equal(a: Tensor | None, b: Tensor | None) -> bool:
    """The same bits, NaN included."""
    return (a is None and b is None) or (
        a is not None and b is not None and a.shape == b.shape and bool(((a == b) | (a.isnan() & b.isnan())).all())
    )


def same(a: Points, b: Points) -> bool:
    """The same points with the same values, in every column."""
    names = set(a.columns) | set(b.columns)
    return all(equal(getattr(a, leaf), getattr(b, leaf)) for leaf in ("x", "f", "g", "failed")) and all(
        equal(a.columns.get(name), b.columns.get(name)) for name in names
    )
