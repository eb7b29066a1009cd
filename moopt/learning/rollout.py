"""Episodes in many worlds at once.

Shapes: `r` runs, `w` worlds of each run. Everything a world holds leads with [r, w].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from moopt import tree
from moopt.random import Rng

if TYPE_CHECKING:
    from moopt.sequential import SequentialProblem

Policy = Callable[[Tensor], Tensor]  # observation[r, w, ...] -> action[r, w, ...]

# Asking whether every episode is over makes the host wait for a GPU, so it is asked this seldom.
STEPS_BETWEEN_CHECKS = 16


class Returns(NamedTuple):
    """What whole episodes gave: `value` [r, w, m], discounted, in the problem's directions; `steps` int64[r, w]."""

    value: Tensor
    steps: Tensor


class Worlds(NamedTuple):
    """Worlds in the middle of their episodes: the problem's world state and `age` int64[r, w], steps so far."""

    state: Any
    age: Tensor


class Transition(NamedTuple):
    """What one step of each world gave.

    reward[r, w, m] in the problem's directions; `observation` [r, w, ...] of where the step led, meaningless where
    the episode ended; `terminated` bool[r, w], ended by the problem; `truncated` bool[r, w], cut at the horizon.
    """

    reward: Tensor
    observation: Tensor
    terminated: Tensor
    truncated: Tensor


def rollout(problem: SequentialProblem, policy: Policy, worlds: int, rng: Rng) -> Returns:
    """One episode of `policy` in each of `worlds` worlds of the runs of `rng`.

    An episode ends for good at its first `done`, or at the horizon; later steps neither pay nor count.
    """
    state = problem.reset(worlds, rng.fold(0))
    alive = torch.ones(rng.runs, worlds, dtype=torch.bool, device=rng.device)
    value = torch.zeros(rng.runs, worlds, problem.n_obj, dtype=rng.dtype, device=rng.device)
    steps = torch.zeros_like(alive, dtype=torch.int64)
    gain = 1.0
    for t in range(problem.horizon):
        if t % STEPS_BETWEEN_CHECKS == 0 and not alive.any():
            break
        state, reward, done = problem.step(state, policy(problem.observe(state)), rng.fold(1, t))
        # A world that is over may give anything, NaN too, which a product with zero would keep.
        value += torch.where(alive[..., None], gain * reward, 0.0)
        steps += alive
        alive &= ~done
        gain *= problem.discount
    return Returns(value, steps)


def start(problem: SequentialProblem, worlds: int, rng: Rng) -> Worlds:
    """Fresh episodes in `worlds` worlds of the runs of `rng`."""
    age = torch.zeros(rng.runs, worlds, dtype=torch.int64, device=rng.device)
    return Worlds(problem.reset(worlds, rng), age)


def advance(problem: SequentialProblem, worlds: Worlds, action: Tensor, rng: Rng) -> tuple[Worlds, Transition]:
    """One step of every world; where an episode ended the next one begins at once, so each step is a live one."""
    state, reward, terminated = problem.step(worlds.state, action, rng.fold(0))
    age = worlds.age + 1
    truncated = (age >= problem.horizon) & ~terminated
    ended = terminated | truncated
    transition = Transition(reward, problem.observe(state), terminated, truncated)
    fresh = problem.reset(age.shape[1], rng.fold(1))
    return Worlds(_where(ended, fresh, state), age.masked_fill(ended, 0)), transition


def _where(mask: Tensor, one: Any, other: Any) -> Any:
    """`one` where the mask [r, w] holds, else `other`: world states, leaf by leaf."""
    leaves: list[Tensor] = []

    def collect(leaf: Tensor) -> Tensor:
        leaves.append(leaf)
        return leaf

    def choose(leaf: Tensor) -> Tensor:
        return torch.where(mask.view(*mask.shape, *(1,) * (leaf.ndim - 2)), leaves.pop(0), leaf)

    tree.map_tensors(collect, one)
    return tree.map_tensors(choose, other)
