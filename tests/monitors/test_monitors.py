"""What watches a run: history and progress line."""

import io
import math
import re
from types import SimpleNamespace

import pytest
import torch

import moopt
from moopt import Evaluations, FunctionProblem, Generations, Reached, Real, Stalled
from moopt.algorithms.alignment.policygradient import PolicyGradient
from moopt.core.tree import plain
from moopt.indicators import hypervolume
from moopt.kernels.archive import keepers
from moopt.monitors import History, ProgressLine
from moopt.run.archives import pareto
from moopt.run.archives.pareto import Archive
from moopt.run.scorer import Scorer
from moopt.storage.checkpoint import read_checkpoint, write_tree
from moopt.testing import Bowls


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


# archive and score


def points(seed, r, k, m=2):
    """Points of which some fail, some are infeasible, some equal others in all objectives."""
    draw = torch.Generator().manual_seed(seed)
    f = torch.randint(1, 12, (r, k, m), generator=draw).double()
    failed = torch.rand(r, k, generator=draw) < 0.1
    f[failed] = torch.nan
    x, g = torch.rand(r, k, 3, generator=draw).double(), torch.rand(r, k, 1, generator=draw).double() - 0.6
    return moopt.Points(x, f, g, failed, (1,) * m)


def archive(r, capacity, patience=None):
    return Archive.empty(Bowls(constrained=True), r, torch.device("cpu"), torch.float64, capacity, patience)


def best_of(f, g, failed):
    """Feasible points that no other dominates, each once: by definition."""
    feasible = {tuple(row) for row in f[(g[:, 0] <= 0) & ~failed].tolist()}
    return {a for a in feasible if not any(b != a and all(p <= q for p, q in zip(b, a, strict=True)) for b in feasible)}


@pytest.mark.parametrize("patience", [None, 1, 17])
def test_an_archive_holds_the_best_whenever_it_is_merged(patience):
    keeping, parts = archive(3, 40, patience), [points(seed, 3, 5 + seed) for seed in range(12)]
    for n, part in enumerate(parts, 1):
        keeping = keeping.insert(part)
        for run in range(3):
            told = [torch.cat([getattr(p, name)[run] for p in parts[:n]]) for name in ("f", "g", "failed")]
            front = keeping.front(run)
            assert sorted(map(tuple, front.f.tolist())) == sorted(best_of(*told))
            every = [torch.cat([p.x[run] for p in parts[:n]]), told[0]]
            where = [int((every[0] == x).all(-1).nonzero()) for x in front.x]
            assert torch.equal(every[1][where], front.f)  # x and f belong together


def test_an_archive_counts_its_merges_and_looks_are_none():
    keeping = archive(3, 40, 17)
    for seed, merges in ((0, 0), (1, 1), (2, 1), (3, 2), (4, 2)):
        keeping = keeping.insert(points(seed, 3, 9))
        keeping.front(2)
        assert keeping.merges == merges and keeping.is_merged == (seed % 2 == 1)
    part, other = keeping.take(torch.tensor([2, 0])), archive(3, 40, 17).restored(plain(keeping.state()))
    for same in (part, other):
        assert same.merges == 2 and not same.is_merged
        more = same.insert(points(5, len(same.padded()[1]), 8))
        assert more.merges == 3 and more.is_merged and same.merges == 2 and not same.is_merged
    eager, waiting = archive(1, 40, 1), archive(1, 40)
    for seed in range(4):
        eager, waiting = eager.insert(points(seed, 1, 2)), waiting.insert(points(seed, 1, 13))
    assert eager.merges == 4 and waiting.merges == 1


