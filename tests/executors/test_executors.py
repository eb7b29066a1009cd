"""Executors: every way an evaluation can end, and what is left when the process that asked for it ends."""

import ctypes
import importlib.util
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from moopt.executors import Executor, Inline, Outcome, Processes, executor
from moopt.testing import check_executor

WAIT = 60.0  # s, only to tell a hang
METHODS = ["forkserver", "spawn"]

# The package without its `__init__`, which loads torch: a subprocess is up in a tenth of a second.
LIGHT = f"""
import sys, types
package = types.ModuleType("moopt")
package.__path__ = [{str(Path(sys.modules["moopt"].__path__[0]))!r}]
sys.modules["moopt"] = package
"""


def collect(running: Executor, count: int | None = None) -> dict[int, Outcome]:
    """The next `count` outcomes by key (default: all that are pending)."""
    outcomes: dict[int, Outcome] = {}
    count = running.pending if count is None else count
    deadline = time.monotonic() + WAIT
    while len(outcomes) < count:
        assert time.monotonic() < deadline, f"hangs after {outcomes}"
        for outcome in running.wait(1.0):
            assert outcome.key not in outcomes
            assert (outcome.error is None) or outcome.value is None
            outcomes[outcome.key] = outcome
    return outcomes


def evaluate(function, payloads, workers=2, start_method=None, **limits) -> dict[int, Outcome]:
    with Processes(workers, start_method=start_method) as running:
        running.start(function, **limits)
        for key, payload in payloads.items():
            running.submit(key, payload)
        return collect(running)


