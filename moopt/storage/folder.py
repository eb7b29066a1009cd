"""The folder of one run: `config.json`, `checkpoints/`, `trials.jsonl`, `result.json`, `front.csv`, `front.png`."""

from __future__ import annotations

import os
from pathlib import Path


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
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = open(self.path / ".lock", "w")  # noqa: SIM115 - held as long as the run
        except OSError as error:
            reason = error.strerror or str(error)
            raise OSError(f"{self.path}: expected a folder that can be written, got: {reason}") from None
        self._hold()

    def _hold(self) -> None:
        if os.name == "nt":
            return
        import fcntl

        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise FileExistsError(
                f"{self.path}: expected a folder of its own, got one that a running search holds"
            ) from None

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
