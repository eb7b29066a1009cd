"""The contract of a log of events: what was appended is there, in one order, whatever ends in the middle."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from moopt.core.checks import InputError
from moopt.storage.log import Event, Log
from moopt.testing.contract import refuses, require

EVENTS: list[Event] = [
    {"asked": [{"id": 0, "x": [0.1, -2.5e-300]}]}, {"b": [1.5, None, True]}, {"c": "two\nlines, äöü \u2028"},
    {"finished": {"0": {"f": [1e300, 7]}}}, {},
]  # fmt: skip


def check_log(open_log: Callable[[Path], Log], *, is_file: bool = True) -> None:
    """Checks that a log keeps its contract; `open_log(path)` opens the one of that name, new or not.

    Events come back as they were, numbered from 1 without gaps, also to who opened the log before or opens it while
    its writer has not closed it, or never does; an event that is no JSON leaves none of those beside it. If the log
    `is_file`, at the path: an end that is torn at any byte costs the last events and no other, and the next writer
    goes on after them; what is foreign or damaged before its end is refused with an InputError and left as it is.
    Raises ContractError.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = open_log(folder / "new")
        who = type(log).__name__
        require(log.read() == [], f"{who}: a new log has events")
        log.close()
        _check_order(who, open_log, folder / "order")
        _check_no_json(who, open_log, folder / "json")
        if is_file:
            _check_torn(who, open_log, folder / "torn")
            _check_foreign(who, open_log, folder / "foreign")


def _numbered(events: Sequence[Event]) -> list[tuple[int, Event]]:
    return list(enumerate(events, 1))


def _check_order(who: str, open_log: Callable[[Path], Log], path: Path) -> None:
    writer, reader = open_log(path), open_log(path)
    for i, event in enumerate(EVENTS[:3], 1):
        writer.append([event])
        require(writer.read() == _numbered(EVENTS[:i]), f"{who}: its writer does not read what it wrote")
        require(reader.read() == _numbered(EVENTS[:i]), f"{who}: who opened it before does not see what is written")
    require(reader.read(1) == _numbered(EVENTS[:3])[1:], f"{who}: read(1) gives something else than what follows")
    require(reader.read(3) == [], f"{who}: events after the last")
    reader.append(EVENTS[3:])
    both = _numbered(EVENTS)
    require(writer.read(3) == both[3:], f"{who}: of two writers, one does not see what the other writes")
    require(writer.read() == reader.read() == both, f"{who}: two readers find another order")
    late = open_log(path)  # the writer has not closed: it may have been killed
    require(late.read() == both, f"{who}: events that its writer appended are not there before it closes")
    for log in (writer, reader, late):
        log.close()
    last = open_log(path)
    require(last.read() == both, f"{who}: events change when it is opened again")
    last.close()


def _check_no_json(who: str, open_log: Callable[[Path], Log], path: Path) -> None:
    log = open_log(path)
    log.append(EVENTS[:1])
    refused = refuses(lambda: log.append([EVENTS[1], {"no JSON": object()}]), TypeError, ValueError)
    require(refused, f"{who}: takes an event that is no JSON")
    log.append(EVENTS[2:3])
    expected = _numbered([EVENTS[0], EVENTS[2]])
    require(log.read() == expected, f"{who}: an event that it refused, or one beside it, was kept")
    log.close()
    again = open_log(path)
    require(again.read() == expected, f"{who}: an event that it refused, or one beside it, was written")
    again.close()


def _check_torn(who: str, open_log: Callable[[Path], Log], path: Path) -> None:
    log = open_log(path)
    log.append(EVENTS[:2])
    whole = path.stat().st_size
    log.append(EVENTS[2:3])
    log.close()
    content = path.read_bytes()
    for end in range(whole, len(content)):
        path.write_bytes(content[:end])
        log = open_log(path)
        require(log.read() == _numbered(EVENTS[:2]), f"{who}: torn at byte {end}, it loses or keeps what it should not")
        log.append(EVENTS[3:])
        log.close()
        log = open_log(path)
        after = _numbered([*EVENTS[:2], *EVENTS[3:]])
        require(log.read() == after, f"{who}: torn at byte {end} and written on, it is another")
        log.close()


def _check_foreign(who: str, open_log: Callable[[Path], Log], path: Path) -> None:
    def read() -> None:
        log = open_log(path)
        try:
            log.read()
        finally:
            log.close()

    log = open_log(path)
    start = path.stat().st_size
    log.append(EVENTS[:1])
    log.append(EVENTS[1:3])
    log.close()
    content = path.read_bytes()
    middle = content.index(b"\n", start) if b"\n" in content[start:] else start + 8
    damaged = content[:start] + b"#" * (middle - start) + content[middle:]
    foreign = b'{"something": 1}\n{"else": 2}\n', b"x,y\n1.5,2\n", bytes(range(256)) * 3
    for what, wrong in (("damage before its end", damaged), *(("a foreign file", other) for other in foreign)):
        path.write_bytes(wrong)
        require(refuses(read, InputError), f"{who}: expected an InputError for {what}")
        require(path.read_bytes() == wrong, f"{who}: changes {what}")
