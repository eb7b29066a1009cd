"""Episodes in many worlds at once.

Shapes: `r` runs, `w` worlds of each run. Everything a world holds leads with [r, w].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from moopt.core import tree
from moopt.core.random import Rng
from moopt.learning.moments import Moments, Seen

if TYPE_CHECKING:
    from moopt.learning.sequential import SequentialProblem

Policy = Callable[[Tensor], Tensor]  # observation[r, w, ...] -> action[r, w, ...]

# Asking whether every episode is over makes the host wait for a GPU, so it is asked this seldom.
STEPS_BETWEEN_CHECKS = 16
# On the CPU this many worlds step together: what they hold stays in the cache, and elementwise operations stay below
# the size from which torch wakes threads, which would spin on the cores that physics needs.
BLOCK = 1024
CROWDED = 0.9  # of a block alive, at least; else the others leave it, which costs a copy of what remains
STEPS_BETWEEN_LOOKS = 8  # observations that follow one another hardly differ: their moments take every eighth


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
    lived = _lived(problem, state, (), lambda observation, players: policy(observation), (rng.runs, worlds), rng)
    return Returns(lived.value.to(rng.dtype), lived.steps)


def play(
    problem: SequentialProblem, x: Tensor, rng: Rng, moments: Moments | None = None, learn: bool = False
) -> tuple[Returns, Moments | None]:
    """`problem.episodes` episodes of each policy x[r, n, d]: w = n * episodes worlds, policy by policy.

    All policies of a run meet the same starts. Observations reach them normalised by `moments`, where there are any;
    those come back, and have seen these episodes where they `learn`.
    """
    runs, n, _ = x.shape
    e = problem.episodes
    starts = problem.reset(e, rng.fold(0))
    world = torch.arange(runs * n * e, device=x.device)
    # where steps draw, what a world draws depends on its place among the worlds of its run
    width = BLOCK if x.device.type == "cpu" and not problem.steps_draw else max(1, len(world))
    parts = []
    for block in world.split(width):
        run, lead = block // (n * e), (runs, n * e) if problem.steps_draw else (1, len(block))
        players = [x.flatten(0, 1)[block // e]]
        if moments is not None:
            players += [moments.mean[run], moments.std[run]]
        state, held = (
            tree.map_tensors(lambda leaf, lead=lead: leaf.unflatten(0, lead), part)  # type: ignore[misc]
            for part in (tree.map_tensors(lambda leaf, at=(run, block % e): leaf[at], starts), tuple(players))  # type: ignore[misc]
        )
        state = problem.embody(state, held[0])
        parts.append(_lived(problem, state, held, problem.respond, lead, rng, learn))
    value, steps = (torch.cat([getattr(part, key).flatten(0, 1) for part in parts]) for key in ("value", "steps"))
    returns = Returns(value.view(runs, n * e, problem.n_obj).to(rng.dtype), steps.view(runs, n * e))
    if moments is not None and learn:
        moments = moments.after(Seen.joined([part.seen for part in parts], runs))
    return returns, moments


class _Lived(NamedTuple):
    """Episodes of worlds [r, w]: discounted returns, float64; steps; what was seen, if that was asked for."""

    value: Tensor
    steps: Tensor
    seen: Seen


def _lived(
    problem: SequentialProblem, state: Any, players: tuple[Tensor, ...], act: Callable[..., Tensor],
    shape: tuple[int, int], rng: Rng, learn: bool = False,
) -> _Lived:  # fmt: skip
    """Episodes from `state`; `act(observation, players)`, where `players` are tensors [r, w, ...] of the actors.

    Worlds whose episode is over leave, on the CPU and where steps draw nothing: the others go on as before.
    """
    value = torch.zeros(*shape, problem.n_obj, dtype=torch.float64, device=rng.device)
    steps = torch.zeros(shape, dtype=torch.int64, device=rng.device)
    alive = torch.ones(shape, dtype=torch.bool, device=rng.device)
    seen = Seen.nothing(*shape, players[1].shape[-1], rng.device) if learn else Seen(steps, value, value)
    here: Tensor | slice = slice(None)  # the places of the worlds that go on
    narrows = rng.device.type == "cpu" and not problem.steps_draw
    gain = 1.0
    for t in range(problem.horizon):
        if narrows or t % STEPS_BETWEEN_CHECKS == 0:
            going = int(alive.sum())
            if not going:
                break
            if narrows and going < CROWDED * alive.shape[1]:
                left = alive[0].nonzero()[:, 0]
                state, players, alive = tree.map_tensors(lambda leaf, left=left: leaf[:, left], (state, players, alive))  # type: ignore[misc]
                here = left if isinstance(here, slice) else here[left]
        observation = problem.observe(state)
        if learn and t % STEPS_BETWEEN_LOOKS == 0:
            seen.add(here, observation - players[1], alive)
        state, reward, done = problem.step(state, act(observation, players), rng.fold(1, t))
        # A world that is over may give anything, NaN too, which a product with zero would keep.
        value[:, here] += torch.where(alive[..., None], gain * reward, 0.0)
        steps[:, here] += alive
        alive = alive & ~done
        gain *= problem.discount
    return _Lived(value, steps, seen)


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
