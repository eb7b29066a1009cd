"""Policies whose parameters are rows of a matrix: thousands side by side, each in worlds of its own.

Shapes: x[..., n, d] are n policies, observation[..., n, e, *shape] what each of them sees in e worlds.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from moopt.core import checks
from moopt.core.checks import InputError, InputTypeError
from moopt.core.space import Box, Choice, Space
from moopt.kernels.perceptron import perceptron
from moopt.learning.environment import Continuous, Discrete, Environment


class Policy(ABC):
    """From observations to actions, by parameters: a subclass has `space`, the space of a policy, and writes `act`."""

    @property
    @abstractmethod
    def space(self) -> Space:
        """Where the parameters of a policy lie: d columns."""

    @property
    def n_parameters(self) -> int:
        """Length d of a policy."""
        return self.space.n_var

    @abstractmethod
    def act(self, x: Tensor, observation: Tensor, mask: Tensor | None = None) -> Tensor:
        """What policies x[..., n, d] do, each in e worlds: observation[..., n, e, *shape] -> action[..., n, e, ...].

        An action is int64 where actions are `Discrete`, a vector where they are `Continuous`. `mask`
        bool[..., n, e, k] says which discrete ones are allowed; it is given where an environment has one.
        """


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


@dataclass(frozen=True)
class MLPPolicy(Policy):
    """Perceptrons (`MLP`) on flattened observations of `inputs` numbers, with `hidden` layers and weights in `bound`.

    Of `Continuous` actions the outputs span the range. Of `Discrete` ones the greatest output is the action, among the
    allowed ones; tanh leaves their order. Raises InputError for a value that does not fit.
    """

    inputs: int
    actions: Continuous | Discrete
    hidden: Sequence[int] = (16,)
    bound: float = 0.5

    def __post_init__(self) -> None:
        checks.whole("inputs", self.inputs)
        if not isinstance(self.actions, Continuous | Discrete):
            raise InputTypeError(f"actions: expected Discrete(n) or Continuous(low, high), got {self.actions!r}")
        object.__setattr__(self, "hidden", checks.wholes("hidden", self.hidden))
        if checks.number("bound", self.bound) <= 0:
            raise InputError(f"bound: expected a positive number, got {self.bound!r}")

    @staticmethod
    def of(environment: Environment, hidden: Sequence[int] = (16,), bound: float = 0.5) -> MLPPolicy:
        """The policy for what an environment shows and takes."""
        if environment.actions is None or environment.n_states is not None:
            got = "numbered states" if environment.n_states is not None else "none declared"
            raise InputError(f"{environment.name}: expected vectors to observe, and actions, for a network, got {got}")
        return MLPPolicy(math.prod(environment.observation_shape), environment.actions, hidden, bound)

    @cached_property
    def network(self) -> MLP:
        """From `inputs` numbers to one output in [-1, 1] for each component or each action."""
        return MLP((self.inputs, *self.hidden, self.actions.n))  # type: ignore[arg-type]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Of the layers, inputs and outputs, too."""
        return self.network.sizes

    @cached_property
    def space(self) -> Box:
        return Box(-self.bound, self.bound, self.network.n_parameters)

    def act(self, x: Tensor, observation: Tensor, mask: Tensor | None = None) -> Tensor:
        if observation.ndim != x.ndim + 1:  # numbers, matrices, images
            observation = observation.reshape(*observation.shape[: x.ndim], -1)
        if not observation.is_floating_point():
            observation = observation.to(x.dtype)
        output = self.network(x.to(observation.dtype), observation)
        if isinstance(self.actions, Discrete):
            return (output if mask is None else output.masked_fill(~mask, -torch.inf)).argmax(-1)
        middle, reach = self._range(observation)
        return middle + reach * output

    def _range(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Middle and half width of the actions, [n]."""
        key = like.device, like.dtype
        if key not in self._ranges:
            low, high = (torch.tensor(v, dtype=torch.float64).to(*key) for v in (self.actions.low, self.actions.high))  # type: ignore[union-attr]
            self._ranges[key] = (low + high) / 2, (high - low) / 2
        return self._ranges[key]

    @cached_property
    def _ranges(self) -> dict[tuple[torch.device, torch.dtype], tuple[Tensor, Tensor]]:
        return {}


class Tabular(Policy):
    """A policy that says the action in each numbered state, whatever its parameters are."""

    @abstractmethod
    def encode(self, actions: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
        """The policy that takes these actions: int64[..., n_states] -> x[..., d]."""


@dataclass(frozen=True)
class TablePolicy(Tabular):
    """Column s of x is the action, one of `n_actions`, in state s of `n_states`.

    Where that is forbidden the first allowed action is taken. Raises InputError for numbers below 1.
    """

    n_states: int
    n_actions: int

    def __post_init__(self) -> None:
        for name in ("n_states", "n_actions"):
            checks.whole(name, getattr(self, name))

    @staticmethod
    def of(environment: Environment) -> TablePolicy:
        """The table for an environment of numbered states and actions."""
        if environment.n_states is None or not isinstance(environment.actions, Discrete):
            got = f"n_states {environment.n_states}, actions {environment.actions!r}"
            raise InputError(f"{environment.name}: expected n_states and Discrete actions for a table, got {got}")
        return TablePolicy(environment.n_states, environment.actions.n)

    @cached_property
    def space(self) -> Space:
        return Space({f"state{s}": Choice(tuple(range(self.n_actions))) for s in range(self.n_states)})

    def act(self, x: Tensor, observation: Tensor, mask: Tensor | None = None) -> Tensor:
        action = x.gather(-1, observation).long()
        if mask is None:
            return action
        allowed = mask.gather(-1, action[..., None])[..., 0]
        return torch.where(allowed, action, mask.to(torch.uint8).argmax(-1))

    def encode(self, actions: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
        return actions.to(dtype)
