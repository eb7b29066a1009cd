"""Philox4x32-10 by Triton, for CUDA: the same numbers as the torch reference."""
# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-untyped-call"

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from moopt.kernels.philox import reference as philox

TILE = 1024  # numbers of a program of four warps


def bits(keys: Tensor, stream: int, n: int) -> Tensor:
    """`bits`."""
    return _filled(torch.empty((*keys.shape, n), dtype=torch.int64, device=keys.device), keys, stream)


def uniform(keys: Tensor, stream: int, n: int, dtype: torch.dtype) -> Tensor:
    """`uniform`."""
    if dtype not in (torch.float32, torch.float64):
        return philox.to_uniform(bits(keys, stream, n), dtype)
    return _filled(torch.empty((*keys.shape, n), dtype=dtype, device=keys.device), keys, stream)


def _filled(out: Tensor, keys: Tensor, stream: int) -> Tensor:
    runs, n = keys.numel(), out.shape[-1]
    tiles = triton.cdiv(n, TILE)
    if out.numel():
        with torch.cuda.device_of(out):
            fill[(runs * tiles,)](keys.contiguous(), out, n, tiles, stream, TILE)
    return out


@triton.jit
def block_words(index, stream, key):
    """The four words, uint32[b], of blocks index int64[b] of a stream under a key."""
    low, high = index.to(tl.uint32), (index >> 32).to(tl.uint32)
    stream = tl.full([1], stream, tl.uint64)
    return tl.philox(key, low, high, stream.to(tl.uint32), (stream >> 32).to(tl.uint32))


@triton.jit
def words_from(first, stream, key, TILE: tl.constexpr):
    """Words first .. first + TILE - 1 of a stream, first being a multiple of 4: uint32[TILE]."""
    a, b, c, d = block_words(first // 4 + tl.arange(0, TILE // 4), stream, key)
    return tl.interleave(tl.interleave(a, c), tl.interleave(b, d))


@triton.jit
def words_at(number, stream, key):
    """Any words of a stream: number int64[n] -> uint32[n]. Makes a whole block for each."""
    a, b, c, d = block_words(number >> 2, stream, key)
    which = number & 3
    return tl.where(which < 2, tl.where(which == 0, a, b), tl.where(which == 2, c, d))


@triton.jit
def as_uniform(word, DTYPE: tl.constexpr):
    """`to_uniform` for float32 and float64."""
    if DTYPE == tl.float64:
        u = (word.to(tl.float64) + 0.5) * 2.3283064365386963e-10  # 2^-32
    else:
        u = ((word >> 9).to(tl.float32) + 0.5) * 1.1920928955078125e-07  # 2^-23
    return u


@triton.jit(do_not_specialize=["stream"])
def fill(keys, out, n, tiles, stream: tl.uint64, TILE: tl.constexpr):
    """Numbers of a stream under each key: out[r, n], words in int64 or uniform numbers in a floating dtype."""
    run = (tl.program_id(0) // tiles).to(tl.int64)
    first = (tl.program_id(0) % tiles).to(tl.int64) * TILE
    word = words_from(first, stream, tl.load(keys + run), TILE)
    place = first + tl.arange(0, TILE)
    if out.dtype.element_ty == tl.int64:
        value = word.to(tl.int64)
    else:
        value = as_uniform(word, out.dtype.element_ty)
    tl.store(out + run * n + place, value, mask=place < n)
