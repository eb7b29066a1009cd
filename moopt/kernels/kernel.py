"""A kernel: its torch reference, faster versions by device, and the operator that torch knows it by."""

from __future__ import annotations

import functools
import importlib
import warnings
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")

LIBRARY = torch.library.Library("moopt", "DEF")  # lives as long as this module
_warned: set[tuple[str, str]] = set()


class Kernel(Generic[P, R]):
    """Called like its reference, by position, it runs the fastest version for the device of its first tensor.

    To `torch.compile`, `vmap` and other recorders it is one operator, `torch.ops.moopt.<name>`; else that is bypassed,
    because it takes 30 us a call. Warns once where a faster version cannot be had. Docstring and signature are the
    reference's.
    """

    def __init__(
        self,
        reference: Callable[P, R],
        schema: str,
        like: Callable[..., Any],
        *,
        cpu: str | None = None,
        cuda: str | None = None,
        shared: tuple[int, ...] = (),
        broadcast: tuple[int, ...] = (),
        pack: Callable[..., tuple[Any, ...]] | None = None,
        unpack: Callable[..., tuple[Any, ...]] | None = None,
    ) -> None:
        """`reference`: a function whose name is the kernel's, after an underscore. `schema`: of the operator. `like`:
        from its arguments, new tensors as it gives them. `cpu`, `cuda`: modules beside the reference's with a function
        of the kernel's name. `shared`: places of arguments that all members of a batch have in common; `broadcast`: of
        those whose leading dimensions are broadcast. `pack` turns the reference's arguments into the operator's,
        `unpack` back.
        """
        functools.update_wrapper(self, reference)
        self.name = self.__name__ = self.__qualname__ = reference.__name__.removeprefix("_")
        self.reference = reference
        self.package = reference.__module__.rpartition(".")[0]
        self.modules = {"cpu": cpu, "cuda": cuda}
        self.shared, self.broadcast = shared, broadcast
        self._versions: dict[str, Callable[..., Any]] = {}
        self._pack = pack
        LIBRARY.define(self.name + schema)
        self.operator = getattr(torch.ops.moopt, self.name)

        def run(*arguments: Any) -> Any:
            given = unpack(*arguments) if unpack else arguments
            return self.version(_first_tensor(given).device.type)(*given)

        LIBRARY.impl(self.name, run, "CompositeExplicitAutograd")
        torch.library.register_fake(f"moopt::{self.name}", like, lib=LIBRARY)
        torch.library.register_vmap(f"moopt::{self.name}", self._batched, lib=LIBRARY)

    def __call__(self, *arguments: P.args, **named: P.kwargs) -> R:
        if named:
            raise TypeError(f"{self.name}: expected all arguments by position, got {', '.join(named)} by name")
        first: Any = arguments[0]
        t = first if isinstance(first, Tensor) else _first_tensor(arguments)
        if type(t) is Tensor and not torch.compiler.is_compiling() and not _transforms_active():
            return self.version(t.device.type)(*arguments)  # type: ignore[no-any-return]
        given = self._pack(*arguments) if self._pack else arguments
        return self.operator(*given)  # type: ignore[no-any-return]

    def version(self, device_type: str) -> Callable[..., Any]:
        """The fastest version for tensors on a device of this type."""
        found = self._versions.get(device_type)
        if found is None:
            found = self._versions[device_type] = self._import(device_type)
        return found

    def _import(self, device_type: str) -> Callable[..., Any]:
        module = self.modules.get(device_type)
        if module is None:
            return self.reference
        try:
            found: Callable[..., Any] = getattr(importlib.import_module(f"{self.package}.{module}"), self.name)
            return found
        except ImportError as error:
            reason = (device_type, str(error))
            if reason not in _warned:
                _warned.add(reason)
                text = f"the slower torch kernels are used on {device_type}: {error}"
                warnings.warn(text, RuntimeWarning, stacklevel=5)
            return self.reference

    def _batched(self, info: Any, dims: tuple[Any, ...], *arguments: Any) -> tuple[Any, Any]:
        """What vmap wants: the operator with one more axis in front."""
        given = []
        for i, (value, dim) in enumerate(zip(arguments, dims, strict=True)):
            if i in self.shared and dim is not None:
                raise NotImplementedError(f"vmap: argument {i + 1} of {self.name} is one for all, got a batch of it")
            if dim is None and i in (*self.shared, *self.broadcast):
                given.append(value)
                continue
            moved = _in_front(info.batch_size, value, dim)
            if i in self.broadcast:  # axes of one, for those that the first argument has and this one has not
                moved = moved[(slice(None), *(None,) * (given[0].ndim - moved.ndim))]
            given.append(moved)
        found = self.operator(*given)
        return found, 0 if isinstance(found, Tensor) else type(found)([0] * len(found))


def int64_like(t: Tensor, *shape: int) -> Tensor:
    """A new int64 tensor [*shape] on the device of `t`, for what operators give."""
    return t.new_empty(shape, dtype=torch.int64)


def _transforms_active() -> bool:
    active: bool = torch._C._are_functorch_transforms_active()
    return active


def _first_tensor(arguments: Any) -> Any:
    for value in arguments:
        if isinstance(value, Tensor):
            return value
        if isinstance(value, (list, tuple)) and value:
            found = _first_tensor(value)
            if found is not None:
                return found
    return None


def _in_front(size: int, value: Any, dim: Any) -> Any:
    """An argument with the new axis first; whatever had none is repeated."""
    if isinstance(value, list) and value and isinstance(value[0], Tensor):
        return [_in_front(size, item, where) for item, where in zip(value, dim, strict=True)]
    if not isinstance(value, Tensor):
        return value
    return value.expand(size, *value.shape) if dim is None else value.movedim(dim, 0)
