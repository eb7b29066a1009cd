"""Maximises an acquisition function over the valid points of the unit cube that are not yet known.

Reference:
    Wan, Nguyen, Ha, Ru, Lu, Osborne. Think Global and Act Local: Bayesian Optimisation over High-Dimensional
    Categorical and Mixed Search Spaces. ICML 2021 (alternating discrete and continuous ascent).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from moopt.surrogate.descent import descend
from moopt.surrogate.numerics import numerical_errors

_log = logging.getLogger("moopt")

# Two cube points closer than this in every column are the same point.
_SAME = 1e-6
# A column with more values than this is treated as continuous and rounded at the end.
_MOST_LEVELS = 64
# Of one climb.
_STEPS = 60
_TOLERANCE = 1e-5  # in log acquisition values: a step that gains less ends it
# Spaces with at most this many points are searched completely (BoTorch's MAX_CHOICES_ENUMERATE).
_MOST_ENUMERATED = 10_000


class Score(Protocol):
    """What is maximised: log acquisition values of single points, differentiable, ``[b, d] -> [b]``."""

    @property
    def chunk(self) -> int:
        """How many points fit into one evaluation."""

    def __call__(self, x: Tensor) -> Tensor: ...

    def many(self, x: Tensor) -> Tensor:
        """Values ``[k]`` of ``x[k, d]``, without gradients and never NaN."""


class Search:
    """The search, for one space.

    Args of the constructor:
        settle: maps points ``[..., d]`` to the nearest valid ones.
        levels: the values of each column that steps move through, from `column_levels`; gradients move the others.
        category_sizes: number of categories of each category column.
        candidates: points ``[c, d]`` that are scored first, as they are.
        n_raw: quasi-random points that are scored with them.
        n_restarts: how many of them are improved.

    Called with a score (``None``: fill space), the points ``[k, d]`` around which to look more closely, and all known
    points ``[j, d]``, it returns the best unknown point ``[1, d]`` it finds. Draws come from torch's global generator.
    """

    def __init__(
        self,
        settle: Callable[[Tensor], Tensor],
        levels: dict[int, Tensor],
        category_sizes: dict[int, int],
        candidates: Tensor,
        n_raw: int,
        n_restarts: int,
    ) -> None:
        self.settle, self.levels, self.category_sizes, self.candidates = settle, levels, category_sizes, candidates
        self.n_raw, self.n_restarts = n_raw, n_restarts

    def __call__(self, score: Score | None, around: Tensor, known: Tensor) -> Tensor:
        pool, complete = self.pool(around, known)
        if not len(pool):
            _log.warning("suggest: every point of the space is already evaluated or pending; repeating one")
            pool, known = self.pool(around, known[:0])[0], known[:0]
        if score is None:
            return _farthest(pool, known)
        try:
            value = score.many(pool)
        except numerical_errors() as error:
            _log.warning("suggest: scoring failed (%s: %s); filling space", type(error).__name__, error)
            return _farthest(pool, known)
        if not bool((value > -math.inf).any()):
            _log.warning("suggest: no point has a finite score; filling space")
            return _farthest(pool, known)
        if not complete:
            try:
                improved = self.settle(self.ascend(score, self.starts(pool, value), known))
                improved = improved[_new(improved, known)]
                if len(improved):
                    pool, value = torch.cat([pool, improved]), torch.cat([value, score.many(improved)])
            except numerical_errors() as error:
                _log.warning(
                    "suggest: optimiser failed (%s: %s); best of %d scored points",
                    type(error).__name__, error, len(pool),
                )
        return pool[value.argmax()].unsqueeze(0)

    def pool(self, around: Tensor, known: Tensor) -> tuple[Tensor, bool]:
        """Valid unknown points ``[k, d]`` to choose from, and whether they are all there are."""
        d, device = known.shape[-1], known.device
        if len(self.levels) == d and math.prod(len(v) for v in self.levels.values()) <= _MOST_ENUMERATED:
            points = torch.cartesian_prod(*[self.levels[j] for j in range(d)]).reshape(-1, d)
            return self.unknown(points, known), True
        sobol = torch.quasirandom.SobolEngine(d, scramble=True, seed=new_seed())
        points = sobol.draw(self.n_raw, dtype=torch.float64).to(device)
        found = self.unknown(torch.cat([points, self.spray(around), self.candidates]), known)
        # Nearly exhausted spaces: look longer before saying that nothing is left.
        for _ in range(64):
            if len(found):
                break
            found = self.unknown(sobol.draw(self.n_raw, dtype=torch.float64).to(device), known)
        return found, False

    def spray(self, around: Tensor) -> Tensor:
        """Perturbed copies ``[n_raw / 2, d]`` of the best known points, near and far; few columns of many change."""
        if not len(around):
            return around
        k, d = self.n_raw // 2, around.shape[-1]
        start = around[torch.randint(len(around), (k,), device=around.device)]
        # BoTorch's sample_around_best changes 20 columns on average
        change = torch.rand_like(start) < min(1.0, 20 / d)
        reach = torch.where(torch.arange(k, device=start.device) % 2 == 0, 0.1, 0.01).double().unsqueeze(-1)
        moved = start + change * reach * torch.randn_like(start)
        for column in self.category_sizes:
            other = torch.rand(k, dtype=start.dtype, device=start.device) < 1 / len(self.category_sizes)
            moved[:, column] = torch.where(other, torch.rand_like(start[:, column]), start[:, column])
        return moved.clamp(0, 1)

    def unknown(self, points: Tensor, known: Tensor) -> Tensor:
        points = torch.unique(self.settle(points), dim=0)
        return points[_new(points, known)]

    def starts(self, pool: Tensor, value: Tensor) -> Tensor:
        """The best point and others drawn with probability rising in their value."""
        from botorch.optim.initializers import initialize_q_batch

        pool, value = pool[value > -math.inf], value[value > -math.inf]
        if len(pool) <= self.n_restarts:
            return pool
        starts, _ = initialize_q_batch(pool.unsqueeze(-2), value, self.n_restarts)
        return starts.squeeze(-2)

    def ascend(self, score: Score, x: Tensor, known: Tensor) -> Tensor:
        """Alternates steps in discrete columns with gradient ascent in the others: ``[s, d] -> [s, d]``."""
        if not self.levels:
            return self.climb(score, x)
        discrete = list(self.levels)
        x, moving = self.step(score, x, known), torch.arange(len(x), device=x.device)
        for _ in range(4 if len(discrete) < x.shape[-1] else 0):
            climbed = self.climb(score, x[moving])
            x[moving] = stepped = self.step(score, climbed, known)
            moving = moving[(stepped != climbed)[:, discrete].any(-1)]
            if not len(moving):
                break
        return x

    def climb(self, score: Score, x: Tensor) -> Tensor:
        fixed = torch.zeros_like(x[0], dtype=torch.bool)
        fixed[list(self.levels)] = True
        low, high = torch.where(fixed, x, 0.0), torch.where(fixed, x, 1.0)
        parts = zip(x.split(score.chunk), low.split(score.chunk), high.split(score.chunk), strict=True)
        climbed = [
            descend(lambda points, _: -score(points), *part, steps=_STEPS, tolerance=_TOLERANCE)[0] for part in parts
        ]
        return torch.cat(climbed)

    def step(self, score: Score, x: Tensor, known: Tensor) -> Tensor:
        """Moves each point to its best neighbour in one discrete column, while that is better."""
        value = score.many(x)
        # BoTorch alternates after 4 discrete steps; with nothing to alternate with, it walks on
        for _ in range(4 if len(self.levels) < x.shape[-1] else 64):
            near = self.neighbours(x)
            flat = self.settle(near.flatten(0, 1))
            scored = torch.where(_new(flat, known), score.many(flat), -math.inf).reshape(near.shape[:2])
            best, which = scored.max(dim=1)
            better = best > value
            if not bool(better.any()):
                break
            best_x = flat.reshape(near.shape)[torch.arange(len(x), device=x.device), which]
            x, value = torch.where(better.unsqueeze(-1), best_x, x), torch.where(better, best, value)
        return x

    def neighbours(self, x: Tensor) -> Tensor:
        """Points with another category, or the next value up or down, in one column: ``[s, d] -> [s, k, d]``."""
        near = []
        for column, values in self.levels.items():
            if column in self.category_sizes:
                options = values.expand(len(x), -1)
            else:
                index = (x[:, column : column + 1] - values).abs().argmin(dim=1, keepdim=True)
                options = values[torch.cat([index - 1, index + 1], dim=1).clamp(0, len(values) - 1)]
            moved = x.unsqueeze(1).repeat(1, options.shape[1], 1)
            moved[:, :, column] = options
            near.append(moved)
        return torch.cat(near, dim=1)


def column_levels(
    settle: Callable[[Tensor], Tensor], d: int, category_sizes: dict[int, int], device: torch.device
) -> dict[int, Tensor]:
    """Values of each column that holds categories or few values, seen by rounding a grid along it."""
    steps = max([16 * _MOST_LEVELS, *(4 * size for size in category_sizes.values())])
    grid = torch.linspace(0, 1, steps + 1, dtype=torch.float64, device=device)
    levels = {}
    for column in range(d):
        points = torch.full((len(grid), d), 0.5, dtype=torch.float64, device=device)
        points[:, column] = grid
        values = torch.unique(settle(points)[:, column])
        values = values[torch.cat([values.new_ones(1), values.diff()]) > _SAME]
        if len(values) <= _MOST_LEVELS or column in category_sizes:
            levels[column] = values
    return levels


def _new(x: Tensor, known: Tensor) -> Tensor:
    """Which of ``x[k, d]`` are not among ``known[j, d]``: bool ``[k]``."""
    if not len(known):
        return torch.ones(len(x), dtype=torch.bool, device=x.device)
    return torch.cdist(x, known, p=math.inf).amin(dim=-1) > _SAME


def _farthest(pool: Tensor, known: Tensor) -> Tensor:
    if not len(known):
        return pool[:1]
    return pool[torch.cdist(pool, known).amin(dim=-1).argmax()].unsqueeze(0)


def new_seed() -> int:
    """A seed for a generator of its own, from torch's global one."""
    return int(torch.randint(2**31 - 1, ()))
