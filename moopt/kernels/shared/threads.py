"""Several threads for compiled kernels, which let go of Python's lock."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread

import torch


def in_parts(function: Callable[[int, int], None], n: int, least: int) -> None:
    """Calls `function(start, stop)` on parts of range(n), at least `least` long, on as many threads as torch uses.

    The threads live for this call only: a fork in between or a second caller has nothing to trip over. Raises what a
    part raised.
    """
    parts = min(torch.get_num_threads(), n // max(least, 1))
    if parts < 2:
        function(0, n)
        return
    errors: list[BaseException] = []

    def part(start: int, stop: int) -> None:
        try:
            function(start, stop)
        except BaseException as error:  # the others must come to their end first
            errors.append(error)

    ends = [n * i // parts for i in range(parts + 1)]
    threads = [Thread(target=part, args=bounds) for bounds in zip(ends[1:-1], ends[2:], strict=True)]
    for thread in threads:
        thread.start()
    part(0, ends[1])
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
