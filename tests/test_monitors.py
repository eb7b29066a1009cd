"""What watches a run: history and progress line."""

import io
import math
import re
from types import SimpleNamespace

import pytest
import torch

import moopt
from moopt import Evaluations, FunctionProblem, Generations, Reached, Real, Stalled
from moopt.monitors import History, ProgressLine, history
from moopt.storage.checkpoint import read_checkpoint, write_tree
from moopt.testing import Bowls
from moopt.tree import plain


def solve(problem=None, budget=None, algorithm=None, **options):
    algorithm = algorithm or moopt.algorithm("nsga2", pop_size=20)
    return moopt.minimize(problem or Bowls(), algorithm, budget or Generations(12), progress=False, **options)


def half_feasible(a, b):
    if a > 4.0:
        raise ValueError("too much")
    return a**2 + b, (a - 2) ** 2 - b, a - 1


PARTLY = FunctionProblem(
    half_feasible, {"a": Real(-5, 5), "b": Real(0, 1)}, ["f", "h"], {"c": ("<=", 1)}, vectorized=False
)


def without_seconds(table):
    return table.drop(columns="seconds")


# history


def test_a_row_says_what_was_true_at_its_step():
    seen = []

    def watch(snapshot):
        evaluated = snapshot.evaluated
        for i, run in enumerate(snapshot.runs.tolist()):
            seen.append(
                {
                    "run": run,
                    "generations": int(snapshot.spent["generations"][i]),
                    "evaluations": int(snapshot.spent["evaluations"][i]),
                    "hypervolume": float(snapshot.indicator()[i]),
                    "feasible": float(evaluated.feasible[i].double().mean()),
                    "failed": float(evaluated.failed[i].double().mean()),
                }
            )

    # enough points for the archive to be merged and thinned in between
    result = solve(PARTLY, Evaluations(2600), moopt.algorithm("nsga2", pop_size=130), monitors=[watch], runs=2, seed=5)
    rows = result.history[list(seen[0])].to_dict("records")
    assert sorted(seen, key=lambda row: (row["run"], row["generations"])) == rows
    assert 0 < rows[0]["failed"] < rows[0]["feasible"] < 1 and rows[-1]["hypervolume"] > rows[0]["hypervolume"]
    assert result.history["failures"].iloc[-1] == result.runs[1].failures > 0
    assert result.history["seconds"].iloc[:20].is_monotonic_increasing


@pytest.mark.parametrize("steps", [1, 7, 8, 9, 16, 17, 50, 131])
def test_thinning_keeps_even_steps_and_the_last_one(steps):
    watching = History(capacity=8)
    solve(budget=Generations(steps), monitors=[watching], runs=2)
    interval = 2 ** max(0, math.ceil(math.log2(steps / 8)))
    kept = list(range(interval, steps + 1, interval))
    assert len(kept) <= 8 and watching.interval == interval
    for run in (0, 1):
        table = watching.to_dataframe(run)
        assert table["generations"].tolist() == sorted({*kept, steps})
        assert table["evaluations"].tolist() == [20 * step for step in table["generations"]]
        assert (table["run"] == run).all()


def test_rows_hold_little_memory(monkeypatch):
    held = History(capacity=32)
    free = solve(budget=Generations(30), monitors=[held], seed=3).history
    assert not any(row.table for row in held._rows)  # nobody has looked
    # one step of 20 points adds 60 numbers for each of its two objectives and the mark of failure
    monkeypatch.setattr(history, "MEMORY", 10 * 8 * 3 * 60 - 1)
    held = History(capacity=32)
    tight = solve(budget=Generations(30), monitors=[held], seed=3).history
    assert [row.table is not None for row in held._rows] == [True] * 30
    assert without_seconds(tight).equals(without_seconds(free))


