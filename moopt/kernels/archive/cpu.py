"""Version for the CPU of `keepers`: compiled ranks, and little else."""

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import numpy as np
from torch import Tensor

from moopt.kernels.ranking.cpu import compared, least_runs, ranked
from moopt.kernels.shared.arrays import tensor
from moopt.kernels.shared.compiled import entry
from moopt.kernels.shared.cpu_sorting import Flags, Floats, Ints, equal, lexsorted
from moopt.kernels.shared.threads import in_parts
from moopt.kernels.thinning.cpu import thin_one


def keepers(f: Tensor, violation: Tensor, capacity: int) -> tuple[Tensor, Tensor]:
    """`keepers`, from one sorting of the first front."""
    points, excess = compared(f, violation)
    runs, n, _ = points.shape
    kept = np.empty((runs, n), np.bool_)

    def part(start: int, stop: int) -> None:
        kept[start:stop] = _kept(points[start:stop], excess[start:stop], capacity)

    in_parts(part, runs, least_runs(points))
    index = np.empty((runs, min(n, capacity)), np.int64)
    counts = np.empty(index.shape, np.bool_)
    _list(kept, index, counts)
    return tensor(index, *f.shape[:-2], index.shape[1]), tensor(counts, *f.shape[:-2], index.shape[1])


def _kept(f: Floats, violation: Floats, capacity: int) -> Flags:
    rank, order, feasible = ranked(f, violation, min(1, f.shape[1]))
    kept: Flags = rank == 0
    others = (feasible == 0).nonzero()[0]
    if len(others):  # the order of what is not feasible is that of its violation
        kept[others] &= (violation[others] < np.inf) & ~np.isnan(f[others]).any(2)
        outside = ~kept[others, :, None]
        order[others] = lexsorted(np.concatenate((outside, np.where(outside, 0.0, f[others])), 2))
    _drop_copies(f, order, kept)
    for b in (kept.sum(1) > capacity).nonzero()[0]:
        thin_one(f[b], kept[b], capacity)
    return kept


@entry
def _drop_copies(f: Floats, order: Ints, kept: Flags) -> None:
    """Leaves the first of equal points in `kept`, which follow one another in the order of its rows."""
    for b in range(len(f)):
        was = False
        for i in range(f.shape[1]):
            row = order[b, i]
            is_kept = kept[b, row]
            if was and equal(f[b], order[b, i - 1], row):
                kept[b, row] = False
            was = is_kept


@entry
def _list(kept: Flags, index: Ints, counts: Flags) -> None:
    """Numbers of the rows that are kept, then of as many others as there is room for."""
    for b in range(len(kept)):
        k = 0
        for wanted in (True, False):
            for i in range(kept.shape[1]):
                if kept[b, i] == wanted and k < index.shape[1]:
                    index[b, k], counts[b, k] = i, wanted
                    k += 1
