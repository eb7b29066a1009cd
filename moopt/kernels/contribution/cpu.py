"""Numba versions, for the CPU, of `expected_contribution` and `truncate`.

Totals of samples are the same integers as the reference's, so truncation decides the same.
"""
# mypy: disable-error-code="untyped-decorator,no-untyped-def"

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from moopt.kernels.contribution import reference as reference_
from moopt.kernels.hypervolume.cpu import sweep
from moopt.kernels.shared.compiled import entry, inner
from moopt.kernels.shared.cpu_bits import lowest, ones
from moopt.kernels.shared.cpu_sorting import Floats, Ints, arrange, by, first_beyond, smallest
from moopt.kernels.shared.threads import in_parts

UNIT, ROUNDS = float(reference_.UNIT), reference_.ROUNDS
NOTHING = 2.0**-53  # smaller weights are lost beside what a point dominates alone
STEPS = 512  # rows of a table of bits, at most; with fewer, more bits are corrected one by one
KEPT = 48  # words of bits kept of each sample; 36 points at most have a weight when half of a front goes
LEAST = 2**16  # samples and points that are worth a thread: some milliseconds

U64 = np.uint64


def expected_contribution(f: Tensor, valid: Tensor, reference: Tensor, k: Tensor, u: Tensor) -> Tensor:
    """`expected_contribution`."""
    out = torch.zeros(valid.shape, dtype=torch.float64)
    _in_runs(_contribution_batch, f, valid, reference, u, k.expand(valid.shape[:-1]), out)
    return out


def truncate(f: Tensor, front: Tensor, surplus: Tensor, most: int, reference: Tensor, u: Tensor, tie: Tensor) -> Tensor:
    """`truncate`."""
    stay = front.clone(memory_format=torch.contiguous_format)
    if most:
        needed = u[..., :0, :] if f.shape[-1] == 3 else u
        removed, ties = surplus.expand(front.shape[:-1]), tie.double().expand(front.shape)
        _in_runs(_truncate_batch, f, front, reference, needed, removed, ties, stay)
    return stay


def _in_runs(function: Callable[..., None], f: Tensor, valid: Tensor, reference: Tensor, u: Tensor, *more: Tensor):
    """Calls `function` with points, which of them count, reference points, samples, their shares, and `more`, all with
    one batch axis; the last is written to."""
    *batch, n, m = f.shape
    runs = math.prod(batch)
    if not runs * n:
        return
    reference = reference.expand(*batch, m)
    samples, share = reference_.sample(f, valid, reference, u)
    given = (f.double(), valid, reference.double(), samples.double(), share[..., 0], *more)
    arrays = [t.detach().reshape(runs, *t.shape[len(batch) :]).contiguous().numpy() for t in given]
    least = LEAST // (n + samples.shape[-2]) + 1
    in_parts(lambda start, stop: function(*(array[start:stop] for array in arrays)), runs, least)


@entry
def _contribution_batch(f, valid, reference, samples, share, k, out):
    for r in range(len(f)):
        rows = by(f[r, :, 0], _those(np.arange(len(valid[r])), valid[r]))
        n = len(rows)
        value = np.zeros(n)
        if f.shape[2] == 2:
            _exact(f[r], rows, reference[r], _weights(n, k[r], NOTHING), value)
        elif n > 0:
            below, ranked, table, shift = _tables(f[r], rows, samples[r])
            total, all_stay = np.zeros(n, np.int64), ~np.zeros(table.shape[2], np.uint64)
            kept, place, number = _room(len(below), 0)
            scaled = _rounded(_weights(n, k[r], 0.5 / UNIT))
            _add_up(below, ranked, table, shift, all_stay, scaled, kept, place, number, total)
            for i in range(n):
                value[i] = total[i] * share[r]
        for i in range(n):
            out[r, rows[i]] = value[i]


@entry
def _truncate_batch(f, _, reference, samples, share, surplus, tie, stay):
    for r in range(len(f)):
        if surplus[r] > 0:
            _truncate(f[r], reference[r], samples[r], share[r], surplus[r], tie[r], stay[r])


@inner
def _those(rows, chosen):
    some, count = np.empty(len(rows), np.int64), 0
    for i in range(len(rows)):
        some[count] = rows[i]
        count += 1 if chosen[rows[i]] else 0
    return some[:count]


