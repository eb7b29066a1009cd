"""Environments, policies and the search for them, apart: by closed forms, plain loops and wrong declarations."""

import itertools
from dataclasses import dataclass, replace

import pytest
import torch

import moopt
from moopt import testing
from moopt.algorithms.reinforcement.qlearners import QLearners
from moopt.core import tree
from moopt.core.algorithm import Turn, misfit
from moopt.core.random import Rng
from moopt.learning import (
    MLP,
    Continuous,
    Discrete,
    Environment,
    MLPPolicy,
    Policy,
    PolicySearch,
    TablePolicy,
    Worlds,
    advance,
    check_environment,
    play,
    rollout,
    start,
)  # fmt: skip
from moopt.learning.environment import chosen
from moopt.learning.policysearch import PolicyProblem
from moopt.learning.sequential import TabularProblem
from moopt.problems.decision.deepseatreasure import DeepSeaTreasure

DOUBLE = torch.float64


@dataclass(frozen=True, kw_only=True)
class Rod(Environment):
    """A point mass that is pushed along a line: stay near 0 (max), push little (min). It is over beyond 1.2."""

    discount: float = 0.9

    n_obj = 2
    directions = ("max", "min")
    objective_names = ("nearness", "effort")
    horizon = 12
    actions = Continuous(-1.0, 3.0, 1)
    steps_draw = False

    def reset(self, worlds, rng):
        return {"position": 2 * rng.fold(0).uniform(worlds) - 1, "speed": 0.3 * rng.fold(1).normal(worlds)}

    def observe(self, state):
        return torch.stack((state["position"], state["speed"], state["position"] - state["speed"]), -1)

    def step(self, state, action, rng):
        speed = state["speed"] + 0.2 * action[..., 0]
        position = state["position"] + 0.4 * speed
        reward = torch.stack((-(position**2), action[..., 0] ** 2), -1)
        return {"position": position, "speed": speed}, reward, position.abs() > 1.2


@dataclass(frozen=True, kw_only=True)
class Ladder(Environment):
    """Rungs 0 .. 4; climb (1) or wait (0). Climbing earns 2 and costs the number of the rung; the top may only wait.

    Chance: with `slip` a climber stays where it is and pays all the same.
    """

    slip: float = 0.0
    discount: float = 0.5

    n_obj = 2
    directions = ("max", "min")
    horizon = 6
    actions = Discrete(2)
    n_states = 5
    starts_draw = False

    @property
    def steps_draw(self):
        return self.slip > 0

    def reset(self, worlds, rng):
        return torch.zeros(rng.runs, worlds, dtype=torch.int64)

    def observe(self, state):
        return state

    def action_mask(self, state):
        return torch.stack((torch.ones_like(state, dtype=torch.bool), state < 4), -1)

    def step(self, state, action, rng):
        fits = (action == 0) | (state < 4)
        slips = rng.uniform(state.shape[1]) < self.slip
        reward = torch.stack((2.0 * action, action * state), -1).double()
        reward = torch.where(fits[..., None], reward, torch.nan)  # a forbidden action is never taken
        return state + action * ~slips, reward, torch.zeros_like(fits)


# policies


def test_networks_span_the_range_of_actions():
    policy = MLPPolicy(2, Continuous((-1.0, 0.5), (3.0, 4.5)), hidden=(3,), bound=2.0)
    assert policy.n_parameters == policy.space.n_var == 3 * 3 + 4 * 2 and policy.sizes == (2, 3, 2)
    assert policy.space.low.tolist() == [-2.0] * 17 and policy.space.high.tolist() == [2.0] * 17
    x, seen = policy.space.sample(Rng([3]).uniform(4, 17)), Rng([4]).normal(4, 5, 2)
    raw = MLP((2, 3, 2))(x, seen)
    middle, reach = torch.tensor([1.0, 2.5], dtype=DOUBLE), torch.tensor([2.0, 2.0], dtype=DOUBLE)
    assert torch.equal(policy.act(x, seen), middle + reach * raw) and policy.act(x, seen).shape == (1, 4, 5, 2)
    image = MLPPolicy(6, Continuous(-1, 1, 1))
    x, seen = image.space.sample(Rng([3]).uniform(4, image.n_parameters)), Rng([4]).normal(4, 5, 2, 3)
    assert torch.equal(image.act(x, seen), image.act(x, seen.flatten(-2)))
    assert torch.equal(image.act(x, (10 * seen).long()), image.act(x, (10 * seen).long().double()))


