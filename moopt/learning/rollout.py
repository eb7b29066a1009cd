"""Episodes in many worlds at once.

Shapes: `r` runs, `w` worlds of each run. Everything a world holds leads with [r, w].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from moopt.core import tree
from moopt.core.random import Rng
from moopt.learning.environment import Environment
from moopt.learning.moments import Moments, Seen

Act = Callable[..., Tensor]  # observation[r, w, ...], and a mask where there is one -> action[r, w, ...]

# Asking whether every episode is over makes the host wait for a GPU, so it is asked this seldom.
STEPS_BETWEEN_CHECKS = 16
# On the CPU this many worlds step together: what they hold stays in the cache, and elementwise operations stay below
# the size from which torch wakes threads, which would spin on the cores that physics needs.
BLOCK = 1024
CROWDED = 0.9  # of a block alive, at least; else the others leave it, which costs a copy of what remains
STEPS_BETWEEN_LOOKS = 8  # observations that follow one another hardly differ: their moments take every eighth


class Returns(NamedTuple):
    """What whole episodes gave, in the environment's directions.

    `value` [r, w, m] discounted; `steps` int64[r, w]; `undiscounted` [r, w, m], plain sums of the same rewards.
    """

    value: Tensor
    steps: Tensor
    undiscounted: Tensor


class Players(Protocol):
    """What `play` asks of a problem whose points are policies."""

    @property
    def environment(self) -> Environment:
        """Where they act."""

    @property
    def episodes(self) -> int:
        """Of each policy."""

    @property
    def n_obj(self) -> int:
        """Number of returns."""

    def embody(self, state: Any, x: Tensor, /) -> Any:
        """World states as the points x[r, w, d] shape them."""

    def respond(self, observation: Tensor, players: tuple[Tensor, ...], mask: Tensor | None = None, /) -> Tensor:
        """Actions of the policies, one in each world, and of the moments they see through."""


class Worlds(NamedTuple):
    """Worlds in the middle of their episodes: the environment's world state and `age` int64[r, w], steps so far."""

    state: Any
    age: Tensor


class Transition(NamedTuple):
    """What one step of each world gave.

    reward[r, w, m] in the environment's directions; `observation` [r, w, ...] of where the step led, meaningless where
    the episode ended; `terminated` bool[r, w], ended by the environment; `truncated` bool[r, w], cut at the horizon.
    """

    reward: Tensor
    observation: Tensor
    terminated: Tensor
    truncated: Tensor


def rollout(environment: Environment, policy: Act, worlds: int, rng: Rng) -> Returns:
    """One episode of `policy` in each of `worlds` worlds of the runs of `rng`.

    `policy` gives action[r, w, ...] for observation[r, w, ...] and, where the environment has one, a mask
    bool[r, w, k] of what is allowed. An episode ends for good at its first `done`, or at the horizon; later steps
    neither pay nor count.
    """

    def act(observation: Tensor, players: tuple[Tensor, ...], mask: Tensor | None) -> Tensor:
        return policy(observation) if mask is None else policy(observation, mask)

    state = environment.reset(worlds, rng.fold(0))
    lived = _lived(environment, state, (), act, (rng.runs, worlds), rng)
    return Returns(lived.value.to(rng.dtype), lived.steps, lived.undiscounted.to(rng.dtype))


