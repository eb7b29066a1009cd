"""Environments of MO-Gymnasium: a search for policies in any of them, one episode after the other.

F. Felten, L. N. Alegre, A. Nowé, A. L. C. Bazzan, E. G. Talbi, G. Danoy, B. C. da Silva (2023), "A Toolkit for
Reliable Benchmarking and Research in Multi-Objective Reinforcement Learning", NeurIPS Datasets and Benchmarks. Extra
`morl`; some environments need packages of their own and name them.

Environments come from many hands: some print, warn, write MuJoCo's log, or draw from the generators of the whole
process (minecart and four-room do). All of that is held back while one runs, and those generators start from the
episode's seed, as the environment's own does.
"""

from __future__ import annotations

import itertools
import math
import os
import random
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moopt.catalogue.sources import one_line
from moopt.core import checks
from moopt.core.checks import InputError, MissingPackage
from moopt.core.problem import Answer, Draw, Problem, TrialValue
from moopt.core.space import Box
from moopt.physics.log import quiet

MOST_NUMBERS = 4096  # of an observation: beyond are images, for which a plain network is no policy
HEADLESS = {"SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy"}  # pygame then asks for no screen and no sound

Floats = NDArray[np.float64]
Layers = list[tuple[Floats, Floats]]  # weight[in, out] and bias[out] of each


