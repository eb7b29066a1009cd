"""Trees of tensors: the one shape in which states are kept, sliced, moved and saved.

A tree is a tensor, a scalar (`int`, `float`, `str`, `bool`), `None`, or a dict, list, tuple, named tuple or
dataclass of trees. Everything that is not a tensor is carried along unchanged. Two nodes say what a checkpoint shall
do with what is in them: `Rebuilt` and `Appended`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from moopt.core.checks import InputError

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Rebuilt(Generic[T]):
    """What a checkpoint leaves out, for the rest of the state says it: a cache, a factorised matrix.

    After loading it is what `init` gave, until `Algorithm.rebuild` has made it anew.
    """

    value: T


@dataclasses.dataclass(frozen=True)
class Appended(Generic[T]):
    """A buffer of which a checkpoint writes only the rows that were added since the last one.

    `rows`: a tree of tensors [r, k, ...], the runs and then the places; `added`: how many rows each run was given so
    far. Row i, counted from 0, stands at place i % k: a buffer that grows makes room before it is full (k is at least
    `added`), a ring keeps its k and writes over the oldest. That a row is never changed while it is there is a promise
    of whoever marks it: what should change (a priority) stands in another leaf. Places that hold no row yet come back
    as zeros.
    """

    rows: T
    added: int

    def kept(self) -> range:
        """Numbers of the rows that are there."""
        return range(max(0, self.added - self.places), self.added)

    @property
    def places(self) -> int:
        """How many rows have a place, k. Raises InputError where the leaves disagree."""
        sizes = {leaf.shape[1] if leaf.ndim > 1 else None for leaf in leaves(self.rows)}
        if len(sizes) != 1 or None in sizes:
            raise InputError(f"Appended: expected tensors [r, k, ...] of one k, got k of {sorted(map(str, sizes))}")
        return int(sizes.pop())  # type: ignore[arg-type]

    def numbered(self, start: int, stop: int) -> T:
        """Rows start .. stop - 1 by their numbers, copied to the CPU: [r, stop - start, ...]."""
        k = self.places
        return map_tensors(
            lambda leaf: leaf[:, torch.arange(start, stop, device=leaf.device) % k].detach().cpu(), self.rows
        )


def _children(tree: Any) -> list[tuple[str, Any]] | None:
    """Names and subtrees of an inner node, `None` for a leaf."""
    if isinstance(tree, dict):
        return [(str(key), value) for key, value in tree.items()]
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return list(zip(tree._fields, tree, strict=True))
    if isinstance(tree, (list, tuple)):
        return [(str(i), value) for i, value in enumerate(tree)]
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        return [(field.name, getattr(tree, field.name)) for field in dataclasses.fields(tree) if field.init]
    return None


def _rebuild(tree: Any, values: list[Any]) -> Any:
    """An inner node like `tree` with its subtrees replaced, in the order of `_children`."""
    if isinstance(tree, dict):
        return dict(zip(tree.keys(), values, strict=True))
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*values)
    if isinstance(tree, (list, tuple)):
        return type(tree)(values)
    names = [field.name for field in dataclasses.fields(tree) if field.init]
    return dataclasses.replace(tree, **dict(zip(names, values, strict=True)))


def _may_miss(template: Any, name: str) -> bool:
    field = next(field for field in dataclasses.fields(template) if field.name == name)
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def map_tensors(function: Callable[[Tensor], Tensor], tree: T) -> T:
    """The same tree with `function` applied to each tensor."""
    children = _children(tree)
    if children is None:
        return function(tree) if isinstance(tree, Tensor) else tree  # type: ignore[return-value]
    return _rebuild(tree, [map_tensors(function, child) for _, child in children])  # type: ignore[no-any-return]


def leaves(tree: Any) -> list[Tensor]:
    """The tensors of a tree, in order."""
    found: list[Tensor] = []

    def note(leaf: Tensor) -> Tensor:
        found.append(leaf)
        return leaf

    map_tensors(note, tree)
    return found


def take(tree: T, index: Tensor | int | slice) -> T:
    """Rows of the leading axis (the independent runs) of every tensor; an `int` keeps the axis."""
    rows = slice(index, index + 1) if isinstance(index, int) else index
    return map_tensors(lambda leaf: leaf[rows].clone(), tree)


def to_device(tree: T, device: torch.device | str) -> T:
    """The same tree with every tensor on `device`."""
    return map_tensors(lambda leaf: leaf.to(device), tree)


def plain(tree: Any) -> Any:
    """The same tree of dicts and lists only, and nodes `Appended`, as it is written to disk; `Rebuilt` is `None`."""
    if isinstance(tree, Rebuilt):
        return None
    if isinstance(tree, Appended):
        return Appended(plain(tree.rows), tree.added)
    children = _children(tree)
    if children is None:
        return tree
    if isinstance(tree, (list, tuple)) and not hasattr(tree, "_fields"):
        return [plain(child) for _, child in children]
    return {name: plain(child) for name, child in children}


def restore(template: T, saved: Any, path: str = "") -> T:
    """A tree built like `template` with the leaves of a `plain` tree; tensors take the template's device.

    Empty dicts and lists and `None` of the template take what was saved as it is; a field of a dataclass that has a
    default may be missing in what an older version saved. `Rebuilt` is the template's. Raises ValueError where the
    saved tree has another structure.
    """
    if isinstance(template, Rebuilt):
        return template
    if isinstance(template, Appended) and isinstance(saved, Appended):
        return Appended(restore(template.rows, saved.rows, f"{path}.rows"), saved.added)  # type: ignore[return-value]
    children = _children(template)
    if children and dataclasses.is_dataclass(template) and isinstance(saved, dict):
        saved = {name: saved.get(name, child) for name, child in children if name in saved or _may_miss(template, name)}
    if children:
        items = dict(enumerate(saved)) if isinstance(saved, list) else saved if isinstance(saved, dict) else {}
        keys = list(range(len(children))) if isinstance(saved, list) else [name for name, _ in children]
        if list(items) != keys:
            raise InputError(f"expected a saved state with {keys} at {path or 'its root'!r}, got {list(items)}")
        values = [
            restore(child, items[key], f"{path}.{name}")
            for key, (name, child) in zip(keys, children, strict=True)
        ]
        return _rebuild(template, values)  # type: ignore[no-any-return]
    if isinstance(template, Tensor):
        if not isinstance(saved, Tensor) or saved.dtype != template.dtype or saved.ndim != template.ndim:
            raise InputError(f"expected a saved tensor like {template.dtype}[{template.ndim} axes] at {path!r}")
        return saved.to(template.device)  # type: ignore[return-value]
    return saved  # type: ignore[no-any-return]
