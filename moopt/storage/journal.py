"""An append-only journal of trials: one JSON object a line, durable when `append` returns."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from moopt.storage.files import FORMAT, CheckpointError, check_format, sync_folder


class Journal:
    """Events in the order in which they happened. A line torn by a crash is dropped when the journal is opened.

    Raises CheckpointError for a foreign file, a newer format, or damage before the last line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.events: list[dict[str, Any]] = []
        whole = 0
        content = path.read_bytes() if path.exists() else b""
        lines = content.split(b"\n")
        for i, line in enumerate(lines[:-1]):
            try:
                event = json.loads(line)
            except ValueError:
                event = None
            if not isinstance(event, dict):
                if i < len(lines) - 2:
                    raise CheckpointError(f"{path.name}: expected a JSON object in line {i + 1}, got damage")
                break
            whole += len(line) + 1
            self.events.append(event)
        if self.events:
            header = self.events.pop(0)
            if header.get("moopt") != "trials":
                raise CheckpointError(f"{path.name}: expected a journal of moopt, got a foreign file")
            check_format(path.name, header.get("format"))
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 - open as long as the run
        self._end = whole
        self._file.truncate(whole)
        if not whole:
            self._write([{"moopt": "trials", "format": FORMAT}])
            sync_folder(path.parent)

    def append(self, *events: dict[str, Any]) -> None:
        """Adds events and returns when they are on disk. Raises OSError; the journal is then as before."""
        self._write(list(events))
        self.events += events

    def _write(self, events: list[dict[str, Any]]) -> None:
        content = b"".join(json.dumps(event).encode() + b"\n" for event in events)
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[self._file.write(rest) :]
            os.fsync(self._file.fileno())
        except OSError:
            self._file.truncate(self._end)
            raise
        self._end += len(content)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
