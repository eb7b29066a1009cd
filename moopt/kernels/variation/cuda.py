"""Crossover and mutation by Triton, for CUDA: the same function as the torch reference of `children` and
`first_children`.

One kernel reads the parents, draws, crosses, mutates and writes the children. It draws the same numbers as the
reference and does the same arithmetic in the precision of the points; a GPU rounds powers in its own way. A tile
holds genes in the order of their draws, so that four neighbours share a Philox block. Parents that do not exist give
NaN, because an error would have to wait for the device.

Two lower limits of the time for r runs of k pairs with d genes:
  memory       r 2k (2 d itemsize + 8) bytes: each parent read once, with its number, each child written once;
  arithmetic   r k d GENE operations, as all genes are computed and those that change are chosen afterwards.
On an H200 with 4.8e12 bytes/s and 3.3e13 operations/s (132 units of 128 lanes at 1.98 GHz), d = 30, float32:
  2k = 65,536      16 MB, 3.4 us      2.9e8 operations, 8.9 us
  2k = 2,000,000   496 MB, 0.10 ms    9.0e9 operations, 0.27 ms
For sm_90 the compiler makes about 700 instructions of a float32 gene of a pair; float64 runs at half the rate and
takes twice as many for a power.
"""
# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-untyped-call"

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from moopt.kernels.philox.cuda import as_uniform, words_at, words_from
from moopt.kernels.variation import reference

TILE = 512  # genes of pairs in a program of four warps


def children(
    x: Tensor, parents: Tensor, low: Tensor, high: Tensor, keys: Tensor, streams: tuple[int, int, int],
    how: reference.Settings,
) -> Tensor:  # fmt: skip
    """`children` for float32 and float64."""
    if x.dtype not in (torch.float32, torch.float64):
        return reference.children.reference(x, parents, low, high, keys, streams, how)
    return _born(x.new_empty(*parents.shape, x.shape[-1]), x, parents, low, high, keys, streams, how)


