"""Problems in files of the user's own, written "path.py:name" on the command line and in the folder of a run."""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from moopt import _checks
from moopt.problem import Problem
from moopt.storage.files import read_json, write_json


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
    free = full.stem.isidentifier() and full.stem not in sys.modules
    plain = importlib.util.find_spec(full.stem) if free else None
    # under its plain name a new process can find it, too, unless another module bears that
    name = full.stem if plain is not None and plain.origin == str(full) else f"_file_{full.stem}"
    spec = importlib.util.spec_from_file_location(name, full)
    if spec is None or spec.loader is None:
        raise _checks.InputError(f"{path}: expected a Python file, got something that cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise _checks.InputError(f"{path}: expected a file that can be imported, got {_error(error, full)}") from error
    return module


def _error(error: BaseException, path: Path) -> str:
    """Kind, text and, where known, the line of the user's file."""
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == str(path)]
    place = f" (line {lines[-1]})" if lines else ""
    return f"{type(error).__name__}: {one_line(error)}{place}"


def find(path: Path, name: str) -> Any:
    """What bears the name in the file: a problem, or what makes one. Raises ValueError where nothing does."""
    module = _module(path)
    if not hasattr(module, name):
        near = _checks.nearest(name, [known for known in vars(module) if not known.startswith("_")])
        raise _checks.InputError(f"{path}: expected something named {name!r} in it, got nothing of that name{near}")
    return getattr(module, name)


def make(spec: str, made: Any, options: dict[str, Any]) -> Problem:
    """The problem itself, of a problem, a subclass or a function without arguments. Raises TypeError or ValueError."""
    found = made
    if callable(made) and not isinstance(made, Problem):
        try:
            inspect.signature(made).bind(**options)
        except TypeError as error:
            wanted = "a problem, or what makes one without arguments"
            raise _checks.InputError(f"{spec}: expected {wanted}: {error}") from None
        try:
            found = made(**options)
        except Exception as error:
            path, _, _ = spec.rpartition(":")
            got = _error(error, Path(path).resolve())
            raise _checks.InputError(f"{spec}: expected a problem, got {got}") from error
    if not isinstance(found, Problem):
        wanted = "a Problem, a subclass of it or a function that returns one"
        raise _checks.InputTypeError(f"{spec}: expected {wanted}, got {found!r}")
    return found


def remember(folder: Path, path: Path, name: str, options: dict[str, Any]) -> None:
    """Adds to a run's configuration where its problem comes from, as seen from its folder. Raises OSError."""
    config = folder / "config.json"
    full = path.resolve()
    try:
        place = os.path.relpath(full, folder.resolve())
    except ValueError:  # another drive of Windows
        place = str(full)
    file = {"path": Path(place).as_posix(), "name": name, "options": options}
    write_json(config, {**read_json(config), "file": file})


def remembered(folder: Path, given: str | None) -> Problem | None:
    """The problem of a run whose problem stands in a file; `None` where the catalogue has it."""
    config = folder / "config.json"
    file = read_json(config).get("file") if config.exists() else None
    own = parse(given) if given is not None else None
    if given is not None and own is None:
        raise _checks.InputError(f"--problem: expected path.py:NAME, got {given!r}")
    if own is None and file is None:
        return None
    file = file or {"options": {}}
    path, name = own or (folder / file["path"], file["name"])
    if own is None and not path.is_file():
        raise FileNotFoundError(
            f"{path}: expected the file of the problem, got none there: name it with --problem path.py:{name}"
        )
    return make(f"{path}:{name}", find(path, name), file["options"])