def gone(pid: int) -> bool:
    """Whether a process has ended; a zombie has, it only waits for its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def until(condition) -> bool:
    deadline = time.monotonic() + WAIT
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def pids(folder: Path, count: int) -> list[int]:
    """Process ids that workers have written as names of files, once there are `count`."""
    assert until(lambda: len(list(folder.iterdir())) >= count)
    return [int(path.name) for path in folder.iterdir()]


def python(*arguments: str, code: str | None = None, **options) -> subprocess.Popen:
    root = Path(sys.modules["moopt"].__path__[0]).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
    process = subprocess.Popen(
        [sys.executable, *arguments], env=environment, text=True, start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
    )  # fmt: skip
    if code is not None:
        process.stdin.write(code)
        process.stdin.close()
        process.stdin = None
    return process


def fate(kind: str):
    """One evaluation of each kind of end."""
    time.sleep(random.uniform(0.0, 0.05))
    match kind:
        case "value":
            return {"pid": os.getpid(), "seven": 7}
        case "raise":
            raise ValueError("no beam is that thin")
        case "sys.exit":
            sys.exit(3)
        case "exit 5":
            os._exit(5)
        case "exit 0":
            os._exit(0)
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "segfault":
            ctypes.string_at(0)
        case "lock":
            return threading.Lock()
        case "killed while the result is written":
            threading.Timer(0.02, os.kill, [os.getpid(), signal.SIGKILL]).start()
            return bytes(100_000_000)
        case "endless":
            while True:
                pass
        case "holds the interpreter":
            ctypes.PyDLL(None).sleep(1000)


DIES = "the worker process died (exit code {})"
ERRORS = {
    "value": None,
    "raise": "ValueError: no beam is that thin",
    "sys.exit": "SystemExit: 3",
    "exit 5": DIES.format(5),
    "exit 0": DIES.format(0),
    "killed": DIES.format(-9),
    "segfault": DIES.format(-11),
    "lock": "the result could not be pickled: TypeError: cannot pickle '_thread.lock' object",
    "killed while the result is written": DIES.format(-9),
    "endless": "exceeded the timeout of 0.75 s",
    "holds the interpreter": "exceeded the timeout of 0.75 s",
}


@pytest.mark.parametrize("start_method", METHODS)
def test_every_end_becomes_an_outcome_and_the_pool_goes_on(start_method):
    kinds = [kind for kind in ERRORS for _ in range(2)]
    random.Random(11).shuffle(kinds)
    outcomes = evaluate(fate, dict(enumerate(kinds)), start_method=start_method, timeout=0.75)
    assert {key: outcome.error for key, outcome in outcomes.items()} == {
        key: ERRORS[kind] for key, kind in enumerate(kinds)
    }
    for key, kind in enumerate(kinds):
        assert outcomes[key].attempts == 1
        if kind == "value":
            assert outcomes[key].value["seven"] == 7
        if ERRORS[kind] == "exceeded the timeout of 0.75 s":
            assert outcomes[key].seconds >= 0.75


def test_all_workers_work_again_after_deaths(tmp_path):
    def die_or_meet(payload):
        if payload == "die":
            os._exit(4)
        (tmp_path / str(os.getpid())).touch()
        while len(list(tmp_path.iterdir())) < 3:  # ends only where three workers are at it together
            time.sleep(0.01)

    payloads = dict(enumerate(["die"] * 5 + ["meet"] * 3))
    outcomes = evaluate(die_or_meet, payloads, workers=3, timeout=WAIT)
    assert [outcomes[key].error for key in range(8)] == [DIES.format(4)] * 5 + [None] * 3


def test_a_busy_caller_loses_no_death():
    stop = threading.Event()

    def spin():
        while not stop.is_set():
            sum(range(1000))

    spinning = [threading.Thread(target=spin) for _ in range(2)]
    for thread in spinning:
        thread.start()
    try:
        outcomes = evaluate(lambda code: os._exit(code), {key: key + 1 for key in range(12)})
    finally:
        stop.set()
    assert [outcomes[key].error for key in range(12)] == [DIES.format(code) for code in range(1, 13)]


def test_a_worker_killed_while_idle_costs_nothing():
    with Processes(1) as running:
        running.start(lambda payload: (os.getpid(), payload))
        for key in range(3):
            running.submit(key, key)
            pid, payload = collect(running)[key].value
            assert payload == key
            os.kill(pid, signal.SIGKILL)
            assert until(lambda pid=pid: not Path(f"/proc/{pid}").exists())  # also its threads


def test_timeout_reaches_what_the_function_started(tmp_path):
    def simulate(_):
        program = subprocess.Popen(["sleep", "1000"])
        (tmp_path / str(program.pid)).touch()
        program.wait()

    outcomes = evaluate(simulate, {5: None}, timeout=0.5)
    assert outcomes[5].error == "exceeded the timeout of 0.5 s"
    (pid,) = pids(tmp_path, 1)
    assert until(lambda: gone(pid))


def test_death_is_noticed_where_a_child_holds_the_pipe_open():
    def leave_child(_):
        if os.fork() == 0:
            time.sleep(1000)
        os._exit(6)

    for method in METHODS:
        assert evaluate(leave_child, {1: None}, start_method=method)[1].error == DIES.format(6)


def test_imports_are_not_charged_to_the_timeout(tmp_path):
    (tmp_path / "slow_to_import.py").write_text("import time; time.sleep(1)\nthird = lambda x: x / 3\n")
    sys.path.insert(0, str(tmp_path))
    try:
        import slow_to_import

        assert evaluate(slow_to_import.third, {0: 7.5}, timeout=0.4)[0].value == 2.5
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("slow_to_import", None)


@pytest.mark.parametrize("make", [Inline, lambda: Processes(1), lambda: Processes(2)])
def test_executors_keep_their_contract(make):
    """Misuse, retries, deaths, endless evaluations, keys, waiting and closing; the rest of this file says the words."""
    check_executor(make, patience=WAIT)


def test_retries_after_death_and_timeout(tmp_path):
    def worse(payload):
        first = tmp_path / payload
        if not first.exists():
            first.touch()
            os._exit(1) if payload == "dies" else time.sleep(1000)
        return payload.upper()

    outcomes = evaluate(worse, {0: "dies", 1: "hangs"}, timeout=0.5, retries=1)
    assert [(outcomes[key].value, outcomes[key].attempts) for key in (0, 1)] == [("DIES", 2), ("HANGS", 2)]


def test_seconds_are_those_of_the_last_attempt(tmp_path):
    def slow_first(name):
        if not (tmp_path / name).exists():
            (tmp_path / name).touch()
            time.sleep(0.6)
            raise RuntimeError
        time.sleep(0.2)

    outcome = evaluate(slow_first, {3: "mark"}, retries=4)[3]
    assert outcome.error is None and outcome.attempts == 2 and outcome.seconds >= 0.2
    assert evaluate(slow_first, {3: "again"})[3].error == "RuntimeError"


def test_outcomes_come_as_they_finish_under_their_keys(tmp_path):
    def wait_for(names):
        mine, before = names
        while before and not (tmp_path / before).exists():
            time.sleep(0.01)
        (tmp_path / mine).touch()
        return mine

    with Processes(3) as running:
        running.start(wait_for, timeout=WAIT)
        running.submit(900, ("last", "second"))
        running.submit(-4, ("second", "first"))
        running.submit(17, ("first", None))
        assert running.pending == 3
        outcomes = collect(running)
        assert running.pending == 0 and running.wait() == []
    finished = [(key, outcome.value) for key, outcome in outcomes.items()]
    assert finished == [(17, "first"), (-4, "second"), (900, "last")]


def test_wait_gives_up_after_its_timeout(tmp_path):
    def wait_for(name):
        while not (tmp_path / name).exists():
            time.sleep(0.01)
        return name

    with Processes(1) as running:
        running.start(wait_for)
        running.submit(2, "go")
        assert running.wait(0) == [] and running.wait(0.05) == [] and running.pending == 1
        (tmp_path / "go").touch()
        assert collect(running)[2].value == "go"


def test_a_large_function_is_sent_once_per_worker():
    class Counted:
        sent = 0

        def __reduce__(self):
            Counted.sent += 1
            return bytes, (3_000_000,)

    table = Counted()
    outcomes = evaluate(lambda key: len(table) + key, {key: key for key in range(20)})
    assert [outcomes[key].value for key in range(20)] == [3_000_000 + key for key in range(20)]
    assert Counted.sent == 1


def test_a_module_loaded_from_a_path_travels_by_value(tmp_path):
    path = tmp_path / "elsewhere.py"
    path.write_text("HALF = .5\nclass Beam:\n    def __init__(self, r):\n        self.r = r\n"
                    "def halve(x):\n    return Beam(HALF * x)\n")  # fmt: skip
    spec = importlib.util.spec_from_file_location("elsewhere", path)
    module = sys.modules["elsewhere"] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        beam = evaluate(module.halve, {0: 3.0})[0].value
    finally:
        del sys.modules["elsewhere"]
    assert isinstance(beam, module.Beam) and beam.r == 1.5


def test_what_cannot_be_sent():
    lock = threading.Lock()
    reason = "expected one that can be sent to a worker process, got .*cannot pickle '_thread.lock'"
    with Processes(1) as running:
        with pytest.raises(TypeError, match=f"^function: {reason}"):
            running.start(lambda payload: lock)
        with pytest.raises(TypeError, match="^function: expected a callable, got 3"):
            running.start(3)
        running.start(len)  # none of these started it
        with pytest.raises(TypeError, match=f"^payload: {reason}"):
            running.submit(0, [lock])
        assert running.pending == 0

    class Odd:
        def __reduce__(self):
            return int, ("not a number",)

    assert evaluate(lambda _: Odd(), {0: 0})[0].error == (
        "the result could not be loaded: ValueError: invalid literal for int() with base 10: 'not a number'"
    )
    odd = Odd()
    assert evaluate(lambda _: odd, {0: 0})[0].error == (
        "the function could not be loaded in a worker process: "
        "ValueError: invalid literal for int() with base 10: 'not a number'"
    )


@pytest.mark.parametrize("start_method", METHODS)
def test_environment_threads_and_output(start_method, monkeypatch, capfd):
    def look(name):
        print("out of", name)
        print("error of", name, file=sys.stderr)
        os.system(f"echo shell of {name}")
        return {key: os.environ.get(key) for key in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "MOOPT_COLOUR")}

    cores = len(os.sched_getaffinity(0))
    for colour, numba in (("red", None), ("blue", "7")):  # the fork server is older than the second
        monkeypatch.setenv("MOOPT_COLOUR", colour)
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
        if numba:
            monkeypatch.setenv("NUMBA_NUM_THREADS", numba)
        threads = evaluate(look, {0: colour}, workers=1, start_method=start_method)[0].value
        assert threads == {
            "OMP_NUM_THREADS": str(cores), "NUMBA_NUM_THREADS": numba or str(cores), "MOOPT_COLOUR": colour
        }  # fmt: skip
        assert "OMP_NUM_THREADS" not in os.environ
        out, error = capfd.readouterr()
        assert out == f"out of {colour}\nshell of {colour}\n" and error == f"error of {colour}\n"


def test_torch_is_loaded_only_where_it_is_needed():
    code = LIGHT + """
