"""The contract of a log of events: what every store promises to those who write into it and read it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

Event = dict[str, Any]
"""JSON whose leaves may also be tensors on the CPU, for what is too large for text; they come back with the same bits.
"""


class Lease(ABC):
    """The right to do something alone for a while. A context manager, whose exit releases it."""

    @abstractmethod
    def renew(self, seconds: float) -> bool:
        """Holds it for so many seconds from now; `False` where it had expired and may be another's."""

    @abstractmethod
    def release(self) -> None:
        """Gives it up, where it is still held."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


class Log(ABC):
    """Events in the order in which they happened, shared by any number of processes.

    Each opens the log for itself; one object serves one thread. What every store promises, and what
    `moopt.testing.check_log` and `check_shared_log` check of it:

    - *Durable.* When `append` returns, its events survive the end of the process and of the machine.
    - *Together or not at all.* Events of one `append` stand side by side. Whoever reads sees all of them or none,
      whatever moment their writer is killed at. An `append` that raises has left none, unless the store died with it.
    - *One order.* An event has a position, 1, 2, 3 and so on without gaps. Every reader finds the same event at the
      same position, at any time: what was read once is never changed, moved or taken back.
    - *Seen at once.* What `append` has returned for, a `read` that begins later gives, in any process.
    - *A torn end never hurts.* What a killed writer leaves behind is no event, and the next writer removes it.
    - *A dead holder stops nobody.* A process that dies in `append` delays others by nothing; a lease ends by itself.
    """

    @abstractmethod
    def append(self, events: Sequence[Event]) -> int:
        """Adds events; returns the position of the last one, when all are durable.

        Raises OSError where nothing can be written, TypeError for an event that is no JSON.
        """

    @abstractmethod
    def read(self, after: int = 0) -> list[tuple[int, Event]]:
        """Position and event of everything after a position, in order; 0 is before the first.

        Costs what is new where `after` is what the last `read` or `append` of this object came to. Raises
        CheckpointError for what is damaged, foreign, or of a newer format.
        """

    @abstractmethod
    def lock(self, name: str, seconds: float) -> Lease | None:
        """The lease of a name for so many seconds; `None` while somebody else, or another object, holds it.

        Time is the clock of the machine: machines that share a log agree on it much better than leases are long.
        """

    @abstractmethod
    def close(self) -> None:
        """Lets go of the log; leases end by themselves."""