def test_the_greatest_allowed_output_is_the_discrete_action():
    policy = MLPPolicy(1, Discrete(3), hidden=())
    x = torch.tensor([[[0.0, 0.0, 0.0, 0.1, 0.4, 0.3], [0.5, -0.5, 0.0, 0.0, 0.0, 0.1]]], dtype=DOUBLE)
    seen = torch.tensor([[[[1.0], [-1.0]], [[1.0], [-1.0]]]], dtype=DOUBLE)
    assert policy.act(x, seen).tolist() == [[[1, 1], [0, 1]]]
    mask = torch.tensor([[[[True, False, True], [True, True, True]], [[False, True, True], [True, False, False]]]])
    assert policy.act(x, seen, mask).tolist() == [[[2, 1], [2, 0]]]


def test_tables():
    policy = TablePolicy(3, 4)
    actions = torch.tensor([[2, 0, 3], [1, 1, 0]])
    x = policy.encode(actions)[None]
    assert policy.space.contains(x).all() and policy.space.decode(x[0])[0] == {"state0": 2, "state1": 0, "state2": 3}
    seen = torch.tensor([[[2, 0], [1, 2]]])
    assert policy.act(x, seen).tolist() == [[[3, 2], [1, 0]]]
    mask = torch.tensor([[[[0, 1, 1, 0], [0, 0, 1, 1]], [[1, 0, 0, 1], [0, 0, 0, 1]]]]).bool()
    assert policy.act(x, seen, mask).tolist() == [[[1, 2], [0, 3]]]  # where forbidden, the first allowed one
    assert TablePolicy.of(Ladder()) == TablePolicy(5, 2)


# returns


def test_returns_in_closed_form():
    """Climb four rungs, then wait: 2 + 1 + 1/2 + 1/4 and 0 + 1/2 + 2/4 + 3/8; without discount 8 and 0 + 1 + 2 + 3."""
    problem = PolicySearch(Ladder(), TablePolicy.of(Ladder()))
    climber, waiter, halfway = [1, 1, 1, 1, 1], [0, 1, 1, 1, 1], [1, 1, 0, 1, 1]
    x = torch.tensor([[climber, waiter, halfway]], dtype=DOUBLE)
    returns, _ = play(problem, x, Rng([1]))
    assert returns.value.tolist() == [[[3.75, 1.375], [0.0, 0.0], [3.0, 0.5]]]
    assert returns.undiscounted.tolist() == [[[8.0, 6.0], [0.0, 0.0], [4.0, 1.0]]]
    assert returns[0] is returns.value and returns[1].tolist() == [[6, 6, 6]]
    assert problem.evaluate(x[0]).f.tolist() == [[-3.75, 1.375], [0.0, 0.0], [-3.0, 0.5]]
    alone = rollout(Ladder(), lambda seen, mask: mask[..., 1].long(), 3, Rng([1, 2], dtype=torch.float32))
    assert alone.undiscounted.tolist() == [[[8.0, 6.0]] * 3] * 2 and alone.undiscounted.dtype == torch.float32
    whole = rollout(Ladder(discount=1.0), lambda seen, mask: mask[..., 1].long(), 3, Rng([1]))
    assert torch.equal(whole.value, whole.undiscounted) and torch.equal(whole.value, alone.undiscounted[:1].double())


