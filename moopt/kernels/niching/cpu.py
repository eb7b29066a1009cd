"""Numba versions, for the CPU, of `position_within` and `niching`.

Points are counted into their groups, and only the few of a group are sorted.
"""
# mypy: disable-error-code="untyped-decorator,no-untyped-def"

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from moopt.kernels.shared.compiled import entry, inner
from moopt.kernels.shared.cpu_sorting import Floats, Ints, arrange

FEW = 16  # keys sorted in place; most groups hold fewer



def position_within(group: Tensor, keys: Sequence[Tensor]) -> Tensor:
    """`position_within`."""
    groups = _ints(group)
    columns = torch.stack([key.detach().to(torch.float64).reshape(groups.shape) for key in keys], 1).numpy()
    out = np.empty_like(groups)
    if not _position_batch(groups, columns, out):
        raise IndexError("group: expected numbers from 0, got others")
    return torch.from_numpy(out).view(group.shape)


def niching(n_keep: int, rank: Tensor, niche: Tensor, distance: Tensor, n_niches: int, u: Tensor) -> Tensor:
    """`niching`."""
    n = rank.shape[-1]
    lengths, draws = (t.detach().to(torch.float64).contiguous().numpy() for t in (distance, u))
    out = np.empty((rank.numel() // n, n_keep), np.int64)
    if not _niching_batch(_ints(rank), _ints(niche), lengths.reshape(-1, n), n_niches, draws.reshape(-1, n, 2), out):
        raise IndexError(f"rank, niche: expected numbers from 0, niches below {n_niches}, got others")
    return torch.from_numpy(out).view(*rank.shape[:-1], n_keep)


def _ints(t: Tensor) -> Ints:
    return t.detach().long().reshape(t.shape[:-1].numel(), t.shape[-1]).contiguous().numpy()


@inner
def _sort(key: Floats, rows: Ints) -> None:
    """`arrange` without its working memory where there are few keys."""
    n = len(key)
    if n > FEW:
        arrange(key, rows)
        return
    for i in range(1, n):
        k, row, j = key[i], rows[i], i
        while j > 0 and key[j - 1] > k:
            key[j], rows[j] = key[j - 1], rows[j - 1]
            j -= 1
        key[j], rows[j] = k, row


@inner
def _grouped(group: Ints, n_groups: int) -> tuple[Ints, Ints]:
    """Where each group starts, and the rows group by group in the given order; rows of group -1 are left out."""
    starts = np.zeros(n_groups + 1, np.int64)
    for i in range(len(group)):
        if group[i] >= 0:
            starts[group[i] + 1] += 1
    for j in range(n_groups):
        starts[j + 1] += starts[j]
    rows, filled = np.empty(starts[n_groups], np.int64), starts.copy()
    for i in range(len(group)):
        if group[i] >= 0:
            rows[filled[group[i]]] = i
            filled[group[i]] += 1
    return starts, rows


@entry
def _position_batch(group, keys, out):
    for r in range(len(group)):
        n, n_groups = group.shape[1], 0
        for i in range(n):
            if group[r, i] < 0:
                return False
            n_groups = max(n_groups, group[r, i] + 1)
        starts, rows = _grouped(group[r], n_groups)
        value = np.empty(n)
        for j in range(n_groups):
            start, stop = starts[j], starts[j + 1]
            if stop - start > 1:
                for column in keys[r, ::-1]:
                    for i in range(start, stop):
                        value[i] = np.inf if np.isnan(column[rows[i]]) else column[rows[i]]
                    _sort(value[start:stop], rows[start:stop])
            for i in range(start, stop):
                out[r, rows[i]] = i - start
    return True


@inner
def _smallest(rank, n_keep):
    """The n_keep-th smallest of some small numbers from 0, and how many are smaller than that."""
    highest = 0
    for i in range(len(rank)):
        highest = max(highest, rank[i])
    count = np.zeros(highest + 1, np.int64)
    for i in range(len(rank)):
        count[rank[i]] += 1
    last, below = 0, 0
    while below + count[last] < n_keep:
        below += count[last]
        last += 1
    return last, below


@inner
def _niching_one(rank, niche, distance, n_niches, u, out):
    n, n_keep = len(rank), len(out)
    last, _ = _smallest(rank, n_keep)
    count, candidates = np.zeros(n_niches, np.int64), np.empty(n, np.int64)
    for i in range(n):
        candidates[i] = niche[i] if rank[i] == last else -1
        if rank[i] < last:
            count[niche[i]] += 1
    starts, rows = _grouped(candidates, n_niches)
    level, order = np.zeros(n, np.int64), np.empty(n)
    for i in range(n):
        level[i] = 0 if rank[i] < last else n + 1
    for j in range(n_niches):
        start, stop = starts[j], starts[j + 1]
        for i in range(start, stop):
            order[i] = u[rows[i], 0]
        _sort(order[start:stop], rows[start:stop])
        if count[j] == 0:  # the nearest comes first, in the order of draws among equals
            nearest = start
            for i in range(start + 1, stop):
                if distance[rows[i]] < distance[rows[nearest]]:
                    nearest = i
            for i in range(nearest, start, -1):
                rows[i], rows[i - 1] = rows[i - 1], rows[i]
        for i in range(start, stop):
            level[rows[i]] = 1 + count[j] + i - start
    last, below = _smallest(level, n_keep)
    tied, chance, n_tied = np.empty(n, np.int64), np.empty(n), 0
    for i in range(n):
        if level[i] == last:
            tied[n_tied], chance[n_tied] = i, u[i, 1]
            n_tied += 1
    arrange(chance[:n_tied], tied[:n_tied])
    for i in range(n_keep - below):
        level[tied[i]] = -1
    kept = 0
    for i in range(n):
        if level[i] < last:
            out[kept] = i
            kept += 1


@entry
def _niching_batch(rank, niche, distance, n_niches, u, out):
    for r in range(len(out)):
        for i in range(rank.shape[1]):
            if rank[r, i] < 0 or niche[r, i] < 0 or niche[r, i] >= n_niches:
                return False
        _niching_one(rank[r], niche[r], distance[r], n_niches, u[r], out[r])
    return True
