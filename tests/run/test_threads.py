"""A run takes as many torch threads as its work is worth, and gives the old number back."""

import pytest
import torch

import moopt
from moopt.run.threads import worth
from moopt.testing import Bowls


@pytest.fixture(autouse=True)
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


class Seen(Bowls):
    """Notes how many threads an evaluation has."""

    def _evaluate(self, x):
        self.__dict__.setdefault("threads", []).append(torch.get_num_threads())
        return super()._evaluate(x)


def search(problem, **options):
    return moopt.minimize(problem, moopt.algorithm("nsga2", pop_size=10), 40, seed=1, progress=False, **options)


def test_a_small_run_takes_one_thread_and_gives_the_others_back():
    seen = []
    search("zdt1", monitors=[lambda snapshot: seen.append(torch.get_num_threads())])
    assert seen == [1] * 4 and torch.get_num_threads() == 2


def test_the_number_comes_back_after_an_error_and_an_interruption():
    def fail(snapshot):
        raise RuntimeError("no more")

    def interrupt(snapshot):
        raise KeyboardInterrupt

    with pytest.raises(RuntimeError, match="no more"):
        search("zdt1", monitors=[fail])
    assert torch.get_num_threads() == 2
    assert search("zdt1", monitors=[interrupt]).status is moopt.Status.INTERRUPTED
    assert torch.get_num_threads() == 2


def test_a_problem_of_the_users_own_keeps_its_threads():
    problem = Seen()
    search(problem)
    assert problem.threads == [2] * 4


def test_work_decides():
    zdt1, nsga2 = moopt.problem("zdt1"), moopt.algorithm("nsga2")
    assert worth(zdt1, nsga2, 1) == worth(zdt1, nsga2, 500) == 1 < worth(zdt1, nsga2, 1000)
    assert worth(zdt1, moopt.algorithm("nsga2", pop_size=100_000), 1) == 2
    assert worth(zdt1, moopt.algorithm("bayes"), 1) == 2 and worth(zdt1, moopt.algorithm("random"), 1) == 1
    sea, learners = moopt.problem("deepseatreasure"), moopt.algorithm("qlearners")
    assert worth(sea, learners, 1) == worth(sea, nsga2, 1) == 2


def test_one_thread_and_two_find_the_same():
    torch.set_num_threads(1)
    one = search("dtlz2")
    torch.set_num_threads(2)
    assert torch.equal(one.front.f, search("dtlz2").front.f)
