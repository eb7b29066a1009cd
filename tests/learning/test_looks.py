"""Looks at learners on their way: what they show, what they cost, and that they leave nothing behind."""

from dataclasses import dataclass, replace

import pytest
import torch

import moopt
from moopt import EnvSteps, Generations, Reached, Stalled, Tokens
from moopt.algorithms.alignment.policygradient import PolicyGradient
from moopt.algorithms.reinforcement.qlearners import QLearners
from moopt.core.random import Rng
from moopt.run.group import LOOK
from moopt.run.scorer import Scorer

SEA = moopt.problem("deepseatreasure", discount=0.99)
LEARNERS = QLearners(pop_size=12, n_steps=100, decay=3000)


def learn(budget, algorithm=LEARNERS, problem=SEA, **options):
    return moopt.minimize(problem, algorithm, budget, progress=False, **options)


@dataclass(frozen=True, kw_only=True)
class Unseen(QLearners):
    def looks_every(self, problem):
        return None


def test_a_look_is_what_one_would_have_had():
    """Rows of the first, the eleventh, ... step and of the end: hypervolume and cost of a run that stops there."""
    assert LEARNERS.looks_every(SEA) == 20 * 50 // 100 == 10
    table = learn(Generations(24), seed=3).history
    assert table["generations"].tolist() == [1, 11, 21, 24]
    looked = 0
    for row in table.itertuples():
        stopped = learn(Generations(row.generations), seed=3)
        assert row.hypervolume == pytest.approx(stopped.hypervolume, rel=1e-12)  # this world has no chance
        assert row.env_steps == 1200 * row.generations
        looked += int(SEA.evaluate(stopped.population.x).cost.sum())
        assert row.looked_env_steps == looked and row.feasible == 1 and row.failed == 0
    assert table["hypervolume"].nunique() > 2


def test_looks_at_a_policy_cost_a_twentieth_of_what_it_learns_from():
    problem, algorithm = moopt.problem("exactalignment"), moopt.algorithm("policygradient", pop_size=3, group_size=64)
    assert algorithm.looks_every(problem) == 20 * 4 * problem.samples // 64
    state = algorithm.init(problem, Rng(5))
    _, learned = algorithm.step(problem, state, moopt.Turn(Rng(6)))
    _, looked = algorithm.measure(problem, state, Rng(7))
    share = int(looked["tokens"]) / (algorithm.looks_every(problem) * int(learned["tokens"]))
    assert share == pytest.approx(0.05, rel=0.1)


def test_what_looks_spend_counts_against_no_budget():
    with_looks, without = (learn(EnvSteps(26_000), algorithm) for algorithm in (LEARNERS, Unseen(**vars(LEARNERS))))
    assert with_looks.spent["generations"] == without.spent["generations"] == 22
    looked = with_looks.history["looked_env_steps"].tolist()
    last = looked[-1] - looked[-2]  # at the end everybody is measured
    assert without.spent["env_steps"] == 22 * 1200 + last
    assert with_looks.spent["env_steps"] == 22 * 1200 + looked[-1] and len(looked) == 4
    assert with_looks.spent["evaluations"] == 4 * 12 and without.spent["evaluations"] == 12
    assert without.history["hypervolume"].isna().all() and len(without.history) == 22


@pytest.mark.parametrize("kind", ["qlearners", "policygradient"])
def test_looks_change_no_bit(kind):
    if kind == "qlearners":
        found = [learn(Generations(13), algorithm, runs=2) for algorithm in (LEARNERS, Unseen(**vars(LEARNERS)))]
    else:

        class Often(PolicyGradient):
            def looks_every(self, problem):
                return 2

        class Never(PolicyGradient):
            def looks_every(self, problem):
                return None

        found = [learn(Generations(5), make(pop_size=5), moopt.problem("exactalignment"), runs=2)
                 for make in (Often, Never)]  # fmt: skip
    one, other = found
    assert torch.equal(one.population.x, other.population.x) and torch.equal(one.front.f, other.front.f)
    assert torch.equal(one.population.f, other.population.f)


