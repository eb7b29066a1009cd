"""What `moopt.storage.Log` promises, as functions that any store can be checked with.

Each takes `open_log`, a function of no argument that opens the same log, empty at first, for one more user. Those that
start processes need one that can be pickled, such as `functools.partial(Journal, path)`.
"""

import multiprocessing
import os
import signal
import time
from collections import Counter

import torch

PROCESSES = multiprocessing.get_context("spawn")
EVENTS = [{"a": 1, "b": [1.5, None, -0.25]}, {"text": "Übermut\n"}, {"nested": {"x": [{"y": True}]}}]


def refuses_nothing_and_gives_back_what_came(open_log):
    log = open_log()
    assert log.read() == []
    assert log.append(EVENTS[:1]) == 1 and log.append(EVENTS[1:]) == 3 and log.append([]) == 3
    assert log.read() == [(i, event) for i, event in enumerate(EVENTS, start=1)]
    assert log.read(1) == [(2, EVENTS[1]), (3, EVENTS[2])] and log.read(3) == [] == log.read(99)
    assert log.read() == log.read(0)
    log.close()


def what_is_no_json_leaves_no_trace(open_log):
    log = open_log()
    log.append(EVENTS[:1])
    for wrong in ({"a": object()}, {"a": {1, 2}}):
        try:
            log.append([EVENTS[1], wrong])
        except TypeError:
            continue
        raise AssertionError(f"{wrong} was taken")
    assert log.read() == [(1, EVENTS[0])] and log.append(EVENTS[2:]) == 2
    log.close()


def every_user_sees_one_order(open_log):
    first, second = open_log(), open_log()
    assert first.append([{"n": 1}]) == 1 and second.read() == [(1, {"n": 1})]
    assert second.append([{"n": 2}, {"n": 3}]) == 3 and first.append([{"n": 4}]) == 4
    assert first.read() == second.read() == open_log().read() == [(i, {"n": i}) for i in range(1, 5)]
    assert first.read(2) == second.read(2) == [(3, {"n": 3}), (4, {"n": 4})]


def tensors_come_back_with_their_bits(open_log):
    log = open_log()
    numbers = torch.tensor([1.5, -0.0, float("nan"), float("inf")], dtype=torch.float32)
    groups = [
        [{"id": 1, "x": numbers, "rest": [torch.arange(6).reshape(2, 3)[:, 1], {"tensor": 0}]}, {"id": 2}],
        [{"id": 3, "x": [[7, torch.zeros(0)], numbers[1:]]}],
    ]
    for group in groups:
        log.append(group)
    for seen in (log.read(), open_log().read()):
        (_, a), (_, b), (_, c) = seen
        assert a["x"].dtype == torch.float32 and a["x"].numpy().tobytes() == numbers.numpy().tobytes()
        assert a["rest"][0].tolist() == [1, 4] and a["rest"][1] == {"tensor": 0} and b == {"id": 2}
        assert c["x"][0][0] == 7 and len(c["x"][0][1]) == 0
        assert c["x"][1].numpy().tobytes() == numbers[1:].numpy().tobytes()
    assert groups[0][0]["x"] is numbers  # what was given is not changed
    assert log.append([{"id": 4}]) == 4


def a_lease_excludes_others_until_it_ends(open_log):
    first, second = open_log(), open_log()
    lease = first.lock("trial 17/..", 30.0)
    assert lease is not None and second.lock("trial 17/..", 30.0) is None and first.lock("trial 17/..", 30.0) is None
    with second.lock("trial 18", 30.0) as other:
        assert other is not None and lease.renew(30.0)
    lease.release()
    lease.release()
    again = second.lock("trial 17/..", 30.0)
    assert again is not None and not lease.renew(30.0)
    lease.release()  # of what is another's by now
    assert first.lock("trial 17/..", 30.0) is None and again.renew(0.05)
    time.sleep(0.1)
    taken = first.lock("trial 17/..", 30.0)
    assert taken is not None and not again.renew(30.0)


