"""The table of kernels: which version runs on which device.

All versions of a kernel give the same answer. The faster ones take every number of points and objectives; where the
best way depends on these, they choose inside, and the reason stands at the threshold: `RADIX_FROM` in sorting_cpu,
`STAIR` in fronts_cpu, `FEW` and `MANY` in tries_cpu, `LEAF` in association_cpu, `LEAST` (threads) in selection_cpu
and variation_cpu, `BLOCK` and `WINDOW` in dominance_cuda.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from moopt.kernels.archive import reference as archive
from moopt.kernels.boxes import reference as nondominated_boxes
from moopt.kernels.contribution import reference as contribution
from moopt.kernels.directions import reference as association
from moopt.kernels.distances import reference as nearest
from moopt.kernels.hypervolume import reference as hypervolume
from moopt.kernels.kernel import Kernel
from moopt.kernels.niching import reference as niches
from moopt.kernels.normalisation import reference as normalisation
from moopt.kernels.offers import reference as offers
from moopt.kernels.perceptron import reference as perceptrons
from moopt.kernels.philox import reference as philox
from moopt.kernels.ranking import crowding, survival
from moopt.kernels.ranking import reference as dominance
from moopt.kernels.rows import reference as rows_of_parts
from moopt.kernels.tournament import reference as tournaments
from moopt.kernels.variation import reference as variation

Settings = variation.Settings


def _whole(like: Tensor, *shape: int) -> Tensor:
    return like.new_empty(shape, dtype=torch.int64)


def _like_survivors(f: Tensor, violation: Tensor | None, n_keep: int) -> tuple[Tensor, Tensor, Tensor]:
    shape = (*f.shape[:-2], n_keep)
    return _whole(f, *shape), _whole(f, *shape), f.new_empty(shape)


def _like_keepers(f: Tensor, violation: Tensor, capacity: int) -> tuple[Tensor, Tensor]:
    shape = (*f.shape[:-2], min(f.shape[-2], capacity))
    return _whole(f, *shape), f.new_empty(shape, dtype=torch.bool)


def _like_boxes(f: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    count = torch.library.get_ctx().new_dynamic_size()
    shape = (*f.shape[:-2], count, f.shape[-1])
    return f.new_empty(shape, dtype=torch.float64), f.new_empty(shape, dtype=torch.float64)


rank = Kernel(
    dominance.rank,
    "(Tensor f, Tensor? violation, int n_keep) -> Tensor",
    lambda f, violation, n_keep: _whole(f, *f.shape[:-1]),
    cpu="ranking.cpu",
    cuda="ranking.cuda",
)
crowding_distance = Kernel(
    crowding.crowding,
    "(Tensor f, Tensor? rank) -> Tensor",
    lambda f, rank: f.new_empty(f.shape[:-1]),
    cpu="ranking.cpu",  # on a GPU torch's own sorts and scans are what it needs
)
survivors = Kernel(
    survival.survivors,
    "(Tensor f, Tensor? violation, int n_keep) -> (Tensor, Tensor, Tensor)",
    _like_survivors,
    cpu="ranking.cpu",
    cuda="ranking.cuda_selection",
)
thin = Kernel(
    archive.thin,
    "(Tensor f, Tensor valid, int capacity) -> Tensor",
    lambda f, valid, capacity: torch.empty_like(valid),
    cpu="archive.cpu",
)
keepers = Kernel(
    archive.keepers,
    "(Tensor f, Tensor violation, int capacity) -> (Tensor, Tensor)",
    _like_keepers,
    cpu="archive.cpu",
    cuda="ranking.cuda_selection",
)
tournament = Kernel(
    tournaments.tournament,
    "(Tensor u, Tensor[] keys) -> Tensor",
    lambda u, keys: _whole(u, *u.shape[:-1]),
    cpu="variation.cpu",
    pack=lambda u, keys: (u, list(keys)),
)
nearest_direction = Kernel(
    association.nearest_direction,
    "(Tensor f, Tensor unit) -> (Tensor, Tensor)",
    lambda f, unit: (_whole(f, *f.shape[:-1]), f.new_empty(f.shape[:-1])),
    cpu="directions.cpu",
    cuda="directions.cuda",
    broadcast=(1,),
)
associate = Kernel(
    association.associate,
    "(Tensor f, Tensor unit) -> (Tensor, Tensor, Tensor)",
    lambda f, unit: (_whole(f, *f.shape[:-1]), f.new_empty(f.shape[:-1]), f.new_empty(f.shape[:-1])),
    cpu="directions.cpu",
    broadcast=(1,),
)
neighbours = Kernel(
    association.neighbours,
    "(Tensor points, int size) -> Tensor",
    lambda points, size: _whole(points, *points.shape[:-1], size),
    cpu="directions.cpu",
)
nearest_distances = Kernel(
    nearest.nearest_distances,
    "(Tensor points, int k) -> Tensor",
    lambda points, k: points.new_empty(*points.shape[:-1], k),
    cpu="distances.cpu",
    cuda="distances.cuda",
)
closest = Kernel(
    nearest.closest,
    "(Tensor rows, Tensor others, str form) -> Tensor",
    lambda rows, others, form: rows.new_empty(
        (*torch.broadcast_shapes(rows.shape[:-2], others.shape[:-2]), rows.shape[-2])
    ),
    cpu="distances.cpu",  # on a GPU the blocks of the reference fill it
)
volume = Kernel(
    hypervolume.volume,
    "(Tensor f, Tensor reference) -> Tensor",
    lambda f, reference: f.new_empty(f.shape[:-2], dtype=torch.float64),
    cpu="hypervolume.cpu",
)
boxes = Kernel(
    nondominated_boxes.boxes,
    "(Tensor f, Tensor reference) -> (Tensor, Tensor)",
    _like_boxes,
    cpu="boxes.cpu",
)
contributions = Kernel(
    hypervolume.contributions,
    "(Tensor f, Tensor reference) -> Tensor",
    lambda f, reference: f.new_empty(f.shape[:-1], dtype=torch.float64),
    cpu="hypervolume.cpu",
    cuda="hypervolume.cuda",
)
expected_contribution = Kernel(
    contribution.expected_contribution,
    "(Tensor f, Tensor valid, Tensor reference, Tensor k, Tensor u) -> Tensor",
    lambda f, *others: f.new_empty(f.shape[:-1], dtype=torch.float64),
    cpu="contribution.cpu",
)
truncate = Kernel(
    contribution.truncate,
    "(Tensor f, Tensor front, Tensor surplus, int most, Tensor reference, Tensor u, Tensor tie) -> Tensor",
    lambda f, front, *others: torch.empty_like(front),
    cpu="contribution.cpu",
)
position_within = Kernel(
    niches.position_within,
    "(Tensor group, Tensor[] keys) -> Tensor",
    lambda group, keys: torch.empty_like(group),
    cpu="niching.cpu",
    pack=lambda group, keys: (group, list(keys)),
)
niching = Kernel(
    niches.niching,
    "(int n_keep, Tensor rank, Tensor niche, Tensor distance, int n_niches, Tensor u) -> Tensor",
    lambda n_keep, rank, niche, distance, n_niches, u: _whole(rank, *rank.shape[:-1], n_keep),
    cpu="niching.cpu",
)
best_offer = Kernel(
    offers.best_offer,
    "(Tensor target, Tensor violation, Tensor value, int n_targets) -> (Tensor, Tensor, Tensor)",
    lambda target, violation, value, n: (
        _whole(target, *target.shape[:-1], n), violation.new_empty(*target.shape[:-1], n),
        value.new_empty(*target.shape[:-1], n),
    ),
    cpu="offers.cpu",
    cuda="offers.cuda",
)  # fmt: skip
replacement = Kernel(
    offers.replacement,
    "(Tensor f, Tensor violation, Tensor target, Tensor held, Tensor held_violation, Tensor weights, str function, "
    "float theta) -> Tensor",
    lambda f, violation, target, held, *others: _whole(f, *held.shape[:-1]),
    cpu="offers.cpu",
    shared=(5,),
)
normalise = Kernel(
    normalisation.normalise,
    "(Tensor f, Tensor among, Tensor front, Tensor ideal, Tensor extremes) -> (Tensor, Tensor, Tensor)",
    lambda f, among, front, ideal, extremes: tuple(map(torch.empty_like, (f, ideal, extremes))),
    cpu="normalisation.cpu",
)
perceptron = Kernel(
    perceptrons.perceptron,
    "(Tensor x, Tensor observation, int[] sizes) -> Tensor",
    lambda x, observation, sizes: observation.new_empty(*observation.shape[:-1], sizes[-1]),
    cpu="perceptron.cpu",  # on a GPU batched products of matrices are what it needs
)


# What operators cannot take: 64 bits without a sign, named tuples, lists of lists.


def _signed(stream: int) -> int:
    return stream - 2**64 if stream >= 2**63 else stream


bits = Kernel(
    philox.bits,
    "(Tensor keys, int stream, int n) -> Tensor",
    lambda keys, stream, n: keys.new_empty(*keys.shape, n),
    cpu="philox.cpu",
    cuda="philox.cuda",
    pack=lambda keys, stream, n: (keys, _signed(stream), n),
    unpack=lambda keys, stream, n: (keys, stream % 2**64, n),
)
uniform = Kernel(
    philox.uniform,
    "(Tensor keys, int stream, int n, ScalarType dtype) -> Tensor",
    lambda keys, stream, n, dtype: keys.new_empty(*keys.shape, n, dtype=dtype),
    cpu="philox.cpu",
    cuda="philox.cuda",
    pack=lambda keys, stream, n, dtype: (keys, _signed(stream), n, dtype),
    unpack=lambda keys, stream, n, dtype: (keys, stream % 2**64, n, dtype),
)


def _pack_children(
    x: Tensor, parents: Tensor, low: Tensor, high: Tensor, keys: Tensor, streams: Sequence[int], how: Settings
) -> tuple[Any, ...]:
    return x, parents, low, high, keys, [_signed(stream) for stream in streams], list(how)


def _unpack_children(
    x: Tensor, parents: Tensor, low: Tensor, high: Tensor, keys: Tensor, streams: list[int], how: list[float]
) -> tuple[Any, ...]:
    return x, parents, low, high, keys, tuple(stream % 2**64 for stream in streams), Settings(*how)


def _pack_rows(parts: Sequence[Sequence[Tensor]], index: Tensor) -> tuple[Any, ...]:
    return [leaf for part in parts for leaf in part], len(parts), index


def _unpack_rows(leaves: list[Tensor], n_parts: int, index: Tensor) -> tuple[Any, ...]:
    width = len(leaves) // n_parts
    return [leaves[p * width : (p + 1) * width] for p in range(n_parts)], index


def _like_rows(leaves: list[Tensor], n_parts: int, index: Tensor) -> list[Tensor]:
    return [leaf.new_empty(*index.shape, leaf.shape[-1]) for leaf in leaves[: len(leaves) // n_parts]]


children = Kernel(
    variation.children,
    "(Tensor x, Tensor parents, Tensor low, Tensor high, Tensor keys, int[] streams, float[] how) -> Tensor",
    lambda x, parents, *others: x.new_empty(*parents.shape, x.shape[-1]),
    cpu="variation.cpu",
    cuda="variation.cuda",
    shared=(2, 3),
    pack=_pack_children,
    unpack=_unpack_children,
)
rows = Kernel(
    rows_of_parts.rows,
    "(Tensor[] leaves, int n_parts, Tensor index) -> Tensor[]",
    _like_rows,
    cpu="variation.cpu",
    pack=_pack_rows,
    unpack=_unpack_rows,
)

KERNELS = {kernel.name: kernel for kernel in list(globals().values()) if isinstance(kernel, Kernel)}