def test_returns_are_those_of_a_plain_loop():
    """Continuous actions, moments, several episodes: one world and one number at a time."""
    environment = Rod()
    problem = PolicySearch(
        environment, MLPPolicy.of(environment, (2,), 1.5), episodes=3, mean=(0.1, -0.2, 0.3), std=(0.5, 2.0, 1.0)
    )
    x, rng = problem.space.sample(Rng([5, 6]).uniform(4, problem.n_var)), Rng([21, 22])
    found = problem.evaluate(x, rng)
    returns, _ = play(problem, x, rng, problem.moments(2))
    starts = environment.reset(3, rng.fold(0))
    mean, std = torch.tensor(problem.mean, dtype=DOUBLE), torch.tensor(problem.std, dtype=DOUBLE)
    lengths = set()
    for run, n in itertools.product(range(2), range(4)):
        f = []
        for e in range(3):
            state = {name: leaf[run : run + 1, e : e + 1] for name, leaf in starts.items()}
            value, plain = torch.zeros(2, dtype=DOUBLE), torch.zeros(2, dtype=DOUBLE)
            for t in range(12):
                seen = ((environment.observe(state)[0, 0] - mean) / std).clamp(-5, 5)
                action = 1 + 2 * MLP((3, 2, 1))(x[run, n][None], seen[None, None])
                state, reward, done = environment.step(state, action, rng)
                value, plain = value + 0.9**t * reward[0, 0], plain + reward[0, 0]
                if done.item():
                    break
            lengths.add(t)
            f.append(value)
            torch.testing.assert_close(returns.undiscounted[run, 3 * n + e], plain, rtol=1e-12, atol=1e-12)
        expected = torch.stack(f).mean(0) * torch.tensor(problem.signs)
        torch.testing.assert_close(found.f[run, n], expected, rtol=1e-12, atol=1e-12)
    assert len(lengths) > 3 and problem.signs == (-1, 1) and problem.objective_labels == ["nearness", "effort"]


# the search


def test_a_search_for_networks():
    """Of a rod that is let go from anywhere; pushing against its speed and its place keeps it near."""
    problem = PolicySearch(Rod(), MLPPolicy.of(Rod(), (4,), bound=2.0), episodes=4)
    testing.check_problem(problem, n=12)
    result = moopt.minimize(problem, moopt.algorithm("nsga2", pop_size=24), 1200, seed=2, progress=False)
    drawn = moopt.minimize(problem, "random", 1200, seed=2, progress=False)
    assert result.spent["env_steps"] > 0 and result.problem.name == "rod"
    idle = problem.measure(torch.zeros(1, 1, problem.n_var, dtype=DOUBLE), Rng([1])).f[0, 0]  # pushes by 1 always
    best = result.front.f[result.front.f[:, 0].argmin()]
    assert best[0] < 0.5 * idle[0] and best[0] <= drawn.front.f[:, 0].min()
    held_out = replace(problem, episodes=5).evaluate(result.front.x[None], Rng([90210]))
    assert torch.equal(result.front.f, held_out.f[0])


def test_a_search_for_tables_finds_the_exact_front():
    """Climbing to rung k earns 2 + 1 + ... and costs 0 + 1/2 + 2/4 + ..., each of k terms."""
    problem = PolicySearch(Ladder(), TablePolicy.of(Ladder()))
    assert not problem.stochastic and PolicySearch(Ladder(slip=0.2), TablePolicy.of(Ladder())).stochastic
    result = moopt.minimize(problem, moopt.algorithm("nsga2", pop_size=20), 400, seed=1, progress=False)
    worth = [(sum(2 / 2**i for i in range(k)), sum(i / 2**i for i in range(k))) for k in (1, 2, 3, 4)]
    assert sorted(map(tuple, result.front.objectives.tolist())) == worth == [(2, 0), (3, 0.5), (3.5, 1), (3.75, 1.375)]