def test_a_run_that_ends_early_keeps_its_last_step():
    goal = Reached("hypervolume", 0.6) | Generations(60)
    watching = History(capacity=4)
    result = solve(budget=goal, runs=4, seed=11, monitors=[watching])
    steps = [part.spent["generations"] for part in result.runs]
    assert len(set(steps)) > 1
    for run, part in enumerate(result.runs):
        for table in (part.history, watching.to_dataframe(run)):
            last = table.iloc[-1]
            assert last["generations"] == part.spent["generations"]
            assert last["hypervolume"] == pytest.approx(part.hypervolume, rel=1e-12) and last["feasible"] == 1.0


def test_the_table_survives_a_resume(tmp_path):
    whole, first, second = History(capacity=8), History(capacity=8), History(capacity=8)
    expected = solve(budget=Generations(60), monitors=[whole], runs=3)
    solve(budget=Generations(23), monitors=[first], runs=3, out=tmp_path / "run")
    assert first.to_dataframe(0)["generations"].tolist() == [4, 8, 12, 16, 20, 23]
    resumed = moopt.resume(tmp_path / "run", budget=Generations(60), monitors=[second], progress=False)
    assert without_seconds(second.to_dataframe()).equals(without_seconds(whole.to_dataframe()))
    assert without_seconds(resumed.history).equals(without_seconds(expected.history))
    assert second.to_dataframe()["seconds"].is_monotonic_increasing is False  # three runs, one below the other
    assert second.to_dataframe(2)["seconds"].is_monotonic_increasing


def test_resuming_a_finished_run_changes_nothing(tmp_path):
    finished = solve(budget=Generations(300), out=tmp_path / "run")
    again = moopt.resume(tmp_path / "run", progress=False)
    assert again.history.equals(finished.history) and len(finished.history) == 150
    loaded = moopt.Result.load(tmp_path / "run")
    assert loaded.history.equals(finished.history)
    text = (tmp_path / "run" / "history.csv").read_text().splitlines()
    assert text[0] == "run,generations,evaluations,seconds,hypervolume,feasible,failed,failures" and len(text) == 151


def test_the_parts_of_a_loaded_result_have_their_own_history(tmp_path):
    result = solve(runs=3, seed=40, out=tmp_path / "run")
    loaded = moopt.Result.load(tmp_path / "run")
    assert loaded.history.equals(result.history) and len(loaded.history) == 36
    assert loaded.runs[2].history.equals(result.runs[2].history)
    assert loaded.runs[2].history["run"].unique().tolist() == [2]


def test_the_state_is_a_plain_tree(tmp_path):
    watching = History(capacity=8)
    solve(PARTLY, Generations(21), monitors=[watching])
    write_tree(tmp_path / "tree.safetensors", plain({"history": watching.state()}))
    other = History(capacity=8)
    other.restore(read_checkpoint(tmp_path / "tree.safetensors")["history"])
    assert other.to_dataframe().equals(watching.to_dataframe()) and other.interval == 4


def test_a_history_without_steps():
    empty = History()
    empty.restore(plain(History().state()))
    assert len(empty.to_dataframe()) == 0 and "hypervolume" in empty.to_dataframe()
    with pytest.raises(ValueError, match="capacity: expected a whole number"):
        History(capacity=0)


def test_a_result_keeps_the_history_of_its_time():
    run = moopt.Run(Bowls(), moopt.algorithm("random", pop_size=4), 40, seed=2)
    for _ in range(2):
        trials = run.ask(4)
        for trial in trials:
            evaluation = run.problem.evaluate(torch.tensor([trial.x], dtype=torch.float64))
            trial.finish(evaluation.f[0].tolist())
        run.tell(trials)
        if len(run.history.to_dataframe()) == 1:
            early = run.result()
    assert early.history["evaluations"].tolist() == [4]
    assert run.result().history["evaluations"].tolist() == [4, 8]


def test_an_algorithm_that_evaluates_by_itself_has_estimates_only():
    result = moopt.minimize("exactalignment", "policygradient", Generations(3), progress=False)
    table = result.history
    assert table[["hypervolume", "feasible", "failed"]].isna().all(axis=None)
    assert table["tokens"].tolist() == [step * table["tokens"][0] for step in (1, 2, 3)] and table["tokens"][0] > 0


