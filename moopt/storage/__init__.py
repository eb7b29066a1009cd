"""Keeps what a run must not lose: checkpoints, the journal of trials, and the run folder. No pickle on disk."""

from moopt.storage.checkpoint import Checkpoints, read_newest, write_checkpoint
from moopt.storage.files import CheckpointError
from moopt.storage.folder import RunFolder
from moopt.storage.journal import Journal
from moopt.storage.keeper import Keeper
from moopt.storage.log import Lease, Log

__all__ = [
    "CheckpointError", "Checkpoints", "Journal", "Keeper", "Lease", "Log", "RunFolder", "read_newest",
    "write_checkpoint",
]  # fmt: skip
