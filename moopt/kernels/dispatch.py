"""Chooses between the torch reference of a kernel and a faster version for the device at hand."""

from __future__ import annotations

import functools
import importlib
import warnings
from collections.abc import Callable

from torch import Tensor

from moopt.kernels import crowding, dominance

REFERENCE: dict[str, Callable[..., Tensor]] = {"rank": dominance.rank, "crowding": crowding.crowding}
COMPILED = {
    "cpu": "moopt.kernels.selection_cpu"
}  # device type -> module with faster versions under the same names


@functools.cache
def kernel(name: str, device_type: str) -> Callable[..., Tensor]:
    """The kernel `name` for tensors on a device of this type. Warns once where the faster version cannot be
    had."""
    reference = REFERENCE[name]
    if device_type not in COMPILED:
        return reference
    try:
        module = importlib.import_module(COMPILED[device_type])
    except ImportError as error:
        _warn(device_type, str(error))
        return reference
    compiled: Callable[..., Tensor] = getattr(module, name, reference)
    return compiled


@functools.cache
def _warn(device_type: str, reason: str) -> None:
    warnings.warn(
        f"the slower torch kernels are used on {device_type}: {reason}", RuntimeWarning, stacklevel=4
    )


def rank(f: Tensor, violation: Tensor | None, n_keep: int) -> Tensor:
    """`dominance.rank` by the fastest kernel for the device of f."""
    return kernel("rank", f.device.type)(f, violation, n_keep)


def crowding_distance(f: Tensor, rank: Tensor | None) -> Tensor:
    """`crowding.crowding` by the fastest kernel for the device of f."""
    return kernel("crowding", f.device.type)(f, rank)
