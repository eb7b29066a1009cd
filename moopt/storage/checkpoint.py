"""Numbered safetensors checkpoints of a tree; the newest valid one wins.

A rename alone has a gap: after a power loss the newest name may point at nothing. Therefore a checkpoint gets a new
number, the one before it stays, and reading tries them from the newest.
"""

from __future__ import annotations

import contextlib
import json
import logging
import zlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from moopt.storage.files import FORMAT, CheckpointError, check_format, write_atomic

_log = logging.getLogger("moopt")


def _skeleton(tree: Any, tensors: dict[str, Tensor]) -> Any:
    """JSON of a plain tree; tensors move into `tensors` and leave their number."""
    if isinstance(tree, Tensor):
        name = str(len(tensors))
        # safetensors refuses tensors that share memory, as views of one population do
        tensors[name] = tree.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {"tensor": name}
    if isinstance(tree, dict):
        return {"dict": {key: _skeleton(value, tensors) for key, value in tree.items()}}
    if isinstance(tree, list):
        return [_skeleton(value, tensors) for value in tree]
    return tree


def _flesh(skeleton: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(skeleton, list):
        return [_flesh(value, tensors) for value in skeleton]
    if isinstance(skeleton, dict):
        if "tensor" in skeleton:
            return tensors[skeleton["tensor"]]
        return {key: _flesh(value, tensors) for key, value in skeleton["dict"].items()}
    return skeleton


def _checksum(tensors: dict[str, Tensor]) -> int:
    value = 0
    for name in sorted(tensors, key=int):
        leaf = tensors[name]
        if leaf.numel():
            value = zlib.crc32(leaf.reshape(-1).view(torch.uint8).numpy().data, value)
    return value


def write_tree(path: Path, tree: Any) -> None:
    """Replaces `path` by a plain tree (`moopt.core.tree.plain`). Raises OSError; the old file is then still whole."""
    from safetensors.torch import save

    tensors: dict[str, Tensor] = {}
    skeleton = _skeleton(tree, tensors)
    header = {"format": FORMAT, "tree": skeleton, "crc": _checksum(tensors)}
    write_atomic(path, save(tensors, {"moopt": json.dumps(header)}))


def write_checkpoint(folder: Path, number: int, tree: Any, keep: int = 2) -> None:
    """Writes a plain tree as checkpoint `number` and keeps the newest `keep`. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tree(folder / f"{number:09d}.safetensors", tree)
    for old in sorted(folder.glob("*.safetensors"))[:-keep]:
        with contextlib.suppress(OSError):
            old.unlink()


def read_checkpoint(path: Path) -> Any:
    """The plain tree of one checkpoint. Raises CheckpointError with what was expected and what came."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if "moopt" not in metadata:
                raise CheckpointError(f"{path.name}: expected a checkpoint of moopt, got a foreign safetensors file")
            header = json.loads(metadata["moopt"])
            check_format(path.name, header["format"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        tree, crc = _flesh(header["tree"], tensors), header["crc"]
    except KeyError as error:
        raise CheckpointError(f"{path.name}: expected {error} in its header, got a damaged file") from None
    except (SafetensorError, OSError, TypeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path.name}: expected a whole safetensors file, got a damaged one ({error})") from None
    if _checksum(tensors) != crc:
        raise CheckpointError(f"{path.name}: expected its checksum, got a damaged file")
    return tree


def read_newest(folder: Path) -> tuple[int, Any] | None:
    """Number and tree of the newest valid checkpoint; `None` where there is none at all.

    A damaged one is passed over with a warning. Raises CheckpointError when all are damaged, and at once for a
    foreign file or a newer format.
    """
    damaged: list[str] = []
    for path in sorted(folder.glob("*.safetensors"), reverse=True):
        try:
            found = int(path.stem), read_checkpoint(path)
        except CheckpointError as error:
            if "damaged" not in str(error):
                raise
            damaged.append(str(error))
        except ValueError:
            raise CheckpointError(f"{path.name}: expected a numbered checkpoint, got a foreign file") from None
        else:
            for text in damaged:
                _log.warning("%s: using an older one", text)
            return found
    if damaged:
        raise CheckpointError(damaged[0])
    return None