def test_a_full_archive_keeps_the_ends_of_the_front():
    keeping = archive(2, 30)
    x = torch.rand(2, 400, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    f = torch.stack((x[..., 0], 2 - 3 * x[..., 0]), -1)  # nobody dominates anybody
    for k in range(0, 400, 50):
        part = slice(k, k + 50)
        keeping = keeping.insert(moopt.Points(x[:, part], f[:, part], x[:, part, :1] - 1, torch.zeros(2, 50).bool()))
    for run in (0, 1):
        front = keeping.front(run)
        assert len(front) == 30 and torch.equal(front.f[:, 0], front.x[:, 0])
        assert torch.equal(front.f.amin(0), f[run].amin(0)) and torch.equal(front.f.amax(0), f[run].amax(0))


@pytest.mark.parametrize("m", [2, 3, 6])
def test_a_batch_of_fronts_is_scored_as_each_of_them(m):
    problem = Bowls(n_obj=m, n_real=m, constrained=True)
    batch = points(7, 4, 30, m)
    batch = moopt.Points(batch.x, batch.f / 10, batch.g, batch.failed)
    counts = batch.feasible & (torch.arange(30) < torch.tensor([[30], [4], [19], [0]]))
    scorer = Scorer(problem)
    values = scorer.hypervolume(batch.f, counts)
    fronts = [moopt.Points(batch.x[i], batch.f[i], batch.g[i], batch.failed[i]).select(counts[i]) for i in range(4)]
    assert torch.allclose(values, scorer("hypervolume", fronts), rtol=1e-14, atol=0)
    exact = torch.stack([hypervolume(front.f, [1.1] * m) for front in fronts])
    assert torch.allclose(values, exact, rtol=1e-14 if m < 5 else 5e-3, atol=0)
    assert values[3] == 0 < values[1] < values[0] and scorer.convention.endswith("approximate") == (m > 4)
    rough = scorer.hypervolume(batch.f, counts, 2**12)
    assert torch.allclose(rough, exact, rtol=1e-14 if m < 5 else 0.03, atol=0)


def test_raw_hypervolume_starts_where_the_first_points_end():
    class Raw(Bowls):
        ideal = nadir = None

    scorer = Scorer(Raw())
    f = torch.tensor([[[1.0, 6.0], [3.0, 2.0]]], dtype=torch.float64)
    assert scorer.convention.startswith("none yet") and scorer.hypervolume(f, torch.ones(1, 2).bool()).tolist() == [0.0]
    scorer.reference_point = torch.tensor([4.0, 7.0], dtype=torch.float64)
    # 3 * 1 and 1 * 4 more
    assert scorer.hypervolume(f, torch.ones(1, 2).bool()).tolist() == [7.0]
    assert scorer.hypervolume(f, torch.tensor([[True, False]])).tolist() == [3.0]
    assert scorer.convention == "not scaled, reference [4.0, 7.0] (minimised)"


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


@pytest.fixture
def archived(monkeypatch):
    """Lets archives of `capacity` points merge whenever so many came in."""
    return lambda capacity: monkeypatch.setattr("moopt.run.archives.pareto.ARCHIVE_CAPACITY", capacity)


def test_a_row_is_written_when_the_archive_is_merged():
    seen = {}

    def watch(snapshot):
        points, valid = snapshot.group.archive.padded()
        seen[snapshot.step] = [
            float(hypervolume(f[kept], [1.1, 1.1]))
            for f, kept in zip(points.f, valid & points.feasible, strict=True)
        ]
        seen[snapshot.step, "feasible"] = snapshot.evaluated.feasible.double().mean(-1).tolist()

    constrained = Bowls(constrained=True)
    # the ninth generation makes a thousand points and more, eighteen make two thousand
    result = solve(constrained, Generations(20), moopt.algorithm("nsga2", pop_size=112), monitors=[watch], runs=2)
    for run, part in enumerate(result.runs):
        table = part.history
        assert table["generations"].tolist() == [9, 18, 20]
        assert table["evaluations"].tolist() == [1008, 2016, 2240]
        assert table["hypervolume"].tolist() == pytest.approx([seen[g][run] for g in (9, 18, 20)], rel=1e-14)
        assert table["feasible"].tolist() == [seen[g, "feasible"][run] for g in (9, 18, 20)]
        assert 0 < table["feasible"].iloc[0] < 1 and table["hypervolume"].is_monotonic_increasing


def test_trials_merge_whenever_they_are_told():
    random = moopt.algorithm("random", pop_size=7)
    for algorithm, steps in ((random, 30), (moopt.algorithm("nsga2", pop_size=10), 3)):
        table = solve(PARTLY, 30, algorithm).history
        assert table["generations"].tolist() == list(range(1, steps + 1))
        assert table["evaluations"].tolist() == [30 // steps * step for step in range(1, steps + 1)]
    told = {"x": torch.tensor([[-1.0, 0.5], [0.0, 0.25]], dtype=torch.float64)}
    known = moopt.Points(told["x"], torch.tensor([[1.5, 8.5], [0.25, 3.75]]).double(), -torch.ones(2, 1).double(),
                             torch.zeros(2).bool())  # fmt: skip
    assert solve(PARTLY, 5, random, initial=known).history["generations"].tolist() == [1, 2, 3, 4, 5]


def test_a_row_costs_no_second_merge(monkeypatch):
    merged = []
    monkeypatch.setattr(pareto, "keepers", lambda *given: merged.append(len(merged)) or keepers(*given))
    result = solve(Bowls(), Generations(23), moopt.algorithm("nsga2", pop_size=100), runs=3)
    assert result.runs[0].history["generations"].tolist() == [10, 20, 23]
    assert merged == [0, 1, 2]  # and what the result shows


# the archive is merged at every third generation
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 24, 26, 27, 48, 49, 51, 52, 150, 393])
def test_thinning_keeps_even_merges_and_the_last_step(steps, archived):
    archived(60)
    watching = History(capacity=8)
    solve(budget=Generations(steps), monitors=[watching], runs=2)
    interval = 2 ** max(0, math.ceil(math.log2(max(1, steps // 3) / 8)))
    kept = list(range(3 * interval, steps + 1, 3 * interval))
    assert len(kept) <= 8 and watching.rows.interval == interval
    for run in (0, 1):
        table = watching.to_dataframe(run)
        assert table["generations"].tolist() == sorted({*kept, steps})
        assert table["evaluations"].tolist() == [20 * step for step in table["generations"]]
        assert (table["run"] == run).all() and table[["hypervolume", "feasible", "failed"]].notna().all(axis=None)


def test_least_violating_points_have_no_hypervolume(archived):
    class Hopeless(Bowls):
        n_con, nadir = 1, torch.full((2,), 20.0, dtype=torch.float64)

        def _evaluate(self, x):
            f, _ = super()._evaluate(x)
            return f, torch.full_like(f[..., :1], 0.5)

    archived(20)
    seen = []

    def watch(snapshot):
        seen.append((float(snapshot.indicator()), bool((snapshot.front().f < 22.0).all(-1).any())))

    table = solve(Hopeless(), Generations(9), monitors=[watch]).history
    assert table["hypervolume"].tolist() == [0.0] * 9 == [value for value, _ in seen]
    assert table["feasible"].tolist() == [0.0] * 9
    assert all(inside for _, inside in seen)  # their points would have some


def test_a_run_that_ends_early_keeps_its_last_step():
    goal = Reached("hypervolume", 0.6) | Generations(60)
    watching, shares = History(capacity=4), {}

    def watch(snapshot):
        shares.update({(run, snapshot.step): share for run, share in zip(
            snapshot.runs.tolist(), snapshot.evaluated.feasible.double().mean(-1).tolist(), strict=True)})

    result = solve(Bowls(constrained=True), goal, runs=4, seed=11, monitors=[watching, watch])
    steps = [part.spent["generations"] for part in result.runs]
    assert len(set(steps)) > 1
    for run, part in enumerate(result.runs):
        for table in (part.history, watching.to_dataframe(run)):
            last = table.iloc[-1]
            assert last["generations"] == part.spent["generations"] == steps[run]
            assert last["hypervolume"] == pytest.approx(part.hypervolume, rel=1e-12)
            assert last["feasible"] == shares[run, steps[run]] and last["failed"] == 0.0


def test_the_last_step_of_a_noisy_run_is_not_what_measuring_made_of_it():
    class Noisy(Bowls):
        stochastic = True

        def _evaluate(self, x, draw):
            return super()._evaluate(x + 0.2 * (draw.rng.uniform(*x.shape[1:]) - 0.5))

    seen = []
    result = solve(Noisy(), Generations(3), monitors=[lambda s: seen.append(float(s.indicator()))])
    last = result.history.iloc[-1]
    assert last["evaluations"] == 60 < result.spent["evaluations"]
    assert last["hypervolume"] == seen[-1] != result.hypervolume


def test_the_table_survives_a_resume(tmp_path, archived):
    archived(20)
    whole, first, second = History(capacity=8), History(capacity=8), History(capacity=8)
    expected = solve(budget=Generations(60), monitors=[whole], runs=3)
    solve(budget=Generations(23), monitors=[first], runs=3, out=tmp_path / "run")
    assert first.to_dataframe(0)["generations"].tolist() == [4, 8, 12, 16, 20, 23]
    resumed = moopt.resume(tmp_path / "run", budget=Generations(60), monitors=[second], progress=False)
    assert without_seconds(second.to_dataframe()).equals(without_seconds(whole.to_dataframe()))
    assert without_seconds(resumed.history).equals(without_seconds(expected.history))
    assert second.to_dataframe()["seconds"].is_monotonic_increasing is False  # three runs, one below the other
    assert second.to_dataframe(2)["seconds"].is_monotonic_increasing


def test_runs_that_had_ended_before_an_interruption_keep_their_last_step(tmp_path, archived):
    archived(60)
    goal = Reached("hypervolume", 0.6) | Generations(40)
    problem, seen = Bowls(constrained=True), []

    def interrupt(snapshot):
        seen.append(len(snapshot.runs))
        if seen[-1] < seen[0] and snapshot.step % 3 == 2:  # points wait
            raise KeyboardInterrupt

    expected = solve(problem, goal, runs=4, seed=11)
    part = solve(problem, goal, runs=4, seed=11, monitors=[interrupt], out=tmp_path / "run")
    assert part.status is moopt.Status.INTERRUPTED and 0 < seen[-1] < 4
    resumed = moopt.resume(tmp_path / "run", progress=False)
    assert without_seconds(resumed.history).equals(without_seconds(expected.history))
    assert resumed.history[["hypervolume", "feasible", "failed"]].notna().all(axis=None)


def test_resuming_a_finished_run_changes_nothing(tmp_path, archived):
    archived(40)
    finished = solve(budget=Generations(601), out=tmp_path / "run")
    again = moopt.resume(tmp_path / "run", progress=False)
    # 300 merges are too many for 256 rows, and the last step is none of them
    assert finished.history["generations"].tolist() == [*range(4, 601, 4), 601]
    assert again.history.equals(finished.history)
    loaded = moopt.Result.load(tmp_path / "run")
    assert loaded.history.equals(finished.history)
    text = (tmp_path / "run" / "history.csv").read_text().splitlines()
    assert text[0] == "run,generations,evaluations,seconds,hypervolume,feasible,failed,failures" and len(text) == 152


def test_the_parts_of_a_loaded_result_have_their_own_history(tmp_path, archived):
    archived(20)
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
    assert other.to_dataframe().equals(watching.to_dataframe()) and other.rows.interval == 4
    assert len(other.to_dataframe()) == 6  # every fourth of 21 trials told together, and the last


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
        if len(run.progress.rows.to_dataframe()) == 1:
            early = run.result()
    assert early.history["evaluations"].tolist() == [4]
    assert run.result().history["evaluations"].tolist() == [4, 8]


class Unseen(PolicyGradient):
    """Nobody looks at it."""

    def looks_every(self, problem):
        return None


def test_a_learner_that_nobody_looks_at_has_estimates_only():
    result = moopt.minimize("exactalignment", Unseen(), Generations(3), progress=False)
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
        "scorer": SimpleNamespace(convention="scaled by ideal and nadir, reference 1.1, approximate"),
        "evaluated": SimpleNamespace(feasible=feasible), "indicator": indicator,
    }  # fmt: skip
    facts = {**facts, **changes}
    return SimpleNamespace(is_judged=facts["evaluated"] is not None, **facts)


def ended(**changes):
    facts = {
        "problem": SimpleNamespace(name="beam"), "algorithm": "nsga2", "status": moopt.Status.FINISHED, "failures": 0,
        "hypervolume": 0.875, "convention": "not scaled, reference [1.5, 2.0] (minimised)", "seconds": 3725.0,
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


def test_updates_take_at_most_a_hundredth_of_the_time():
    clock, stream = Clock(), Terminal()
    line = ProgressLine(stream, clock)
    line.on_start(snapshot(clock))
    begin, spent, times = clock.now, [], []
    steps = {cost: snapshot(clock, cost) for cost in (0.02, 0.004, 0.0001)}
    for _ in range(200_000):
        clock.now += 0.0005
        cost, before = list(steps)[len(spent) % 3], clock.now
        line.on_step(steps[cost])
        if clock.now > before:
            spent.append(cost)
            times.append(before)
    assert len(spent) > 100
    # the first one loads code and is not counted
    assert sum(spent[1:]) <= (clock.now - begin) / 100
    rests = [b - a - cost for a, b, cost in zip(times[1:], times[2:], spent[1:], strict=False)]
    assert all(rest >= max(0.1, 100 * cost) - 1e-9 for rest, cost in zip(rests, spent[1:], strict=False))
    assert all(rest <= max(0.1, 100 * cost) + 0.0005 + 1e-9 for rest, cost in zip(rests, spent[1:], strict=False))


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
    raw = SimpleNamespace(convention="not scaled, reference [1.0, 2.0] (minimised)")
    beam = SimpleNamespace(name="beam", n_con=0)
    line.on_start(snapshot(**several, evaluated=None))
    clock.now += 1
    line.on_step(snapshot(**several, scorer=raw, problem=beam))
    convention = "none yet: no feasible point to infer a reference point from"
    line.on_end(ended(status=moopt.Status.INTERRUPTED, convention=convention))
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
    result = moopt.minimize(Bowls(), "nsga2", 300, progress=True)
    captured, value = capsys.readouterr(), f"HV {result.hypervolume:.4g} scaled, "
    assert captured.out == "" and captured.err.startswith(f"bowls nsga2: finished, 300/300 evaluations, {value}")


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