def test_masks_reach_networks():
    @dataclass(frozen=True)
    class Seen(Ladder):
        n_states = None

        def observe(self, state):
            return state[..., None] / 4.0

    problem = PolicySearch(Seen(), MLPPolicy.of(Seen(), (3,)))
    found = problem.evaluate(problem.space.sample(Rng([1]).uniform(64, problem.n_var)))
    assert not found.failed.any()  # a forbidden action would be NaN
    assert {round(float(v), 6) for v in found.f[..., 0].flatten()} <= {-3.75, -3.5, -3.0, -2.0, 0.0}
    result = moopt.minimize(problem, moopt.algorithm("nsga2", pop_size=20), 600, seed=1, progress=False)
    assert result.front.f[:, 0].min() == -3.75


def test_moments_are_learned():
    @dataclass(frozen=True, kw_only=True)
    class Short(Rod):
        horizon = 2

    problem = PolicySearch(Short(), MLPPolicy.of(Rod()), episodes=2, learns_moments=True)
    rng = Rng([1, 2])
    x = problem.space.sample(rng.fold(1).uniform(5, problem.n_var))
    before = problem.memory(rng)
    assert before.count.tolist() == [1.0, 1.0] and before.mean.abs().max() == 0 and (before.std == 1).all()
    _, after = problem.answer(x, rng, before)
    first = Rod().observe(Rod().reset(2, rng.fold(0)))  # 5 policies see these two; every eighth step is looked at
    torch.testing.assert_close(after.mean, 5 * first.sum(1) / 11, rtol=1e-12, atol=1e-12)
    second = (1 + 5 * (first**2).sum(1)) / 11
    torch.testing.assert_close(after.std, (second - after.mean**2).sqrt(), rtol=1e-12, atol=1e-12)
    assert after.count.tolist() == [11.0, 11.0]
    given = replace(problem, mean=(1.0, 2.0, 3.0), std=(0.5, 0.6, 0.7)).memory(rng)
    assert given.count.tolist() == [10_000.0] * 2 and given.mean[1].tolist() == [1.0, 2.0, 3.0]
    torch.testing.assert_close(given.std[0], torch.tensor([0.5, 0.6, 0.7], dtype=DOUBLE))
    result = moopt.minimize(problem, moopt.algorithm("nsga2", pop_size=8), 40, seed=1, runs=2, progress=False)
    assert all(run.memory.count.item() > 40 for run in result.runs)


class Shifted(PolicySearch):
    """A point is also where its rod starts: at its first weight."""

    def embody(self, state, x):
        return {**state, "position": x[..., 0].to(state["position"])}


def test_points_shape_their_worlds():
    problem = Shifted(Rod(), MLPPolicy.of(Rod()))
    x = torch.zeros(1, 2, problem.n_var, dtype=DOUBLE)
    x[0, 1, 0] = -0.4
    rng = Rng([3])
    speed = Rod().reset(1, rng.fold(0))["speed"][0, 0]
    for i, place in enumerate((0.0, -0.4)):
        position, velocity, value = place, float(speed), 0.0
        for t in range(12):
            seen = torch.tensor([[[position, velocity, position - velocity]]], dtype=DOUBLE)
            push = 1 + 2 * float(MLP((3, 16, 1))(x[0, i][None], seen))
            velocity += 0.2 * push
            position += 0.4 * velocity
            value -= 0.9**t * position**2
            if abs(position) > 1.2:
                break
        assert -problem.evaluate(x, rng).f[0, i, 0].item() == pytest.approx(value, rel=1e-12)


def test_a_search_is_described_on_disk(tmp_path):
    from moopt.catalogue.describe import describe, rebuild

    sea = DeepSeaTreasure(horizon=30)
    problem = PolicySearch(sea, TablePolicy.of(sea), episodes=2)
    assert rebuild(describe(problem)) == problem
    budget = moopt.Evaluations(60)
    found = moopt.minimize(problem, moopt.algorithm("nsga2", pop_size=10), budget, progress=False, out=tmp_path / "a")
    again = moopt.resume(tmp_path / "a", progress=False)
    assert torch.equal(found.front.f, again.front.f)


# one class that is both


