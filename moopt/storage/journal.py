"""A log in a file: one JSON object a line, or a list of those that were appended together.

The first line says what the file is. Tensors of an event stand in a safetensors file of their own, in the folder that
has the name of the log without its ending, and the event names it. Leases stand there, too.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import urllib.parse
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import torch

from moopt.core import checks
from moopt.storage.checkpoint import read_checkpoint, write_tree
from moopt.storage.files import FORMAT, CheckpointError, check_format, sync_folder, write_atomic
from moopt.storage.log import Event, Lease, Log

BESIDE = "_beside"  # of an event: the file of its tensors, the number of each there, and its place in the event
HEADER = {"moopt": "trials", "format": FORMAT}


class Journal(Log):
    """A `Log` in one file, of any number of processes on machines that share a file system with locks.

    Writers hold a lock of the file while they append, and readers while they read; the system takes it from whoever
    dies. Raises CheckpointError for a foreign file, a newer format, or damage before the last line, OSError where
    nothing can be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._count, self._lines, self._end = 0, 0, 0  # events and lines read so far, and where they end
        with self._locked() as stream:
            self._catch_up(stream)
            if not self._lines:
                self._write(stream, [_line([HEADER])])
                sync_folder(path.parent)

    @property
    def beside(self) -> Path:
        """The folder of what stands beside the file."""
        return self.path.with_suffix("")

    def append(self, events: Sequence[Event] | Event, *more: Event) -> int:
        """As `Log.append`; with several events as arguments each is a line and a group of its own."""
        if not events:
            return self._count
        groups = [[event] for event in (events, *more)] if isinstance(events, Mapping) else [list(events)]
        with self._locked() as stream:
            self._catch_up(stream)
            tensors: list[torch.Tensor] = []
            name = f"{self._count + 1:09d}.safetensors"  # nobody else can take it while the lock is held
            lines = [_line([_without_tensors(event, tensors, name) for event in group]) for group in groups]
            if tensors:
                self.beside.mkdir(exist_ok=True)
                write_tree(self.beside / name, tensors)
                sync_folder(self.path.parent)
            self._write(stream, lines)
            self._count += sum(map(len, groups))
        return self._count

    @property
    def events(self) -> list[Event]:
        """All events."""
        return [event for _, event in self.read()]

    def read(self, after: int = 0) -> list[tuple[int, Event]]:
        with self._locked(shared=True) as stream:
            if after < self._count:
                self._count, self._lines, self._end = 0, 0, 0
            found = self._catch_up(stream)
        first = self._count - len(found)
        return [(first + i, self._whole(e)) for i, e in enumerate(found, start=1) if first + i > after]

    def lock(self, name: str, seconds: float) -> Lease | None:
        checks.number("seconds", seconds, low=0.0)
        lease = FileLease(self, self.beside / f"{urllib.parse.quote(name, safe='')}.lease")
        return lease if lease.take(seconds) else None

    def close(self) -> None:
        """Nothing is open in between."""

    @contextlib.contextmanager
    def _locked(self, shared: bool = False) -> Iterator[IO[bytes]]:
        """The file, with a lock.

        Opened each time: a lock lives as long as any process has what it was taken with, and children that a user's
        function starts get what is open.
        """
        with open(self.path, "rb" if shared else "a+b", buffering=0) as stream:
            if os.name != "nt":  # there one process alone holds the folder of a run
                import fcntl

                fcntl.flock(stream, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            yield stream

    def _catch_up(self, stream: IO[bytes]) -> list[Event]:
        """Events of the whole lines that were not read yet; a torn last line is none, and writers remove it."""
        size = os.fstat(stream.fileno()).st_size
        if size < self._end:
            raise CheckpointError(f"{self.path.name}: expected at least {self._end} bytes, got {size}: damaged")
        stream.seek(self._end)
        content = stream.read()
        lines = content.split(b"\n")
        found: list[Event] = []
        for i, line in enumerate(lines[:-1]):
            events = _parsed(line)
            if events is None:
                if i < len(lines) - 2:
                    number = self._lines + 1
                    raise CheckpointError(f"{self.path.name}: expected a JSON object in line {number}, got damage")
                break
            if self._lines:
                found += events
            else:
                if events[0].get("moopt") != HEADER["moopt"]:
                    raise CheckpointError(f"{self.path.name}: expected a journal of moopt, got a foreign file")
                check_format(self.path.name, events[0].get("format"))
            self._end += len(line) + 1
            self._lines += 1
        if not self._lines and not _line([HEADER]).startswith(content):
            raise CheckpointError(f"{self.path.name}: expected a journal of moopt, got a foreign file")
        self._count += len(found)
        if size > self._end and stream.writable():
            stream.truncate(self._end)
        return found

    def _write(self, stream: IO[bytes], lines: Sequence[bytes]) -> None:
        content = b"".join(lines)
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[stream.write(rest) :]
            os.fsync(stream.fileno())
        except BaseException:
            stream.truncate(self._end)
            raise
        self._end, self._lines = self._end + len(content), self._lines + len(lines)

    def _whole(self, event: Event) -> Event:
        """An event with its tensors."""
        if BESIDE not in event:
            return event
        beside = event.pop(BESIDE)
        try:
            tensors = read_checkpoint(self.beside / beside["file"])
        except CheckpointError as error:
            raise CheckpointError(f"{self.path.name}: {error}") from None
        for number, *way, last in beside["places"]:
            holder: Any = event
            for key in way:
                holder = holder[key]
            holder[last] = tensors[number]
        return event


class FileLease(Lease):
    """A lease in a file that says who holds it until when; changed only under the lock of its log."""

    def __init__(self, log: Journal, path: Path) -> None:
        self.log, self._path, self._owner = log, path, uuid.uuid4().hex

    def take(self, seconds: float) -> bool:
        """Takes it for so many seconds; `False` where another holds it."""
        with self.log._locked():
            if self._holder() not in (None, self._owner):
                return False
            self._path.parent.mkdir(exist_ok=True)
            content = {"owner": self._owner, "until": time.time() + seconds}
            write_atomic(self._path, json.dumps(content).encode())
        return True

    def renew(self, seconds: float) -> bool:
        with self.log._locked():
            held = self._holder() == self._owner
        return held and self.take(seconds)

    def release(self) -> None:
        with self.log._locked():
            if self._holder() == self._owner:
                self._path.unlink(missing_ok=True)

    def _holder(self) -> str | None:
        """Who holds it now."""
        try:
            content = json.loads(self._path.read_bytes())
            return str(content["owner"]) if time.time() < content["until"] else None
        except (OSError, ValueError, KeyError, TypeError):  # nobody, or what a dead disk left
            return None


def _line(events: Sequence[Event]) -> bytes:
    """One line, whatever its events: whoever reads it sees all of them or none."""
    return json.dumps(events[0] if len(events) == 1 else list(events)).encode() + b"\n"


def _parsed(line: bytes) -> list[Event] | None:
    """The events of a line, `None` where it is damaged."""
    try:
        content = json.loads(line)
    except ValueError:
        return None
    events = content if isinstance(content, list) else [content]
    return events if events and all(isinstance(event, dict) for event in events) else None


def _without_tensors(event: Event, tensors: list[torch.Tensor], name: str) -> Event:
    """An event whose tensors have gone to `tensors`, which will be the file `name`."""
    places: list[list[str | int]] = []

    def moved(tree: Any, place: list[str | int]) -> Any:
        if isinstance(tree, torch.Tensor):
            tensors.append(tree)
            places.append([len(tensors) - 1, *place])
            return None
        if isinstance(tree, dict):
            return {key: moved(value, [*place, key]) for key, value in tree.items()}
        if isinstance(tree, (list, tuple)):
            return [moved(value, [*place, i]) for i, value in enumerate(tree)]
        return tree

    changed: Event = moved(event, [])
    return {**changed, BESIDE: {"file": name, "places": places}} if places else event
