"""Numba version, for the CPU, of `children` and `first_children`.

It draws the same numbers as the reference and computes powers only for the genes that change, in float64
whatever the precision of the points, by a function of its own: equal to the reference but for a few roundings. Every
pair is computed by itself, so the bits depend neither on the number of threads nor on what else is in the batch.
"""
# mypy: disable-error-code="untyped-decorator,no-untyped-def,call-arg,attr-defined"

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from moopt.kernels.philox.cpu import U64, block_of
from moopt.kernels.shared.arrays import array
from moopt.kernels.shared.compiled import entry, inner
from moopt.kernels.shared.threads import in_parts
from moopt.kernels.variation import reference

PIECE = 512  # draws made at a time, which stay in the first-level cache
LEAST = 2**18  # genes that are worth a thread: two milliseconds; torch's own thread spins for one

# _power splits numbers with integer arithmetic on their bits.
LN2 = math.log(2.0)
LN2_HIGH = float.fromhex("0x1.62e42fee00000p-1")  # the first 33 bits, so that its product with an exponent is exact
LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")  # the rest of log 2
ROUND = 1.5 * 2.0**52  # adding it rounds to an integer
ROUND_BITS = np.float64(ROUND).view(np.uint64)
ONE = np.float64(1.0).view(np.uint64)
ROOT_HALF = np.float64(math.sqrt(0.5)).view(np.uint64)



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
    exact = np.float64 if x.dtype == torch.float64 else np.float32
    bits = 32 if x.dtype == torch.float64 else 23
    u, s, v = (np.uint64(stream) for stream in streams)
    points, rows, born = array(x, 2), array(parents, 1), array(out, 2)
    lowest, highest, run_keys = array(low, 1)[0], array(high, 1)[0], array(keys, 0)
    crossing, mutating = (
        _count_below(float(exact(p)), bits) for p in (how.crossover_probability, how.mutation_probability)
    )
    eta, spread, probability = how.crossover_eta, how.mutation_eta, how.mutation_probability
    single = out.shape[-2] < parents.shape[-1]

    def part(start: int, stop: int) -> None:
        if not _children(
            points, rows, lowest, highest, run_keys, u, s, v, crossing, eta, mutating, probability, spread, bits,
            single, start, stop, born,
        ):  # fmt: skip
            raise IndexError(f"parents: expected rows from 0 to {x.shape[1] - 1}, got others")

    pairs = rows.size // 2
    in_parts(part, pairs, LEAST // (2 * points.shape[-1]) + 1)
    return out


def _count_below(probability: float, bits: int) -> int:
    """How many of the draws (w + 1/2) / 2^bits lie below a probability."""
    return math.ceil(probability * 2.0**bits - 0.5)


@inner
def _fill(words, first, stop, stream, key, shift):
    """Writes draws first .. stop - 1 of a stream; returns the place of the first, blocks being whole."""
    base = first // 4
    for i in range((stop + 3) // 4 - base):
        w0, w1, w2, w3 = block_of(U64(base + i), stream, key)
        words[4 * i] = w0 >> shift
        words[4 * i + 1] = w1 >> shift
        words[4 * i + 2] = w2 >> shift
        words[4 * i + 3] = w3 >> shift
    return first - 4 * base


@inner
def _power(x, exponent):
    """x^exponent for x >= 0 (taken as 2^-1022 below that, and the answer as e^-700 below that), to about two roundings
    of the logarithm. Plain arithmetic without branches: loops over it run on vector registers, and every element,
    the last ones included, comes out in the same bits on every machine."""
    bits = np.float64(max(x, 2.0**-1022)).view(np.uint64)
    biased = (bits - ROOT_HALF + ONE) >> U64(52)
    m = np.uint64(bits + ONE - (biased << U64(52))).view(np.float64)  # in [sqrt(1/2), sqrt(2)), x = m 2^k
    k = np.uint64(biased + ROUND_BITS).view(np.float64) - (ROUND + 1023.0)
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    # log m = 2 artanh s = 2 s + 2/3 s^3 + 2/5 s^5 + ..., s^2 < 0.03
    tail = (((2 / 21 * z + 2 / 19) * z + 2 / 17) * z + 2 / 15) * z + 2 / 13
    tail = ((((tail * z + 2 / 11) * z + 2 / 9) * z + 2 / 7) * z + 2 / 5) * z + 2 / 3
    log = k * LN2_HIGH + (2.0 * s + (s * z * tail + k * LN2_LOW))
    y = max(exponent * log, -700.0)
    shifted = y * (1.0 / LN2) + ROUND
    n = shifted - ROUND  # rounded to an integer, which the low bits of `shifted` hold, too
    r = y - n * LN2_HIGH - n * LN2_LOW
    # e^r = 1 + r + r^2 / 2! + ... + r^13 / 13!, |r| < 0.35
    p = ((((1 / 6227020800 * r + 1 / 479001600) * r + 1 / 39916800) * r + 1 / 3628800) * r + 1 / 362880) * r + 1 / 40320
    p = (((((p * r + 1 / 5040) * r + 1 / 720) * r + 1 / 120) * r + 1 / 24) * r + 1 / 6) * r + 1 / 2
    p = (p * r + 1.0) * r + 1.0
    return np.uint64(np.float64(p).view(np.uint64) + (np.float64(shifted).view(np.uint64) << U64(52))).view(np.float64)


@inner
def _powers(x, exponent, whole, power):
    """x^exponent >= 0 for each x >= 0; by multiplications where the exponent is `whole` and small, as it mostly is,
    which moves x; 0 where it is not. The only place that holds `_power`, which takes a while to compile."""
    if not whole:
        for c in range(len(x)):
            power[c] = _power(x[c], exponent)
        return
    for c in range(len(x)):
        power[c] = 1.0
    while whole:
        if whole & 1:
            for c in range(len(x)):
                power[c] *= x[c]
        whole >>= 1
        for c in range(len(x)):
            x[c] *= x[c]


@inner
def _whole(exponent):
    small = np.int64(min(exponent, 64.0))
    return small if small == exponent else 0


@inner
def _cross(first, second, single, low, high, words, crosses, half, scale, eta, place, column, work):
    """SBX of the genes first[n d] and second[n d] of n pairs, in place, by the draws words[n d]; those pairs cross
    whose crosses[n] is 1. Genes that change are first collected, then computed; only `first` if it is `single`."""
    d = len(low)
    quarter = half // 2
    v, gap, room, other, power = work[0], work[1], work[2], work[3], work[4]
    count = 0
    for i in range(len(first) // d):
        for j in range(d):
            at = i * d + j
            a, b, word = np.float64(first[at]), np.float64(second[at]), words[at]
            smaller, larger = min(a, b), max(a, b)
            place[count], column[count] = at, j
            v[count] = 4.0 * ((word + 0.5) * scale) - (0.0 if word < quarter else 1.0)
            gap[count] = larger - smaller
            below, above = smaller - low[j], high[j] - larger
            room[count] = above if word < quarter else below
            other[count] = below if word < quarter else above
            count += crosses[i] & (word < half) & (larger - smaller > 1e-14)  # without a branch nobody can foresee
    both = count
    if not single:
        both += count
        for c in range(count):
            v[count + c], gap[count + c], room[count + c] = v[c], gap[c], other[c]
    # how far children lie from the parents' middle, in halves of their gap
    for c in range(both):
        room[c] = gap[c] / (gap[c] + 2.0 * room[c])
    _powers(room[:both], eta + 1.0, _whole(eta + 1.0), power[:both])
    for c in range(both):
        scaled = v[c] * (2.0 - power[c])
        inverse = 1.0 / (2.0 - scaled)
        room[c] = scaled if scaled <= 1.0 else inverse
    _powers(room[:both], 1.0 / (eta + 1.0), 0, power[:both])
    for c in range(count):
        at, j = place[c], column[c]
        middle = 0.5 * (np.float64(first[at]) + np.float64(second[at]))
        side = 0.5 if words[at] < quarter else -0.5
        first[at] = min(max(middle + side * power[c] * gap[c], low[j]), high[j])
        if not single:
            second[at] = min(max(middle - side * power[count + c] * gap[c], low[j]), high[j])


@inner
def _mutate(genes, low, high, words, mutating, probability, scale, eta, place, work):
    """Polynomial mutation of genes[n d], in place, by the draws words[n d]."""
    d = len(low)
    v, room, power = work[0], work[1], work[2]
    count = 0
    for at in range(len(genes)):
        if words[at] < mutating:
            place[count] = at
            count += 1
    for c in range(count):
        j = place[c] % d
        x, width = np.float64(genes[place[c]]), np.float64(high[j]) - low[j]
        v[c] = min((words[place[c]] + 0.5) * scale / probability, 1.0)
        below, above = (x - low[j]) / width, (high[j] - x) / width
        room[c] = min(max(above if v[c] < 0.5 else below, 0.0), 1.0)
    _powers(room[:count], eta + 1.0, _whole(eta + 1.0), power[:count])
    for c in range(count):
        near = 2.0 * v[c] if v[c] < 0.5 else 2.0 * (1.0 - v[c])
        room[c] = near + (1.0 - near) * power[c]
    _powers(room[:count], 1.0 / (eta + 1.0), 0, power[:count])
    for c in range(count):
        j = place[c] % d
        x, width = np.float64(genes[place[c]]), np.float64(high[j]) - low[j]
        size = 1.0 - power[c]
        genes[place[c]] = min(max(x + (-size if v[c] < 0.5 else size) * width, low[j]), high[j])


@entry
def _children(
    x, parents, low, high, keys, u_stream, s_stream, v_stream, crossing, eta, mutating, probability, mutation_eta,
    bits, single, start, stop, out,
):  # fmt: skip
    """Children of pairs start .. stop - 1, counted over all runs, or `single` ones, the first of each pair; `crossing`
    of the draws let a pair cross and `mutating` let a gene mutate."""
    k, d = parents.shape[1] // 2, x.shape[2]
    shift, scale, half = U64(32 - bits), 2.0**-bits, 1 << (bits - 1)
    at_once = max(1, PIECE // d)
    words, crosses = np.empty(at_once * d + 8, np.int64), np.empty(at_once + 8, np.int64)
    place, column = np.empty(at_once * d + 1, np.int64), np.empty(at_once * d + 1, np.int64)
    work, born = np.empty((5, 2 * at_once * d + 1)), np.empty((2, at_once * d), x.dtype)
    while start < stop:
        run, p = start // k, start % k
        n = min(at_once, k - p, stop - start)
        start += n
        key = U64(keys[run])
        for i in range(n):
            mother, father = parents[run, p + i], parents[run, k + p + i]
            if min(mother, father) < 0 or max(mother, father) >= x.shape[1]:
                return False
            for j in range(d):
                born[0, i * d + j] = x[run, mother, j]
                born[1, i * d + j] = x[run, father, j]
        at = _fill(crosses, p, p + n, s_stream, key, shift)
        for i in range(n):
            crosses[i] = crosses[at + i] < crossing
        at = _fill(words, p * d, (p + n) * d, u_stream, key, shift)
        first, second = born[0, : n * d], born[1, : n * d]
        _cross(first, second, single, low, high, words[at:], crosses, half, scale, eta, place, column, work)
        for child in range(1 if single else 2):
            row, genes = child * k + p, born[child, : n * d]
            at = _fill(words, row * d, (row + n) * d, v_stream, key, shift)
            _mutate(genes, low, high, words[at:], mutating, probability, scale, mutation_eta, place, work)
            for i in range(n):
                for j in range(d):
                    out[run, row + i, j] = genes[i * d + j]
    return True
