"""Where expensive evaluations run: in this process, in worker processes that may hang and crash, or on Ray."""

from __future__ import annotations

from moopt.core.checks import InputError
from moopt.executors.base import Executor, Outcome
from moopt.executors.inline import Inline
from moopt.executors.processes import Processes
from moopt.executors.ray import Ray

__all__ = ["Executor", "Inline", "Outcome", "Processes", "Ray", "executor"]


def executor(spec: str | Executor | None) -> Executor:
    """The executor that `spec` names: None or "inline", "processes" (one per core), "processes:4", "ray", "ray:8", or
    itself.

    Raises ValueError for anything else.
    """
    if isinstance(spec, Executor):
        return spec
    if spec is None or spec == "inline":
        return Inline()
    if isinstance(spec, str):
        name, colon, count = spec.partition(":")
        kinds: dict[str, type[Processes] | type[Ray]] = {"processes": Processes, "ray": Ray}
        kind = kinds.get(name)
        if kind is not None and not colon:
            return kind()
        if kind is not None and count.isascii() and count.isdecimal() and int(count) > 0:
            return kind(int(count))
    raise InputError(
        "executor: expected None, 'inline', 'processes', 'processes:N' or 'ray:N' with a whole number N of at least 1 "
        f"(such as 'processes:4') or an Executor instance, got {spec!r}"
    )
