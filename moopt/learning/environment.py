"""Environments: Markov decision processes with vector rewards, in worlds that step together as tensors.

Shapes: `r` runs, `w` worlds of each run, `m` objectives. A world state is a tree of tensors that lead with [r, w].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from moopt.core import checks, tree
from moopt.core.checks import InputError, InputTypeError
from moopt.core.random import Rng


@dataclass(frozen=True)
class Continuous:
    """Actions that are vectors [..., n], component i between `low` and `high`, which are numbers or one for each.

    `n`: the number of components, where both bounds are numbers. Raises InputError for bounds that do not fit.
    """

    low: float | Sequence[float]
    high: float | Sequence[float]
    n: int | None = None

    def __post_init__(self) -> None:
        lengths = {len(bound) for bound in (self.low, self.high) if isinstance(bound, Sequence)}
        if self.n is not None:
            lengths.add(checks.whole("n", self.n))
        if len(lengths) != 1 or not min(lengths):
            got = f"low {self.low!r}, high {self.high!r}, n {self.n}"
            raise InputError(f"actions: expected as many low as high bounds, or numbers and n, got {got}")
        n = lengths.pop()
        low, high = (
            tuple(checks.number(name, v) for v in (bound if isinstance(bound, Sequence) else [bound] * n))
            for name, bound in (("low", self.low), ("high", self.high))
        )
        if any(a >= b for a, b in zip(low, high, strict=True)):
            raise InputError(f"actions: expected low below high, got low {low}, high {high}")
        for name, value in (("low", low), ("high", high), ("n", n)):
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class Discrete:
    """Actions 0 .. n-1, int64[...]. Raises InputError unless `n` is a positive whole number."""

    n: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", checks.whole("n", self.n))


class Environment(ABC):
    """A Markov decision process with vector rewards. It knows no policies: `PolicySearch` searches them in it.

    A subclass declares `n_obj`, `directions` ("min" or "max" of each reward), `horizon`, the step at which an episode
    is cut, and `actions`, `Continuous` or `Discrete`. Where they differ from what stands here it declares
    `objective_names`, `discount` in (0, 1], `n_states` where `observe` numbers the states 0 .. n_states-1, and whether
    starts of episodes (`starts_draw`) or their steps (`steps_draw`) draw random numbers. It writes `reset`, `step` and
    `observe`, and `action_mask` where actions may be forbidden. A frozen dataclass can be resumed from disk.

    World states are trees of tensors [r, w, ...], r = rng.runs, on rng.device and of rng.dtype. Draws come from the
    given `rng` only, and the world at a place depends on nothing that happens at the others.
    """

    n_obj: int
    directions: Sequence[str] | None = None
    objective_names: Sequence[str] | None = None
    horizon: int
    discount: float = 1.0
    actions: Continuous | Discrete | None = None
    n_states: int | None = None
    starts_draw: ClassVar[bool] = True
    steps_draw: ClassVar[bool] = True

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        checks.misspelt(cls, Environment)

    @abstractmethod
    def reset(self, worlds: int, rng: Rng) -> Any:
        """World states [r, w, ...] at the start of an episode."""

    @abstractmethod
    def step(self, state: Any, action: Tensor, rng: Rng) -> tuple[Any, Tensor, Tensor]:
        """After an action[r, w, ...]: (world state, reward[r, w, m] in the declared directions, done bool[r, w]).

        A finished world may be stepped on: whatever it gives then is left out by the caller. A reward that is NaN
        makes the policy a failed point.
        """

    @abstractmethod
    def observe(self, state: Any) -> Tensor:
        """What a policy sees, before normalisation: [r, w, ...]; int64[r, w] where states are numbered."""

    def action_mask(self, state: Any) -> Tensor | None:
        """Which discrete actions are allowed, bool[r, w, n], one at least; `None` where all always are."""
        return None

    def restart(self, state: Any, ended: Tensor, rng: Rng) -> Any:
        """World states with fresh starts, those of `reset(w, rng)`, in the places that `ended`, bool[r, w].

        Whoever overrides it to save work must keep that: what begins at a place may not depend on the other places.
        On a GPU nothing here waits for the host.
        """
        if ended.device.type == "cpu" and not bool(ended.any()):
            return state
        return chosen(ended, self.reset(ended.shape[1] if self.starts_draw else 1, rng), state)

    @property
    def name(self) -> str:
        """How messages call the environment."""
        return type(self).__name__.lower()

    @property
    def observation_shape(self) -> tuple[int, ...]:
        """Of what one world shows, without [r, w]; found by looking at a fresh one, unless it is declared."""
        return tuple(self.observe(self.reset(1, Rng(0))).shape[2:])

    @property
    def masks_actions(self) -> bool:
        """Whether `action_mask` may forbid actions."""
        return type(self).action_mask is not Environment.action_mask


def chosen(mask: Tensor, one: Any, other: Any) -> Any:
    """`one` where the mask [r, w] holds, else `other`: world states [r, w, ...], leaf by leaf; `one` may be [r, 1]."""
    leaves: list[Tensor] = []

    def collect(leaf: Tensor) -> Tensor:
        leaves.append(leaf)
        return leaf

    def choose(leaf: Tensor) -> Tensor:
        return torch.where(mask.view(*mask.shape, *(1,) * (leaf.ndim - 2)), leaves.pop(0), leaf)

    tree.map_tensors(collect, one)
    return tree.map_tensors(choose, other)


RUNS, WORLDS = 2, 3  # in which an environment is tried


def check_environment(environment: Any) -> Environment:
    """The environment, after its declarations and one step of a few worlds were looked at.

    Raises InputError, of what is no `Environment` InputTypeError, with one sentence on what does not fit.
    """
    if not isinstance(environment, Environment):
        raise InputTypeError(f"environment: expected an Environment (reset, step, observe), got {environment!r}")
    name = environment.name
    n_obj, horizon = (getattr(environment, what, None) for what in ("n_obj", "horizon"))
    checks.whole(f"{name}.n_obj", n_obj)
    checks.whole(f"{name}.horizon", horizon)
    if not 0 < checks.number(f"{name}.discount", environment.discount) <= 1:
        raise InputError(f"{name}.discount: expected a number in (0, 1], got {environment.discount!r}")
    directions, names = environment.directions, environment.objective_names
    if directions is None or len(directions) != n_obj or not set(directions) <= {"min", "max"}:
        raise InputError(f"{name}.directions: expected {n_obj} of 'min' or 'max', got {directions!r}")
    if names is not None and len(names) != n_obj:
        raise InputError(f"{name}.objective_names: expected {n_obj} names, got {names!r}")
    if not isinstance(environment.actions, Continuous | Discrete):
        raise InputError(
            f"{name}.actions: expected Discrete(n) or Continuous(low, high), got {environment.actions!r}"
        )
    if environment.n_states is not None:
        checks.whole(f"{name}.n_states", environment.n_states)
    _try(environment, environment.actions)
    return environment


def _try(environment: Environment, actions: Continuous | Discrete) -> None:
    """One step. Raises InputError for shapes and dtypes that do not fit."""
    rng, lead, name = Rng(range(RUNS)), (RUNS, WORLDS), environment.name
    state = environment.reset(WORLDS, rng.fold(0))
    shape = (*lead, *environment.observation_shape)
    observation, mask = environment.observe(state), environment.action_mask(state)
    expect(f"{name}.observe", "observations", observation, shape)
    if environment.n_states is not None and (observation.dtype != torch.int64 or observation.ndim != 2):
        raise InputError(
            f"{name}.observe: expected numbers of states, int64{list(lead)}, got {_seen(observation)}: n_states is set"
        )
    if mask is not None:
        if isinstance(actions, Continuous):
            raise InputError(f"{name}.action_mask: expected Discrete actions, got {actions!r}")
        expect(f"{name}.action_mask", "a mask", mask, (*lead, actions.n), torch.bool)
        if not bool(mask.any(-1).all()):
            raise InputError(f"{name}.action_mask: expected an allowed action in each world, got none in some")
        action = mask.to(torch.uint8).argmax(-1)
    elif isinstance(actions, Discrete):
        action = torch.zeros(lead, dtype=torch.int64)
    else:
        middle = (torch.tensor(actions.low) + torch.tensor(actions.high)) / 2
        action = middle.to(rng.dtype).expand(*lead, -1)
    answer = environment.step(state, action, rng.fold(1))
    if not isinstance(answer, tuple) or len(answer) != 3:
        raise InputError(f"{name}.step: expected (world state, reward, done), got {type(answer).__name__}")
    expect(f"{name}.step", "rewards", answer[1], (*lead, environment.n_obj))
    expect(f"{name}.step", "done", answer[2], lead, torch.bool)
    expect(f"{name}.observe", "observations after a step", environment.observe(answer[0]), shape)


def expect(where: str, what: str, value: Any, shape: Sequence[int], dtype: torch.dtype | None = None) -> None:
    """Raises InputError unless `value` is a tensor of this shape, of this dtype where one is given."""
    if not isinstance(value, Tensor) or value.shape != tuple(shape) or dtype not in (None, value.dtype):
        kind = "" if dtype is None else f"{str(dtype).removeprefix('torch.')} "
        wanted = f"{what} of shape {kind}{list(shape)} for {RUNS} runs of {WORLDS} worlds"
        raise InputError(f"{where}: expected {wanted}, got {_seen(value)}")


def _seen(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    return type(value).__name__
