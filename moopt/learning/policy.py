"""Policies whose parameters are rows of a matrix: thousands of small networks side by side."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from moopt.core import checks
from moopt.core.checks import InputError
from moopt.kernels.perceptron import perceptron


@dataclass(frozen=True)
class MLP:
    """Multilayer perceptrons with tanh after every layer: `sizes` inputs, hidden layers, outputs.

    A policy is a row of x[..., n, d]: for each layer its weights [in, out] row by row, then its biases [out]. Raises
    ValueError for fewer than two sizes or one below 1.
    """

    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        sizes = tuple(checks.whole("layer size", size) for size in self.sizes)
        if len(sizes) < 2:
            raise InputError(f"sizes: expected inputs, hidden layers and outputs, got {self.sizes!r}")
        object.__setattr__(self, "sizes", sizes)

    @property
    def n_parameters(self) -> int:
        """Length d of a row."""
        return sum((inputs + 1) * outputs for inputs, outputs in zip(self.sizes[:-1], self.sizes[1:], strict=True))

    def __call__(self, x: Tensor, observation: Tensor) -> Tensor:
        """Actions in [-1, 1] of policies x[..., n, d], each in e worlds: observation[..., n, e, k] -> [..., n, e, out].
        """
        return perceptron(x, observation, self.sizes)
