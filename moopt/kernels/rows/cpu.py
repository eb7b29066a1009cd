"""Numba version, for the CPU, of `rows`."""
# mypy: disable-error-code="untyped-decorator,no-untyped-def,attr-defined,call-arg"

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numba  # noqa: TID253
import numpy as np
from numba.extending import intrinsic  # noqa: TID253
from torch import Tensor

njit = numba.njit(cache=True, nogil=True, error_model="numpy")


def rows(parts: Sequence[Sequence[Tensor]], index: Tensor) -> list[Tensor]:
    """`rows`, whole rows at a time and without putting the parts together."""
    *batch, k = index.shape
    runs, sizes = math.prod(batch), [part[0].shape[-2] for part in parts]
    numbers, total = index.contiguous(), sum(sizes)
    out = [leaf.new_empty(*batch, k, leaf.shape[-1]) for leaf in parts[0]]
    for i, found in enumerate(out):
        before, width = 0, found.shape[-1] * found.element_size()
        copy, width = (_copy_bytes, width) if width % 8 else (_copy_words, width // 8)
        for p in range(0, len(parts), 2) if found.numel() else ():
            first, n = _contiguous(parts[p][i], batch), sizes[p]
            second, more = (_contiguous(parts[p + 1][i], batch), sizes[p + 1]) if p + 1 < len(parts) else (first, 0)
            addresses = first.data_ptr(), second.data_ptr(), found.data_ptr(), numbers.data_ptr()
            if not copy(*addresses, runs, k, width, n, more, before, total):
                raise IndexError(f"index: expected rows from 0 to {total - 1}, got others")
            before += n + more
    return out


def _contiguous(t: Tensor, batch: list[int]) -> Tensor:
    """`t` as [*batch, n, w]."""
    return (t if list(t.shape[:-2]) == batch else t.expand(*batch, *t.shape[-2:])).contiguous()


@intrinsic
def _pointer(context: Any, address: Any) -> Any:
    """A pointer from an integer: to hand an array over takes Numba longer than to copy a hundred rows."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(numba.types.voidptr))

    return numba.types.voidptr(numba.types.int64), code


@numba.njit(inline="always")
def _copy(first, second, out, index, runs, k, width, n, more, before, total, word):
    """Writes those rows [runs, k, width] of two parts, of n and `more` rows, that are asked for; `before` rows are in
    earlier parts and `total` in all."""
    a = numba.carray(_pointer(first), (runs, n, width), word)
    b = numba.carray(_pointer(second), (runs, more, width), word)
    rows = numba.carray(_pointer(out), (runs, k, width), word)
    numbers = numba.carray(_pointer(index), (runs, k), np.int64)
    for r in range(runs):
        for i in range(k):
            at = numbers[r, i]
            if at < 0 or at >= total:
                return False
            at -= before
            if 0 <= at < n:
                for j in range(width):
                    rows[r, i, j] = a[r, at, j]
            elif n <= at < n + more:
                for j in range(width):
                    rows[r, i, j] = b[r, at - n, j]
    return True


@njit
def _copy_words(first, second, out, index, runs, k, width, n, more, before, total):
    return _copy(first, second, out, index, runs, k, width, n, more, before, total, np.uint64)


@njit
def _copy_bytes(first, second, out, index, runs, k, width, n, more, before, total):
    return _copy(first, second, out, index, runs, k, width, n, more, before, total, np.uint8)