from moopt.executors import Processes
def loaded(name):
    return name in sys.modules
def threads(name):
    before = name in sys.modules
    import torch
    return before, torch.get_num_threads()
with Processes(1) as running:
    running.start(FUNCTION)
    running.submit(0, "torch")
    print(running.wait()[0].value)
"""
    without, preloaded = (python("-c", code.replace("FUNCTION", name)) for name in ("loaded", "threads"))
    assert without.communicate(timeout=WAIT) == ("False\n", "")
    threads = os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0))
    assert preloaded.communicate(timeout=WAIT) == (f"(True, {threads})\n", "")


@pytest.mark.parametrize("workers", [1, 4])
def test_close_ends_running_work(tmp_path, workers):
    def endless(_):
        (tmp_path / str(os.getpid())).touch()
        while True:
            pass

    running = Processes(workers)
    running.start(endless)
    for key in range(9):
        running.submit(key, key)
    working = pids(tmp_path, workers)
    running.close()
    assert running.pending == 0 and running.wait() == []
    assert all(until(lambda pid=pid: gone(pid)) for pid in working)
    running.close()
    with pytest.raises(RuntimeError, match="not started"):
        running.submit(0, 0)
    running.start(abs)  # and it can be used again
    running.submit(0, -3)
    assert collect(running)[0].value == 3
    running.close()


def test_close_keeps_what_has_finished(tmp_path):
    def finish_or_hang(payload):
        if payload == "hang":
            time.sleep(1000)
        (tmp_path / payload).touch()
        return payload

    running = Processes(2)
    running.start(finish_or_hang)
    running.submit(1, "hang")
    running.submit(2, "done")
    assert until((tmp_path / "done").exists)
    assert until(lambda: running._finished)
    running.close()
    assert running.pending == 1
    assert [(outcome.key, outcome.value) for outcome in running.wait()] == [(2, "done")]


@pytest.mark.parametrize("workers", [0, 2])
def test_close_without_cancel_finishes(workers):
    running = Processes(workers) if workers else Inline()
    running.start(lambda x: time.sleep(0.01) or x * x)
    for key in range(7):
        running.submit(key, key)
    running.close(cancel=False)
    assert [collected.value for _, collected in sorted(collect(running).items())] == [0, 1, 4, 9, 16, 25, 36]


SCRIPT = """
import os, sys
from moopt.executors import Processes, executor
offset = 40
class Beam:
    def __init__(self, r):
        self.r = r
