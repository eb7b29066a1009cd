"""The folder of one run: `config.json`, `checkpoints/`, `trials.jsonl`, `result.json`, `front.csv`, `front.png`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

from moopt.storage.files import write_atomic

FILES = ("config.json", "trials.jsonl", "result.json", "result.safetensors", "front.csv", "history.csv", "front.png")
FOLDERS = ("checkpoints", "checkpoints/segments", "trials")


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

    Raises FileExistsError where another run is, and OSError where something cannot be written that will be, be it at
    the end of the run.
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
        try:
            self._rehearse()
        except BaseException:
            self._lock.close()
            raise

    def _rehearse(self) -> None:
        """Does once what will be done at the end, when the evaluations are paid for. Raises OSError."""
        for names, kind, fits in ((FILES, "file", Path.is_file), (FOLDERS, "folder", Path.is_dir)):
            for path in (self.path / name for name in names):
                if path.exists() and not fits(path):
                    raise FileExistsError(f"{path}: expected a {kind} that can be written, got something else there")
        if not all(os.access(self.path / name, os.W_OK) for name in FILES if (self.path / name).exists()):
            raise PermissionError(f"{self.path}: expected files that can be written, got some that cannot")
        for folder in (self.path, *(self.path / name for name in FOLDERS)):
            if folder.is_dir():
                probe = folder / ".probe.tmp"
                try:
                    write_atomic(probe, b"")
                except OSError as error:
                    reason = error.strerror or str(error)
                    raise OSError(f"{folder}: expected a folder that can be written, got: {reason}") from None
                finally:
                    probe.unlink(missing_ok=True)

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