@inner
def _truncate(f, reference, samples, share, surplus, tie, stay):
    queue = _those(np.arange(len(f)), stay)
    n, m = len(queue), f.shape[1]
    rows = by_z = by(f[:, 0], queue)
    key, value = np.empty(n), np.zeros(len(f))
    for i in range(n):
        key[i] = tie[queue[i]]
    arrange(key, queue)  # who goes first among equals
    if m == 3:
        better = stay.copy()
        for i in range(n):
            for j in range(m):
                better[rows[i]] &= f[rows[i], j] < reference[j]
        rows = _those(rows, better)
        by_z = by(f[:, 2], rows)
    elif m != 2:
        below, ranked, table, shift = _tables(f, rows, samples)
        total, stays = np.empty(n, np.int64), np.empty(table.shape[2], np.uint64)
        kept, place, number = _room(len(below), min(KEPT, len(stays)))
    at_once = -(-surplus // ROUNDS)
    while surplus > 0:
        left = len(queue)
        if m == 2:
            rows = _those(rows, stay)
            _exact(f, rows, reference, _weights(left, surplus, NOTHING), key)
            for i in range(left):
                value[rows[i]] = key[i]
        elif m == 3:
            rows, by_z = _those(rows, stay), _those(by_z, stay)
            sweep(f, rows, by_z, reference, value)
        else:
            for w in range(len(stays)):
                stays[w] = 0
            for i in range(n):
                total[i] = 0
                stays[i >> 6] |= U64(stay[rows[i]]) << U64(i & 63)
            scaled = _rounded(_weights(left, surplus, 0.5 / UNIT))
            _add_up(below, ranked, table, shift, stays, scaled, kept, place, number, total)
            for i in range(n):
                value[rows[i]] = total[i] * share
        going = min(at_once, surplus)
        _remove(queue, value, going, key, stay)
        queue = _those(queue, stay)
        surplus -= going


@inner
def _remove(queue, value, going, key, stay):
    """The `going` least values do not stay; of equal ones, those that come first in the queue."""
    n = len(queue)
    for i in range(n):
        key[i] = value[queue[i]]
    limit = smallest(key[:n], going)
    equal = going
    for i in range(n):
        equal -= value[queue[i]] < limit
    for i in range(n):
        if value[queue[i]] < limit:
            stay[queue[i]] = False
        elif value[queue[i]] == limit and equal > 0:
            stay[queue[i]] = False
            equal -= 1


@inner
def _room(samples, words):
    """See `_add_up`."""
    return np.empty((samples, words), np.uint64), np.empty((samples, words), np.int32), np.zeros(samples, np.int32)


@inner
def _weights(n, k, least):
    """0, then `removal_weights` as long as they exceed `least`."""
    weights, product = np.zeros(n + 1), 1.0
    for i in range(1, n + 1):
        if not product / i > least:
            return weights[:i]
        weights[i] = product / i
        product *= max(k - i, 0.0) / max(n - i, 1.0)
    return weights


@inner
def _rounded(weights):
    scaled = np.empty(len(weights), np.int64)
    for i in range(len(weights)):
        scaled[i] = np.int64(np.rint(weights[i] * UNIT))
    return scaled


@inner
def _exact(f: Floats, rows: Ints, reference: Floats, weights: Floats, value: Floats) -> None:
    """The cell right of point i and above point j <= i of `rows`, sorted by x, is dominated by j .. i."""
    n = len(rows)
    width, height, strip = np.empty(n), np.empty(n), np.zeros(n)
    right, above = reference[0], reference[1]
    for i in range(n):
        x, y = min(f[rows[n - 1 - i], 0], reference[0]), min(f[rows[i], 1], reference[1])
        width[n - 1 - i], height[i] = right - x, above - y
        right, above = x, y
        value[i] = 0.0
    for number in range(min(n, len(weights) - 1), 0, -1):  # of points that dominate a cell, j + number - 1 the last
        across, adding = width[number - 1 :], value[number - 1 :]
        for j in range(n - number + 1):
            strip[j] += across[j] * weights[number]
            adding[j] += strip[j] * height[j]


@inner
def _tables(f: Floats, rows: Ints, samples: Floats):
    """What finds the dominators of a sample among points numbered by their first objective.

    How many points are not above each sample in each objective [s, m]; the points by each objective [m, n]; bits of
    the first 0, 2^shift, 2 * 2^shift ... of them, for all objectives but the first [m - 1, ..., words].
    """
    n, m = len(rows), f.shape[1]
    shift = 0
    while n >> shift > STEPS:
        shift += 1
    below, ranked = np.empty((len(samples), m), np.int64), np.empty((m, n), np.int64)
    table = np.zeros((m - 1, ((n - 1) >> shift) + 2, (n + 63) >> 6), np.uint64)
    place, ascending = np.empty(len(f), np.int64), np.empty(n)
    for i in range(n):
        place[rows[i]] = i
    for j in range(m):
        order = by(f[:, j], rows)
        for i in range(n):
            ranked[j, i], ascending[i] = place[order[i]], f[order[i], j]
        _count_below(ascending, samples[:, j], below[:, j])
        if j > 0:
            for q in range(1, table.shape[1]):
                for w in range(table.shape[2]):
                    table[j - 1, q, w] = table[j - 1, q - 1, w]
                for i in range((q - 1) << shift, min(q << shift, n)):
                    p = ranked[j, i]
                    table[j - 1, q, p >> 6] |= U64(1) << U64(p & 63)
    return below, ranked, table, shift


@inner
def _count_below(ascending, samples, below):
    """How many of the values are not above each sample: a search within the one of n equal steps that holds it."""
    n, low, high = len(ascending), ascending[0], samples[0]
    for s in range(len(samples)):
        high = max(high, samples[s])
    scale = n / (high - low) if 0.0 < high - low < np.inf else 0.0
    start = np.zeros(n + 1, np.int64)
    for i in range(n):
        start[_step(ascending[i], low, scale, n) + 1] += 1
    for i in range(n):
        start[i + 1] += start[i]
    for s in range(len(samples)):
        i = _step(samples[s], low, scale, n)
        below[s] = first_beyond(ascending, start[i], start[i + 1] - start[i], samples[s])


@inner
def _step(value, low, scale, n):
    step = (value - low) * scale
    return n - 1 if step >= n else np.int64(step) if step > 0.0 else 0


@inner
def _add_up(below, ranked, table, shift, stays, scaled, kept, place, number, total):
    """Adds scaled[c] to the total of each point that dominates a sample which c of the points that stay dominate.

    `kept` has words of bits of each sample's dominators, the first that are not empty, and `place` which they are;
    `number` is how many, 0 before they are looked for, -1 where there is no dominator. A sample with more dominators
    than have a weight needs no other words, until so few of those kept stay that it might have one.
    """
    limit, room = len(scaled) - 1, kept.shape[1]
    words = np.empty(len(stays), np.uint64)
    for s in range(len(below)):
        found = number[s]
        if found < 0:
            continue
        count = 0
        for e in range(min(found, room)):
            count += ones(kept[s, e] & stays[place[s, e]])
            if count > limit:
                break
        if count > limit:
            continue
        if 0 < found <= room:
            for e in range(found):
                _spread(kept[s, e] & stays[place[s, e]], place[s, e], scaled[count], total)
            continue
        used = _dominators(below[s], ranked, table, shift, stays, words)
        found, count = 0, 0
        for w in range(used):
            count += ones(words[w])
            if found < room and words[w]:
                kept[s, found], place[s, found] = words[w], w
            found += words[w] != 0
        number[s] = found if found else -1
        if count <= limit:
            for w in range(used):
                _spread(words[w], w, scaled[count], total)


@inner
def _spread(word, w, weight, total):
    """Adds a weight to the totals of the points of the w-th word."""
    while word:
        total[(w << 6) + lowest(word)] += weight
        word &= word - U64(1)


@inner
def _dominators(below, ranked, table, shift, stays, words):
    """Writes the bits of the points that stay and dominate a sample; returns how many words count."""
    for j in range(len(below)):
        if below[j] == 0:
            return 0
    used = (below[0] + 63) >> 6
    for w in range(used):
        words[w] = stays[w]
    if below[0] & 63:
        words[used - 1] &= (U64(1) << U64(below[0] & 63)) - U64(1)
    for j in range(1, len(below)):
        q = (below[j] + (1 << shift) - 1) >> shift
        for w in range(used):
            words[w] &= table[j - 1, q, w]
        for i in range(below[j], min(q << shift, ranked.shape[1])):
            p = ranked[j, i]
            words[p >> 6] &= ~(U64(1) << U64(p & 63))
    return used
