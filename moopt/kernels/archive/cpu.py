"""Version for the CPU of `keepers`: compiled ranks, and little else."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from moopt.kernels.ranking.cpu import compared, least_runs, ranked
from moopt.kernels.shared.arrays import tensor
from moopt.kernels.shared.cpu_sorting import Flags, Floats, lexsorted
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
    index = np.ascontiguousarray(np.argsort(~kept, axis=1, kind="stable")[:, :capacity])
    counts = np.take_along_axis(kept, index, 1)
    return tensor(index, *f.shape[:-2], index.shape[1]), tensor(counts, *f.shape[:-2], index.shape[1])


def _kept(f: Floats, violation: Floats, capacity: int) -> Flags:
    rank, order, feasible = ranked(f, violation, min(1, f.shape[1]))
    kept: Flags = rank == 0
    others = (feasible == 0).nonzero()[0]
    if len(others):  # the order of what is not feasible is that of its violation
        kept[others] &= (violation[others] < np.inf) & ~np.isnan(f[others]).any(2)
        outside = ~kept[others, :, None]
        order[others] = lexsorted(np.concatenate((outside, np.where(outside, 0.0, f[others])), 2))
    before, after = order[:, :-1], order[:, 1:]
    run = np.arange(len(f))[:, None]
    again = (f[run, before] == f[run, after]).all(2) & kept[run, before]
    kept[run, after] &= ~again
    for b in (kept.sum(1) > capacity).nonzero()[0]:
        thin_one(f[b], kept[b], capacity)
    return kept