def test_looks_are_on_fresh_draws():
    """Each with the numbers of its own step, which neither learning nor the measure at the end uses."""

    @dataclass(frozen=True, kw_only=True)
    class Twice(PolicyGradient):
        def looks_every(self, problem):
            return 2

    problem, algorithm = moopt.problem("exactalignment"), Twice(pop_size=5)
    table = learn(Generations(5), algorithm, problem, seed=7).history
    assert table["generations"].tolist() == [1, 3, 5] and "looked_tokens" in table
    run = moopt.Run(problem, algorithm, Generations(3), seed=7, progress=False)
    run.run()
    state, scorer = run.progress.groups[0].state, Scorer(problem)
    looked, _ = algorithm.measure(problem, state, Rng([7]).fold(LOOK, 2))
    ended, _ = algorithm.measure(problem, state, Rng([7]).fold(2))
    assert table["hypervolume"][1] == pytest.approx(float(scorer.hypervolume(looked.f, looked.feasible)), rel=1e-12)
    assert not torch.equal(looked.f, ended.f)


def test_goals_end_learners():
    """At the first look that is good enough: those of the history say which."""
    budget = Generations(120)
    table = learn(budget, seed=2).history
    goal = float(table["hypervolume"].sort_values().iloc[len(table) // 2])
    first = int(table[table["hypervolume"] >= goal]["generations"].iloc[0])
    reached = learn(Reached("hypervolume", goal) | budget, seed=2)
    assert reached.spent["generations"] == first and reached.hypervolume >= goal
    values, steps, best, since = table["hypervolume"].tolist(), table["generations"].tolist(), 0.0, 0
    for value, step in zip(values, steps, strict=True):
        if step > since + 25:
            break
        best, since = (value, step) if value > best * 1.001 else (best, since)
    stalled = learn(Stalled(25) | budget, seed=2)
    assert stalled.spent["generations"] == min(since + 25, 120)
    with pytest.raises(ValueError, match=r"QLearners is looked at every 10 steps: expected Stalled of 10 generations"):
        learn(Stalled(9))
    with pytest.raises(ValueError, match="QLearners on deepseatreasure spends"):
        learn(Tokens(9))


def test_runs_in_a_batch_are_looked_at_as_alone():
    table = learn(Generations(60), runs=3, seed=4).history

    def ends(goal):
        """When each run reaches it."""
        return [rows[rows["hypervolume"] >= goal]["generations"].min() for _, rows in table.groupby("run")]

    goal = next(goal for goal in sorted(table["hypervolume"]) if len(set(ends(goal))) > 1)
    budget = Reached("hypervolume", goal) | Generations(60)
    together = learn(budget, runs=3, seed=4)
    for i, part in enumerate(together.runs):
        alone = learn(budget, seed=4 + i)
        assert alone.spent == part.spent and torch.equal(alone.front.f, part.front.f)
        ours, theirs = (r.history.drop(columns=["seconds", "run"]) for r in (part, alone))
        assert ours.equals(theirs)
    assert len({part.spent["generations"] for part in together.runs}) > 1


def test_a_resumed_learner_has_the_same_curve(tmp_path):
    expected = learn(Generations(35), runs=2, seed=5)
    steps = []

    def cut(snapshot):
        steps.append(snapshot.step)
        if len(steps) == 14:
            raise KeyboardInterrupt

    learn(Generations(35), runs=2, seed=5, monitors=[cut], out=tmp_path / "run")
    rest = moopt.resume(tmp_path / "run", progress=False)
    assert rest.spent == expected.spent and torch.equal(rest.front.f, expected.front.f)
    assert rest.history.drop(columns="seconds").equals(expected.history.drop(columns="seconds"))


def test_monitors_see_what_the_last_look_saw():
    seen = []

    def watch(snapshot):
        seen.append((snapshot.step, snapshot.evaluated is not None, snapshot.is_judged, float(snapshot.indicator())))

    result = learn(Generations(12), replace(LEARNERS, n_steps=200), monitors=[watch])
    assert [row[:3] for row in seen] == [(s, s in (1, 6, 11), True) for s in range(1, 13)]
    looks = dict(zip(result.history["generations"], result.history["hypervolume"], strict=True))
    assert all(value == pytest.approx(looks[5 * ((s - 1) // 5) + 1]) for s, _, _, value in seen)
