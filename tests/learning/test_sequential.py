"""Sequential problems: rollouts, Deep Sea Treasure, and learners that search it."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
import torch

import moopt
from moopt import Turn, testing
from moopt.algorithms.reinforcement.qlearners import QLearners, State
from moopt.core.algorithm import misfit, spent_on
from moopt.core.random import Rng
from moopt.learning import advance, rollout, start
from moopt.learning.sequential import SequentialProblem
from moopt.problems.decision.deepseatreasure import CELLS, MOVES, DeepSeaTreasure
from moopt.selection import nondominated_mask

DOUBLE = torch.float64
UP, DOWN, LEFT, RIGHT = range(4)

# The maps cell by cell: . water, # rock, letters a .. j the treasures from left to right.
SEA = """
...........
a..........
#b.........
##c........
###def.....
######.....
######.....
######gh...
########...
########i..
#########j.
""".split()
VALUES = {
    "convex": [0.7, 8.2, 11.5, 14.0, 15.1, 16.1, 19.6, 20.3, 22.4, 23.7],
    "concave": [1.0, 2.0, 3.0, 5.0, 8.0, 16.0, 24.0, 50.0, 74.0, 124.0],
}
STEPS = [1, 3, 5, 7, 8, 9, 13, 14, 17, 19]


def dive(front, discount, horizon, table):
    """A second implementation, one policy and one number at a time: (treasure, time, steps)."""
    row, column, treasure, time = 0, 0, 0.0, 0.0
    for t in range(horizon):
        down, right = ((-1, 0), (1, 0), (0, -1), (0, 1))[table[row, column]]
        if 0 <= row + down < 11 and 0 <= column + right < 11 and SEA[row + down][column + right] != "#":
            row, column = row + down, column + right
        time -= discount**t
        if SEA[row][column].isalpha():
            return VALUES[front]["abcdefghij".index(SEA[row][column])] * discount**t, time, t + 1
    return treasure, time, horizon


def policy(problem, route, elsewhere="up"):
    """The table that takes these moves in these cells, as a point."""
    moves = {name: elsewhere for name in problem.space.names}
    moves |= {f"row{row}column{column}": move for (row, column), move in route.items()}
    return problem.space.encode(moves)


def area(points, reference):
    """Hypervolume of two minimised objectives as a sum of strips."""
    total, edge = 0.0, reference[0]
    for first, second in sorted(points, key=lambda p: (p[1], p[0])):  # from the least second objective on
        if first < edge and second < reference[1]:
            total, edge = total + (edge - first) * (reference[1] - second), first
    return total


def supported(front):
    """The points that positive weights can make the only best ones, with the interval of the first weight.

    Of minimised points [k, 2], after dividing by the front's width: [(index, low, high)].
    """
    f = front / (front.amax(0) - front.amin(0))
    found = []
    for i, p in enumerate(f):
        low, high = 0.0, 1.0
        for q in f:  # w p1 + (1 - w) p2 < w q1 + (1 - w) q2
            slope, level = float(q[0] - p[0] + p[1] - q[1]), float(p[1] - q[1])
            if slope > 0:
                low = max(low, level / slope)
            elif slope < 0:
                high = min(high, level / slope)
        if high - low > 1e-9:  # three points in line leave the middle one an interval of rounding errors
            found.append((i, low, high))
    return found


# Deep Sea Treasure: the world


@pytest.mark.parametrize(
    ("cell", "move", "where", "treasure"),
    [
        ((0, 0), UP, (0, 0), 0.0),  # out of the map
        ((0, 0), LEFT, (0, 0), 0.0),
        ((0, 0), RIGHT, (0, 1), 0.0),
        ((0, 0), DOWN, None, 0.7),
        ((1, 1), LEFT, None, 0.7),  # from the side
        ((1, 1), DOWN, None, 8.2),
        ((3, 4), LEFT, (3, 3), 0.0),
        ((4, 6), LEFT, None, 16.1),
        ((6, 6), LEFT, (6, 6), 0.0),  # rock
        ((8, 8), LEFT, (8, 8), 0.0),
        ((5, 10), RIGHT, (5, 10), 0.0),
        ((9, 9), DOWN, None, 23.7),
        ((9, 9), LEFT, None, 22.4),
        ((10, 10), DOWN, (10, 10), 0.0),
        ((10, 10), LEFT, None, 23.7),
        ((10, 10), UP, (9, 10), 0.0),
    ],
)
def test_moves(cell, move, where, treasure):
    problem, rng = DeepSeaTreasure(), Rng([3, 4])
    state = torch.tensor([[CELLS.index(cell)], [0]])
    state, reward, done = problem.step(state, torch.tensor([[move], [RIGHT]]), rng)
    assert reward[0, 0].tolist() == [treasure, -1.0] and done.tolist() == [[where is None], [False]]
    assert where is None or problem.observe(state)[0, 0] == CELLS.index(where)
    assert CELLS[state[1, 0]] == (0, 1) and reward[1, 0].tolist() == [0.0, -1.0]


def test_the_states_are_the_water():
    assert CELLS == [(row, column) for row in range(11) for column in range(11) if SEA[row][column] == "."]
    assert DeepSeaTreasure.n_states == DeepSeaTreasure().n_var == 62 and tuple(MOVES) == ("up", "down", "left", "right")


def test_episodes_worked_by_hand():
    problem = DeepSeaTreasure(discount=0.9)
    x = torch.stack(
        [
            policy(problem, {(0, 0): "right", (0, 1): "down", (1, 1): "down"}),  # straight to 8.2
            policy(problem, {(0, 0): "right", (0, 1): "down", (1, 1): "left"}),  # a detour to 0.7
            policy(problem, {}, "down"),
            policy(problem, {}, "left"),  # never anywhere
        ]
    )
    evaluation = problem.evaluate(x)
    expected = [
        [-8.2 * 0.81, 1 + 0.9 + 0.81],
        [-0.7 * 0.81, 1 + 0.9 + 0.81],
        [-0.7, 1.0],
        [0.0, (1 - 0.9**50) / (1 - 0.9)],
    ]
    torch.testing.assert_close(evaluation.f, torch.tensor(expected, dtype=DOUBLE), rtol=1e-14, atol=1e-14)
    assert evaluation.cost.tolist() == [3, 3, 1, 50] and evaluation.cost.dtype == torch.int64
    assert not evaluation.failed.any() and evaluation.g.shape == (4, 0)
    east = policy(problem, {(0, c): "right" for c in range(10)} | {(10, 10): "left"}, "down")
    far = replace(problem, discount=1.0, front="concave").evaluate(east[None])
    assert far.f.tolist() == [[-124.0, 21.0]] and far.cost.tolist() == [21]
    cut = replace(problem, discount=1.0, horizon=20).evaluate(east[None])
    assert cut.f.tolist() == [[0.0, 20.0]] and cut.cost.tolist() == [20]


@pytest.mark.parametrize("front", ["convex", "concave"])
@pytest.mark.parametrize("discount", [1.0, 0.97])
def test_thousands_of_policies_at_once(front, discount):
    problem = DeepSeaTreasure(front=front, discount=discount, horizon=30)
    x = problem.space.sample(Rng([7, 8, 9]).uniform(1400, 62))
    together = problem.evaluate(x)
    for run, i in [(0, 0), (0, 1399), (1, 5), (2, 700)]:
        alone = problem.evaluate(x[run, i : i + 1])
        assert torch.equal(alone.f[0], together.f[run, i]) and alone.cost[0] == together.cost[run, i]
    deep = problem.evaluate(x.view(3, 7, 200, 62))
    assert torch.equal(deep.f.view_as(together.f), together.f) and deep.cost.shape == (3, 7, 200)
    ended = 0
    for row, f, cost in zip(x[1, :300].long().tolist(), together.f[1], together.cost[1], strict=False):
        treasure, time, steps = dive(front, discount, 30, dict(zip(CELLS, row, strict=True)))
        assert f.tolist() == pytest.approx([-treasure, -time], rel=1e-12) and cost == steps
        ended += treasure > 0
    assert 20 < ended < 280  # both kinds of episode were compared


def test_contract():
    for options in ({}, {"front": "concave", "discount": 0.99}, {"discount": 0.9, "horizon": 12}):
        testing.check_problem(moopt.problem("deepseatreasure", **options))


@pytest.mark.parametrize(
    "options", [{"front": "flat"}, {"discount": 0.0}, {"discount": 1.01}, {"horizon": 0}, {"horizon": 2.5}]
)
def test_bad_options(options):
    with pytest.raises(ValueError, match="expected"):
        DeepSeaTreasure(**options)


# Deep Sea Treasure: the front


@pytest.mark.parametrize("front", ["convex", "concave"])
@pytest.mark.parametrize("discount", [1.0, 0.99])
def test_front(front, discount):
    problem = DeepSeaTreasure(front=front, discount=discount)
    time = [sum(discount**i for i in range(t)) for t in STEPS]
    worth = [-v * discount ** (t - 1) for v, t in zip(VALUES[front], STEPS, strict=True)]
    expected = torch.tensor(list(zip(worth, time, strict=True)), dtype=DOUBLE)
    torch.testing.assert_close(problem.pareto_front(3), expected, rtol=1e-15, atol=0)
    assert problem.ideal.tolist() == [expected[-1, 0], 1.0] and problem.nadir.tolist() == [expected[0, 0], time[-1]]
    assert problem.reference_point.tolist() == [0.0, 50.0]


@pytest.mark.parametrize(
    ("front", "discount", "reference", "expected"),
    [
        ("convex", 1.0, 50, 994.3), ("convex", 1.0, 25, 401.8), ("convex", 1.0, 19, 259.6),
        ("convex", 0.99, 50, 854.85), ("convex", 0.99, 25, 360.40), ("convex", 0.99, 19, 241.733),
        ("concave", 1.0, 50, 4255), ("concave", 1.0, 25, 1155), ("concave", 1.0, 19, 411),
        ("concave", 0.99, 50, 3688.38), ("concave", 0.99, 25, 1101.38),
    ],
)  # fmt: skip
def test_published_hypervolumes(front, discount, reference, expected):
    points = DeepSeaTreasure(front=front, discount=discount).pareto_front(10)
    assert area(points.tolist(), (0.0, reference)) == pytest.approx(expected, abs=0.006)
    if discount == 1.0:
        assert area(points.tolist(), (0.0, reference)) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize(("discount", "horizon"), [(1.0, 50), (0.9, 50), (0.95, 16), (1.0, 13)])
def test_the_front_is_what_any_behaviour_can_reach(discount, horizon):
    """Every (state, number of steps) that moves can reach, breadth first through `step`."""
    problem, rng = DeepSeaTreasure(discount=discount, horizon=horizon), Rng(1)
    here, points = torch.tensor([0]), []
    for t in range(horizon):
        pairs = torch.cartesian_prod(here, torch.arange(4))
        there, reward, done = problem.step(pairs[None, :, 0], pairs[None, :, 1], rng)
        cost = sum(discount**i for i in range(t + 1))
        points += [[-float(v) * discount**t, cost] for v in reward[0, :, 0][done[0]]]
        here = there[~done].unique()
    f = torch.tensor(points, dtype=DOUBLE).unique(dim=0)
    best = f[nondominated_mask(f)]
    torch.testing.assert_close(best[best[:, 1].argsort()], problem.pareto_front(10), rtol=1e-14, atol=0)


def test_what_linear_weights_support():
    fronts = {(f, g): DeepSeaTreasure(front=f, discount=g).pareto_front(10) for f in VALUES for g in (1.0, 0.99)}
    indices = {key: [i for i, _, _ in supported(front)] for key, front in fronts.items()}
    assert indices["convex", 0.99] == list(range(10))
    assert indices["convex", 1.0] == [0, 1, 2, 3, 4, 5, 6, 8, 9]  # 20.3 lies between 19.6 and 22.4
    assert indices["concave", 0.99] == indices["concave", 1.0] == [0, 9]
    intervals = supported(fronts["convex", 0.99])
    narrowest = min(high - low for _, low, high in intervals)
    assert intervals[7][2] - intervals[7][1] == narrowest == pytest.approx(0.00596, abs=1e-5)
    assert [low for _, low, _ in intervals[1:]] == pytest.approx([high for _, _, high in intervals[:-1]])
    weights = QLearners().preferences(DeepSeaTreasure())
    torch.testing.assert_close(weights.sum(1), torch.ones(200, dtype=DOUBLE))
    assert weights[:, 0].sort().values.diff().max() < narrowest and weights.min() > 0


# rollouts, on a problem with continuous actions, a tree of world states and chance


@dataclass(frozen=True, kw_only=True)
class Walk(SequentialProblem):
    """A walker on a line pays for each step's square and is paid 5 for passing 3; after that its rewards are NaN.

    A policy x = (gain, bias) moves by gain * position + bias. `noise`: spread of the starting position.
    """

    discount: float = 0.8
    horizon: int = 6
    episodes: int = 1
    noise: float = 0.0

    n_obj = 2
    directions = ("max", "min")

    @property
    def stochastic(self):
        return self.noise > 0

    @property
    def space(self):
        return moopt.Box([-1.0, -2.0], [1.0, 2.0])

    def reset(self, worlds, rng):
        return {"position": self.noise * rng.normal(worlds), "over": torch.zeros(rng.runs, worlds, dtype=torch.bool)}

    def observe(self, state):
        return state["position"][..., None]

    def step(self, state, action, rng):
        position = state["position"] + action[..., 0]
        passed = position > 3
        reward = torch.stack((5.0 * passed, action[..., 0] ** 2), -1)
        reward = torch.where(state["over"][..., None], torch.nan, reward)
        return {"position": position, "over": state["over"] | passed}, reward, passed

    def act(self, x, observation):
        return x[..., None, :1] * observation + x[..., None, 1:]


def test_an_episode_ends_once():
    x = torch.tensor([[0.0, 1.25], [1.0, 1.0], [0.0, -0.5], [0.0, 0.625]], dtype=DOUBLE)
    evaluation = Walk().evaluate(x)
    g = [1, 0.8, 0.64, 0.512, 0.4096, 0.32768]
    expected = [
        [-5 * g[2], 1.25**2 * (g[0] + g[1] + g[2])],  # at 1.25, 2.5, 3.75
        [-5 * g[2], 1 * g[0] + 4 * g[1] + 16 * g[2]],  # at 1, 3, 7: to stand on 3 is not to pass it
        [0.0, 0.25 * sum(g)],
        [-5 * g[4], 0.625**2 * sum(g[:5])],
    ]
    torch.testing.assert_close(evaluation.f, torch.tensor(expected, dtype=DOUBLE), rtol=1e-14, atol=0)
    assert evaluation.cost.tolist() == [3, 3, 6, 5] and evaluation.f_var is None
    spent = spent_on(Walk(), Walk().evaluate(x.view(2, 2, 2)))
    assert {unit: amount.tolist() for unit, amount in spent.items()} == {"evaluations": [2, 2], "env_steps": [6, 11]}


def test_means_over_episodes():
    problem = Walk(noise=0.7, episodes=5)
    x = problem.space.sample(Rng([2, 3]).uniform(4, 2))
    rng = Rng([21, 22])
    evaluation = problem.evaluate(x, rng)
    starts = problem.reset(5, rng.fold(0))["position"]  # the same for all policies of a run
    worlds, steps = torch.zeros(2, 4, 5, 2, dtype=DOUBLE), torch.zeros(2, 4, 5)
    for run, n, e in itertools.product(range(2), range(4), range(5)):
        position, (gain, bias) = starts[run, e].item(), x[run, n].tolist()
        for t in range(6):
            move = gain * position + bias
            position += move
            worlds[run, n, e] += 0.8**t * torch.tensor([-5.0 * (position > 3), move**2], dtype=DOUBLE)
            steps[run, n, e] += 1
            if position > 3:
                break
    torch.testing.assert_close(evaluation.f, worlds.mean(2), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(evaluation.f_var, worlds.var(2) / 5, rtol=1e-10, atol=1e-12)
    assert torch.equal(evaluation.cost, steps.sum(2).long())
    assert (evaluation.f_var[..., 1] > 0).all()
    alone = problem.evaluate(x[1:], rng.take(slice(1, 2)))
    assert torch.equal(alone.f[0], evaluation.f[1]) and torch.equal(alone.cost[0], evaluation.cost[1])
    testing.check_problem(Walk(noise=0.7, episodes=2))
    testing.check_problem(Walk())


class Placed(Walk):
    """A point is also where its walker starts: at twice the gain."""

    def embody(self, state, x):
        return {**state, "position": state["position"] + 2 * x[..., 0]}


def test_a_point_shapes_its_worlds():
    x = torch.tensor([[0.5, 0.5], [1.0, -0.25], [-0.75, 1.0]], dtype=DOUBLE)
    expected = []
    for gain, bias in x.tolist():
        position, treasure, cost = 2 * gain, 0.0, 0.0
        for t in range(6):
            move = gain * position + bias
            position, cost = position + move, cost + 0.8**t * move**2
            if position > 3:
                treasure = 5 * 0.8**t
                break
        expected.append([-treasure, cost])
    torch.testing.assert_close(Placed().evaluate(x).f, torch.tensor(expected, dtype=DOUBLE), rtol=1e-14, atol=0)
    assert [row[0] < 0 for row in expected] == [True, True, False]
    many, rng = Placed(noise=0.3, episodes=4), Rng([8])
    together = many.evaluate(x[None], rng)
    for i in range(3):
        assert torch.equal(many.evaluate(x[None, i : i + 1], rng).f[0, 0], together.f[0, i])


def test_rollout_keeps_precision_and_discounts():
    problem = Walk()
    rng = Rng([1, 2], dtype=torch.float32)
    returns = rollout(problem, lambda observation: torch.full_like(observation, 0.75), 3, rng)
    assert returns.value.dtype == torch.float32 and returns.steps.tolist() == [[5] * 3] * 2
    expected = [5 * 0.8**4, 0.5625 * (1 + 0.8 + 0.64 + 0.512 + 0.4096)]
    torch.testing.assert_close(returns.value[1, 2], torch.tensor(expected))


def test_worlds_begin_again():
    problem, rng = Walk(noise=0.1, horizon=4), Rng([5, 6])
    worlds = start(problem, 3, rng.fold(0))
    speed = torch.tensor([2.0, 0.1, 9.0], dtype=DOUBLE).expand(2, 3)[..., None]
    ages, ended, cut = [], [], []
    for t in range(5):
        worlds, seen = advance(problem, worlds, speed, rng.fold(1, t))
        assert not seen.reward.isnan().any()
        ages.append(worlds.age[1].tolist())
        ended.append(seen.terminated[1].tolist())
        cut.append(seen.truncated[1].tolist())
        again = (seen.terminated | seen.truncated)[..., None]
        assert torch.equal(again, problem.observe(worlds.state) != seen.observation)
    assert ages == [[1, 1, 0], [0, 2, 0], [1, 3, 0], [0, 0, 0], [1, 1, 0]]
    assert ended == [[False, False, True], [True, False, True]] * 2 + [[False, False, True]]
    assert cut == [[False] * 3] * 3 + [[False, True, False], [False] * 3]


# Q-learners


class Drawn(Rng):
    """Gives the same numbers whenever it is asked."""

    __slots__ = ("numbers",)

    def fold(self, *values):
        return self

    def uniform(self, *shape):
        return self.numbers.view(self.runs, *shape)


def test_updates_known_answer():
    problem = DeepSeaTreasure(discount=0.9)
    weights = [[3.0, 1.0], [1.0, 8.0]]
    learners = QLearners(weights=weights, learning_rate=0.25, epsilon=(0.5, 0.3), decay=4, n_steps=3)
    rng = Drawn([0])
    state = learners.init(problem, rng)
    assert state.q.shape == (1, 2, 62, 4, 2) and state.first.tolist() == [[0, 0]]
    ideal, nadir = problem.ideal, problem.nadir
    optimistic = [-float(ideal[0] - 0.2 * (nadir - ideal)[0]), -float(ideal[1] - 0.2 * (nadir - ideal)[1])]
    assert state.q[0, 1, 17, 2].tolist() == pytest.approx(optimistic)

    start_cell, east = CELLS.index((0, 0)), CELLS.index((0, 1))
    q = torch.zeros(1, 2, 62, 4, 2, dtype=DOUBLE)
    q[0, 0, start_cell] = torch.tensor([[0.5, -3.0], [0.7, -1.0], [0.1, -2.0], [2.0, -1.5]])
    q[0, 0, east] = torch.tensor([[1.0, -2.5], [4.0, -2.0], [0.3, -1.0], [0.2, -9.0]])
    q[0, 1] = q[0, 0]
    state = replace(state, q=q)
    # Exploration falls 0.5, 0.45, 0.4. Learner 0: greedy right, a random down, a greedy down. Learner 1: a random
    # left into the wall, a greedy down to 0.7, and again from the start.
    rng.numbers = torch.tensor([[[0.6, 0.49], [0.9, 0.6]], [[0.44, 0.46], [0.3, 0.1]], [[0.41, 0.41], [0.1, 0.1]]])
    rng.numbers = rng.numbers.to(DOUBLE)
    after, spent = learners.step(problem, state, Turn(rng))
    assert spent["env_steps"].tolist() == [6] and after.age.tolist() == [3]

    step = torch.tensor([0.0, -1.0], dtype=DOUBLE)
    expected = q.clone()
    own = expected[0, 0]  # right, then down to (1, 1), whose Q is 0, then the first of four equal moves: up to (0, 1)
    own[start_cell, RIGHT] += 0.25 * (step + 0.9 * q[0, 0, east, DOWN] - q[0, 0, start_cell, RIGHT])
    own[east, DOWN] += 0.25 * (step - q[0, 0, east, DOWN])
    own[CELLS.index((1, 1)), UP] += 0.25 * (step + 0.9 * own[east, DOWN])
    own = expected[0, 1]
    own[start_cell, LEFT] += 0.25 * (step + 0.9 * q[0, 1, start_cell, DOWN] - q[0, 1, start_cell, LEFT])
    for _ in range(2):
        own[start_cell, DOWN] += 0.25 * (torch.tensor([0.7, -1.0], dtype=DOUBLE) - own[start_cell, DOWN])
    torch.testing.assert_close(after.q, expected, rtol=1e-14, atol=1e-15)
    assert after.worlds.age.tolist() == [[3, 0]] and after.worlds.state.tolist() == [[east, start_cell]]
    assert torch.equal(state.q, q), "the state that was given is unchanged"


@pytest.mark.parametrize("front", ["convex", "concave"])
def test_learning_as_in_a_second_implementation(front):
    problem = DeepSeaTreasure(front=front, discount=0.95, horizon=9)
    learners = QLearners(pop_size=3, learning_rate=0.4, epsilon=(0.8, 0.2), decay=50, optimism=0.1, n_steps=75)
    rng = Rng([4, 40])
    state = learners.init(problem, rng)
    for i in range(2):
        state, _ = learners.step(problem, state, Turn(rng.fold(i)))
    width = (problem.nadir - problem.ideal).tolist()
    best = [-(b - 0.1 * w) for b, w in zip(problem.ideal.tolist(), width, strict=True)]
    cuts = 0
    for run in range(2):
        for k, weights in enumerate(learners.preferences(problem).tolist()):
            table = {cell: [best[:] for _ in range(4)] for cell in CELLS}

            def greedy(cell, table=table, weights=weights):
                worth = [sum(w / s * v for w, s, v in zip(weights, width, q, strict=True)) for q in table[cell]]
                return worth.index(max(worth))

            cell, age = (0, 0), 0
            for t in range(150):
                draws = rng.fold(t // 75).fold(0).uniform(75, 2, 3)[run, t % 75, :, k].tolist()
                epsilon = 0.8 - 0.6 * min(1.0, t / 50)
                action = int(draws[1] * 4) if draws[0] < epsilon else greedy(cell)
                there = tuple(a + b for a, b in zip(cell, list(MOVES.values())[action], strict=True))
                inside = 0 <= there[0] < 11 and 0 <= there[1] < 11 and SEA[there[0]][there[1]] != "#"
                there = there if inside else cell
                letter = SEA[there[0]][there[1]]
                found = VALUES[front]["abcdefghij".index(letter)] if letter.isalpha() else 0.0
                future = [0.0, 0.0] if found else table[there][greedy(there)]
                for o, reward in enumerate((found, -1.0)):
                    q = table[cell][action]
                    q[o] += 0.4 * (reward + 0.95 * future[o] - q[o])
                age += 1
                cuts += age == 9 and not found
                cell, age = ((0, 0), 0) if found or age == 9 else (there, age)
            expected = torch.tensor([table[c] for c in CELLS], dtype=DOUBLE)
            torch.testing.assert_close(state.q[run, k], expected, rtol=1e-9, atol=1e-12)
            assert state.worlds.state[run, k] == CELLS.index(cell) and state.worlds.age[run, k] == age
    assert cuts > 10


def same(a: State, b: State):
    left, right = ([s.q, s.worlds.state, s.worlds.age, s.first, s.age] for s in (a, b))
    return all(torch.equal(p, q) for p, q in zip(left, right, strict=True))


def test_runs_together_are_runs_alone():
    problem = DeepSeaTreasure(front="concave", discount=0.99)
    learners = QLearners(pop_size=11, n_steps=60)
    seeds = [5, 11, 6]

    def learn(rng):
        state = learners.init(problem, rng)
        for i in range(4):
            state, spent = learners.step(problem, state, Turn(rng.fold(i)))
        assert spent["env_steps"].tolist() == [660] * rng.runs
        return state, *learners.measure(problem, state, rng.fold(99))

    together, measured, spent = learn(Rng(seeds))
    for i, seed in enumerate(seeds):
        alone, own, own_spent = learn(Rng(seed))
        assert same(alone, moopt.core.tree.take(together, i))
        assert torch.equal(own.x[0], measured.x[i]) and torch.equal(own.f[0], measured.f[i])
        assert own_spent["env_steps"][0] == spent["env_steps"][i]
    assert not torch.equal(together.q[0], together.q[1])


def test_population_and_measure():
    problem = DeepSeaTreasure(discount=0.9)
    learners = QLearners(pop_size=2, learning_rate=0.5)
    state = learners.init(problem, Rng(0))
    q = state.q.clone()
    q[:, 0, 0, DOWN] = torch.tensor([99.0, 50.0])
    q[:, 1, 0, RIGHT] = torch.tensor([77.0, 44.0])
    q[:, 1, 1:, DOWN] += 1.0
    state = replace(state, q=q)
    population = learners.population(problem, state)
    assert population.f.tolist() == [[[-99.0, -50.0], [-77.0, -44.0]]]  # what Q says, not what is true
    assert problem.space.contains(population.x).all() and not population.failed.any()
    assert problem.space.decode(population.x[0, :1])[0]["row0column0"] == "down"
    measured, spent = learners.measure(problem, state, Rng(0))
    assert torch.equal(measured.x, population.x)
    expected = [[[-0.7, 1.0], [-8.2 * 0.81, 2.71]]]
    torch.testing.assert_close(measured.f, torch.tensor(expected, dtype=DOUBLE))
    assert {unit: n.tolist() for unit, n in spent.items()} == {"evaluations": [2], "env_steps": [4]}


@pytest.mark.parametrize(
    ("front", "discount", "steps"),
    [("convex", 0.99, 60), ("concave", 0.99, 60), ("convex", 1.0, 75), ("concave", 1.0, 65)],
)
def test_learners_find_what_their_weights_support(front, discount, steps):
    problem = DeepSeaTreasure(front=front, discount=discount)
    learners, rng = QLearners(), Rng([17])
    state = learners.init(problem, rng)
    for i in range(steps):
        state, _ = learners.step(problem, state, Turn(rng.fold(i)))
    population, _ = learners.measure(problem, state, rng.fold(-1))
    front_points = problem.pareto_front(10)
    corners = front_points[[i for i, _, _ in supported(front_points)]]
    found = population.f[0][nondominated_mask(population.f[0])].round(decimals=9).unique(dim=0)
    torch.testing.assert_close(found[found[:, 1].argsort()], corners, rtol=0, atol=1e-8)
    if discount < 1:  # each learner is optimal for its own weights, and knows what it will get
        weights = learners.preferences(problem) / (problem.nadir - problem.ideal)
        least = (weights @ front_points.T).amin(-1)
        torch.testing.assert_close((weights * population.f[0]).sum(-1), least, rtol=0, atol=1e-9)
        estimate = learners.population(problem, state).f[0]
        assert ((weights * estimate).sum(-1) - least).abs().max() < 0.02
    if (front, discount) == ("convex", 0.99):
        assert area(found.tolist(), (0.0, 50.0)) == pytest.approx(854.85, abs=0.006)


def test_qlearners_keep_the_contract():
    algorithm = moopt.algorithm("qlearners", n_steps=40, pop_size=7)
    testing.check_algorithm(algorithm, moopt.problem("deepseatreasure", discount=0.99))


def test_qlearners_need_states_that_are_numbered():
    assert "TabularProblem" in misfit(Walk(), QLearners()) and misfit(DeepSeaTreasure(), QLearners()) is None


@pytest.mark.parametrize(
    "options",
    [
        {"pop_size": 0}, {"n_steps": 0}, {"decay": 0}, {"learning_rate": 0.0}, {"learning_rate": 1.5},
        {"epsilon": (0.5,)}, {"epsilon": 0.1}, {"epsilon": (0.1, -0.1)}, {"optimism": float("nan")},
    ],
)  # fmt: skip
def test_bad_learners(options):
    with pytest.raises(ValueError, match="expected"):
        QLearners(**options)


@pytest.mark.parametrize("weights", [[[1.0, 2.0, 3.0]], [[-1.0, 2.0]], [], [[float("nan"), 1.0]]])
def test_bad_weights(weights: Sequence[Sequence[float]]):
    with pytest.raises(ValueError, match="weights: expected rows of 2"):
        QLearners(weights=weights).init(DeepSeaTreasure(), Rng(0))
