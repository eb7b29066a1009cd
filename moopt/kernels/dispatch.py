"""Chooses between the torch reference of a kernel and a faster version for the device at hand.

Each kernel is also an operator `torch.ops.moopt.<name>`, which is all that `torch.compile` and `vmap` see of it.
"""

from __future__ import annotations

import functools
import importlib
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from moopt.kernels import archive, crowding, dominance, survival, variation
from moopt.kernels import rows as rows_of_parts
from moopt.kernels import tournament as tournaments


class Kernel(NamedTuple):
    """`reference`: in torch. `faster`: type of device -> module with a faster function of the same name. `schema`: of
    the operator. `like`: from the operator's arguments, new tensors of the shapes and dtypes that it gives.
    """

    reference: Callable[..., Any]
    faster: dict[str, str]
    schema: str
    like: Callable[..., Any]


def _whole(f: Tensor, *shape: int) -> Tensor:
    return f.new_empty(shape, dtype=torch.int64)


def _like_survivors(f: Tensor, violation: Tensor | None, n_keep: int) -> tuple[Tensor, Tensor, Tensor]:
    shape = (*f.shape[:-2], n_keep)
    return _whole(f, *shape), _whole(f, *shape), f.new_empty(shape)


def _like_keepers(f: Tensor, violation: Tensor, capacity: int) -> tuple[Tensor, Tensor]:
    shape = (*f.shape[:-2], min(f.shape[-2], capacity))
    return _whole(f, *shape), f.new_empty(shape, dtype=torch.bool)


