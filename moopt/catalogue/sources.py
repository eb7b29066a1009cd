"""Problems and algorithms in files of the user's own, "path.py:name", and which of them the folder of a run has."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import logging
import os
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from moopt.core import checks
from moopt.core.checks import InputError, InputTypeError

SOURCE = "_source"  # the attribute of what was made from a file
_log = logging.getLogger("moopt")


@dataclass(frozen=True)
class Source:
    """Where something was made: a file, a name in it, and the options it was made with."""

    path: Path
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.path}:{self.name}"


def one_line(error: BaseException) -> str:
    """The text of an error without line breaks."""
    return " ".join(str(error).split()) or type(error).__name__


def parse(text: str) -> tuple[Path, str] | None:
    """Path and name of "path.py:name"; `None` for a name of the catalogue."""
    path, colon, name = text.rpartition(":")
    return (Path(path), name) if colon and path.endswith(".py") else None


def _module(path: Path) -> ModuleType:
    """The module in a file, run once. Raises FileNotFoundError or ValueError with one sentence."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a Python file, got none there")
    full = path.resolve()
    for module in list(sys.modules.values()):
        if getattr(module, "__file__", None) == str(full):
            return module
    if str(full.parent) not in sys.path:
        sys.path.append(str(full.parent))  # last: the files beside it may be imported, but hide nothing
    importlib.invalidate_caches()  # the file may be younger than what was listed of its folder
    free = full.stem.isidentifier() and full.stem not in sys.modules
    plain = importlib.util.find_spec(full.stem) if free else None
    # under its plain name a new process can find it, too, unless another module bears that
    name = full.stem if plain is not None and plain.origin == str(full) else f"_file_{full.stem}"
    spec = importlib.util.spec_from_file_location(name, full)
    if spec is None or spec.loader is None:
        raise InputError(f"{path}: expected a Python file, got something that cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise InputError(f"{path}: expected a file that can be imported, got {_error(error, full)}") from error
    return module


def _error(error: BaseException, path: Path) -> str:
    """Kind, text and, where known, the line of the user's file."""
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == str(path)]
    place = f" (line {lines[-1]})" if lines else ""
    return f"{type(error).__name__}: {one_line(error)}{place}"


def find(path: Path, name: str) -> Any:
    """What bears the name in the file. Raises ValueError where nothing does, FileNotFoundError without the file."""
    module = _module(path)
    if not hasattr(module, name):
        near = checks.nearest(name, [known for known in vars(module) if not known.startswith("_")])
        raise InputError(f"{path}: expected something named {name!r} in it, got nothing of that name{near}")
    return getattr(module, name)


def make(source: Source, kind: type[Any]) -> Any:
    """The problem or algorithm itself, made by a subclass or a function where the file holds no made one.

    It remembers its source. Raises ValueError, TypeError or FileNotFoundError with one sentence.
    """
    word = kind.__name__.lower()
    a_word = f"an {word}" if word[0] in "aeiou" else f"a {word}"
    made = find(source.path, source.name)
    if isinstance(made, kind):
        if source.options:
            given = ", ".join(source.options)
            raise InputError(f"{source}: expected no options, for it is made already, got {given}")
    elif callable(made):
        try:
            inspect.signature(made).bind(**source.options)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"{source}: expected {a_word}, or what makes one without arguments: {error}"
            ) from None
        try:
            made = made(**source.options)
        except Exception as error:
            raise InputError(f"{source}: expected {a_word}, got {_error(error, source.path.resolve())}") from error
    if not isinstance(made, kind):
        raise InputTypeError(
            f"{source}: expected {a_word.replace(word, kind.__name__)}, a subclass of it or a function that returns "
            f"one, got {made!r}"
        )
    vars(made)[SOURCE] = Source(source.path.resolve(), source.name, source.options)
    return made


def source_of(thing: Any) -> Source | None:
    """The file that a problem or an algorithm was made from; `None` where it came otherwise."""
    found: Source | None = vars(thing).get(SOURCE)
    return found


def digest(path: Path) -> str:
    """Of what is in a file. Raises OSError."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def kept(source: Source, folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """JSON for the configuration of a run: the file as seen from the run's folder, and the described options."""
    try:
        place = os.path.relpath(source.path, folder.resolve())
    except ValueError:  # another drive of Windows
        place = str(source.path)
    return {
        "path": Path(place).as_posix(), "name": source.name, "options": dict(options), "sha256": digest(source.path),
    }  # fmt: skip


def again(what: str, kind: type[Any], file: Mapping[str, Any] | None, folder: Path, given: str | None) -> Any:
    """The problem or algorithm of a run from its file, or from `given` where that has moved; options stay the run's.

    Says on the log where the file is another than it was. Raises ValueError, TypeError or FileNotFoundError.
    """
    own = parse(given) if given is not None else None
    if given is not None and own is None:
        raise InputError(f"{what}: expected path.py:NAME, got {given!r}")
    file = file or {}
    path, name = own or (folder / file["path"], file["name"])
    if not path.is_file() and own is None:
        raise FileNotFoundError(
            f"{path}: expected the file of the {what}, got none there: name it with --{what} path.py:{name}, "
            f"or {what}=... in Python"
        )
    made = make(Source(path, name, file.get("options", {})), kind)
    if file.get("sha256", digest(path)) != digest(path):
        _log.warning("%s: the file has changed since the run began", path)
    return made
