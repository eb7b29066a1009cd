"""The folder of one run: `config.json`, `checkpoints/`, `trials.jsonl`, `result.json`, `front.csv`, `front.png`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO


def hold(folder: Path, what: str) -> IO[str]:
    """Makes a folder and holds it until the file that comes back is closed.

    Raises FileExistsError where another process holds it, OSError where nothing can be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / ".lock", "w")  # noqa: SIM115 - the caller closes it
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(f"{folder}: expected a folder that can be written, got: {reason}") from None
    if os.name == "nt":
        return lock
    import fcntl

    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise FileExistsError(f"{folder}: expected a folder of its own, got one that a running {what} holds") from None
    return lock


def is_unused(folder: Path) -> bool:
    """Whether a folder holds nothing but what a process leaves that was killed before it wrote anything."""
    return all(path.name == ".lock" or path.match(".*.tmp") for path in folder.iterdir())


class RunFolder:
    """Where a run keeps its files; only one process at a time holds it.

    Raises FileExistsError where another run is, OSError where nothing can be written, CheckpointError for a
    configuration that cannot be read.
    """

    def __init__(self, path: str | Path, *, new: bool) -> None:
        self.path = Path(path)
        if new and (self.path / "config.json").exists():
            raise FileExistsError(
                f"{self.path}: expected a new folder, got one that holds a run: resume it, or name another folder"
            )
        if not new and not (self.path / "config.json").exists():
            raise FileNotFoundError(f"{self.path}: expected the folder of a run, got no config.json in it")
        if new and self.path.exists() and not self.path.is_dir():
            raise FileExistsError(f"{self.path}: expected a folder, got a file")
        self._lock = hold(self.path, "search")

    @property
    def checkpoints(self) -> Path:
        """Where the checkpoints are."""
        return self.path / "checkpoints"

    @property
    def trials(self) -> Path:
        """The journal of trials."""
        return self.path / "trials.jsonl"

    def close(self) -> None:
        """Lets go of the folder."""
        self._lock.close()