def play(
    problem: Players, x: Tensor, rng: Rng, moments: Moments | None = None, learn: bool = False
) -> tuple[Returns, Moments | None]:
    """`problem.episodes` episodes of each policy x[r, n, d]: w = n * episodes worlds, policy by policy.

    All policies of a run meet the same starts. Observations reach them normalised by `moments`, where there are any;
    those come back, and have seen these episodes where they `learn`.
    """
    runs, n, _ = x.shape
    environment, e = problem.environment, problem.episodes
    starts = environment.reset(e, rng.fold(0))
    world = torch.arange(runs * n * e, device=x.device)
    # where steps draw, what a world draws depends on its place among the worlds of its run
    width = BLOCK if x.device.type == "cpu" and not environment.steps_draw else max(1, len(world))
    parts = []
    for block in world.split(width):
        run, lead = block // (n * e), (runs, n * e) if environment.steps_draw else (1, len(block))
        players = [x.flatten(0, 1)[block // e]]
        if moments is not None:
            players += [moments.mean[run], moments.std[run]]
        state, held = (
            tree.map_tensors(lambda leaf, lead=lead: leaf.unflatten(0, lead), part)  # type: ignore[misc]
            for part in (tree.map_tensors(lambda leaf, at=(run, block % e): leaf[at], starts), tuple(players))  # type: ignore[misc]
        )
        state = problem.embody(state, held[0])
        parts.append(_lived(environment, state, held, problem.respond, lead, rng, learn))
    value, steps, undiscounted = (
        torch.cat([getattr(part, key).flatten(0, 1) for part in parts]) for key in Returns._fields
    )
    shape = runs, n * e, environment.n_obj
    returns = Returns(
        value.view(shape).to(rng.dtype), steps.view(shape[:2]), undiscounted.view(shape).to(rng.dtype)
    )
    if moments is not None and learn:
        moments = moments.after(Seen.joined([part.seen for part in parts], runs))
    return returns, moments


class _Lived(NamedTuple):
    """Episodes of worlds [r, w]: returns, float64; steps; what was seen, if that was asked for."""

    value: Tensor
    steps: Tensor
    undiscounted: Tensor
    seen: Seen


def _lived(
    environment: Environment, state: Any, players: tuple[Tensor, ...], act: Callable[..., Tensor],
    shape: tuple[int, int], rng: Rng, learn: bool = False,
) -> _Lived:  # fmt: skip
    """Episodes from `state`; `act(observation, players, mask)`, where `players` are tensors [r, w, ...] of the actors.

    Worlds whose episode is over leave, on the CPU and where steps draw nothing: the others go on as before.
    """
    value = torch.zeros(*shape, environment.n_obj, dtype=torch.float64, device=rng.device)
    undiscounted = value if environment.discount == 1 else torch.zeros_like(value)
    steps = torch.zeros(shape, dtype=torch.int64, device=rng.device)
    alive = torch.ones(shape, dtype=torch.bool, device=rng.device)
    seen = Seen.nothing(*shape, players[1].shape[-1], rng.device) if learn else Seen(steps, value, value)
    here: Tensor | slice = slice(None)  # the places of the worlds that go on
    narrows = rng.device.type == "cpu" and not environment.steps_draw
    gain = 1.0
    for t in range(environment.horizon):
        if narrows or t % STEPS_BETWEEN_CHECKS == 0:
            going = int(alive.sum())
            if not going:
                break
            if narrows and going < CROWDED * alive.shape[1]:
                left = alive[0].nonzero()[:, 0]
                state, players, alive = tree.map_tensors(lambda leaf, left=left: leaf[:, left], (state, players, alive))  # type: ignore[misc]
                here = left if isinstance(here, slice) else here[left]
        observation = environment.observe(state)
        if learn and t % STEPS_BETWEEN_LOOKS == 0:
            seen.add(here, observation - players[1], alive)
        action = act(observation, players, environment.action_mask(state))
        state, reward, done = environment.step(state, action, rng.fold(1, t))
        # A world that is over may give anything, NaN too, which a product with zero would keep.
        value[:, here] += torch.where(alive[..., None], gain * reward, 0.0)
        if undiscounted is not value:
            undiscounted[:, here] += torch.where(alive[..., None], reward, 0.0)
        steps[:, here] += alive
        alive = alive & ~done
        gain *= environment.discount
    return _Lived(value, steps, undiscounted, seen)


def start(environment: Environment, worlds: int, rng: Rng) -> Worlds:
    """Fresh episodes in `worlds` worlds of the runs of `rng`."""
    age = torch.zeros(rng.runs, worlds, dtype=torch.int64, device=rng.device)
    return Worlds(environment.reset(worlds, rng), age)


def advance(environment: Environment, worlds: Worlds, action: Tensor, rng: Rng) -> tuple[Worlds, Transition]:
    """One step of every world; where an episode ended the next one begins at once, so each step is a live one."""
    state, reward, terminated = environment.step(worlds.state, action, rng.fold(0))
    age = worlds.age + 1
    truncated = (age >= environment.horizon) & ~terminated
    ended = terminated | truncated
    transition = Transition(reward, environment.observe(state), terminated, truncated)
    return Worlds(environment.restart(state, ended, rng.fold(1)), age.masked_fill(ended, 0)), transition
