"""Problems of which somebody published where their front begins and ends."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from moopt.core.problem import Problem


class Published(Problem):
    """A subclass names `_ideal` and `_nadir`, minimised: a number for each objective, or one for all of them."""

    _ideal: ClassVar[tuple[float, ...]]
    _nadir: ClassVar[tuple[float, ...]]

    @property
    def ideal(self) -> Tensor:
        return self._point(self._ideal)

    @property
    def nadir(self) -> Tensor:
        return self._point(self._nadir)

    def _point(self, values: tuple[float, ...]) -> Tensor:
        return torch.tensor(values * self.n_obj if len(values) == 1 else values, dtype=torch.float64)