print("top level")
running = executor("processes:2")
running.start(lambda x: Beam(x + offset), timeout=50)
for key in range(3):
    running.submit(key, key)
beams = {}
while running.pending:
    beams.update((outcome.key, outcome.value) for outcome in running.wait())
assert all(type(beam) is Beam for beam in beams.values())
print([beams[key].r for key in range(3)])
running.close()
"""


@pytest.mark.parametrize("form", ["script", "spawn", "-c", "-m", "stdin"])
def test_functions_of_main_need_no_guard(tmp_path, form):
    code = (LIGHT if form != "script" else "") + SCRIPT
    if form == "spawn":
        code = code.replace('executor("processes:2")', 'executor(Processes(2, start_method="spawn"))')
    (tmp_path / "study.py").write_text(code)
    arguments = {"-c": ["-c", code], "-m": ["-m", "study"], "stdin": ["-"]}.get(form, ["study.py"])
    process = python(*arguments, code=code if form == "stdin" else None, cwd=tmp_path)
    out, error = process.communicate(timeout=WAIT)
    assert (out, error, process.returncode) == ("top level\n[40, 41, 42]\n", "", 0)


ENDLESS = LIGHT + """
import os, subprocess, sys, time
from pathlib import Path
from moopt.executors import Processes
folder = Path(sys.argv[1])
def endless(key):
    if key == 0:
        return "finished"
    program = subprocess.Popen(["sleep", "1000"])
    (folder / str(program.pid)).touch()
    (folder / str(os.getpid())).touch()
    while True:
        pass
running = Processes(2, start_method=sys.argv[2])
running.start(endless)
for key in range(5):
    running.submit(key, key)
while len(list(folder.iterdir())) < 4:
    time.sleep(.01)
"""


@pytest.mark.parametrize("start_method", METHODS)
def test_nothing_outlives_a_killed_parent(tmp_path, start_method):
    process = python("-c", ENDLESS + "running.wait(); running.wait()", str(tmp_path), start_method)
    working = pids(tmp_path, 4)
    process.kill()
    assert all(until(lambda pid=pid: gone(pid)) for pid in working)
    assert process.communicate(timeout=WAIT) == ("", "")  # and all who held its output are gone


@pytest.mark.parametrize("start_method", METHODS)
def test_interrupt_reaches_the_caller_alone(tmp_path, start_method):
    code = ENDLESS + """
try:
    running.wait()[0].value == "finished" and print("waits", flush=True)
    running.wait()
except KeyboardInterrupt:
    print("interrupted", running.pending)
    running.submit(77, 0)
    running.close()
    print(running.pending)