def test_a_sequential_problem_is_its_own_environment():
    sea = DeepSeaTreasure(discount=0.9)
    assert isinstance(sea, Environment) and isinstance(sea, PolicyProblem) and sea.environment is sea
    assert sea.actions == Discrete(4) and sea.observation_shape == () and check_environment(sea) is sea
    apart = PolicySearch(sea, TablePolicy.of(sea))
    x = sea.space.sample(Rng([4]).uniform(50, 62))
    assert torch.equal(apart.evaluate(x).f, sea.evaluate(x).f)
    assert torch.equal(sea.policy.act(x, x[..., :2].long()), sea.act(x, x[..., :2].long()))
    assert torch.equal(sea.policy.encode(x.long()), sea.encode(x.long())) and sea.policy.space is sea.space


# beginning again


def everywhere(environment, worlds, action, rng):
    """`advance` as it was: fresh starts for all worlds, of which those are taken that are needed."""
    state, reward, terminated = environment.step(worlds.state, action, rng.fold(0))
    age = worlds.age + 1
    truncated = (age >= environment.horizon) & ~terminated
    ended = terminated | truncated
    fresh = environment.reset(age.shape[1], rng.fold(1))
    return Worlds(chosen(ended, fresh, state), age.masked_fill(ended, 0)), ended


def robots():
    pytest.importorskip("mujoco")
    pytest.importorskip("gymnasium")
    return [moopt.problem("mohopper2", horizon=17), moopt.problem("mopusher", horizon=5)]


@pytest.mark.parametrize("which", ["rod", "ladder", "sea", "hopper", "pusher"])
def test_only_what_ended_begins_again_as_ever(which):
    if which in ("hopper", "pusher"):
        environment = robots()[which == "pusher"]
    else:
        environment = {"rod": Rod(), "ladder": Ladder(slip=0.5), "sea": DeepSeaTreasure(horizon=9)}[which]
    rng, actions = Rng([5, 6]), environment.actions
    one = other = start(environment, 7, rng.fold(0))
    ends = 0
    for t in range(25):
        draws = rng.fold(2, t)
        if isinstance(actions, Discrete):
            mask = environment.action_mask(one.state)
            action = draws.integers(actions.n, 7) if mask is None else mask[..., 1] * draws.integers(2, 7)
        else:
            low, high = torch.tensor(actions.low, dtype=DOUBLE), torch.tensor(actions.high, dtype=DOUBLE)
            action = low + (high - low) * draws.uniform(7, actions.n)
        one, seen = advance(environment, one, action, rng.fold(1, t))
        other, ended = everywhere(environment, other, action, rng.fold(1, t))
        assert torch.equal(seen.terminated | seen.truncated, ended) and torch.equal(one.age, other.age)
        left, right = [], []
        tree.map_tensors(left.append, one.state), tree.map_tensors(right.append, other.state)
        assert all(torch.equal(a, b) for a, b in zip(left, right, strict=True))
        ends += int(ended.sum())
    assert ends > 10


def test_a_robot_with_starts_of_its_own_is_asked_for_them():
    pytest.importorskip("mujoco")
    pytest.importorskip("gymnasium")
    from moopt.problems.robots.control import MoHopper2

    @dataclass(frozen=True, kw_only=True)
    class High(MoHopper2):
        def reset(self, worlds, rng):
            state = super().reset(worlds, rng)
            return state._replace(qpos=state.qpos + 0.25)

    robot, rng = High(horizon=2, normalise="not"), Rng([3])
    worlds = start(robot, 2, rng)
    for t in range(2):
        worlds, _ = advance(robot, worlds, torch.zeros(1, 2, 3, dtype=DOUBLE), rng.fold(1, t))
    assert torch.equal(worlds.state.qpos, robot.reset(2, rng.fold(1, 1).fold(1)).qpos)