@dataclass(frozen=True, kw_only=True)
class MOGymnasium(Problem):
    """An environment of MO-Gymnasium, searched for policies; the objectives are the returns of its rewards (max).

    `env` is a registered name, or module:name, and `env_options` go to its constructor. A policy is a network with
    tanh layers of `hidden` units on the flattened observation; a point is its weights, within `bound` of 0: layer by
    layer weight[in, out], row by row, then bias[out]. The last layer goes through tanh to the bounds of continuous
    actions; its greatest output is the discrete one. An objective is the mean over `episodes` episodes of a reward's
    sum, `discount`ed. An episode ends for good where the environment ends it, or after `horizon` steps (default: the
    environment's own limit). All policies of one ask meet the same episodes, and the cost are the steps lived.

    Raises ValueError for an unknown environment, options that do not fit, rewards that are no vectors, and
    observations or actions that such a network does not take; ImportError, naming it, for a missing package.
    """

    env: str = "mo-halfcheetah-v5"
    env_options: Mapping[str, Any] = field(default_factory=dict)
    hidden: Sequence[int] = (16,)
    episodes: int = 1
    horizon: int | None = None
    discount: float = 1.0
    bound: float = 5.0
    sizes: tuple[int, ...] = field(init=False, repr=False, compare=False)  # of the layers, input and output too

    vectorized = False
    stochastic = True
    cost_unit = "env_steps"

    def __post_init__(self) -> None:
        if not isinstance(self.env, str):
            raise InputError(f"env: expected the name of an environment, got {self.env!r}")
        if not isinstance(self.env_options, Mapping):
            raise InputError(f"env_options: expected names with values, got {self.env_options!r}")
        hidden = checks.wholes("hidden", self.hidden)
        horizon = None if self.horizon is None else checks.whole("horizon", self.horizon)
        if not 0 < checks.number("discount", self.discount) <= 1:
            raise InputError(f"discount: expected a number in (0, 1], got {self.discount!r}")
        bound = checks.number("bound", self.bound)
        if bound <= 0:
            raise InputError(f"bound: expected a positive number, got {self.bound!r}")
        vars(self).update(hidden=hidden, horizon=horizon, episodes=checks.whole("episodes", self.episodes))

        n_in, n_out, n_obj = self._widths()
        sizes = (n_in, *hidden, n_out)
        space = Box(-bound, bound, sum((a + 1) * b for a, b in itertools.pairwise(sizes)))
        names = [f"reward{i + 1}" for i in range(n_obj)]
        vars(self).update(sizes=sizes, space=space, n_obj=n_obj, directions=["max"] * n_obj, objective_names=names)

    def _widths(self) -> tuple[int, int, int]:
        """Inputs and outputs of a policy, and objectives. Raises ValueError for what no plain network can do."""
        from gymnasium.spaces import Box, Discrete

        env = self._environment
        seen, actions, rewards = env.observation_space, env.action_space, getattr(env.unwrapped, "reward_space", None)
        n_in = math.prod(seen.shape) if isinstance(seen, Box) else 0
        if not 0 < n_in <= MOST_NUMBERS:
            raise InputError(f"env {self.env}: expected a Box of at most {MOST_NUMBERS} numbers to observe, got {seen}")
        n_out = int(actions.n) if isinstance(actions, Discrete) else math.prod(actions.shape or (0,))
        if not isinstance(actions, Discrete) and not (isinstance(actions, Box) and actions.is_bounded() and n_out):
            raise InputError(f"env {self.env}: expected actions that are Discrete or a bounded Box, got {actions}")
        if not isinstance(rewards, Box) or len(rewards.shape) != 1 or not rewards.shape[0]:
            raise InputError(f"env {self.env}: expected rewards that are vectors (a reward_space), got {rewards}")
        if env.spec.max_episode_steps is None:
            raise InputError(f"env {self.env}: expected horizon=N, because it sets no limit to its steps")
        return n_in, n_out, int(rewards.shape[0])

    @cached_property
    def _environment(self) -> Any:
        """This process's own: it does not travel with the problem."""
        try:
            import mo_gymnasium
            from gymnasium import error, registry
        except ImportError as missing:
            text = f"mogymnasium: expected MO-Gymnasium, install moopt[morl] ({missing})"
            raise MissingPackage(text, name=missing.name) from None
        if ":" not in self.env and self.env not in registry:
            ours = [name for name, spec in registry.items() if "mo_gymnasium" in str(spec.entry_point)]
            near = checks.nearest(self.env, ours)
            raise InputError(f"env: expected the name of an environment of MO-Gymnasium, got {self.env!r}{near}")
        try:
            with _held(0):
                return mo_gymnasium.make(self.env, max_episode_steps=self.horizon, **self.env_options)
        except (ImportError, error.DependencyNotInstalled) as missing:
            cause = missing if isinstance(missing, ImportError) else missing.__cause__
            raise MissingPackage(f"env {self.env}: {one_line(missing)}", name=getattr(cause, "name", None)) from None
        except Exception as refused:
            text = f"{type(refused).__name__}: {one_line(refused)}"
            raise InputError(f"env {self.env}: expected a name and options that make one, got {text}") from None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_environment"}

    def trial(self, x: Sequence[float], values: Mapping[str, Any], seed: int | None = None) -> TrialValue:
        returns, steps = self._returns(x, 0 if seed is None else seed)
        if not np.isfinite(returns).all():
            raise InputError(f"expected finite returns, got {returns.tolist()}")
        return (-returns).tolist(), [], steps

    def _evaluate(self, x: Tensor, draw: Draw) -> Answer:  # type: ignore[override]
        rng, rows = draw.rng, x.detach().cpu().double().reshape(-1, self.n_var).tolist()
        seeds = [rng.take(i).seed() for i in range(rng.runs)]
        found = [self._returns(row, seeds[i * rng.runs // len(rows)]) for i, row in enumerate(rows)]
        f = torch.tensor([returns.tolist() for returns, _ in found], dtype=x.dtype, device=x.device)
        cost = torch.tensor([steps for _, steps in found], dtype=torch.int64, device=x.device)
        f, cost = f.reshape(*x.shape[:-1], self.n_obj), cost.reshape(x.shape[:-1])
        return {"f": f, "cost": cost}

    def _returns(self, x: Sequence[float], seed: int) -> tuple[Floats, int]:
        """Mean return of each reward, [m], and the steps lived."""
        layers, total, lived = self._layers(x), np.zeros(self.n_obj), 0
        try:
            for start in np.random.SeedSequence(seed).generate_state(self.episodes).tolist():
                with _held(start):
                    returns, steps = self._episode(layers, start)
                total, lived = total + returns, lived + steps
        except BaseException:  # nobody knows what state it is in: the next episode has a new one
            vars(self).pop("_environment", None)
            raise
        return total / self.episodes, lived

    def _layers(self, x: Sequence[float]) -> Layers:
        rest, layers = np.asarray(x, dtype=np.float64), []
        for a, b in itertools.pairwise(self.sizes):
            weight, bias, rest = np.split(rest, [a * b, (a + 1) * b])
            layers.append((weight.reshape(a, b), bias))
        return layers

    def _episode(self, layers: Layers, seed: int) -> tuple[Floats, int]:
        env, hidden, (weight, bias) = self._environment, layers[:-1], layers[-1]
        actions = env.action_space
        discrete = not hasattr(actions, "low")
        if not discrete:
            low, high = (np.asarray(v, dtype=np.float64).reshape(-1) for v in (actions.low, actions.high))
            middle, reach = (low + high) / 2, (high - low) / 2
        value, gain, steps, over = np.zeros(self.n_obj), 1.0, 0, False
        observation, _ = env.reset(seed=seed)
        while not over:
            signal = np.asarray(observation, dtype=np.float64).reshape(-1)
            for w, b in hidden:  # sums of products: a matrix product has other bits with another number of threads
                signal = np.tanh(np.add.reduce(signal[:, None] * w) + b)
            output = np.add.reduce(signal[:, None] * weight) + bias
            if discrete:
                action = int(actions.start + output.argmax())
            else:
                action = (middle + reach * np.tanh(output)).astype(actions.dtype).reshape(actions.shape)
            observation, reward, terminated, truncated, _ = env.step(action)
            value += gain * np.asarray(reward, dtype=np.float64)
            gain *= self.discount
            steps += 1
            over = terminated or truncated
        return value, steps


@contextmanager
def _held(seed: int) -> Iterator[None]:
    """Keeps in what an environment prints, warns of, logs, and draws from the process's generators."""
    missing = {name: driver for name, driver in HEADLESS.items() if name not in os.environ}
    python, numpy = random.getstate(), np.random.get_state()
    with (
        warnings.catch_warnings(), quiet(), open(os.devnull, "w") as sink, redirect_stdout(sink), redirect_stderr(sink)
    ):  # fmt: skip
        warnings.simplefilter("ignore")
        try:
            os.environ.update(missing)
            random.seed(seed)
            np.random.seed(seed)
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
            for name in missing:
                os.environ.pop(name, None)
