"""Problems of a user's own, in a module that folders name: those of 0.1.0 in `tests/data` do, too.

The studies there know these classes and functions by their source, so that nothing here may change.
"""

from dataclasses import dataclass

import torch

import moopt


def beam(r, n, kind):
    """Mass and stiffness of a beam; solid ones are heavier."""
    solid = kind == "solid"
    return {"mass": (7.0 + 3.0 * solid) * r * n, "stiffness": r**3 * n * (1.5 if solid else 1.0), "height": r * n}


VARIABLES = {"r": moopt.Real(0.1, 2.0), "n": moopt.Integer(1, 9), "kind": moopt.Choice(["hollow", "solid"])}


def made():
    """The beam as a problem."""
    return moopt.FunctionProblem(beam, VARIABLES, {"mass": "min", "stiffness": "max"}, {"height": ("<=", 12.0)})


@dataclass(frozen=True)
class Slope(moopt.Problem):
    """Two distances in a box that the user gives."""

    box: moopt.Space
    far: tuple[float, ...] = (1.0, 0.5)

    n_obj = 2

    @property
    def space(self):
        return self.box

    def _evaluate(self, x):
        return torch.stack([x.square().sum(-1), (x - x.new_tensor(self.far)).square().sum(-1)], -1)


class Plain(moopt.Problem):
    """No dataclass, and nothing to say about it but its class."""

    n_obj = 2
    space = moopt.Box([-1.0, 0.0], [2.0, 3.0])

    def _evaluate(self, x):
        return torch.stack([x[..., 0].square() + x[..., 1], (x[..., 0] - 1).square() + x[..., 1].square()], -1)


def grid(problem, budget, seed):
    """A contender: points on the diagonal."""
    low, high = problem.space.low, problem.space.high
    return low + torch.linspace(0.0, 1.0, budget, dtype=torch.float64)[:, None] * (high - low)
