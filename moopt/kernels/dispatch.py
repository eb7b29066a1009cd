"""Chooses between the torch reference of a kernel and a faster version for the device at hand."""

from __future__ import annotations

import functools
import importlib
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from moopt.kernels import archive, crowding, dominance, survival, variation
from moopt.kernels import rows as rows_of_parts
from moopt.kernels import tournament as tournaments


class Kernel(NamedTuple):
    """The torch reference, and for types of device the module that has a faster function of the same name."""

    reference: Callable[..., Any]
    faster: dict[str, str]


KERNELS = {
    "rank": Kernel(dominance.rank, {"cpu": "selection_cpu"}),
    "crowding": Kernel(crowding.crowding, {"cpu": "selection_cpu"}),
    "survivors": Kernel(survival.survivors, {"cpu": "selection_cpu"}),
    "thin": Kernel(archive.thin, {"cpu": "archive_cpu"}),
    "keepers": Kernel(archive.keepers, {"cpu": "archive_cpu"}),
    "children": Kernel(variation.children, {"cpu": "variation_cpu"}),
    "rows": Kernel(rows_of_parts.rows, {"cpu": "variation_cpu"}),
    "tournament": Kernel(tournaments.tournament, {"cpu": "variation_cpu"}),
}


@functools.cache
def kernel(name: str, device_type: str) -> Callable[..., Any]:
    """The kernel `name` for tensors on a device of this type. Warns once where the faster version cannot be
    had."""
    reference, faster = KERNELS[name]
    if device_type not in faster:
        return reference
    try:
        module = importlib.import_module(f"moopt.kernels.{faster[device_type]}")
    except ImportError as error:
        _warn(device_type, str(error))
        return reference
    found: Callable[..., Any] = getattr(module, name)
    return found


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


def thin(f: Tensor, valid: Tensor, capacity: int) -> Tensor:
    """`archive.thin` by the fastest kernel for the device of f."""
    return kernel("thin", f.device.type)(f, valid, capacity)  # type: ignore[no-any-return]


def keepers(f: Tensor, violation: Tensor, capacity: int) -> tuple[Tensor, Tensor]:
    """`archive.keepers` by the fastest kernel for the device of f."""
    return kernel("keepers", f.device.type)(f, violation, capacity)  # type: ignore[no-any-return]


def children(
    x: Tensor, parents: Tensor, low: Tensor, high: Tensor, keys: Tensor, streams: tuple[int, int, int],
    how: variation.Settings,
) -> Tensor:  # fmt: skip
    """`variation.children` by the fastest kernel for the device of x."""
    kernel_ = kernel("children", x.device.type)
    return kernel_(x, parents, low, high, keys, streams, how)  # type: ignore[no-any-return]


def rows(parts: Sequence[Sequence[Tensor]], index: Tensor) -> list[Tensor]:
    """`rows.rows` by the fastest kernel for the device of the index."""
    return kernel("rows", index.device.type)(parts, index)  # type: ignore[no-any-return]


def tournament(u: Tensor, keys: Sequence[Tensor]) -> Tensor:
    """`tournament.tournament` by the fastest kernel for the device of u."""
    return kernel("tournament", u.device.type)(u, keys)  # type: ignore[no-any-return]
