"""Mean and spread of observations, which networks need to be centred and of one scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from moopt.core import tree

CLIP = 5.0  # standard deviations, as in MoRobtrol
SMALLEST = 1e-3  # standard deviation, of what hardly ever changes: the root of MoRobtrol's least variance


@dataclass(frozen=True)
class Seen:
    """Observations of worlds [r, w], as deviations from a fixed point: how many, their sum and their sum of squares."""

    count: Tensor
    total: Tensor
    squares: Tensor

    @staticmethod
    def nothing(runs: int, worlds: int, k: int, device: torch.device) -> Seen:
        """Yet."""
        count = torch.zeros(runs, worlds, dtype=torch.float64, device=device)
        return Seen(count, count.new_zeros(runs, worlds, k), count.new_zeros(runs, worlds, k))

    @staticmethod
    def joined(parts: Sequence[Seen], runs: int) -> Seen:
        """Those of worlds that follow one another, of `runs` runs one after the other."""
        leaves = ([getattr(part, field.name).flatten(0, 1) for part in parts] for field in fields(Seen))
        return Seen(*(torch.cat(leaf).unflatten(0, (runs, -1)) for leaf in leaves))

    def add(self, here: Tensor | slice, deviation: Tensor, counts: Tensor) -> None:
        """Takes notice, in place, of one deviation[r, k] of each of the worlds `here` that counts, bool[r, k]."""
        valid = torch.where(counts[..., None], deviation, 0.0)
        self.count[:, here] += counts
        self.total[:, here] += valid
        self.squares[:, here] += valid**2

    def by_run(self) -> Seen:
        """Sums over the worlds of each run: [r], [r, k], [r, k]. In one order, whatever the number of threads."""
        return tree.map_tensors(_sum_over_worlds, self)


@dataclass(frozen=True)
class Moments:
    """Observations so far in each run, float64: `count` [r], `mean` [r, k], `squares` [r, k] of deviations, summed."""

    count: Tensor
    mean: Tensor
    squares: Tensor

    @staticmethod
    def of(mean: Tensor, std: Tensor, count: float, runs: int = 1) -> Moments:
        """As if `count` observations with mean[k] and standard deviation std[k] had been seen in each run."""
        rows = (mean.expand(runs, -1).clone(), (std**2 * count).expand(runs, -1).clone())
        return Moments(mean.new_full((runs,), count), *rows)

    @property
    def std(self) -> Tensor:
        """Standard deviation [r, k]."""
        return (self.squares / self.count[:, None]).sqrt().clamp(min=SMALLEST)

    def after(self, seen: Seen) -> Moments:
        """With further observations, as deviations from the mean of before.

        T. F. Chan, G. H. Golub, R. J. LeVeque (1983), "Algorithms for computing the sample variance".
        """
        sums = seen.by_run()
        n = self.count + sums.count
        shift = sums.total / n[:, None]
        return Moments(n, self.mean + shift, self.squares + sums.squares - shift * sums.total)


def _sum_over_worlds(leaf: Tensor) -> Tensor:
    if leaf.device.type != "cpu":
        return leaf.sum(1)
    return torch.from_numpy(leaf.transpose(0, 1).contiguous().numpy().sum(0))


def normalised(observation: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Observations in standard deviations from the mean, clipped."""
    return ((observation - mean) / std).clamp(-CLIP, CLIP)
