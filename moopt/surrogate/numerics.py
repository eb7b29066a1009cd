"""How BoTorch is run: equal inputs give equal bits, nothing global is left changed, and what may go wrong has names."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_log = logging.getLogger("moopt")


@contextmanager
def reproducible(seed: int, device: torch.device, n: int) -> Iterator[None]:
    """Runs BoTorch so that equal inputs give equal bits and nothing global is left changed.

    The global generators are forked and seeded, and BoTorch's and GPyTorch's warnings go to the log. A model of few
    points runs on one thread: at n = 40 a second one made a fit four times slower (two cores, others busy).
    """
    from botorch.utils.sampling import manual_seed

    threads = torch.get_num_threads()
    with (
        torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
        manual_seed(seed % 2**63),
        torch.enable_grad(),
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        if n <= 256:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
    for text in dict.fromkeys(str(warning.message).strip() for warning in caught):
        _log.debug("surrogate: %s", text)


def numerical_errors() -> tuple[type[Exception], ...]:
    """What BoTorch, GPyTorch and torch raise where matrices, gradients or distributions go bad, or memory ends."""
    from botorch.exceptions.errors import BotorchError, ModelFittingError

    return (RuntimeError, ArithmeticError, ValueError, BotorchError, ModelFittingError)
