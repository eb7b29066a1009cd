"""The contract of an executor: whatever becomes of an evaluation, its outcome comes back, once, under its key."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from moopt.executors import Executor, Outcome
from moopt.testing.contract import refuses, require

ENDS = {"raise": "ArithmeticError: no beam is that thin", "exit": "SystemExit: 3", "dies": "", "endless": ""}


HERE = "it would end the process that asks"


def _evaluate(payload: tuple[str, Any]) -> Any:
    """One evaluation of each kind of end. On the module, so that executors find it by name."""
    kind, argument = payload
    if kind in ("dies", "endless") and os.getpid() == argument:
        raise RuntimeError(HERE)
    match kind:
        case "place":
            return os.getpid()
        case "raise":
            raise ArithmeticError("no beam is that thin")
        case "exit":
            sys.exit(3)
        case "dies":
            os._exit(5)
        case "endless":
            while True:
                time.sleep(0.05)
        case "waits":
            while not Path(argument).exists():
                time.sleep(0.01)
        case "flaky":
            folder, failures = argument
            attempt = len(list(Path(folder).iterdir())) + 1
            Path(folder, str(attempt)).touch()
            if attempt <= failures:
                raise OSError(f"attempt {attempt}")
            return attempt
    return {"tripled": 3 * argument}


def check_executor(make: Callable[[], Executor], *, timeout: float = 2.0, patience: float = 60.0) -> None:
    """Checks that executors keep their contract; `make` gives a new one, which is closed in the end.

    Misuse is refused; every payload has one outcome under its key, with the value or the text of the error; what
    raises, exits, kills its process or never ends harms no other; retries and attempts are counted; `wait(0)` does not
    wait; `close` drops or finishes what is left, twice does no harm, and another start may follow. Deaths are tried
    where evaluations run in another process, endless ones where `start` takes a `timeout`, in s: more than a worker
    needs to start, if that counts. `patience`: s until whatever is still awaited counts as lost. Raises ContractError.
    """
    with make() as running:
        who = type(running).__name__
        _check_misuse(who, running, patience)
        apart, limited = _check_ends(who, running, timeout, patience)
        with tempfile.TemporaryDirectory() as folder:
            _check_retries(who, running, Path(folder), patience)
            if apart:
                _check_waiting(who, running, Path(folder), patience)
        _check_close(who, running, apart, patience)


def _collect(who: str, running: Executor, payloads: Mapping[int, Any], patience: float) -> dict[int, Outcome]:
    """Submits the payloads; their outcomes by key."""
    for key, payload in payloads.items():
        running.submit(key, payload)
    require(running.pending == len(payloads), f"{who}: expected {len(payloads)} pending, got {running.pending}")
    return _gather(who, running, set(payloads), patience)


def _gather(who: str, running: Executor, keys: set[int], patience: float) -> dict[int, Outcome]:
    found: dict[int, Outcome] = {}
    deadline = time.monotonic() + patience
    while running.pending:
        lost = sorted(keys - set(found))
        require(time.monotonic() < deadline, f"{who}: no outcome of keys {lost} within {patience:g} s")
        for outcome in running.wait(1.0):
            key = outcome.key
            require(key in keys and key not in found, f"{who}: an outcome of key {key} that nobody awaits")
            require(outcome.error is None or outcome.value is None, f"{who}: key {key} failed and has a value")
            require(outcome.attempts >= 1 and outcome.seconds >= 0, f"{who}: key {key} took less than nothing")
            found[key] = outcome
    require(set(found) == keys, f"{who}: loses the outcomes of keys {sorted(keys - set(found))}")
    require(running.wait() == [], f"{who}: outcomes that nobody awaits")
    return found


def _check_misuse(who: str, running: Executor, patience: float) -> None:
    payload = ("value", 4)
    require(refuses(lambda: running.submit(0, payload), RuntimeError), f"{who}: takes payloads before its start")
    bad: Any = None
    require(refuses(lambda: running.start(bad), TypeError), f"{who}: starts what cannot be called")
    require(refuses(lambda: running.start(_evaluate, retries=-1), ValueError), f"{who}: takes -1 retries")
    running.start(_evaluate)
    require(refuses(lambda: running.start(_evaluate), RuntimeError), f"{who}: starts twice")
    running.submit(7, payload)
    require(refuses(lambda: running.submit(7, payload), ValueError), f"{who}: takes a key that is pending")
    _gather(who, running, {7}, patience)
    again = _collect(who, running, {7: payload}, patience)[7]
    require(again.value == {"tripled": 12}, f"{who}: a key that is free again gives {again.value!r}")
    running.close()
    running.close()
    require(refuses(lambda: running.submit(0, payload), RuntimeError), f"{who}: takes payloads after its close")


def _check_ends(who: str, running: Executor, timeout: float, patience: float) -> tuple[bool, bool]:
    """Also says whether evaluations run in another process, and whether their time is limited."""
    try:
        running.start(_evaluate, timeout=timeout)
        limited = True
    except ValueError:  # it cannot keep that, and says so
        running.start(_evaluate)
        limited = False
    apart = _collect(who, running, {3: ("place", None)}, patience)[3].value != os.getpid()
    kinds = ["value", "raise", "value", "exit", "value"]
    kinds += ["dies", "value"] if apart else []
    kinds += ["endless", "value"] if apart and limited else []
    keys = [(11 * i) % 17 - 6 for i in range(len(kinds))]  # in no order, some negative
    arguments = [os.getpid() if kind in ("dies", "endless") else key for kind, key in zip(kinds, keys, strict=True)]
    payloads = dict(zip(keys, zip(kinds, arguments, strict=True), strict=True))
    for key, outcome in _collect(who, running, payloads, patience).items():
        kind = payloads[key][0]
        if kind == "value":
            require(outcome.error is None, f"{who}: the end of another evaluation costs key {key}: {outcome.error}")
            require(outcome.value == {"tripled": 3 * key}, f"{who}: key {key} has the value of another")
        else:
            require(outcome.error is not None, f"{who}: an evaluation that ends by {kind!r} counts as a success")
            text = outcome.error or ""
            require(HERE not in text, f"{who}: evaluations run here, but their results come from elsewhere")
            require(ENDS[kind] in text, f"{who}: expected the error {ENDS[kind]!r}, got {text!r}")
        require(outcome.attempts == 1, f"{who}: key {key} was tried {outcome.attempts} times without a retry")
    running.close()
    return apart, limited


def _check_retries(who: str, running: Executor, folder: Path, patience: float) -> None:
    running.start(_evaluate, retries=2)
    payloads = {}
    for failures in (0, 1, 2, 9):
        place = folder / str(failures)
        place.mkdir()
        payloads[failures] = ("flaky", (str(place), failures))
    found = _collect(who, running, payloads, patience)
    for failures, outcome in found.items():
        made = len(list((folder / str(failures)).iterdir()))
        tries = min(failures + 1, 3)
        require(made == tries, f"{who}: expected {tries} attempts with 2 retries, got {made}")
        require(outcome.attempts == tries, f"{who}: counts {outcome.attempts} attempts, expected {tries}")
        expected = (tries, None) if failures <= 2 else (None, "OSError: attempt 3")
        require((outcome.value, outcome.error) == expected, f"{who}: expected {expected} after {tries} attempts")
    running.close()


def _check_waiting(who: str, running: Executor, folder: Path, patience: float) -> None:
    running.start(_evaluate)
    running.submit(2, ("waits", str(folder / "go")))
    began = time.monotonic()
    early = running.wait(0) + running.wait(0.05)
    require(early == [] and running.pending == 1, f"{who}: an outcome of what has not ended")
    require(time.monotonic() - began < patience / 2, f"{who}: wait(0) waits")
    (folder / "go").touch()
    _gather(who, running, {2}, patience)
    running.close()


def _check_close(who: str, running: Executor, apart: bool, patience: float) -> None:
    running.start(_evaluate)
    for key in (1, 2, 3):
        running.submit(key, ("value", key))
    running.close(cancel=False)
    finished = _gather(who, running, {1, 2, 3}, patience)
    values = [finished[key].value for key in (1, 2, 3)]
    require(values == [{"tripled": 3 * key} for key in (1, 2, 3)], f"{who}: close(cancel=False) finishes wrongly")
    running.start(_evaluate)
    running.submit(1, ("endless" if apart else "value", os.getpid()))
    began = time.monotonic()
    running.close()
    require(time.monotonic() - began < patience, f"{who}: close waits for what it should end")
    require(running.pending == 0 and running.wait(0) == [], f"{who}: close keeps what it should drop")
    running.start(abs)
    running.submit(5, -8)
    require(_gather(who, running, {5}, patience)[5].value == 8, f"{who}: started again, it calls the old function")
