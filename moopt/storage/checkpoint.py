"""Numbered safetensors checkpoints of a tree; the newest valid one wins.

A rename alone has a gap: after a power loss the newest name may point at nothing. Therefore a checkpoint gets a new
number, the one before it stays, and reading tries them from the newest.

Of a buffer (`tree.Appended`) a checkpoint holds only the names and checksums of its segments: files in the folder
`segments` with the rows of some numbers, written before the checkpoint that refers to them and never changed. A
checkpoint writes the rows that its predecessor has not, and a segment is deleted when no checkpoint refers to it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from moopt.core import tree as trees
from moopt.core.tree import Appended
from moopt.storage.files import FORMAT, CheckpointError, check_format, sync_folder, write_atomic

SEGMENT_MOST = 64 * 2**20  # bytes: what is written at once is in memory three times
SEGMENT_LEAST = 2**20  # a smaller one is written again with the rows that follow it, or there would be too many

_log = logging.getLogger("moopt")


class _Segment(NamedTuple):
    """A file with the rows `start` to `stop` - 1 of a buffer."""

    name: str
    start: int
    stop: int
    bytes: int
    crc: int


@dataclass(frozen=True)
class _Buffer:
    """What a checkpoint says of a buffer. `like`: its rows without any, [r, 0, ...]; `last`: checksum of its last row.
    """

    like: Any
    places: int
    added: int
    last: int
    segments: list[_Segment]

    def is_begun_by(self, node: Appended[Any]) -> bool:
        """Whether a buffer is this one with further rows, or none."""
        if _shapes(self.like) != _shapes(node.rows) or not 0 < self.added <= node.added:
            return False
        if self.places != node.places and self.added > self.places:  # its places are others, and rows are lost
            return False
        return self.added - 1 not in node.kept() or _last(node, self.added) == self.last


def _shapes(rows: Any) -> list[Any]:
    return [(leaf.dtype, leaf.shape[0], leaf.shape[2:]) for leaf in trees.leaves(rows)]


def _last(node: Appended[Any], added: int) -> int:
    return _checksum(trees.leaves(node.numbered(added - 1, added))) if added else 0


def _skeleton(
    tree: Any, tensors: dict[str, Tensor], segmented: Callable[[str, Appended[Any]], _Buffer] | None = None,
    path: str = "",
) -> Any:  # fmt: skip
    """JSON of a plain tree; tensors move into `tensors` and leave their number, buffers go to `segmented`."""
    if isinstance(tree, Tensor):
        name = str(len(tensors))
        # safetensors refuses tensors that share memory, as views of one population do
        tensors[name] = tree.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {"tensor": name}
    if isinstance(tree, Appended) and segmented is not None:
        found = segmented(path, tree)
        return {"buffer": {**vars(found), "like": _skeleton(found.like, tensors)}}
    if isinstance(tree, Appended):  # whole, where nothing is written a second time
        tree = {"rows": tree.rows, "added": tree.added}
    if isinstance(tree, dict):
        items = {key: _skeleton(value, tensors, segmented, f"{path}.{key}") for key, value in tree.items()}
        return {"dict": items}
    if isinstance(tree, list):
        return [_skeleton(value, tensors, segmented, f"{path}.{i}") for i, value in enumerate(tree)]
    return tree


def _flesh(skeleton: Any, tensors: dict[str, Tensor], folder: Path, buffers: dict[str, _Buffer], path: str = "") -> Any:
    """The tree of a skeleton; what it says of buffers goes to `buffers`, by their paths."""
    if isinstance(skeleton, list):
        return [_flesh(value, tensors, folder, buffers, f"{path}.{i}") for i, value in enumerate(skeleton)]
    if not isinstance(skeleton, dict):
        return skeleton
    if "tensor" in skeleton:
        return tensors[skeleton["tensor"]]
    if "buffer" in skeleton:
        said = skeleton["buffer"]
        segments = [_Segment(*segment) for segment in said["segments"]]
        buffers[path] = _Buffer(**{**said, "like": _flesh(said["like"], tensors, folder, {}), "segments": segments})
        return _gathered(buffers[path], folder)
    items = skeleton["dict"].items()
    return {key: _flesh(value, tensors, folder, buffers, f"{path}.{key}") for key, value in items}


def _gathered(buffer: _Buffer, folder: Path) -> Appended[Any]:
    """The buffer whose segments are in a folder. Raises CheckpointError where one is torn, missing or another."""
    k = buffer.places
    rows = trees.map_tensors(lambda leaf: leaf.new_zeros(leaf.shape[0], k, *leaf.shape[2:]), buffer.like)
    node, wanted = Appended(rows, buffer.added), 0
    for segment in buffer.segments:
        header, parts = _opened(folder / segment.name)
        found = trees.leaves(_flesh(header["tree"], parts, folder, {}))
        n, kept = segment.stop - segment.start, node.kept()
        fits = [(leaf.dtype, leaf.shape[0], leaf.shape[2:]) for leaf in found] == _shapes(rows)
        if header["crc"] != segment.crc or not fits or any(leaf.shape[1] != n for leaf in found):
            raise CheckpointError(f"{segment.name}: expected the rows that a checkpoint names, got a damaged file")
        first = max(segment.start, kept.start)
        places = torch.arange(first, segment.stop) % k
        for leaf, part in zip(trees.leaves(rows), found, strict=True):
            leaf[:, places] = part[:, first - segment.start :]
        wanted += len(places)
    if wanted != len(node.kept()):
        raise CheckpointError(f"expected {len(node.kept())} rows of a buffer, got {wanted}: a damaged checkpoint")
    return node


def _checksum(tensors: list[Tensor]) -> int:
    value = 0
    for leaf in tensors:
        if leaf.numel():
            value = zlib.crc32(leaf.contiguous().reshape(-1).view(torch.uint8).numpy().data, value)
    return value


def _in_order(tensors: dict[str, Tensor]) -> list[Tensor]:
    return [tensors[name] for name in sorted(tensors, key=int)]


def _write(path: Path, skeleton: Any, tensors: dict[str, Tensor]) -> int:
    """Replaces a file; returns the checksum of its tensors."""
    from safetensors.torch import save

    crc = _checksum(_in_order(tensors))
    header = {"format": FORMAT, "tree": skeleton, "crc": crc}
    write_atomic(path, save(tensors, {"moopt": json.dumps(header)}))
    return crc


def write_tree(path: Path, tree: Any) -> int:
    """Replaces `path` by a plain tree (`moopt.core.tree.plain`); returns its checksum.

    Raises OSError; the old file is then still whole.
    """
    tensors: dict[str, Tensor] = {}
    return _write(path, _skeleton(tree, tensors), tensors)


def _opened(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Header and tensors of a file that `_write` wrote. Raises CheckpointError."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if "moopt" not in metadata:
                raise CheckpointError(f"{path.name}: expected a checkpoint of moopt, got a foreign safetensors file")
            header = json.loads(metadata["moopt"])
            check_format(path.name, header["format"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        _, crc = header["tree"], header["crc"]
    except KeyError as error:
        raise CheckpointError(f"{path.name}: expected {error} in its header, got a damaged file") from None
    except (SafetensorError, OSError, TypeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path.name}: expected a whole safetensors file, got a damaged one ({error})") from None
    if _checksum(_in_order(tensors)) != crc:
        raise CheckpointError(f"{path.name}: expected its checksum, got a damaged file")
    return header, tensors


def _read(path: Path) -> tuple[Any, dict[str, _Buffer]]:
    """The tree of a checkpoint, and what it says of buffers."""
    header, tensors = _opened(path)
    buffers: dict[str, _Buffer] = {}
    try:
        return _flesh(header["tree"], tensors, path.parent / "segments", buffers), buffers
    except KeyError as error:
        raise CheckpointError(f"{path.name}: expected {error} in its header, got a damaged file") from None
    except TypeError as error:
        raise CheckpointError(f"{path.name}: expected a whole safetensors file, got a damaged one ({error})") from None


def read_checkpoint(path: Path) -> Any:
    """The plain tree of one checkpoint. Raises CheckpointError with what was expected and what came."""
    return _read(path)[0]


class Checkpoints:
    """The checkpoints of a folder, of which the newest `keep` stay. One object writes into a folder at a time."""

    def __init__(self, folder: Path, keep: int = 2) -> None:
        self.folder, self.keep = folder, keep
        self._buffers: dict[str, _Buffer] = {}  # of the last checkpoint that was written or read, by path
        self._needs: dict[str, set[str]] = {}  # checkpoint -> segments that it refers to, where that is known

    @property
    def segments(self) -> Path:
        """Where the rows of buffers are."""
        return self.folder / "segments"

    def write(self, number: int, tree: Any) -> None:
        """Writes a plain tree as checkpoint `number`, after the rows of its buffers that the last one had not.

        Raises OSError; what was there is then still whole.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        tensors: dict[str, Tensor] = {}
        buffers: dict[str, _Buffer] = {}

        def segmented(path: str, node: Appended[Any]) -> _Buffer:
            buffers[path] = self._extended(f"{number:09d}-{len(buffers)}", self._buffers.get(path), node)
            return buffers[path]

        skeleton = _skeleton(tree, tensors, segmented)
        name = f"{number:09d}.safetensors"
        _write(self.folder / name, skeleton, tensors)
        self._note(name, buffers)
        self._prune()

    def _note(self, name: str, buffers: dict[str, _Buffer]) -> None:
        """Takes what a checkpoint says of buffers as that from which the next one goes on."""
        self._buffers = buffers
        self._needs[name] = {segment.name for buffer in buffers.values() for segment in buffer.segments}

    def _extended(self, stem: str, known: _Buffer | None, node: Appended[Any]) -> _Buffer:
        """Writes what is new of a buffer; returns all that the next checkpoint shall say of it."""
        kept = node.kept()
        goes_on = known is not None and known.is_begun_by(node)
        segments = [s for s in known.segments if s.stop > kept.start] if known is not None and goes_on else []
        begin = segments[-1].stop if segments else kept.start
        if segments and begin < node.added and segments[-1].bytes < SEGMENT_LEAST:
            begin = max(segments.pop().start, kept.start)
        row = sum(leaf[:, :1].numel() * leaf.element_size() for leaf in trees.leaves(node.rows))
        step = max(1, SEGMENT_MOST // max(1, row))
        for i, start in enumerate(range(begin, node.added, step)):
            if not self.segments.exists():
                self.segments.mkdir()
                sync_folder(self.folder)
            stop, name = min(start + step, node.added), f"{stem}-{i}.safetensors"
            crc = write_tree(self.segments / name, node.numbered(start, stop))
            segments.append(_Segment(name, start, stop, (stop - start) * row, crc))
        like = trees.map_tensors(lambda leaf: leaf[:, :0], node.rows)
        return _Buffer(like, node.places, node.added, _last(node, node.added), segments)

    def _prune(self) -> None:
        """Deletes checkpoints beyond those that are kept, and segments that none of these refers to."""
        found = sorted(self.folder.glob("*.safetensors"))
        kept = found[-self.keep :]
        for old in found[: -self.keep]:
            with contextlib.suppress(OSError):
                old.unlink()
        if not self.segments.exists():
            return
        if any(path.name not in self._needs for path in kept):
            return  # one was passed over as damaged; nobody knows what it refers to, and it will soon be replaced
        self._needs = {path.name: self._needs[path.name] for path in kept}
        for path in self.segments.iterdir():
            if not any(path.name in needed for needed in self._needs.values()):
                with contextlib.suppress(OSError):
                    path.unlink()

    def read_newest(self) -> tuple[int, Any] | None:
        """Number and tree of the newest valid checkpoint, which the next one goes on from; `None` where there is none.

        One that is damaged, or a segment of which is, is passed over with a warning. Raises CheckpointError when all
        are damaged, and at once for a foreign file or a newer format.
        """
        damaged: list[str] = []
        for path in sorted(self.folder.glob("*.safetensors"), reverse=True):
            try:
                number = int(path.stem)
            except ValueError:
                raise CheckpointError(f"{path.name}: expected a numbered checkpoint, got a foreign file") from None
            try:
                tree, buffers = _read(path)
            except CheckpointError as error:
                if "damaged" not in str(error):
                    raise
                damaged.append(str(error))
                continue
            for text in damaged:
                _log.warning("%s: using an older one", text)
            self._note(path.name, buffers)
            return number, tree
        if damaged:
            raise CheckpointError(damaged[0])
        return None


def write_checkpoint(folder: Path, number: int, tree: Any, keep: int = 2) -> None:
    """Writes a plain tree as checkpoint `number`, with all rows of its buffers. Raises OSError."""
    Checkpoints(folder, keep).write(number, tree)


def read_newest(folder: Path) -> tuple[int, Any] | None:
    """Number and tree of the newest valid checkpoint of a folder; see `Checkpoints.read_newest`."""
    return Checkpoints(folder).read_newest()
