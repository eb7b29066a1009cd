"""How a run ended."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """How a run ended."""

    FINISHED = "finished"  #: the budget is used up or its goal reached
    STOPPED = "stopped"  #: a monitor asked for it
    INTERRUPTED = "interrupted"  #: by Ctrl-C; it can be resumed
    INFEASIBLE = "infeasible"  #: nothing feasible was found: the front holds the least violating points
    FAILED = "failed"  #: no evaluation succeeded: the front is empty
