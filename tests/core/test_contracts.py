"""What algorithms and problems are promised by the loop, and what they are refused when they are made."""

from dataclasses import dataclass

import pytest
import torch

import moopt
from moopt import Points, Turn
from moopt.algorithms.reinforcement.qlearners import QLearners
from moopt.core import tree
from moopt.problems.decision.deepseatreasure import DeepSeaTreasure
from moopt.testing import Bowls

DOUBLE = torch.float64


def points(n, m=2, **columns):
    x = torch.arange(2.0 * n, dtype=DOUBLE).reshape(1, n, 2)
    return Points(x, x[..., :m] + 0.5, x[..., :1] - 3, torch.zeros(1, n, dtype=torch.bool), (1, -1), columns)


def test_columns_go_with_their_points():
    noise = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]], dtype=DOUBLE)
    a = points(3, f_var=noise, cost=torch.tensor([[7, 8, 9]]))
    b = points(2)
    picked = a.select(torch.tensor([[4, 2, 0]]), b)
    assert picked.x[0, :, 0].tolist() == [2.0, 4.0, 0.0] and picked.cost.tolist() == [[0, 9, 7]]
    assert picked.f_var[0, 1:].tolist() == [[5.0, 6.0], [1.0, 2.0]] and picked.f_var[0, 0].isnan().all()
    joined = b.join(a)
    assert joined.cost.tolist() == [[0, 0, 7, 8, 9]] and joined.f_var.isnan().sum() == 4 and joined.signs == (1, -1)
    one = tree.map_tensors(lambda leaf: leaf[0], joined)
    assert one.select(torch.tensor([False, False, True, False, True])).cost.tolist() == [7, 9]
    assert a.without("cost").cost is None and not a.bare().columns


def test_what_a_problem_says_beside_its_objectives_is_kept():
    class Spending(Bowls):
        cost_unit = "tokens"

        def _evaluate(self, x):
            f, g = super()._evaluate(x)
            return {"f": f, "g": g, "cost": (3 + 10 * x[..., 0].abs()).long(), "weight": x[..., :2]}

    result = moopt.minimize(Spending(), moopt.algorithm("nsga2", pop_size=8), 40, seed=1, progress=False)
    for found in (result.front, result.population):
        assert torch.equal(found.cost, (3 + 10 * found.x[:, 0].abs()).long())
        assert torch.equal(found.columns["weight"], found.x[:, :2])
    with pytest.raises(ValueError, match=r"expected weight of shape \[5\] or \[5, k\], got \[4\]"):

        class Short(Bowls):
            def _evaluate(self, x):
                return {"f": super()._evaluate(x)[0], "weight": x[:-1, 0]}

        Short().evaluate(torch.zeros(5, 3, dtype=DOUBLE))


def test_the_share_of_the_budget_is_told():
    shares = []

    @dataclass(frozen=True, kw_only=True)
    class Watching(type(moopt.algorithm("nsga2"))):
        def survive(self, problem, state, born, turn):
            shares.append(turn.fraction.tolist())
            return super().survive(problem, state, born, turn)

    search = dict(seed=1, runs=2, progress=False)
    moopt.minimize(Bowls(), Watching(pop_size=10), moopt.Evaluations(40) | moopt.Seconds(1e6), **search)
    assert shares == [[0.0, 0.0], [0.25, 0.25], [0.5, 0.5], [0.75, 0.75]]
    shares.clear()
    moopt.minimize(Bowls(), Watching(pop_size=10), moopt.Generations(4) & moopt.Evaluations(80), **search)
    assert shares == [[k / 8] * 2 for k in range(8)]
    shares.clear()
    moopt.minimize(Bowls(), Watching(pop_size=10), moopt.Reached("hypervolume", 0.3), **search)
    assert all(share != share for row in shares for share in row)  # nobody knows
    shares.clear()
    moopt.minimize(Bowls(), Watching(pop_size=10), moopt.Seconds(0.3), **search)
    assert shares[0][0] < shares[-1][0] <= 1.0  # by the clock, where nothing is counted


def test_rvea_takes_its_length_from_the_budget():
    def found(budget, **options):
        search = dict(seed=2, runs=2, progress=False)
        return moopt.minimize(Bowls(n_obj=3), moopt.algorithm("rvea", pop_size=10, **options), budget, **search).front.f

    by_budget = found(moopt.Evaluations(300))
    assert torch.equal(by_budget, found(moopt.Evaluations(300), generations=30))
    assert not torch.equal(by_budget, found(moopt.Evaluations(300), generations=250))
    long = moopt.Reached("hypervolume", 9.0) & moopt.Generations(1) | moopt.Stalled(10)
    assert torch.equal(found(long), found(long, generations=250))  # where nobody knows


def test_q_learners_explore_less_as_the_budget_is_used():
    learners = QLearners(epsilon=(0.5, 0.1))
    age, nan = torch.tensor([40, 5000]), torch.tensor([torch.nan, torch.nan], dtype=DOUBLE)
    used = torch.tensor([0.25, 1.0], dtype=DOUBLE)
    assert learners._epsilon(age, used).tolist() == pytest.approx([0.4, 0.1])
    assert learners._epsilon(age, nan).tolist() == pytest.approx([0.5 - 0.4 * 0.004, 0.3])
    assert QLearners(epsilon=(0.5, 0.1), decay=80)._epsilon(age, used).tolist() == pytest.approx([0.3, 0.1])
    problem = DeepSeaTreasure()
    state = learners.init(problem, moopt.Rng([1]))
    late = Turn(moopt.Rng([5]), torch.tensor([1.0], dtype=DOUBLE))
    early = Turn(moopt.Rng([5]), torch.tensor([0.0], dtype=DOUBLE))
    assert not torch.equal(learners.step(problem, state, late)[0].q, learners.step(problem, state, early)[0].q)


def test_misspelt_declarations_are_refused():
    with pytest.raises(TypeError, match=r"nothing asks for 'n_cons' \(did you mean 'n_con'\?\)"):

        class Typo(moopt.Problem):
            n_cons = 1

    with pytest.raises(TypeError, match=r"nothing asks for 'objective_name' \(did you mean 'objective_names'\?\)"):

        class Named(Bowls):
            objective_name = ("a", "b")

    with pytest.raises(TypeError, match=r"nothing asks for 'constraint' \(did you mean 'constraints'\?\)"):

        class Algorithm(moopt.Generational):
            constraint = False

    with pytest.raises(TypeError, match=r"nothing asks for 'survived' \(did you mean 'survive'\?\)"):

        class Misspelt(moopt.Generational):
            def survived(self, problem, state, born, turn): ...

    class Own(moopt.Generational):
        def init(self, problem, rng): ...

    with pytest.raises(TypeError, match="mate"):
        Own()
