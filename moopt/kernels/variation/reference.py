"""Crossover and mutation of real-valued points in one call, as a readable torch reference that runs on every
device: the operators of `moopt.operators`, one after the other."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from moopt.kernels.philox import reference as philox


class Settings(NamedTuple):
    """Probability and distribution index of SBX (per pair) and of polynomial mutation (per gene)."""

    crossover_probability: float
    crossover_eta: float
    mutation_probability: float
    mutation_eta: float


def children(
    x: Tensor, parents: Tensor, low: Tensor, high: Tensor, keys: Tensor, streams: tuple[int, int, int], how: Settings
) -> Tensor:
    """Children [..., 2k, d] of the rows parents int64[..., 2k] of x[..., n, d]; row i is paired with row i + k.

    low, high [d]. Uniform numbers under keys int64[...]: the first of `streams` crosses genes [k, d], the second
    decides whether a pair crosses [k, 1], the third mutates [2k, d].
    """
    from moopt.operators.crossover import sbx  # the operators' package imports this module
    from moopt.operators.mutation import polynomial_mutation

    chosen, d = parents.shape[-1], x.shape[-1]
    pairs = chosen // 2

    def uniform(stream: int, *shape: int) -> Tensor:
        return philox.uniform(keys.flatten(), stream, shape[0] * shape[1], x.dtype).view(*keys.shape, *shape)

    a, b = torch.take_along_dim(x, parents[..., None], -2).split(pairs, -2)
    stays = uniform(streams[1], pairs, 1) >= how.crossover_probability
    u = uniform(streams[0], pairs, d).masked_fill(stays, 1.0)
    born = torch.cat(sbx(u, a, b, low, high, how.crossover_eta), -2)
    if not how.mutation_probability:
        return born
    v = uniform(streams[2], chosen, d)
    return polynomial_mutation(v, born, low, high, how.mutation_eta, how.mutation_probability)
