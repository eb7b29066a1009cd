"""The contract of a log that several processes share: nobody loses, mixes or waits, whoever is killed."""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from moopt.storage.log import Event, Log
from moopt.testing.contract import require

Opens = Callable[[Path], Log]
PATIENCE = 5.0  # seconds that a dead writer may cost the next one
WRITERS, GROUPS, KILLS = 3, 30, 3


def check_shared_log(open_log: Opens) -> None:
    """Checks what `moopt.storage.Log` promises to processes that share a log; takes about fifteen seconds.

    Tensors come back with their bits. A lease excludes others until it is released or ends. Of writers at the same time
    none loses an event, groups stand side by side, and what was read once never changes. A writer killed at any moment
    leaves whole groups and delays nobody. `open_log(path)` opens the log of that name, new or not; other processes find
    it by its name, so it stands in a module. Raises ContractError.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        places = [folder / f"{what}.log" for what in ("tensors", "leases", "together", "killed")]
        opens = [functools.partial(open_log, place) for place in places]
        who = type(opens[0]()).__name__
        _check_tensors(who, opens[0])
        _check_leases(who, opens[1])
        _check_together(who, opens[2])
        _check_killed(who, opens[3])


def _check_tensors(who: str, opens: Callable[[], Log]) -> None:
    log = opens()
    numbers = torch.tensor([1.5, -0.0, float("nan"), float("inf")], dtype=torch.float32)
    rest = [torch.arange(6).reshape(2, 3)[:, 1], {"tensor": 0}]
    given: list[Event] = [{"id": 1, "x": numbers, "rest": rest}, {"id": 2}]
    log.append(given)
    log.append([{"id": 3, "x": [[7, torch.zeros(0)], numbers[1:]]}])
    require(given[0]["x"] is numbers, f"{who}: changes the events that it is given")
    for seen in (log.read(), opens().read()):
        (_, a), (_, b), (_, c) = seen
        same = [_bits(a["x"]) == _bits(numbers), _bits(c["x"][1]) == _bits(numbers[1:]), len(c["x"][0][1]) == 0]
        require(all(same), f"{who}: tensors come back with other bits")
        beside = a["rest"][0].tolist() == [1, 4] and a["rest"][1] == {"tensor": 0} and b == {"id": 2}
        require(beside and c["x"][0][0] == 7, f"{who}: what stands beside tensors comes back otherwise")


def _bits(leaf: torch.Tensor) -> tuple[torch.dtype, bytes]:
    return leaf.dtype, leaf.numpy().tobytes()


def _check_leases(who: str, opens: Callable[[], Log]) -> None:
    first, second = opens(), opens()
    lease = first.lock("trial 17/..", 30.0)
    require(lease is not None, f"{who}: refuses a lease that nobody holds")
    held = [log.lock("trial 17/..", 30.0) is None for log in (second, first)]
    require(all(held), f"{who}: gives a lease that is held to another")
    other = second.lock("trial 18", 30.0)
    require(other is not None, f"{who}: takes leases of different names for one")
    short = first.lock("trial 19", 0.05)
    time.sleep(0.1)
    require(short is None or second.lock("trial 19", 30.0) is not None, f"{who}: a lease does not end by itself")
    if lease is None:
        return
    require(lease.renew(30.0), f"{who}: does not renew a lease that is held")
    lease.release()
    lease.release()
    again = second.lock("trial 17/..", 30.0)
    require(again is not None, f"{who}: keeps a lease that was released")
    require(not lease.renew(30.0), f"{who}: renews a lease that is another's by now")
    lease.release()
    require(first.lock("trial 17/..", 30.0) is None, f"{who}: lets one release the lease of another")
    if again is not None:
        again.renew(0.05)
        time.sleep(0.1)
        require(first.lock("trial 17/..", 30.0) is not None, f"{who}: a lease does not end by itself")
        require(not again.renew(30.0), f"{who}: renews a lease that has ended and is another's")


def _write_groups(opens: Callable[[], Log], writer: int, ready: Any, go: Any) -> None:
    log = opens()
    ready.release()
    go.wait()
    for i in range(GROUPS):
        group = {"writer": writer, "group": i, "of": 1 + (7 * i + writer) % 4}
        log.append([{**group, "place": j, "fill": "x" * (500 * j)} for j in range(group["of"])])
    log.close()


def _write_for_ever(opens: Callable[[], Log], writer: int, ready: Any, go: Any) -> None:
    log = opens()
    ready.release()
    go.wait()
    i = 0
    while True:
        log.append([{"writer": writer, "group": i, "of": 3, "place": j, "fill": "x" * 100_000} for j in range(3)])
        i += 1


def started(target: Callable[..., None], opens: Callable[[], Log], writers: int) -> list[Any]:
    """Processes that call `target(opens, number, ready, go)` and begin together."""
    context = multiprocessing.get_context("spawn")
    ready, go = context.Semaphore(0), context.Event()
    found = [context.Process(target=target, args=(opens, i, ready, go), daemon=True) for i in range(writers)]
    for process in found:
        process.start()
    for _ in found:
        require(ready.acquire(timeout=120), "a process that shares the log did not begin within two minutes")
    go.set()
    return found


def _whole(who: str, events: Sequence[Event]) -> dict[int, int]:
    """How many groups each writer has, all of them whole, side by side and in the writer's order."""
    done: Counter[int] = Counter()
    place = 0
    while place < len(events):
        head = events[place]
        group = events[place : place + head["of"]]
        wanted = [(head["writer"], head["group"], j) for j in range(head["of"])]
        found = [(event["writer"], event["group"], event["place"]) for event in group]
        require(found == wanted, f"{who}: events of one append do not stand side by side")
        require(head["group"] == done[head["writer"]], f"{who}: a writer's events change their order, or are lost")
        done[head["writer"]] += 1
        place += len(group)
    return dict(done)


def _check_together(who: str, opens: Callable[[], Log]) -> None:
    log = opens()
    running, seen = started(_write_groups, opens, WRITERS), list[tuple[int, Event]]()
    while any(process.is_alive() for process in running):
        new = log.read(len(seen))
        places = [place for place, _ in new] == list(range(len(seen) + 1, len(seen) + len(new) + 1))
        require(places, f"{who}: positions have gaps or come twice")
        seen += new
    codes = [process.exitcode for process in running]
    require(codes == [0] * WRITERS, f"{who}: a writer beside others ended with {codes}")
    seen += log.read(len(seen))
    wanted = dict.fromkeys(range(WRITERS), GROUPS)
    require(_whole(who, [event for _, event in seen]) == wanted, f"{who}: of several writers some lost events")
    require(opens().read() == seen, f"{who}: what was read once has changed")


def _check_killed(who: str, opens: Callable[[], Log]) -> None:
    for k in range(KILLS):
        (victim,) = started(_write_for_ever, opens, 1)
        time.sleep(0.03 + 0.011 * k)
        os.kill(victim.pid, signal.SIGKILL)
        victim.join()
        log = opens()
        before = log.read()
        events = [event for _, event in before if event["writer"] == 0]
        starts = [i for i, event in enumerate(events) if event["group"] == event["place"] == 0]
        for start, stop in zip(starts, [*starts[1:], len(events)], strict=True):  # each victim counts from 0
            _whole(who, events[start:stop])
        began = time.monotonic()
        position = log.append([{"writer": "survivor", "group": k, "of": 1, "place": 0}])
        require(time.monotonic() - began < PATIENCE, f"{who}: a dead writer holds the next one up")
        require(position == len(before) + 1 and log.read()[:-1] == before, f"{who}: a dead writer's end hurts the next")
