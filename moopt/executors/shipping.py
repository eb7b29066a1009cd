"""Functions and payloads as bytes for another process, in memory only."""

from __future__ import annotations

import functools
import io
import os
import reprlib
import sys
from types import FunctionType, ModuleType
from typing import Any

import cloudpickle  # type: ignore[import-untyped]

from moopt.core.checks import InputTypeError
from moopt.executors.base import describe


def ship(name: str, thing: Any) -> bytes:
    """`thing` for `pickle.loads` in a process of the same `sys.path`; raises TypeError, speaking of `name`.

    cloudpickle sends what stands in a module by the module's name. A module loaded from a path, which no
    other process would find under its name, is sent by value instead, as `__main__` is.
    """
    buffer = io.BytesIO()
    shipper = _Shipper(buffer)
    try:
        shipper.dump(thing)
    except Exception as error:  # a user's __reduce__ may raise anything
        raise InputTypeError(
            f"{name}: expected one that can be sent to a worker process, got {reprlib.repr(thing)} "
            f"({describe(error)})"
        ) from error
    finally:
        for module in shipper.by_value:
            cloudpickle.unregister_pickle_by_value(module)
    return buffer.getvalue()


class _Shipper(cloudpickle.Pickler):  # type: ignore[misc]
    """cloudpickle that remembers in `by_value` which modules it had to send by value."""

    def __init__(self, buffer: io.BytesIO) -> None:
        super().__init__(buffer)
        self.by_value: list[ModuleType] = []

    def reducer_override(self, thing: Any) -> Any:
        if isinstance(thing, (FunctionType, type, ModuleType)):
            name = thing.__name__ if isinstance(thing, ModuleType) else thing.__module__
            module = sys.modules.get(name)
            file = getattr(module, "__file__", None)
            if module is not None and file is not None and not _found_again(name, file):
                if name not in cloudpickle.list_registry_pickle_by_value():
                    cloudpickle.register_pickle_by_value(module)
                    self.by_value.append(module)
        return super().reducer_override(thing)


@functools.cache
def _found_again(name: str, file: str) -> bool:
    """Whether another process would find the module of this file under this name; where in doubt, yes."""
    if name == "__main__" or not os.path.isfile(file):
        return True
    top, dot, _ = name.partition(".")
    specs = (finder.find_spec(top, None) for finder in sys.meta_path)
    spec = next((spec for spec in specs if spec is not None), None)
    if spec is None:
        return False
    origin = spec.origin
    return bool(dot) or origin is None or not os.path.isfile(origin) or os.path.samefile(origin, file)
