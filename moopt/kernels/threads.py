"""Several threads for compiled kernels, which let go of Python's lock."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch


def in_parts(function: Callable[[int, int], None], n: int, least: int) -> None:
    """Calls `function(start, stop)` on parts of range(n), at least `least` long, on as many threads as torch uses.

    The threads live for this call only: a fork in between or a second caller has nothing to trip over.
    """
    parts = min(torch.get_num_threads(), n // max(least, 1))
    if parts < 2:
        function(0, n)
        return
    ends = [n * i // parts for i in range(parts + 1)]
    with ThreadPoolExecutor(parts) as pool:
        list(pool.map(function, ends[:-1], ends[1:]))