def _append_groups(open_log, writer, groups, ready, go):
    log = open_log()
    ready.release()
    go.wait()
    for i in range(groups):
        group = {"writer": writer, "group": i, "of": 1 + (7 * i + writer) % 4}
        log.append([{**group, "place": j, "fill": "x" * (500 * j)} for j in range(group["of"])])
    log.close()


def check_groups(events):
    """Every group whole, side by side, and those of a writer in their order; returns how many each has."""
    done = Counter()
    events = [event for _, event in events]
    while events:
        head = events[0]
        group, events = events[: head["of"]], events[head["of"] :]
        wanted = [(head["writer"], head["group"], j) for j in range(head["of"])]
        assert [(e["writer"], e["group"], e["place"]) for e in group] == wanted
        assert head["group"] == done[head["writer"]]
        done[head["writer"]] += 1
    return done


def started(target, open_log, writers, *rest):
    """Processes that begin together."""
    ready, go = PROCESSES.Semaphore(0), PROCESSES.Event()
    found = [PROCESSES.Process(target=target, args=(open_log, i, *rest, ready, go)) for i in range(writers)]
    for process in found:
        process.start()
    for _ in found:
        assert ready.acquire(timeout=120)
    go.set()
    return found


def processes_lose_nothing_and_mix_groups_only(open_log, writers=3, groups=40):
    log = open_log()
    running = started(_append_groups, open_log, writers, groups)
    seen = []
    while any(process.is_alive() for process in running):
        new = log.read(len(seen))
        assert [position for position, _ in new] == list(range(len(seen) + 1, len(seen) + len(new) + 1))
        seen += new
    for process in running:
        process.join()
        assert process.exitcode == 0
    seen += log.read(len(seen))
    assert check_groups(seen) == dict.fromkeys(range(writers), groups)
    assert open_log().read() == seen  # nothing that was read has changed


def _append_for_ever(open_log, writer, ready, go):
    log = open_log()
    ready.release()
    go.wait()
    i = 0
    while True:
        group = [{"writer": writer, "group": i, "of": 3, "place": j, "fill": "x" * 100_000} for j in range(3)]
        log.append(group)
        i += 1


def a_killed_writer_hurts_nobody(open_log, kills=3):
    for k in range(kills):
        (victim,) = started(_append_for_ever, open_log, 1)
        time.sleep(0.03 + 0.011 * k)
        os.kill(victim.pid, signal.SIGKILL)
        victim.join()
        log = open_log()
        before = log.read()
        events = [event for _, event in before if event["writer"] == 0]
        starts = [i for i, event in enumerate(events) if event["group"] == event["place"] == 0]
        for start, stop in zip(starts, [*starts[1:], len(events)], strict=True):  # a victim counts from 0
            check_groups(enumerate(events[start:stop]))
        began = time.monotonic()
        assert log.append([{"writer": "survivor", "group": k, "of": 1, "place": 0}]) == len(before) + 1
        assert time.monotonic() - began < 5.0
        assert log.read()[:-1] == before


SERIAL = [
    refuses_nothing_and_gives_back_what_came, what_is_no_json_leaves_no_trace, every_user_sees_one_order,
    tensors_come_back_with_their_bits, a_lease_excludes_others_until_it_ends,
]  # fmt: skip
CONCURRENT = [processes_lose_nothing_and_mix_groups_only, a_killed_writer_hurts_nobody]


# of the store in a file: processes that die at a given place

GROUP = [{"n": 1, "fill": "x" * 3000}, {"n": 2}]


def die_within_a_line(open_log, writer, ready, go):
    log = open_log()

    def half(stream, lines):
        stream.write(lines[0][: len(lines[0]) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    log._write = half
    ready.release()
    go.wait()
    log.append(GROUP)


def die_with_a_lease(open_log, writer, ready, go):
    assert open_log().lock("trial", 1.0)
    ready.release()
    go.wait()
    os.kill(os.getpid(), signal.SIGKILL)
