"""Keeps one run on disk: its configuration, its journal, and its checkpoints at a bearable rate."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from moopt.storage.checkpoint import Checkpoints
from moopt.storage.files import CheckpointError, write_json
from moopt.storage.folder import RunFolder
from moopt.storage.journal import Journal

CHECKPOINT_SECONDS = 10.0
CHECKPOINT_SHARE = 0.02  # of the wall time, at most


class Keeper:
    """Writes into the folder of a run; does nothing where there is none."""

    def __init__(self, folder: RunFolder | None) -> None:
        self._folder = folder
        self._checkpoints = Checkpoints(folder.checkpoints) if folder else None
        self._number, self._when, self._cost = 0, 0.0, 0.0

    @property
    def path(self) -> Path | None:
        """The folder."""
        return self._folder.path if self._folder else None

    def journal(self) -> Journal | None:
        """The journal of trials."""
        return Journal(self._folder.trials) if self._folder else None

    def write_config(self, config: Callable[[Path], dict[str, Any]]) -> None:
        """Writes `config.json`, which `config` makes for the folder. Raises OSError."""
        if self._folder:
            try:
                write_json(self._folder.path / "config.json", config(self._folder.path))
            except BaseException:
                self._folder.close()
                raise

    def is_due(self, seconds: float) -> bool:
        """Whether a checkpoint is worth its time now, after so many seconds of the run."""
        wait = max(CHECKPOINT_SECONDS, self._cost / CHECKPOINT_SHARE)
        return self._folder is not None and seconds - self._when > wait

    def write(self, content: Callable[[], Any], seconds: float) -> None:
        """Writes the next checkpoint. Raises OSError."""
        if self._checkpoints:
            began = time.perf_counter()
            self._number += 1
            self._checkpoints.write(self._number, content())
            self._when, self._cost = seconds, time.perf_counter() - began

    def restore(self, take: Callable[[Any], None]) -> bool:
        """Hands the newest valid checkpoint to `take`; says whether there was one.

        Raises CheckpointError where it does not belong to this run.
        """
        saved = self._checkpoints.read_newest() if self._checkpoints else None
        if saved is None:
            return False
        self._number, content = saved
        try:
            take(content)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise CheckpointError(
                f"checkpoint {self._number}: expected one of this run, got another ({error})"
            ) from None
        return True

    def close(self) -> None:
        """Lets go of the folder."""
        if self._folder:
            self._folder.close()
