"""Writing files so that a crash at any moment leaves the old content or the new, never a mixture."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from moopt.core.checks import InputError

FORMAT = 1


class CheckpointError(InputError):
    """A file that cannot be used: damaged, foreign, or of a newer format."""


def check_format(name: str, number: Any) -> None:
    """Raises CheckpointError unless this moopt knows the format."""
    if not isinstance(number, int):
        raise CheckpointError(f"{name}: expected a file of moopt, got a foreign one")
    if number > FORMAT:
        raise CheckpointError(f"{name}: expected format {FORMAT} or older, got format {number} of a newer moopt")


def sync_folder(folder: Path) -> None:
    """Makes a rename or a new file in `folder` durable, where the platform can."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomic(path: Path, content: bytes) -> None:
    """Replaces `path` by `content`: temporary file, fsync, rename, fsync of the folder.

    Raises OSError; the old file is then still whole.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def as_json(content: dict[str, Any]) -> bytes:
    """What `write_json` writes."""
    return json.dumps({"format": FORMAT, **content}, indent=1).encode() + b"\n"


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Replaces a JSON file. Raises OSError."""
    write_atomic(path, as_json(content))


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that `write_json` wrote. Raises CheckpointError where it is damaged, foreign, or newer."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise CheckpointError(f"{path}: expected a JSON file of moopt, got a damaged or missing one") from None
    check_format(str(path), content.get("format") if isinstance(content, dict) else None)
    return content  # type: ignore[no-any-return]
