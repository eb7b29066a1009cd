"""Crossover and mutation of whole points, whatever kinds of variables they hold."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from moopt.core import checks
from moopt.core.random import Rng
from moopt.core.space import Kind, Space
from moopt.kernels.variation import Settings, children, first_children
from moopt.operators.crossover import exchange, order_crossover, sbx
from moopt.operators.mutation import integer_mutation, inversion_mutation, polynomial_mutation, reset_mutation


@dataclass(frozen=True, kw_only=True)
class Variation:
    """Pairs of parents become children.

    Real columns: SBX and polynomial mutation. Integers: exchange and a mutation of at least one step. Choices and
    flags: exchange and another option. Permutations: order crossover and inversion. Weights: as real columns; those
    without bounds cross by SBX without bounds, its formula in the limit, and mutate as if bounds lay one `scale` to
    either side. A pair crosses with `crossover_probability`, a column (a whole permutation) mutates with
    `mutation_probability` (default 1/d).
    Raises ValueError for a probability outside [0, 1] or a negative distribution index.
    """

    crossover_probability: float = 0.9
    crossover_eta: float = 20.0
    mutation_probability: float | None = None
    mutation_eta: float = 20.0

    def __post_init__(self) -> None:
        checks.number("crossover_probability", self.crossover_probability, 0.0, 1.0)
        checks.number("crossover_eta", self.crossover_eta, 0.0)
        checks.number("mutation_eta", self.mutation_eta, 0.0)
        if self.mutation_probability is not None:
            checks.number("mutation_probability", self.mutation_probability, 0.0, 1.0)

    def __call__(self, space: Space, a: Tensor, b: Tensor, rng: Rng) -> Tensor:
        """Children of parents a, b [r, k, d]: [r, 2k, d], the first of each pair, then the second."""
        x = torch.cat((a, b), -2)
        return self.mate(space, x, torch.arange(x.shape[-2], device=x.device).expand(x.shape[:-1]), rng)

    def mate(self, space: Space, x: Tensor, parents: Tensor, rng: Rng, *, single: bool = False) -> Tensor:
        """Children of rows of x[r, n, d], one for each parent: int64[r, k] -> [r, k, d].

        The first half of the parents is paired with the second half, in order; of an odd number the first is taken
        once more, and its child is left out. `single`: only the first child of each pair, the same as without it,
        [r, ceil(k / 2), d].
        """
        d, k = x.shape[-1], parents.shape[-1]
        if k % 2:
            return self.mate(space, x, torch.cat((parents, parents[..., :1]), -1), rng, single=single)[..., :k, :]
        pairs = k // 2
        probability = 1.0 / d if self.mutation_probability is None else self.mutation_probability
        streams = rng.fold(0), rng.fold(1), rng.fold(2)
        if space.kinds <= {Kind.REAL, Kind.WEIGHTS} and space.is_bounded:
            low, high = space.bounds(x.dtype, x.device)
            how = Settings(self.crossover_probability, self.crossover_eta, probability, self.mutation_eta)
            names = streams[0].stream, streams[1].stream, streams[2].stream
            return (first_children if single else children)(x, parents, low, high, rng.keys, names, how)
        a, b = torch.take_along_dim(x, parents[..., None], -2).split(pairs, -2)
        stays = streams[1].uniform(pairs, 1) >= self.crossover_probability
        u = streams[0].uniform(pairs, d).masked_fill(stays, 1.0)
        born = self._mixed(space, a, b, u, streams[2].uniform(2 * pairs, d), stays, probability, rng)
        return born[..., :pairs, :] if single else born

    def _mixed(
        self, space: Space, a: Tensor, b: Tensor, u: Tensor, v: Tensor, stays: Tensor, probability: float, rng: Rng
    ) -> Tensor:
        children = torch.cat((a, b), -2)
        low, high = space.bounds(a.dtype, a.device)
        for kind in (Kind.REAL, Kind.INTEGER, Kind.CATEGORY):
            if kind not in space.kinds:
                continue
            columns = space.column_mask(kind, a.device).nonzero()[:, 0]
            p, q, bottom, top = a[..., columns], b[..., columns], low[columns], high[columns]
            if kind is Kind.REAL:
                pair = sbx(u[..., columns], p, q, bottom, top, self.crossover_eta)
            else:
                pair = exchange(u[..., columns], p, q)
            born, w = torch.cat(pair, -2), v[..., columns]
            if probability and kind is Kind.REAL:
                born = polynomial_mutation(w, born, bottom, top, self.mutation_eta, probability)
            elif probability and kind is Kind.INTEGER:
                born = integer_mutation(w, born, bottom, top, self.mutation_eta, probability)
            elif probability:
                born = reset_mutation(w, born, top, probability)
            children[..., columns] = born
        for name, block in space.blocks.items():
            place = space.columns[name]
            bottom, top = low[place], high[place]
            pair = sbx(u[..., place], a[..., place], b[..., place], bottom, top, self.crossover_eta)
            born = torch.cat(pair, -2)
            if probability:
                reach = () if block.is_bounded else (born - block.reach, born + block.reach)
                bottom, top = reach or (bottom, top)
                born = polynomial_mutation(v[..., place], born, bottom, top, self.mutation_eta, probability)
            children[..., place] = born
        for i, place in enumerate(space.permutation_columns):
            p, q = a[..., place], b[..., place]
            pair = order_crossover(rng.fold(3, i).uniform(p.shape[-2], 2), p, q)
            born = torch.cat([torch.where(stays, kept, new) for kept, new in zip((p, q), pair, strict=True)], -2)
            chance = min(1.0, probability * p.shape[-1])
            children[..., place] = inversion_mutation(rng.fold(4, i).uniform(born.shape[-2], 3), born, chance)
        return children