"""
    process = python("-c", code, str(tmp_path), start_method)
    working = pids(tmp_path, 4)
    assert process.stdout.readline() == "waits\n"
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does: to the whole group
    assert process.communicate(timeout=WAIT) == ("interrupted 4\n0\n", "")
    assert process.returncode == 0
    assert all(until(lambda pid=pid: gone(pid)) for pid in working)


@pytest.mark.parametrize("start_method", METHODS)
def test_a_forgotten_close_does_not_hold_the_exit(tmp_path, start_method):
    process = python("-c", ENDLESS, str(tmp_path), start_method)
    assert process.communicate(timeout=WAIT) == ("", "")
    assert process.returncode == 0
    assert all(until(lambda pid=pid: gone(pid)) for pid in pids(tmp_path, 4))


def test_executors_within_workers():
    def nested(payloads):
        return sorted(outcome.value for outcome in evaluate(abs, dict(enumerate(payloads))).values())

    outcomes = evaluate(nested, {0: [-3, 2], 1: [-8, -5, 1]})
    assert [outcomes[key].value for key in (0, 1)] == [[2, 3], [1, 5, 8]]


def test_inline_evaluates_in_order_one_per_wait():
    seen = []
    with Inline() as running:
        assert running.workers == 1
        running.start(lambda x: seen.append(x) or 12 / x)
        for key, x in ((5, 4), (3, 0), (9, 5)):
            running.submit(key, x)
        assert running.wait(0) == [] and seen == []
        first, second = running.wait(), running.wait(10.0)
        assert seen == [4, 0] and running.pending == 1
        third = running.wait()
        assert running.pending == 0 and running.wait() == []
    assert [(o.key, o.value, o.error, o.attempts) for o in first + second + third] == [
        (5, 3.0, None, 1), (3, None, "ZeroDivisionError: division by zero", 1), (9, 2.4, None, 1)
    ]  # fmt: skip


def test_inline_interrupt_loses_nothing():
    interrupts = iter([KeyboardInterrupt])

    def interrupted(x):
        if x == 2:
            for interrupt in interrupts:
                raise interrupt
        if x == 3:
            sys.exit("no licence")
        return x * 10

    with Inline() as running:
        running.start(interrupted)
        for key in (1, 2, 3):
            running.submit(key, key)
        assert [outcome.value for outcome in running.wait()] == [10]
        with pytest.raises(KeyboardInterrupt):
            running.wait()
        assert running.pending == 2
        rest = collect(running)
    assert (rest[2].value, rest[3].error) == (20, "SystemExit: no licence")


def test_inline_cannot_limit_time():
    with pytest.raises(ValueError, match=r'timeout: expected None, got 2\.5: .*executor="processes:N"'):
        Inline().start(abs, timeout=2.5)


@pytest.mark.parametrize("make", [Inline, lambda: Processes(1)])
def test_misuse_is_told_in_one_sentence(make):
    with make() as running:
        with pytest.raises(RuntimeError, match="not started"):
            running.submit(0, 1)
        with pytest.raises(ValueError, match="retries: expected a whole number of at least 0, got -1"):
            running.start(abs, retries=-1)
        with pytest.raises(TypeError, match="function: expected a callable, got None"):
            running.start(None)
        running.start(abs)
        with pytest.raises(RuntimeError, match="already started"):
            running.start(abs)
        running.submit(4, 1)
        with pytest.raises(ValueError, match="key: expected one that is not pending, got 4 twice"):
            running.submit(4, 2)


def test_processes_arguments():
    for timeout in (0, -2, float("nan"), "2"):
        with pytest.raises(ValueError, match="timeout: expected a"):
            Processes(1).start(abs, timeout=timeout)
    with pytest.raises(ValueError, match="workers: expected a whole number of at least 1, got 0"):
        Processes(0)
    with pytest.raises(ValueError, match="^start_method: expected one of .*forkserver.*spawn.* got 'fork'"):
        Processes(1, start_method="fork")


def test_specs():
    assert type(executor(None)) is type(executor("inline")) is Inline
    four, all_cores, mine = executor("processes:4"), executor("processes"), Inline()
    assert isinstance(four, Processes) and four.workers == 4 and four.start_method == "forkserver"
    assert all_cores.workers == len(os.sched_getaffinity(0))
    assert executor(mine) is mine
    wanted = "^executor: expected None, 'inline', 'processes', 'processes:N' .* or an Executor instance, got "
    for bad in ("threads", "processes:", "processes:0", "processes:-1", "processes:1.5", "inline:2", 4):
        with pytest.raises(ValueError, match=wanted + re.escape(repr(bad)) + "$"):
            executor(bad)