def test_nothing_is_drawn_while_nothing_ends():
    calls = []

    @dataclass(frozen=True, kw_only=True)
    class Counted(Rod):
        def reset(self, worlds, rng):
            calls.append(worlds)
            return super().reset(worlds, rng)

    environment, rng = Counted(), Rng([5])
    worlds = start(environment, 3, rng)
    for t in range(12):
        action = -worlds.state["position"][..., None] - worlds.state["speed"][..., None]
        worlds, seen = advance(environment, worlds, action, rng.fold(t))
        assert seen.truncated.all() == (t == 11)
    assert calls == [3, 3]  # at first, and when all were cut


# learners


def test_q_learners_train_in_any_environment_of_numbers():
    @dataclass(frozen=True, kw_only=True)
    class Free(Ladder):
        """Without a mask: whoever climbs at the top falls to the ground."""

        def step(self, state, action, rng):
            reward = torch.stack((2.0 * action, action * state), -1).double()
            return torch.where(state + action > 4, 0, state + action), reward, torch.zeros_like(state, dtype=torch.bool)

        action_mask = Environment.action_mask

    problem = PolicySearch(Free(), TablePolicy.of(Free()))
    learners = QLearners(weights=[[1.0, 0.01], [1.0, 20.0]], epsilon=(0.6, 0.2), decay=400, n_steps=800)
    assert misfit(problem, learners) is None
    state = learners.init(problem, Rng([1]))
    state, _ = learners.step(problem, state, Turn(Rng([1]).fold(0)))
    x = learners.population(problem, state).x[0]
    assert x[0].tolist() == [1.0] * 5 and x[1, :4].tolist() == [1.0, 0.0, 0.0, 0.0]  # the first rung is for nothing


def test_what_q_learners_refuse():
    sentence = misfit(PolicySearch(Rod(), MLPPolicy.of(Rod())), QLearners())
    assert "needs an environment of numbered states and actions" in sentence and "rod has none" in sentence
    assert "has an action_mask" in misfit(PolicySearch(Ladder(), TablePolicy.of(Ladder())), QLearners())
    assert "needs a PolicyProblem" in misfit(moopt.problem("zdt1"), QLearners())

    class Odd(Policy):
        space = moopt.Box(0.0, 1.0, 2)

        def act(self, x, observation, mask=None):
            return (x[..., :1] * 4).long().expand(observation.shape)

    sea = DeepSeaTreasure()
    assert "a policy of deepseatreasure is of Odd" in misfit(PolicySearch(sea, Odd()), QLearners())
    with pytest.raises(ValueError, match="QLearners does not fit: it learns tables"):
        moopt.minimize(PolicySearch(Rod(), MLPPolicy.of(Rod())), "qlearners", moopt.EnvSteps(100))


# the door


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"horizon": 0}, r"wrong\.horizon: expected a whole number of at least 1, got 0"),
        ({"horizon": None}, r"wrong\.horizon: expected a whole number of at least 1, got None"),
        ({"n_obj": 2.5}, r"wrong\.n_obj: expected a whole number"),
        ({"discount": 0.0}, r"wrong\.discount: expected a number in \(0, 1\], got 0"),
        ({"directions": None}, r"wrong\.directions: expected 2 of 'min' or 'max', got None"),
        ({"directions": ("max",)}, r"wrong\.directions: expected 2 of 'min' or 'max', got \('max',\)"),
        ({"objective_names": ("a",)}, r"wrong\.objective_names: expected 2 names"),
        ({"actions": None}, r"wrong\.actions: expected Discrete\(n\) or Continuous\(low, high\), got None"),
        ({"actions": 4}, r"wrong\.actions: expected Discrete\(n\) or Continuous\(low, high\), got 4"),
        ({"n_states": 3}, r"wrong\.observe: expected numbers of states, int64\[2, 3\], got float64 \[2, 3, 3\]"),
        ({"observation_shape": (4,)}, r"wrong\.observe: expected observations of shape \[2, 3, 4\] for 2 runs of 3"),
        ({"action_mask": lambda self, state: torch.ones(2, 3, 1, dtype=torch.bool)}, "expected Discrete actions"),
        ({"step": lambda self, s, a, rng: (s, a)}, r"wrong\.step: expected \(world state, reward, done\), got tuple"),
        (
            {"step": lambda self, s, a, rng: (s, a[..., 0], a[..., 0] > 9)},
            r"wrong\.step: expected rewards of shape \[2, 3, 2\] for 2 runs of 3 worlds, got float64 \[2, 3\]",
        ),
        (
            {"step": lambda self, s, a, rng: (s, a.expand(2, 3, 2), a[..., 0])},
            r"wrong\.step: expected done of shape bool \[2, 3\] for 2 runs of 3 worlds, got float64 \[2, 3\]",
        ),
    ],
)  # fmt: skip
def test_wrong_environments(changes, sentence):
    Wrong = type("Wrong", (Rod,), {})
    for name, value in changes.items():
        setattr(Wrong, name, value)
    environment = Wrong(discount=changes.get("discount", 0.9))
    with pytest.raises(ValueError, match=sentence):
        PolicySearch(environment, MLPPolicy(3, Continuous(-1, 3, 1)))