# progress line


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    """Time that passes only where the test says so."""

    def __init__(self):
        self.now, self.reads = 100.0, 0

    def __call__(self):
        self.reads += 1
        return self.now


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "JPY_PARENT_PID"):
        monkeypatch.delenv(name, raising=False)


def snapshot(clock=None, cost=0.0, share=0.25, **changes):
    """A step of a search that spends `cost` seconds of `clock` on its hypervolume."""

    def indicator():
        if clock is not None:
            clock.now += cost
        return torch.tensor([0.8125])

    feasible = torch.tensor([[True, True, True, False]])
    facts = {
        "problem": SimpleNamespace(name="beam", n_con=1), "algorithm": type("NSGA2", (), {})(),
        "budget": Evaluations(12_500) | moopt.Seconds(900), "n_runs": 2, "runs": torch.tensor([0]), "fraction": share,
        "failures": 3, "seconds": 61.0, "total_spent": {"evaluations": 6250, "generations": 62},
        "scorer": SimpleNamespace(convention="hypervolume scaled by ideal and nadir, reference 1.1, approximate"),
        "evaluated": SimpleNamespace(feasible=feasible), "indicator": indicator,
    }  # fmt: skip
    return SimpleNamespace(**{**facts, **changes})


def ended(**changes):
    facts = {
        "problem": SimpleNamespace(name="beam"), "algorithm": "nsga2", "status": moopt.Status.FINISHED, "failures": 0,
        "hypervolume": 0.875, "convention": "hypervolume from [1.5, 2.0] (minimised)", "seconds": 3725.0,
        "spent": {"evaluations": 25_000, "generations": 250}, "front": range(1234),
    }  # fmt: skip
    return SimpleNamespace(**{**facts, **changes})


def lines(stream):
    """What was shown, without colours."""
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", stream.getvalue())
    return [line.rstrip() for line in re.split(r"[\r\n]+", text) if line.strip()]


def cells(line):
    """What stands behind the bar."""
    return line.split("━")[-1].strip().split("  ")


def test_a_step_in_which_nothing_is_due_reads_the_clock_once():
    clock = Clock()
    line = ProgressLine(io.StringIO(), clock)
    line.on_step(object())  # steps that a resumed run repeats come before its start
    line.on_start(snapshot())
    clock.reads = 0
    for _ in range(100):
        line.on_step(object())  # nothing of the snapshot is looked at
    assert clock.reads == 100


def test_updates_take_at_most_a_fiftieth_of_the_time():
    clock, stream = Clock(), Terminal()
    line = ProgressLine(stream, clock)
    line.on_start(snapshot(clock))
    begin, spent, times = clock.now, [], []
    steps = {cost: snapshot(clock, cost) for cost in (0.02, 0.004, 0.0001)}
    for _ in range(100_000):
        clock.now += 0.0005
        cost, before = list(steps)[len(spent) % 3], clock.now
        line.on_step(steps[cost])
        if clock.now > before:
            spent.append(cost)
            times.append(before)
    assert len(spent) > 100
    # the first one loads code and is not counted
    assert sum(spent[1:]) <= (clock.now - begin) / 50
    rests = [b - a - cost for a, b, cost in zip(times[1:], times[2:], spent[1:], strict=False)]
    assert all(rest >= max(0.1, 50 * cost) - 1e-9 for rest, cost in zip(rests, spent[1:], strict=False))
    assert all(rest <= max(0.1, 50 * cost) + 0.0005 + 1e-9 for rest, cost in zip(rests, spent[1:], strict=False))


def test_the_line_of_a_terminal():
    clock, stream = Clock(), Terminal()
    line = ProgressLine(stream, clock)
    line.on_start(snapshot(clock, share=0.0, total_spent={}, failures=0, evaluated=None))
    clock.now += 1
    line.on_step(snapshot(clock))
    line.on_end(ended())
    first, second, *_, last = lines(stream)
    assert first.startswith("beam nsga2 ━") and "0 %" in first and "left" not in first and "failed" not in first
    assert cells(second) == [
        "25 %", "6,250/25,000 evaluations", "HV ≈ 0.8125 scaled", "3 failed", "1:01, 3:03 left", "75 % feasible",
    ]  # fmt: skip
    assert cells(last) == [
        "finished", "25,000/25,000 evaluations", "HV 0.875", "1,234 points", "1:02:05",
    ]  # fmt: skip
    assert stream.getvalue().count("\x1b[?25l") == stream.getvalue().count("\x1b[?25h") == 1  # the cursor is back


