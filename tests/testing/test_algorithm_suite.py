"""The suite of algorithms finds what is wrong with them, and nothing where nothing is."""

from dataclasses import dataclass

import pytest
import torch

import moopt
from moopt.testing import Bowls, ContractError, check_algorithm


class Faulty(type(moopt.algorithm("random"))):
    """Random search with one fault."""

    fault = ""
    calls = [0]

    def ask(self, problem, state, turn):
        x, columns, state = super().ask(problem, state, turn)
        self.calls[0] += 1
        if self.fault == "global":
            x = problem.space.sample(torch.rand_like(x))
        if self.fault == "outside":
            x = x + 5.0
        if self.fault == "mixes runs":
            x = x.mean(0, keepdim=True).expand_as(x).clone()
        if self.fault in ("one stream", "ignores the seed"):
            seeds = [1] * len(x) if self.fault == "one stream" else range(len(x))
            x = problem.space.sample(moopt.Rng(seeds, dtype=x.dtype).uniform(*x.shape[1:]))
        if self.fault == "remembers":
            x = problem.space.sample(turn.rng.fold(self.calls[0]).uniform(*x.shape[1:]))
        if self.fault == "doubles":
            x = x.double()
        return x, columns, state


@pytest.mark.parametrize(
    "fault, sentence",
    [
        ("global", "global random generator"), ("outside", "leaves the space"),
        ("mixes runs", "differs from the same run in a batch"), ("one stream", "two seeds give the same"),
        ("ignores the seed", "differs from the same run in a batch"), ("remembers", "the same seed gives another"),
        ("doubles", "loses float32"),
    ],
)  # fmt: skip
def test_broken_algorithms_are_found(fault, sentence):
    algorithm = Faulty(pop_size=10)
    object.__setattr__(algorithm, "fault", fault)
    with pytest.raises(ContractError, match=sentence):
        check_algorithm(algorithm)


def test_options_that_may_change_are_found():
    @dataclass(frozen=False, kw_only=True, unsafe_hash=True)
    class Changing(moopt.Incremental):
        pop_size: int = 10

        def init(self, problem, rng):
            return {}

        def ask(self, problem, state, turn):
            return problem.space.sample(turn.rng.uniform(self.pop_size, problem.n_var)), {}, state

        def tell(self, problem, state, points, turn):
            return state

        def population(self, problem, state):
            return moopt.Points.empty(problem, 1, device="cpu", dtype=torch.float64)

    with pytest.raises(ContractError, match="no frozen dataclass"):
        check_algorithm(Changing())


def test_what_is_too_weak_or_fits_nothing_is_told():
    algorithm = moopt.algorithm("random", pop_size=10)
    check_algorithm(algorithm)
    with pytest.raises(ContractError, match="expected hypervolume 0.9, got 0."):
        check_algorithm(algorithm, Bowls(n_obj=3), hypervolume=0.9)
    with pytest.raises(ContractError, match="pass a problem that it can search"):
        check_algorithm(moopt.algorithm("qlearners"))