def test_wrong_masks():
    for mask, sentence in [
        (torch.ones(2, 3, 3, dtype=torch.bool), r"expected a mask of shape bool \[2, 3, 2\]"),
        (torch.ones(2, 3, 2), r"expected a mask of shape bool \[2, 3, 2\] for 2 runs of 3 worlds, got float32"),
        (torch.zeros(2, 3, 2, dtype=torch.bool), "expected an allowed action in each world"),
    ]:
        Wrong = type("Wrong", (Ladder,), {"action_mask": lambda self, state, mask=mask: mask})
        with pytest.raises(ValueError, match=sentence):
            check_environment(Wrong())


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: PolicySearch("rod", MLPPolicy(3, Discrete(2))), "environment: expected an Environment"),
        (lambda: PolicySearch(Rod(), MLP((3, 1))), "policy: expected a Policy such as MLPPolicy"),
        (lambda: PolicySearch(Rod(), MLPPolicy(3, Discrete(2))), r"MLPPolicy\.act in rod: expected actions of shape"),
        (lambda: PolicySearch(Rod(), MLPPolicy.of(Rod()), episodes=0), "episodes: expected a whole number"),
        (lambda: PolicySearch(Rod(), MLPPolicy.of(Rod()), mean=(1, 2, 3)), "mean and std: expected both or none"),
        (lambda: PolicySearch(Rod(), MLPPolicy.of(Rod()), mean=(1,), std=(1,)), "mean: expected 3 numbers, got 1"),
        (lambda: PolicySearch(Ladder(), TablePolicy(5, 2), learns_moments=True), "moments: expected vectors"),
        (lambda: MLPPolicy.of(Ladder()), "ladder: expected vectors to observe, and actions, for a network"),
        (lambda: TablePolicy.of(Rod()), "rod: expected n_states and Discrete actions for a table"),
        (lambda: MLPPolicy(3, Discrete(2), hidden=(0,)), "hidden: expected a whole number"),
        (lambda: MLPPolicy(3, Discrete(2), bound=0.0), "bound: expected a positive number"),
        (lambda: TablePolicy(0, 2), "n_states: expected a whole number"),
        (lambda: Continuous((0.0, 1.0), (1.0,)), "actions: expected as many low as high bounds"),
        (lambda: Continuous(0.0, 1.0), "actions: expected as many low as high bounds, or numbers and n"),
        (lambda: Continuous((0.0, 1.0), (1.0, 1.0)), "actions: expected low below high"),
        (lambda: Discrete(0), "n: expected a whole number of at least 1"),
    ],
)
def test_wrong_searches(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


def test_a_misspelt_declaration_is_refused():
    with pytest.raises(TypeError, match=r"Misspelt: nothing asks for 'n_state' \(did you mean 'n_states'\?\)"):
        type("Misspelt", (Environment,), {"n_state": 3})
    assert TabularProblem.n_states is None  # to be declared
