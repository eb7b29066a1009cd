"""Environments of MO-Gymnasium as trials: what a policy earns, what that costs, and where it is found out."""

import importlib.util
import json
import math
import os
import pickle
import random
import sys

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import moopt
from moopt import EnvSteps, Evaluations, Generations, Rng, Status
from moopt.bridges import run_contender
from moopt.catalogue.describe import describe, rebuild
from moopt.cli import app
from moopt.run.group import MEASURE

mo_gymnasium = pytest.importorskip("mo_gymnasium")
gymnasium = pytest.importorskip("gymnasium")
pytest.importorskip("mujoco")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:gymnasium")  # of the plain loops' environments

CHEETAH = {"env": "mo-halfcheetah-v5", "horizon": 12, "hidden": (4,)}
OWN = '''
import gymnasium
import numpy as np


class Walk(gymnasium.Env):
    """Ends after as many steps as the first observation says; pays what the policy does, and what luck adds.

    `raises`: the step that breaks; `cut`: ends are truncations.
    """

    observation_space = gymnasium.spaces.Box(-9, 9, (2, 1))
    action_space = gymnasium.spaces.Box(np.array([[-1.0, 2.0]]), np.array([[3.0, 2.5]]), dtype=np.float64)
    reward_space = gymnasium.spaces.Box(-9, 9, (3,))

    def __init__(self, raises=None, cut=False, observation_space=None, action_space=None, reward_space=None):
        self.raises, self.cut, self.left = raises, cut, 0
        for name in ("observation_space", "action_space", "reward_space"):
            if locals()[name] is not None:
                setattr(self, name, locals()[name])
        print("made")

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = self.lasts = int(self.np_random.integers(3, 9))
        return np.array([[self.left], [0.5]]), {}

    def step(self, action):
        if self.left <= 0:
            raise RuntimeError("stepped on after the end")
        self.left -= 1
        if self.raises is not None and self.lasts - self.left == self.raises:
            raise RuntimeError("the leg fell off")
        print("a step")
        reward = [float(action[0, 0]), float(action[0, 1]), np.random.random() + self.np_random.random()]
        over = self.left == 0
        return np.array([[self.left], [0.5]]), reward, over and not self.cut, over and self.cut, {}


gymnasium.register("moopt-test/Walk-v0", Walk, max_episode_steps=100)
gymnasium.register("moopt-test/Endless-v0", Walk)
'''


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """The plain loops' MuJoCo writes a log where it is."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    """The name of an environment of our own, which worker processes find, too."""
    folder = tmp_path_factory.mktemp("environments")
    (folder / "walking.py").write_text(OWN)
    sys.path.append(str(folder))
    yield "walking:moopt-test/Walk-v0"
    sys.path.remove(str(folder))
    for name in [name for name in gymnasium.registry if name.startswith("moopt-test/")]:
        del gymnasium.registry[name]
    sys.modules.pop("walking", None)


def problem(env, **options):
    return moopt.problem("mogymnasium", env=env, **options)


def solve(what, budget, algorithm=None, **options):
    return moopt.minimize(what, algorithm or moopt.algorithm("nsga2", pop_size=4), budget, progress=False, **options)


def points(what, n, seed=0, width=1.0):
    return (width * (2 * Rng(seed).uniform(n, what.n_var)[0] - 1)).tolist()


def digest(result):
    kept = [getattr(p, k) for p in (result.population, result.front) for k in ("x", "f")]
    told = [(t.x, t.seed, t.f, t.cost, t.error) for t in result.trials]
    return [t.tolist() for t in kept], dict(result.spent), told


# returns


def plain_policy(x, sizes, observation):
    """Outputs of the network, number by number."""
    signal, at = [float(v) for v in np.asarray(observation).flatten()], 0
    for depth, (a, b) in enumerate(zip(sizes, sizes[1:], strict=False)):
        outputs = []
        for j in range(b):
            total = signal[0] * x[at + j]
            for i in range(1, a):
                total += signal[i] * x[at + i * b + j]
            outputs.append(total + x[at + a * b + j])
        at += (a + 1) * b
        signal = outputs if depth == len(sizes) - 2 else [float(v) for v in np.tanh(np.array(outputs))]
    assert at == len(x)
    return signal


def plain_returns(x, seed, env, sizes, horizon, episodes, discount):
    """The same returns, by a loop over an environment of its own; and its steps."""
    python, numpy, returns, lived = random.getstate(), np.random.get_state(), [], 0
    world = mo_gymnasium.make(env)
    for start in np.random.SeedSequence(seed).generate_state(episodes):
        random.seed(int(start))
        np.random.seed(start)
        observation, _ = world.reset(seed=int(start))
        sums = [0.0] * world.unwrapped.reward_space.shape[0]
        for t in range(horizon):
            output = plain_policy(x, sizes, observation)
            if isinstance(world.action_space, gymnasium.spaces.Discrete):
                action = max(range(len(output)), key=lambda i: output[i])
            else:
                action = np.tanh(np.array(output)).astype(np.float32)  # bounds are -1 and 1
            observation, reward, terminated, truncated, _ = world.step(action)
            gain = math.prod([discount] * t)
            sums = [s + gain * float(r) for s, r in zip(sums, reward, strict=True)]
            lived += 1
            if terminated or truncated:
                break
        returns.append(sums)
    random.setstate(python)
    np.random.set_state(numpy)
    return [sum(column) / episodes for column in zip(*returns, strict=True)], lived


@pytest.mark.parametrize(
    "env, sizes, horizon, episodes, discount",
    [
        ("mo-halfcheetah-v5", (17, 5, 3, 6), 40, 2, 0.9),
        ("mo-hopper-v5", (11, 3), 60, 3, 1.0),
        ("deep-sea-treasure-v0", (2, 4, 4), 30, 2, 0.99),
        ("minecart-v0", (7, 3, 6), 50, 2, 0.98),
        ("fruit-tree-v0", (2, 3, 2), 9, 2, 0.9),
    ],
)
def test_returns_are_those_of_a_plain_loop(env, sizes, horizon, episodes, discount):
    options = {"hidden": sizes[1:-1], "horizon": horizon, "episodes": episodes, "discount": discount}
    searched = problem(env, **options)
    assert searched.n_var == sum((a + 1) * b for a, b in zip(sizes, sizes[1:], strict=False))
    found = set()
    for seed, x in enumerate(points(searched, 12, width=2.0)):
        returns, lived = plain_returns(x, seed, env, sizes, horizon, episodes, discount)
        f, g, cost = searched.trial(x, {}, seed)
        assert ([-v for v in f], g, cost) == (returns, [], lived)
        found.add(tuple(f))
    assert len(found) > 1
    x = torch.tensor(points(searched, 3), dtype=torch.float64)
    rng = Rng([5, 6])
    together = searched.evaluate(x.expand(2, 3, -1), rng)
    for i in range(2):
        alone = [searched.trial(row, {}, rng.take(i).seed()) for row in x.tolist()]
        assert together.f[i].tolist() == [f for f, _, _ in alone]
        assert together.cost[i].tolist() == [cost for _, _, cost in alone]


def test_objectives_are_maximised_and_named(walk):
    searched = problem(walk, hidden=())
    assert searched.objective_labels == ["reward1", "reward2", "reward3"] and searched.signs == (-1, -1, -1)
    assert searched.n_var == (2 + 1) * 2
    x = [0.0] * 4 + [-9.0, 9.0]  # the bias decides, and tanh leads to the bounds: -1 of [-1, 3] and 2.5 of [2, 2.5]
    f, _, steps = searched.trial(x, {}, 1)
    assert 3 <= steps <= 8 and f[0] == pytest.approx(steps, abs=1e-5) and f[1] == pytest.approx(-2.5 * steps, abs=1e-5)


def test_the_end_is_final_and_cost_is_what_was_lived(walk):
    for cut in (False, True):
        searched = problem(walk, env_options={"cut": cut}, episodes=7)
        x = points(searched, 1)[0]
        starts = np.random.SeedSequence(3).generate_state(7)
        lengths = [int(np.random.default_rng(start).integers(3, 9)) for start in starts]  # as Walk draws them
        assert searched.trial(x, {}, 3)[2] == sum(lengths) and len(set(lengths)) > 1
        short = problem(walk, env_options={"cut": cut}, episodes=7, horizon=5)
        assert short.trial(x, {}, 3)[2] == sum(min(5, n) for n in lengths)


# what an environment may not do


def test_nothing_is_printed_logged_or_drawn(walk, tmp_path, monkeypatch, capfd, recwarn):
    monkeypatch.delenv("SDL_VIDEODRIVER", raising=False)
    environment = dict(os.environ)
    random.seed(1), np.random.seed(1)
    before = random.getstate(), repr(np.random.get_state(legacy=False))
    for env in ("mo-halfcheetah-v5", "mo-hopper-v4", "minecart-v0", walk):
        searched = problem(env, horizon=10)
        first, again, other = (searched.trial(points(searched, 1)[0], {}, seed) for seed in (1, 1, 2))
        assert first == again and (first != other or env == "minecart-v0")
    assert (random.getstate(), repr(np.random.get_state(legacy=False))) == before and dict(os.environ) == environment
    assert capfd.readouterr() == ("", "") and not recwarn.list and not os.listdir(tmp_path)


def test_the_environment_stays_where_it_was_made(walk):
    searched = problem(walk)
    searched.trial(points(searched, 1)[0], {}, 1)
    data = pickle.dumps(searched)
    assert b"Walk" not in data.replace(walk.encode(), b"") and "_environment" not in vars(pickle.loads(data))
    assert pickle.loads(data) == searched == rebuild(describe(searched))


def test_an_environment_that_raises_makes_a_failed_trial(walk):
    whole, broken = problem(walk), problem(walk, env_options={"raises": 6})
    result = solve(broken, 12)
    failed = [t for t in result.trials if t.status == "failed"]
    assert 0 < len(failed) < 12 and {t.error for t in failed} == {"RuntimeError: the leg fell off"}
    for trial in result.trials:  # those after a failure are not the worse for it
        if trial.status == "finished":
            assert (trial.f, [], trial.cost) == whole.trial(*trial.payload)
    assert result.failures == len(failed)


def test_a_budget_in_steps_ends_where_everything_fails(walk):
    result = solve(problem(walk, env_options={"raises": 1}), EnvSteps(10))
    assert result.status is Status.FAILED and result.spent == {"env_steps": 12, "evaluations": 12, "generations": 3}


# the loop


@pytest.fixture(scope="module")
def inline():
    """A small search in this process."""
    return solve(moopt.problem("mogymnasium", **CHEETAH), 12, seed=3)


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_no_bit(inline, workers, monkeypatch):
    searched = moopt.problem("mogymnasium", **CHEETAH)
    monkeypatch.setattr(type(searched), "_returns", None)  # everything happens elsewhere, measuring the front as well
    assert digest(solve(searched, 12, seed=3, executor=f"processes:{workers}")) == digest(inline)


def test_a_generation_meets_the_same_episodes_and_the_next_one_others(inline):
    seeds = [[t.seed for t in inline.trials[k : k + 4]] for k in (0, 4, 8)]
    assert all(len(set(generation)) == 1 for generation in seeds) and len({s[0] for s in seeds}) == 3
    other = solve(moopt.problem("mogymnasium", **CHEETAH), 12, seed=4)
    assert not {t.seed for t in inline.trials} & {t.seed for t in other.trials}
    searched, x = inline.problem, inline.trials[0].x
    returns = {tuple(searched.trial(x, {}, generation[0])[0]) for generation in seeds}
    assert len(returns) == 3 and tuple(inline.trials[0].f) in returns


def test_the_front_is_measured_again_on_other_episodes(inline):
    searched, front = inline.problem, inline.front
    seed = Rng(3).fold(MEASURE).seed()
    assert seed not in {t.seed for t in inline.trials}
    assert front.f.tolist() == [searched.trial(x, {}, seed)[0] for x in front.x.tolist()]
    looked = inline.spent["evaluations"] - 12
    assert looked >= len(front) and inline.spent["env_steps"] == 12 * (12 + looked)


def test_a_run_in_a_batch_is_the_run_alone(walk):
    """Their episodes last differently long, so their budgets end at different times."""
    searched = problem(walk)
    batch = solve(searched, EnvSteps(60), seed=7, runs=3)
    alone = [solve(searched, EnvSteps(60), seed=7 + i) for i in range(3)]
    for one, part in zip(alone, batch.runs, strict=True):
        assert [(t.x, t.seed, t.f, t.cost) for t in part.trials] == [(t.x, t.seed, t.f, t.cost) for t in one.trials]
        assert part.spent == one.spent and torch.equal(part.front.f, one.front.f)
    assert len({part.spent["env_steps"] for part in batch.runs}) > 1


@pytest.mark.parametrize("algorithm", ["nsga2", "random"])
def test_a_budget_in_steps_ends_as_soon_as_it_is_spent(walk, algorithm):
    searched = problem(walk)
    result = solve(searched, EnvSteps(100), moopt.algorithm(algorithm, pop_size=4), seed=1)
    size = 4 if algorithm == "nsga2" else 1
    costs = [sum(t.cost for t in result.trials[k : k + size]) for k in range(0, len(result.trials), size)]
    assert sum(costs[:-1]) < 100 <= sum(costs) and all(t.cost >= 3 for t in result.trials)
    looked = sum(searched.trial(x, {}, Rng(1).fold(MEASURE).seed())[2] for x in result.front.x.tolist())
    assert result.spent["env_steps"] >= sum(costs) + looked
    both = solve(searched, EnvSteps(10_000) | Evaluations(7), moopt.algorithm(algorithm, pop_size=4), seed=1)
    assert len(both.trials) == 7


class Stopped(moopt.Monitor):
    """Ctrl-C in the middle of a generation."""

    def __init__(self, at):
        self.at = at

    def __call__(self, outcome_of):
        def trial(this, x, values, seed=None):
            self.at -= 1
            if self.at < 0:
                raise KeyboardInterrupt
            return outcome_of(this, x, values, seed)

        return trial


@pytest.mark.parametrize("at", [0, 3, 4, 6, 11])
def test_interrupted_and_resumed_is_uninterrupted(inline, tmp_path, monkeypatch, at):
    made = type(inline.problem)
    with monkeypatch.context() as patch:
        patch.setattr(made, "trial", Stopped(at)(made.trial))
        part = solve(moopt.problem("mogymnasium", **CHEETAH), 12, seed=3, out=tmp_path / "run")
    assert part.status is Status.INTERRUPTED and len([t for t in part.trials if t.status == "finished"]) == at
    events = [json.loads(line) for line in (tmp_path / "run" / "trials.jsonl").read_text().splitlines()][1:]
    open_seeds = {row[3] for event in events if "finished" not in event for row in event["trials"]}
    assert open_seeds == {t.seed for t in part.trials}
    rest = moopt.resume(tmp_path / "run", progress=False)
    assert digest(rest) == digest(inline)


def test_a_journal_alone_brings_back_what_was_spent(walk, tmp_path):
    searched = problem(walk)
    whole = solve(searched, EnvSteps(90), seed=2, out=tmp_path / "run")
    for path in (tmp_path / "run" / "checkpoints").iterdir():
        path.unlink()
    again = moopt.resume(tmp_path / "run", progress=False)
    assert digest(again) == digest(whole) and again.history.env_steps.tolist() == whole.history.env_steps.tolist()
    longer = moopt.resume(tmp_path / "run", budget=EnvSteps(150), progress=False)
    assert digest(longer) == digest(solve(searched, EnvSteps(150), seed=2))


def test_given_points_meet_episodes_of_their_own(walk):
    searched = problem(walk)
    result = solve(searched, 8, seed=5, initial=torch.tensor(points(searched, 2), dtype=torch.float64))
    given, asked = result.trials[:2], result.trials[2:6]
    assert given[0].seed == given[1].seed != asked[0].seed and len({t.seed for t in asked}) == 1


def test_a_loop_of_your_own_reads_the_seed_and_tells_the_cost(walk):
    searched = problem(walk)
    run = moopt.Run(searched, moopt.algorithm("nsga2", pop_size=4), EnvSteps(60), seed=1)
    while asked := run.ask():
        for trial in asked:
            f, _, cost = searched.trial(trial.x, trial.values, trial.seed)
            trial.finish([-v for v in f], cost=cost)
        run.tell(asked)
    assert digest(run.result()) == digest(solve(searched, EnvSteps(60), seed=1))
    with pytest.raises(ValueError, match="cost: expected a whole number of at least 0, got -1"):
        moopt.Run(searched, "random", 2).ask()[0].finish([1, 2, 3], cost=-1)
    plain = moopt.FunctionProblem(None, {"r": moopt.Real(0, 1)}, ["a"])
    with pytest.raises(ValueError, match="cost: expected none, because problem declares no cost_unit, got 3"):
        moopt.Run(plain, "random", 2).ask()[0].finish([1], cost=3)


def test_problems_that_count_are_counted_in_workers_as_well():
    """Any problem with a cost, also one that takes many points at once."""
    result = solve("deepseatreasure", EnvSteps(700), moopt.algorithm("nsga2", pop_size=10), executor="inline")
    costs = [trial.cost for trial in result.trials]
    assert result.spent["env_steps"] == sum(costs) >= 700 > sum(costs[:-10])
    x = torch.tensor([trial.x for trial in result.trials], dtype=torch.float64)
    assert result.problem.evaluate(x).cost.tolist() == costs


def test_a_contender_meets_other_episodes_each_time(walk):
    searched = problem(walk)

    def search(record, budget, seed):
        x = torch.tensor([points(searched, 1)[0]] * 3, dtype=torch.float64)
        record.evaluate(x), record.evaluate(x)

    f = run_contender(search, searched, 6, 1).f
    assert torch.equal(f[0], f[1]) and torch.equal(f[3], f[5]) and not torch.equal(f[0], f[3])


# the command line


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_line_solves_and_resumes(tmp_path):
    options = ["--algorithm", "nsga2", "--set", "pop_size=6", "--set", "hidden=[4]", "--executor", "processes:2"]
    answer = run("solve", "mogymnasium", "--set", "env=mo-hopper-2obj-v5", "--env-steps", 400, *options)
    assert answer.exit_code == 0, answer.output
    folder = tmp_path / "runs" / "mogymnasium-nsga2-0"
    table = moopt.Result.load(folder).to_dataframe()
    assert "env steps" in answer.stdout and list(table)[-2:] == ["reward1", "reward2"]
    assert json.loads((folder / "config.json").read_text())["executor"] == "processes:2"
    assert run("resume", folder, "--env-steps", 700).exit_code == 0
    searched = problem("mo-hopper-2obj-v5", hidden=[4])
    whole = solve(searched, EnvSteps(700), moopt.algorithm("nsga2", pop_size=6))
    resumed = moopt.Result.load(folder)
    assert torch.equal(resumed.front.f, whole.front.f) and resumed.spent == whole.spent
    assert sum(t.cost for t in whole.trials) >= 700 > sum(t.cost for t in whole.trials[:-6])


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mo_gymnasium", None)
    rows = json.loads(run("list", "problems", "--json").stdout)["problems"]
    assert next(row for row in rows if row["name"] == "mogymnasium")["what"] == "needs mo_gymnasium"
    answer = run("solve", "mogymnasium", "--env-steps", 10)
    assert answer.exit_code == 2 and "install moopt[morl]" in answer.stderr and answer.stderr.count("\n") == 1


# what does not fit


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"env": "mo-halfchetah-v5"}, r"got 'mo-halfchetah-v5' \(did you mean 'mo-halfcheetah-v5'\?\)"),
        ({"env": "mo-halfcheetah"}, "env: expected the name of an environment of MO-Gymnasium, got 'mo-halfcheetah'"),
        ({"env": "CartPole-v1"}, r"CartPole-v1: expected rewards that are vectors \(a reward_space\), got None"),
        ({"env": "breakable-bottles-v0"}, r"expected a Box of at most 4096 numbers to observe, got Dict\("),
        ({"env": "minecart-rgb-v0"}, r"expected a Box of at most 4096 numbers to observe, got Box\(0, 255, \(480, 480"),
        ({"env": "water-reservoir-v0"}, r"actions that are Discrete or a bounded Box, got Box\(0.0, inf"),
        ({"env": "fruit-tree-v0"}, "fruit-tree-v0: expected horizon=N, because it sets no limit to its steps"),
        ({"env_options": {"legs": 3}}, "mo-halfcheetah-v5: expected a name and options that make one, got TypeError: "),
        ({"env": 3}, "env: expected the name of an environment, got 3"),
        ({"env_options": [1]}, r"env_options: expected names with values, got \[1\]"),
        ({"hidden": 16}, r"hidden: expected whole numbers such as \[16, 16\], got 16"),
        ({"hidden": [0]}, "hidden: expected a whole number of at least 1, got 0"),
        ({"episodes": 0}, "episodes: expected a whole number of at least 1, got 0"),
        ({"horizon": 2.5}, "horizon: expected a whole number of at least 1, got 2.5"),
        ({"discount": 0}, r"discount: expected a number in \(0, 1\], got 0"),
        ({"bound": 0}, "bound: expected a positive number, got 0"),
    ],
)
def test_bad_options_get_one_sentence(options, sentence):
    with pytest.raises(ValueError, match=sentence) as told:
        moopt.problem("mogymnasium", **options)
    assert "\n" not in str(told.value)


def test_a_package_that_an_environment_needs_is_named():
    if importlib.util.find_spec("gym_super_mario_bros"):
        pytest.skip("the package is there")
    with pytest.raises(ImportError, match="env mo-supermario-v0: No module named") as told:
        problem("mo-supermario-v0")
    assert told.value.name == "gym_super_mario_bros"


def test_units_that_nobody_counts_are_refused():
    plain = moopt.FunctionProblem(lambda r: (r, 1 - r), {"r": moopt.Real(0, 1)}, ["a", "b"])
    with pytest.raises(ValueError, match="spends evaluations, generations, seconds, got one in env_steps"):
        solve(plain, EnvSteps(9))
    assert solve(plain, Generations(2)).spent["generations"] == 2
