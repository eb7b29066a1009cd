"""Chooses between the torch reference of a kernel and a faster version for the device at hand."""

from __future__ import annotations

import functools
import importlib
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from moopt.kernels import crowding, dominance, survival, variation
from moopt.kernels import rows as rows_of_two
from moopt.kernels import tournament as tournaments

REFERENCE: dict[str, Callable[..., Any]] = {
    "rank": dominance.rank,
    "crowding": crowding.crowding,
    "survivors": survival.survivors,
    "children": variation.children,
    "rows": rows_of_two.rows,
    "tournament": tournaments.tournament,
}
# file of the faster version; what is not listed belongs to "selection"
FAMILY = {"children": "variation", "rows": "variation", "tournament": "variation"}
# device type -> module with faster versions under the same names
COMPILED = {"cpu": "moopt.kernels.{family}_cpu"}


@functools.cache
def kernel(name: str, device_type: str) -> Callable[..., Any]:
    """The kernel `name` for tensors on a device of this type. Warns once where the faster version cannot be
    had."""
    reference = REFERENCE[name]
    if device_type not in COMPILED:
        return reference
    try:
        module = importlib.import_module(COMPILED[device_type].format(family=FAMILY.get(name, "selection")))
    except ImportError as error:
        _warn(device_type, str(error))
        return reference
    compiled: Callable[..., Any] = getattr(module, name, reference)
    return compiled


@functools.cache
def _warn(device_type: str, reason: str) -> None:
    warnings.warn(f"the slower torch kernels are used on {device_type}: {reason}", RuntimeWarning, stacklevel=4)


def rank(f: Tensor, violation: Tensor | None, n_keep: int) -> Tensor:
    """`dominance.rank` by the fastest kernel for the device of f."""
    return kernel("rank", f.device.type)(f, violation, n_keep)  # type: ignore[no-any-return]


def crowding_distance(f: Tensor, rank: Tensor | None) -> Tensor:
    """`crowding.crowding` by the fastest kernel for the device of f."""
    return kernel("crowding", f.device.type)(f, rank)  # type: ignore[no-any-return]


def survivors(f: Tensor, violation: Tensor | None, n_keep: int) -> tuple[Tensor, Tensor, Tensor]:
    """`survival.survivors` by the fastest kernel for the device of f."""
    return kernel("survivors", f.device.type)(f, violation, n_keep)  # type: ignore[no-any-return]


def children(
    x: Tensor, parents: Tensor, low: Tensor, high: Tensor, keys: Tensor, streams: tuple[int, int, int],
    how: variation.Settings,
) -> Tensor:  # fmt: skip
    """`variation.children` by the fastest kernel for the device of x."""
    kernel_ = kernel("children", x.device.type)
    return kernel_(x, parents, low, high, keys, streams, how)  # type: ignore[no-any-return]


def rows(first: Sequence[Tensor], second: Sequence[Tensor], index: Tensor) -> list[Tensor]:
    """`rows.rows` by the fastest kernel for the device of the index."""
    return kernel("rows", index.device.type)(first, second, index)  # type: ignore[no-any-return]


def tournament(u: Tensor, keys: Sequence[Tensor]) -> Tensor:
    """`tournament.tournament` by the fastest kernel for the device of u."""
    return kernel("tournament", u.device.type)(u, keys)  # type: ignore[no-any-return]