def _like_rows(leaves: list[Tensor], n_parts: int, index: Tensor) -> list[Tensor]:
    return [leaf.new_empty(*index.shape, leaf.shape[-1]) for leaf in leaves[: len(leaves) // n_parts]]


KERNELS = {
    "rank": Kernel(
        dominance.rank, {"cpu": "selection_cpu"}, "(Tensor f, Tensor? violation, int n_keep) -> Tensor",
        lambda f, violation, n_keep: _whole(f, *f.shape[:-1]),
    ),
    "crowding": Kernel(
        crowding.crowding, {"cpu": "selection_cpu"}, "(Tensor f, Tensor? rank) -> Tensor",
        lambda f, rank: f.new_empty(f.shape[:-1]),
    ),
    "survivors": Kernel(
        survival.survivors, {"cpu": "selection_cpu"},
        "(Tensor f, Tensor? violation, int n_keep) -> (Tensor, Tensor, Tensor)", _like_survivors,
    ),
    "thin": Kernel(
        archive.thin, {"cpu": "archive_cpu"}, "(Tensor f, Tensor valid, int capacity) -> Tensor",
        lambda f, valid, capacity: torch.empty_like(valid),
    ),
    "keepers": Kernel(
        archive.keepers, {"cpu": "archive_cpu"}, "(Tensor f, Tensor violation, int capacity) -> (Tensor, Tensor)",
        _like_keepers,
    ),
    "tournament": Kernel(
        tournaments.tournament, {"cpu": "variation_cpu"}, "(Tensor u, Tensor[] keys) -> Tensor",
        lambda u, keys: _whole(u, *u.shape[:-1]),
    ),
    "children": Kernel(
        variation.children, {"cpu": "variation_cpu"},
        "(Tensor x, Tensor parents, Tensor low, Tensor high, Tensor keys, int[] streams, float[] how) -> Tensor",
        lambda x, parents, *others: x.new_empty(*parents.shape, x.shape[-1]),
    ),
    "rows": Kernel(
        rows_of_parts.rows, {"cpu": "variation_cpu"}, "(Tensor[] leaves, int n_parts, Tensor index) -> Tensor[]",
        _like_rows,
    ),
}  # fmt: skip


@functools.cache
def kernel(name: str, device_type: str) -> Callable[..., Any]:
    """The kernel `name` for tensors on a device of this type. Warns once where the faster version cannot be
    had."""
    reference, faster, *_ = KERNELS[name]
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


def _traced(t: Tensor) -> bool:
    """Whether somebody records what is done to `t`. Else the operator is bypassed, which takes 30 us a call."""
    return (
        type(t) is not Tensor
        or torch.compiler.is_compiling()
        or torch._C._are_functorch_transforms_active()  # type: ignore[attr-defined]
    )


def rank(f: Tensor, violation: Tensor | None, n_keep: int) -> Tensor:
    """`dominance.rank` by the fastest kernel for the device of f."""
    if _traced(f):
        return torch.ops.moopt.rank(f, violation, n_keep)  # type: ignore[no-any-return]
    return kernel("rank", f.device.type)(f, violation, n_keep)  # type: ignore[no-any-return]


def crowding_distance(f: Tensor, rank: Tensor | None) -> Tensor:
    """`crowding.crowding` by the fastest kernel for the device of f."""
    if _traced(f):
        return torch.ops.moopt.crowding(f, rank)  # type: ignore[no-any-return]
    return kernel("crowding", f.device.type)(f, rank)  # type: ignore[no-any-return]


def survivors(f: Tensor, violation: Tensor | None, n_keep: int) -> tuple[Tensor, Tensor, Tensor]:
    """`survival.survivors` by the fastest kernel for the device of f."""
    if _traced(f):
        return torch.ops.moopt.survivors(f, violation, n_keep)  # type: ignore[no-any-return]
    return kernel("survivors", f.device.type)(f, violation, n_keep)  # type: ignore[no-any-return]


def thin(f: Tensor, valid: Tensor, capacity: int) -> Tensor:
    """`archive.thin` by the fastest kernel for the device of f."""
    if _traced(f):
        return torch.ops.moopt.thin(f, valid, capacity)  # type: ignore[no-any-return]
    return kernel("thin", f.device.type)(f, valid, capacity)  # type: ignore[no-any-return]


def keepers(f: Tensor, violation: Tensor, capacity: int) -> tuple[Tensor, Tensor]:
    """`archive.keepers` by the fastest kernel for the device of f."""
    if _traced(f):
        return torch.ops.moopt.keepers(f, violation, capacity)  # type: ignore[no-any-return]
    return kernel("keepers", f.device.type)(f, violation, capacity)  # type: ignore[no-any-return]


def tournament(u: Tensor, keys: Sequence[Tensor]) -> Tensor:
    """`tournament.tournament` by the fastest kernel for the device of u."""
    if _traced(u):
        return torch.ops.moopt.tournament(u, list(keys))  # type: ignore[no-any-return]
    return kernel("tournament", u.device.type)(u, keys)  # type: ignore[no-any-return]


def children(
    x: Tensor, parents: Tensor, low: Tensor, high: Tensor, keys: Tensor, streams: tuple[int, int, int],
    how: variation.Settings,
) -> Tensor:  # fmt: skip
    """`variation.children` by the fastest kernel for the device of x."""
    if _traced(x):
        signed = [_signed(stream) for stream in streams]
        return torch.ops.moopt.children(x, parents, low, high, keys, signed, list(how))  # type: ignore[no-any-return]
    kernel_ = kernel("children", x.device.type)
    return kernel_(x, parents, low, high, keys, streams, how)  # type: ignore[no-any-return]


def rows(parts: Sequence[Sequence[Tensor]], index: Tensor) -> list[Tensor]:
    """`rows.rows` by the fastest kernel for the device of the index."""
    if _traced(index) or _traced(parts[0][0]):
        leaves = [leaf for part in parts for leaf in part]
        return torch.ops.moopt.rows(leaves, len(parts), index)  # type: ignore[no-any-return]
    return kernel("rows", index.device.type)(parts, index)  # type: ignore[no-any-return]


# What operators cannot take: 64 bits without a sign, named tuples, lists of lists.


def _signed(stream: int) -> int:
    return stream - 2**64 if stream >= 2**63 else stream


def _children(
    x: Tensor, parents: Tensor, low: Tensor, high: Tensor, keys: Tensor, streams: list[int], how: list[float]
) -> Tensor:
    names = tuple(stream % 2**64 for stream in streams)
    settings = variation.Settings(*how)
    kernel_ = kernel("children", x.device.type)
    return kernel_(x, parents, low, high, keys, names, settings)  # type: ignore[no-any-return]


def _rows(leaves: list[Tensor], n_parts: int, index: Tensor) -> list[Tensor]:
    width = len(leaves) // n_parts
    parts = [leaves[p * width : (p + 1) * width] for p in range(n_parts)]
    return kernel("rows", index.device.type)(parts, index)  # type: ignore[no-any-return]


def _any(name: str) -> Callable[..., Any]:
    """The kernel for the device of its first argument."""
    return lambda first, *others: kernel(name, first.device.type)(first, *others)


LIBRARY = torch.library.Library("moopt", "DEF")  # goes with this module


def _batch(size: int, value: Any, dim: Any) -> Any:
    """An argument with the new batch axis first; whatever had none is repeated."""
    if isinstance(value, list) and value and isinstance(value[0], Tensor):
        return [_batch(size, item, where) for item, where in zip(value, dim, strict=True)]
    if not isinstance(value, Tensor):
        return value
    return value.expand(size, *value.shape) if dim is None else value.movedim(dim, 0)


def _register(name: str, kernel_: Kernel) -> None:
    LIBRARY.define(name + kernel_.schema)
    operator = {"children": _children, "rows": _rows}.get(name, _any(name))
    LIBRARY.impl(name, operator, "CompositeExplicitAutograd")
    torch.library.register_fake(f"moopt::{name}", kernel_.like, lib=LIBRARY)

    def batched(info: Any, dims: tuple[Any, ...], *arguments: Any) -> tuple[Any, Any]:
        taken = [_batch(info.batch_size, value, dim) for value, dim in zip(arguments, dims, strict=True)]
        if name == "children":  # takes exactly one batch axis, and bounds without any
            x, parents, keys = (taken[i].flatten(0, 1) for i in (0, 1, 4))
            born = torch.ops.moopt.children(x, parents, arguments[2], arguments[3], keys, *arguments[5:])
            return born.unflatten(0, taken[0].shape[:2]), 0
        found = getattr(torch.ops.moopt, name)(*taken)
        return found, 0 if isinstance(found, Tensor) else type(found)([0] * len(found))

    torch.library.register_vmap(f"moopt::{name}", batched, lib=LIBRARY)


for _name, _kernel in KERNELS.items():
    _register(_name, _kernel)