def first_children(
    x: Tensor, parents: Tensor, low: Tensor, high: Tensor, keys: Tensor, streams: tuple[int, int, int],
    how: reference.Settings,
) -> Tensor:  # fmt: skip
    """`first_children` for float32 and float64."""
    if x.dtype not in (torch.float32, torch.float64):
        return reference.first_children.reference(x, parents, low, high, keys, streams, how)
    out = x.new_empty(*parents.shape[:-1], parents.shape[-1] // 2, x.shape[-1])
    return _born(out, x, parents, low, high, keys, streams, how)


def _born(
    out: Tensor, x: Tensor, parents: Tensor, low: Tensor, high: Tensor, keys: Tensor, streams: tuple[int, int, int],
    how: reference.Settings,
) -> Tensor:  # fmt: skip
    (runs, chosen), (n, d) = parents.shape, x.shape[-2:]
    pairs = chosen // 2
    if out.numel():
        tiles = triton.cdiv(pairs * d, TILE)
        with torch.cuda.device_of(x):
            vary[(runs * tiles,)](
                x.contiguous(), parents.contiguous(), low.contiguous(), high.contiguous(), keys.contiguous(), out,
                n, pairs, d, tiles, *streams, *how, how.mutation_probability > 0, pairs * d % 4 == 0,
                out.shape[-2] < chosen, TILE,
                enable_fp_fusion=False,  # sums of products are rounded as in the reference
            )  # fmt: skip
    return out


@triton.jit
def power(x, exponent):
    """x^exponent, x >= 0: the logarithm of 0 leads to the limits that `arithmetic.power` has."""
    return tl.exp(exponent * tl.log(x))


@triton.jit
def clamp(x, low, high):
    """x within [low, high]; NaN stays."""
    return tl.where(x < low, low, tl.where(x > high, high, x))


@triton.jit
def spread(v, room, gap, eta):
    """How far a child lies from its parents' middle, in halves of their gap, with `room` between them and the bound."""
    scaled = v * (2.0 - power(1.0 + 2.0 * room / gap, -(eta + 1.0)))
    return power(tl.where(scaled <= 1.0, scaled, 1.0 / (2.0 - scaled)), 1.0 / (eta + 1.0))


@triton.jit
def mutated(u, x, low, high, probability, eta):
    """`polynomial_mutation`."""
    width = high - low
    v = clamp(u / probability, 0.0, 1.0)
    below = v < 0.5
    room = clamp(tl.where(below, high - x, x - low) / width, 0.0, 1.0)
    near = tl.where(below, 2.0 * v, 2.0 * (1.0 - v))
    size = 1.0 - power(near + (1.0 - near) * power(room, eta + 1.0), 1.0 / (eta + 1.0))
    moved = clamp(x + tl.where(below, -size, size) * width, low, high)
    return tl.where(u < probability, moved, x)


@triton.jit(do_not_specialize=["n", "pairs", "tiles", "genes_stream", "pairs_stream", "mutation_stream"])
def vary(
    x, parents, low, high, keys, out, n, pairs, d, tiles,
    genes_stream: tl.uint64, pairs_stream: tl.uint64, mutation_stream: tl.uint64,
    crossover_probability: tl.float64, crossover_eta: tl.float64,
    mutation_probability: tl.float64, mutation_eta: tl.float64,
    MUTATES: tl.constexpr, ALIGNED: tl.constexpr, SINGLE: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """Children out[r, 2k, d], or SINGLE ones out[r, k, d], of each pair the first. ALIGNED: draws that mutate second
    children begin with a block, k d % 4 == 0."""
    run = (tl.program_id(0) // tiles).to(tl.int64)
    first = (tl.program_id(0) % tiles).to(tl.int64) * TILE  # draw of the first gene, counted over the pairs of a run
    key = tl.load(keys + run)
    lane = tl.arange(0, TILE)
    at = (first % d).to(tl.int32) + lane
    pair, gene = first // d + at // d, at % d
    inside = pair < pairs
    mother = tl.load(parents + run * pairs * 2 + pair, mask=inside, other=0)
    father = tl.load(parents + run * pairs * 2 + pairs + pair, mask=inside, other=0)
    lowest, highest = tl.load(low + gene), tl.load(high + gene)
    a = tl.load(x + (run * n + mother) * d + gene, mask=(mother >= 0) & (mother < n), other=float("nan"))
    b = tl.load(x + (run * n + father) * d + gene, mask=(father >= 0) & (father < n), other=float("nan"))

    REAL: tl.constexpr = x.dtype.element_ty
    u = as_uniform(words_from(first, genes_stream, key, TILE), REAL)
    crosses = as_uniform(words_at(pair, pairs_stream, key), REAL) < tl.full([1], crossover_probability, REAL)
    eta = tl.full([1], crossover_eta, REAL)
    smaller, larger = tl.minimum(a, b), tl.maximum(a, b)
    crossed = crosses & (u < 0.5) & (larger - smaller > 1e-14)
    exchanged = u < 0.25
    v = clamp(tl.where(exchanged, 4.0 * u, 4.0 * u - 1.0), 0.0, 1.0)
    gap = tl.where(crossed, larger - smaller, 1.0)
    middle = 0.5 * (smaller + larger)
    left = clamp(middle - 0.5 * spread(v, smaller - lowest, gap, eta) * gap, lowest, highest)
    right = clamp(middle + 0.5 * spread(v, highest - larger, gap, eta) * gap, lowest, highest)
    a = tl.where(crossed, tl.where(exchanged, right, left), a)
    b = tl.where(crossed, tl.where(exchanged, left, right), b)

    if MUTATES:
        probability, chance = tl.full([1], mutation_probability, REAL), tl.full([1], mutation_eta, REAL)
        w = words_from(first, mutation_stream, key, TILE)
        a = mutated(as_uniform(w, REAL), a, lowest, highest, probability, chance)
    if SINGLE:
        tl.store(out + (run * pairs + pair) * d + gene, a, mask=inside)
    else:
        if MUTATES:
            second = first + tl.full([1], pairs, tl.int64) * d
            if ALIGNED:
                w = words_from(second, mutation_stream, key, TILE)
            else:
                w = words_at(second + lane, mutation_stream, key)
            b = mutated(as_uniform(w, REAL), b, lowest, highest, probability, chance)
        out += (run * pairs * 2 + pair) * d + gene
        tl.store(out, a, mask=inside)
        tl.store(out + tl.full([1], pairs, tl.int64) * d, b, mask=inside)
