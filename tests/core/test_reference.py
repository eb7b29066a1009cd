"""The reference point where nobody gives one: one rule, and everyone who uses it."""

import pytest
import torch

import moopt
from moopt import Points, Rng, Turn
from moopt.core.reference import extent, reference_point
from moopt.experiment.frame import inferred_frame
from moopt.run.scorer import Scorer
from moopt.surrogate import infer_reference_point
from moopt.testing import Bowls

F = torch.tensor([[3.0, 2.0, -4.0, 0.0], [1.0, 6.0, -4.0, 0.0]], dtype=torch.float64)  # one value of the last two
BEYOND = [3.2, 6.4, -3.6, 0.1]


class Raw(Bowls):
    """No known front."""

    ideal = nadir = None


def of_a_problem(f):
    class Known(Raw):
        ideal, nadir = f.amin(0), f.amax(0)

    return Known(n_obj=4).reference_point


def of_an_archive(f):
    scorer = Scorer(Raw(n_obj=4))
    scorer = scorer.frozen([Points(f[:, :2], f, f[:, :0], torch.zeros(len(f), dtype=torch.bool))])
    return scorer.reference_point


def of_a_model(f):
    return infer_reference_point(f)


def of_hype(f):
    algorithm = moopt.algorithm("hype", pop_size=4, n_samples=16)
    rng = Rng([0])
    failed = torch.zeros(1, len(f), dtype=torch.bool)
    x = rng.uniform(len(f), Raw(n_obj=4).n_var)
    told = Points(x, f[None], f.new_zeros(1, len(f), 0), failed)
    return algorithm.tell(Raw(n_obj=4), algorithm.init(Raw(n_obj=4), rng), told, Turn(rng)).reference[0]


@pytest.mark.parametrize("user", [of_a_problem, of_an_archive, of_a_model, of_hype])
def test_everyone_measures_from_the_same_point(user):
    assert user(F).tolist() == pytest.approx(BEYOND)


def test_a_study_scales_by_the_same_extent():
    """There the stand-in reaches on from the ideal, so that a value that all share is the best, 0, not the worst."""
    frame = inferred_frame(Raw(n_obj=4), "raw", [F])
    assert frame.ideal == [1.0, 2.0, -4.0, 0.0] and frame.nadir == [3.0, 6.0, 0.0, 1.0]
    assert frame.reference == 1.1


def test_the_rule_follows_the_units():
    ideal, nadir = torch.tensor([[-2.0, 5.0, -5.0], [0.0, 1.0, 0.0]]), torch.tensor([[2.0, 5.0, -5.0], [0.0, 3.0, 8.0]])
    assert extent(ideal, nadir).tolist() == [[4.0, 5.0, 5.0], [1.0, 2.0, 8.0]]
    assert torch.allclose(reference_point(ideal, nadir), torch.tensor([[2.4, 5.5, -4.5], [0.1, 3.2, 8.8]]))
    assert torch.allclose(reference_point(1e3 * ideal[0], 1e3 * nadir[0]), 1e3 * reference_point(ideal[0], nadir[0]))
