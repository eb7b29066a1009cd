"""Bits of 64-bit words inside Numba, each a single instruction.

After a change here, delete the callers' `__pycache__` (see `moopt.kernels`).
"""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from typing import Any

from numba import types  # noqa: TID253
from numba.extending import intrinsic  # noqa: TID253


def _ones(context, word):
    def generate(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


def _lowest(context, word):
    def generate(context, builder, signature, arguments):
        return builder.cttz(arguments[0], context.get_constant(types.boolean, True))

    return types.int64(types.uint64), generate


def _highest(context, word):
    def generate(context, builder, signature, arguments):
        zeros = builder.ctlz(arguments[0], context.get_constant(types.boolean, True))
        return builder.sub(context.get_constant(types.int64, 63), zeros)

    return types.int64(types.uint64), generate


ones: Any = intrinsic(_ones)  # how many bits of a word are set
lowest: Any = intrinsic(_lowest)  # the place of the lowest bit of a word that is not 0
highest: Any = intrinsic(_highest)  # the place of the highest one
