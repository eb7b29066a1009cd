"""How functions are compiled for the CPU: `entry` is called from Python and kept in Numba's cache, `inner` is called
by compiled functions and kept with them.

Numba compiles a called function again into each caller, which takes as long as the first time. So an entry is small,
calls little, and what several need (sorting) is an entry of its own, called from Python.
"""

from __future__ import annotations

import functools
from typing import Any

import numba  # noqa: TID253
from numba.core.event import Listener, register  # noqa: TID253

from moopt.kernels.compiling import announce

_options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
entry: Any = functools.partial(numba.njit, cache=True, **_options)
inner: Any = functools.partial(numba.njit, **_options)


class _Announcer(Listener):
    """Hears of what Numba compiles because its cache has it not; under a lock, so that calls nest."""

    depth = 0

    def on_start(self, event: Any) -> None:
        module = event.data["dispatcher"].py_func.__module__
        if not self.depth and module.startswith("moopt.kernels."):
            announce(module.split(".")[2])
        self.depth += 1

    def on_end(self, event: Any) -> None:
        self.depth -= 1


register("numba:compile", _Announcer())  # type: ignore[no-untyped-call]