def test_what_is_unknown_is_not_shown():
    clock, stream = Clock(), Terminal()
    line = ProgressLine(stream, clock)
    several = {"share": math.nan, "budget": Stalled(20), "runs": torch.tensor([0, 1]), "failures": 0}
    raw = SimpleNamespace(convention="hypervolume from [1.0, 2.0] (minimised)")
    beam = SimpleNamespace(name="beam", n_con=0)
    line.on_start(snapshot(**several, evaluated=None))
    clock.now += 1
    line.on_step(snapshot(**several, scorer=raw, problem=beam))
    line.on_end(ended(status=moopt.Status.INTERRUPTED, convention="no hypervolume yet: no feasible point"))
    first, second, *_, last = lines(stream)
    assert cells(first) == ["6,250 evaluations", "1:01"]
    assert cells(second) == ["6,250 evaluations", "mean HV 0.8125", "1:01"]
    assert cells(last) == ["interrupted", "25,000 evaluations", "1,234 points", "1:02:05"]


def test_the_unit_of_the_budget_is_shown():
    clock, stream = Clock(), Terminal()
    line = ProgressLine(stream, clock)
    spent = {"evaluations": 0, "env_steps": 4000, "generations": 7}
    line.on_start(snapshot(budget=Generations(9) | moopt.EnvSteps(8000), total_spent=spent, n_runs=1))
    assert "4,000/8,000 env steps" in lines(stream)[0]
    line.close()


def test_a_log_gets_a_plain_line_every_half_minute():
    clock, stream = Clock(), io.StringIO()
    line = ProgressLine(stream, clock)
    line.on_start(snapshot())
    for second in range(1, 96):
        clock.now = 100.0 + second
        line.on_step(snapshot(clock, share=second / 100))
    line.on_end(ended())
    assert "\x1b" not in stream.getvalue()
    then = "6,250/25,000 evaluations, HV ≈ 0.8125 scaled, 3 failed, 1:01"
    assert lines(stream) == [
        f"beam nsga2: 30 %, {then}, 2:22 left, 75 % feasible",
        f"beam nsga2: 60 %, {then}, 0:41 left, 75 % feasible",
        f"beam nsga2: 90 %, {then}, 0:07 left, 75 % feasible",
        "beam nsga2: finished, 25,000/25,000 evaluations, HV 0.875, 1,234 points, 1:02:05",
    ]


def test_nothing_without_being_asked(capsys, tmp_path):
    solve()
    moopt.minimize(Bowls(), "nsga2", 300)  # stderr is no terminal here
    assert capsys.readouterr().err == ""
    moopt.minimize(Bowls(), "nsga2", 300, progress=True)
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("bowls nsga2: finished, 300/300 evaluations, HV 0.")


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()])
def test_a_stream_that_is_gone_does_not_end_the_run(stream):
    clock = Clock()
    line = ProgressLine(stream, clock)
    line.on_start(snapshot())
    stream.close()
    clock.now += 40
    line.on_step(snapshot(clock))
    clock.now += 1e6
    line.on_step(object())  # and nobody tries again
    line.on_end(ended())


def test_an_error_gives_the_terminal_back():
    stream, steps = Terminal(), []

    def fails(seen):
        steps.append(seen.step)
        if len(steps) == 3:
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        solve(monitors=[ProgressLine(stream), fails])
    assert stream.getvalue().count("\x1b[?25h") == 1


def test_an_interrupted_run_says_so():
    stream = Terminal()

    def interrupt(seen):
        if seen.step == 4:
            raise KeyboardInterrupt

    result = solve(monitors=[ProgressLine(stream), interrupt])
    assert result.status is moopt.Status.INTERRUPTED
    assert "interrupted  4/12 generations" in lines(stream)[-1]
