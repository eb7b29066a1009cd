"""Where hypervolume is measured from where nobody says: a tenth of the front's extent beyond its nadir.

H. Ishibuchi, N. Akedo, Y. Nojima (2011), "A many-objective test problem for visually examining diversity maintenance
behavior in a decision space", GECCO, 649-656, and since then the custom; of problems, archives, models and studies
alike. Where a front has no extent in an objective, the size of its one value stands in, or 1 where that is 0: a
reference point is always beyond the nadir and follows the units of the objectives.
"""

from __future__ import annotations

import torch
from torch import Tensor

MARGIN = 0.1  # of the extent


def extent(ideal: Tensor, nadir: Tensor) -> Tensor:
    """How far a front reaches in each objective, or what stands in for that: ideal, nadir [..., m] -> [..., m] > 0."""
    size = torch.where(nadir != 0, nadir.abs(), 1.0)
    return torch.where(nadir > ideal, nadir - ideal, size)


def reference_point(ideal: Tensor, nadir: Tensor) -> Tensor:
    """The reference point of a front with these least and greatest values: [..., m], minimised."""
    return nadir + MARGIN * extent(ideal, nadir)
