"""Crossover and mutation of real-valued points, and both in one call, as readable torch references that run on every
device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from moopt.kernels.kernel import Kernel
from moopt.kernels.philox.reference import signed
from moopt.kernels.philox.reference import uniform as drawn
from moopt.kernels.shared.arithmetic import power


class Settings(NamedTuple):
    """Probability and distribution index of SBX (per pair) and of polynomial mutation (per gene)."""

    crossover_probability: float
    crossover_eta: float
    mutation_probability: float
    mutation_eta: float


def sbx(u: Tensor, a: Tensor, b: Tensor, low: Tensor, high: Tensor, eta: float) -> tuple[Tensor, Tensor]:
    """Simulated binary crossover within bounds; each gene takes part with probability one half.

    u, a, b [..., k, d]; low, high [d]; `eta` is the distribution index. A gene with u < 1/4 gives its smaller
    child to the second offspring: without this exchange the first would always get the smaller values.
    Source: Deb and Agrawal (1995), "Simulated Binary Crossover for Continuous Search Space"; bounded form of
    Deb and Goyal (1996), as in the authors' NSGA-II code.
    """
    exponent = 1.0 / (eta + 1.0)
    smaller, larger = torch.minimum(a, b), torch.maximum(a, b)
    gap = larger - smaller
    crossed = (u < 0.5) & (gap > 1e-14)  # the authors' EPS: equal parents stay
    exchanged = u < 0.25
    v = torch.where(exchanged, 4.0 * u, 4.0 * u - 1.0).clamp(0.0, 1.0)
    wide = torch.where(crossed, gap, 1.0)

    def spread(room: Tensor) -> Tensor:
        alpha = 2.0 - power(1.0 + 2.0 * room / wide, -(eta + 1.0))
        scaled = v * alpha
        return power(torch.where(scaled <= 1.0, scaled, 1.0 / (2.0 - scaled)), exponent)

    middle = 0.5 * (smaller + larger)
    left = (middle - 0.5 * spread(smaller - low) * gap).clamp(low, high)
    right = (middle + 0.5 * spread(high - larger) * gap).clamp(low, high)
    first = torch.where(crossed, torch.where(exchanged, right, left), a)
    second = torch.where(crossed, torch.where(exchanged, left, right), b)
    return first, second


def polynomial_mutation(u: Tensor, x: Tensor, low: Tensor, high: Tensor, eta: float, probability: float) -> Tensor:
    """Polynomial mutation within bounds.

    u, x [..., n, d]; low, high [d]; `eta` is the distribution index. Source: Deb and Goyal (1996), "A combined
    genetic adaptive search (GeneAS) for engineering design", bounded form as in the authors' NSGA-II code.
    """
    width = high - low
    v = (u / probability).clamp(max=1.0)
    below = v < 0.5
    room = torch.where(below, high - x, x - low) / width
    tail = power(room.clamp(0.0, 1.0), eta + 1.0)
    left = torch.where(below, 2.0 * v + (1.0 - 2.0 * v) * tail, 2.0 * (1.0 - v) + (2.0 * v - 1.0) * tail)
    size = 1.0 - power(left, 1.0 / (eta + 1.0))
    moved = (x + torch.where(below, -size, size) * width).clamp(low, high)
    return torch.where(u < probability, moved, x)


def _children(
    x: Tensor, parents: Tensor, low: Tensor, high: Tensor, keys: Tensor, streams: tuple[int, int, int], how: Settings
) -> Tensor:
    """Children [..., 2k, d] of the rows parents int64[..., 2k] of x[..., n, d]; row i is paired with row i + k.

    low, high [d]. Uniform numbers under keys int64[...]: the first of `streams` crosses genes [k, d], the second
    decides whether a pair crosses [k, 1], the third mutates [2k, d].
    """
    born = torch.cat(_crossed(x, parents, low, high, keys, streams, how), -2)
    return _mutated(born, low, high, keys, streams, how)


def _first_children(
    x: Tensor, parents: Tensor, low: Tensor, high: Tensor, keys: Tensor, streams: tuple[int, int, int], how: Settings
) -> Tensor:
    """The first child of each pair, [..., k, d]: the first k rows of `children`, from the same numbers."""
    return _mutated(_crossed(x, parents, low, high, keys, streams, how)[0], low, high, keys, streams, how)


def _crossed(
    x: Tensor, parents: Tensor, low: Tensor, high: Tensor, keys: Tensor, streams: tuple[int, int, int], how: Settings
) -> tuple[Tensor, Tensor]:
    pairs = parents.shape[-1] // 2
    a, b = torch.take_along_dim(x, parents[..., None], -2).split(pairs, -2)
    stays = _uniform(keys, streams[1], pairs, 1, x.dtype) >= how.crossover_probability
    u = _uniform(keys, streams[0], pairs, x.shape[-1], x.dtype).masked_fill(stays, 1.0)
    return sbx(u, a, b, low, high, how.crossover_eta)


def _mutated(
    born: Tensor, low: Tensor, high: Tensor, keys: Tensor, streams: tuple[int, int, int], how: Settings
) -> Tensor:
    if not how.mutation_probability:
        return born
    v = _uniform(keys, streams[2], born.shape[-2], born.shape[-1], born.dtype)
    return polynomial_mutation(v, born, low, high, how.mutation_eta, how.mutation_probability)


def _uniform(keys: Tensor, stream: int, n: int, d: int, dtype: torch.dtype) -> Tensor:
    return drawn.reference(keys.flatten(), stream, n * d, dtype).view(*keys.shape, n, d)


# An operator takes no named tuples, and integers with a sign.


def _pack_children(
    x: Tensor, parents: Tensor, low: Tensor, high: Tensor, keys: Tensor, streams: Sequence[int], how: Settings
) -> tuple[Any, ...]:
    return x, parents, low, high, keys, [signed(stream) for stream in streams], list(how)


def _unpack_children(
    x: Tensor, parents: Tensor, low: Tensor, high: Tensor, keys: Tensor, streams: list[int], how: list[float]
) -> tuple[Any, ...]:
    return x, parents, low, high, keys, tuple(stream % 2**64 for stream in streams), Settings(*how)


children = Kernel(
    _children,
    "(Tensor x, Tensor parents, Tensor low, Tensor high, Tensor keys, int[] streams, float[] how) -> Tensor",
    lambda x, parents, *others: x.new_empty(*parents.shape, x.shape[-1]),
    cpu="cpu",
    cuda="cuda",
    shared=(2, 3),
    pack=_pack_children,
    unpack=_unpack_children,
)
first_children = Kernel(
    _first_children,
    "(Tensor x, Tensor parents, Tensor low, Tensor high, Tensor keys, int[] streams, float[] how) -> Tensor",
    lambda x, parents, *others: x.new_empty(*parents.shape[:-1], parents.shape[-1] // 2, x.shape[-1]),
    cpu="cpu",
    cuda="cuda",
    shared=(2, 3),
    pack=_pack_children,
    unpack=_unpack_children,
)
