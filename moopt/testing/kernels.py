"""The contract of a kernel: every version gives what the reference gives, for a batch what each member gives alone."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import DynamicOutputShapeException, FakeTensorMode
from torch.utils import _pytree

from moopt.kernels.kernel import Kernel
from moopt.testing.contract import equal, require


def equal_trees(found: Any, expected: Any) -> bool:
    """Whether tensors, or tuples and lists of them, have the same dtypes, shapes and bits."""
    a, b = _pytree.tree_leaves(found), _pytree.tree_leaves(expected)
    return len(a) == len(b) and all(
        one.dtype == other.dtype and equal(one, other) for one, other in zip(a, b, strict=True)
    )


def check_kernel(
    kernel: Kernel[..., Any],
    *arguments: Any,
    close: Callable[[Any, Any], bool] = equal_trees,
    same: Callable[[Any, Any], bool] = equal_trees,
) -> None:
    """Checks that a kernel keeps its contract on the device of its arguments, which are those of a call.

    The faster version gives what the reference gives; arguments stay as they are; each member of a batch gives what it
    gives alone; one leading dimension more changes nothing; under `vmap` it gives the same, and to recorders it
    promises the shapes and dtypes that come. The first tensor leads with a batch; other tensors that lead with as many
    belong to it, the rest is common to all. What counts as equal is the same bits; `close(found, expected)` is another
    way to compare versions, `same` to compare batches. Raises ContractError.
    """
    who = kernel.name
    size = next(leaf for leaf in _pytree.tree_leaves(arguments) if isinstance(leaf, Tensor)).shape[0]
    kept = _each(lambda t: t.clone(), arguments)
    found = kernel(*arguments)
    require(equal_trees(_tensors(arguments), _tensors(kept)), f"{who}: changes its arguments")
    require(close(found, kernel.reference(*arguments)), f"{who}: differs from its reference")

    def in_batch(i: int, value: Any) -> bool:
        return isinstance(value, Tensor) and value.shape[:1] == (size,) and i not in kernel.shared

    for i in range(size):
        alone = kernel(*_members(arguments, in_batch, itemgetter(i)))
        require(same(alone, _each(itemgetter(i), found)), f"{who}: member {i} alone differs from it in a batch")
    deeper = kernel(*_members(arguments, in_batch, lambda t: t[None]))
    require(same(_each(lambda t: t[0], deeper), found), f"{who}: a leading dimension changes what it gives")
    _check_vmap(kernel, arguments, in_batch, found, same)
    _check_shapes(kernel, arguments, found)


def _each(function: Callable[[Tensor], Tensor], tree: Any) -> Any:
    return _pytree.tree_map_only(Tensor, function, tree)


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in _pytree.tree_leaves(tree) if isinstance(leaf, Tensor)]


def _members(
    arguments: tuple[Any, ...], in_batch: Callable[[int, Any], bool], function: Callable[[Tensor], Tensor]
) -> list[Any]:
    """Arguments with `function` of the tensors that belong to the batch."""

    def changed(i: int, value: Any) -> Any:
        return _each(lambda t: function(t) if in_batch(i, t) else t, value)

    return [changed(i, value) for i, value in enumerate(arguments)]


def _check_vmap(
    kernel: Kernel[..., Any], arguments: tuple[Any, ...], in_batch: Callable[[int, Any], bool], found: Any,
    same: Callable[[Any, Any], bool],
) -> None:  # fmt: skip
    batch = [t for i, value in enumerate(arguments) for t in _tensors(value) if in_batch(i, t)]

    def call(*members: Tensor) -> Any:
        given = iter(members)
        return kernel(*_members(arguments, in_batch, lambda _: next(given)))

    mapped = torch.vmap(call)(*batch)
    require(same(mapped, found), f"{kernel.name}: under vmap it gives something else")


def _check_shapes(kernel: Kernel[..., Any], arguments: tuple[Any, ...], found: Any) -> None:
    with FakeTensorMode() as mode:
        try:
            promised = kernel(*_each(mode.from_tensor, arguments))
        except DynamicOutputShapeException:  # it depends on values, which recorders know
            return
    pairs = zip(_tensors(promised), _tensors(found), strict=True)
    kept = all((a.shape, a.dtype) == (b.shape, b.dtype) for a, b in pairs)
    require(kept, f"{kernel.name}: what is recorded has other shapes or dtypes than what comes")
