"""Numba version, for the CPU, of `rows`."""
# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-untyped-call,attr-defined,call-arg,var-annotated"

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numba  # noqa: TID253
from numba.core import cgutils  # noqa: TID253
from numba.extending import intrinsic  # noqa: TID253
from torch import Tensor

from moopt.kernels.shared.compiled import entry


def rows(parts: Sequence[Sequence[Tensor]], index: Tensor) -> list[Tensor]:
    """`rows`, whole rows at a time and without putting the parts together."""
    *batch, k = index.shape
    runs, sizes = math.prod(batch), [part[0].shape[-2] for part in parts]
    numbers, total = index.contiguous(), sum(sizes)
    out = [leaf.new_empty(*batch, k, leaf.shape[-1]) for leaf in parts[0]]
    for i, found in enumerate(out):
        before, width = 0, found.shape[-1] * found.element_size()
        for p in range(0, len(parts), 2) if found.numel() else ():
            first, n = _contiguous(parts[p][i], batch), sizes[p]
            second, more = (_contiguous(parts[p + 1][i], batch), sizes[p + 1]) if p + 1 < len(parts) else (first, 0)
            addresses = first.data_ptr(), second.data_ptr(), found.data_ptr(), numbers.data_ptr()
            if not _copy(*addresses, runs, k, width, n, more, before, total):
                raise IndexError(f"index: expected rows from 0 to {total - 1}, got others")
            before += n + more
    return out


def _contiguous(t: Tensor, batch: list[int]) -> Tensor:
    """`t` as [*batch, n, w]."""
    return (t if list(t.shape[:-2]) == batch else t.expand(*batch, *t.shape[-2:])).contiguous()


# To hand an array over takes Numba longer than to copy a hundred rows, so compiled code gets addresses.


@intrinsic
def _move(context: Any, to: Any, source: Any, size: Any) -> Any:
    """Copies bytes from one address to another."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte = context.get_value_type(numba.types.voidptr)
        ends = [builder.inttoptr(address, byte) for address in arguments[:2]]
        cgutils.raw_memcpy(builder, *ends, arguments[2], 1)
        return context.get_dummy_value()

    return numba.types.void(numba.types.int64, numba.types.int64, numba.types.int64), code


@intrinsic
def _number_at(context: Any, address: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number = context.get_value_type(numba.types.int64)
        return builder.load(builder.inttoptr(arguments[0], number.as_pointer()))

    return numba.types.int64(numba.types.int64), code


@entry
def _copy(first, second, out, index, runs, k, width, n, more, before, total):
    """Writes those rows [runs, k, width] of two parts, of n and `more` rows, that are asked for; `before` rows are in
    earlier parts and `total` in all."""
    for r in range(runs):
        for i in range(r * k, r * k + k):
            at = _number_at(index + 8 * i)
            if at < 0 or at >= total:
                return False
            at -= before
            if 0 <= at < n:
                _move(out + width * i, first + width * (r * n + at), width)
            elif n <= at < n + more:
                _move(out + width * i, second + width * (r * more + at - n), width)
    return True
