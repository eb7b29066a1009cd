"""Watching a policy: one episode, as a film where an offscreen renderer works and as a plot where none does."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moopt import catalogue
from moopt.core import checks
from moopt.core.checks import InputError
from moopt.core.problem import Problem
from moopt.core.random import Rng
from moopt.learning.environment import Environment
from moopt.learning.policysearch import PolicyProblem
from moopt.physics.base import BodyState, Physics
from moopt.render.film import banner, check_film, number, plot_trajectory, write_film
from moopt.render.trajectory import Trajectory

if TYPE_CHECKING:
    import mujoco

    from moopt.run.result import Result

_log = logging.getLogger("moopt")


@runtime_checkable
class Embodied(Protocol):
    """What an environment has that can be watched; its world states are `BodyState`s."""

    def physics(self, device: torch.device) -> Physics:
        """The engine on a device."""


class NoRenderer(RuntimeError):
    """No offscreen renderer works on this machine."""


def watchable() -> list[str]:
    """The problems of the catalogue that can be watched."""
    found = []
    for name in catalogue.table("problems"):
        with contextlib.suppress(ImportError):
            made = catalogue.load("problems", name)
            if issubclass(made, Environment) and hasattr(made, "physics"):
                found.append(name)
    return found


def embodied(problem: Problem) -> PolicyProblem:
    """The problem itself. Raises ValueError for one that has no bodies, naming those of the catalogue that have."""
    if isinstance(problem, PolicyProblem) and isinstance(problem.environment, Embodied):
        return problem
    raise InputError(
        f"{problem.name}: expected a problem whose policies move bodies ({', '.join(watchable())}), "
        "got one that cannot be watched"
    )


def trajectory(problem: Problem, x: Tensor, seed: int = 0, memory: Any = None) -> Trajectory:
    """The episode that policy x[d] lives in `problem.evaluate(x[None], Rng([seed]), memory)`, on the CPU.

    That is its first one where the problem has several `episodes`. Raises ValueError for a problem that has no bodies.
    """
    problem, rng = embodied(problem), Rng([seed])
    environment = problem.environment
    engine = cast(Embodied, environment).physics(rng.device)
    moments = memory or problem.moments(1)
    players = (x[None, None].to(rng.dtype), *((moments.mean[:, None], moments.std[:, None]) if moments else ()))
    state: BodyState = environment.reset(1, rng.fold(0))
    qpos, rewards = [state.qpos], []
    objectives, gain = torch.zeros(1, 1, problem.n_obj, dtype=torch.float64), 1.0
    for t in range(environment.horizon):
        action = problem.respond(environment.observe(state), players, environment.action_mask(state))
        state, reward, done = environment.step(state, action, rng.fold(1, t))
        objectives += gain * reward
        gain *= environment.discount
        rewards.append(reward)
        if bool(state.diverged):  # and is back in its rest state
            break
        qpos.append(state.qpos)
        if bool(done):
            break
    model = engine.models[int(state.machine)]
    return Trajectory(torch.cat(qpos)[:, 0], torch.cat(rewards)[:, 0], objectives[0, 0], engine.dt, model)


def between(lived: Trajectory, seconds: float, fps: float) -> NDArray[np.float64]:
    """Positions at 0, 1/fps, 2/fps ... before `seconds` and the end of the episode, one at least: float64[k, nq].

    Between two steps each joint moves evenly.
    """
    import mujoco

    qpos, speed = lived.qpos.numpy(), np.zeros(lived.model.nv)
    count = max(1, math.ceil(min(seconds, lived.seconds) * fps - 1e-9))
    shown = np.empty((count, qpos.shape[1]))
    for k in range(count):
        step, share = divmod(k / fps / lived.dt, 1.0)
        last = min(int(step), len(qpos) - 1)
        shown[k] = qpos[last]
        mujoco.mj_differentiatePos(lived.model, speed, 1.0, qpos[last], qpos[min(last + 1, len(qpos) - 1)])
        mujoco.mj_integratePos(lived.model, shown[k], speed, share)
    return shown


def frames(
    model: mujoco.MjModel, qpos: NDArray[np.float64], size: tuple[int, int] = (480, 360)
) -> NDArray[np.uint8]:
    """Pictures of a model at qpos[k, nq], `size` pixels wide and high: uint8[k, height, width, 3].

    The camera is the model's own one called "track", or one that follows its first body. A process of its own paints
    them by EGL or OSMesa (elsewhere than on Linux: as MuJoCo does), or by what MUJOCO_GL says if that is set. Raises
    NoRenderer.
    """
    import mujoco

    width, height = size
    shape = (len(qpos), height, width, 3)
    reasons = []
    with tempfile.TemporaryDirectory(prefix="moopt-") as folder:
        mujoco.mj_saveModel(model, str(Path(folder) / "model.mjb"))
        np.save(Path(folder) / "qpos.npy", qpos, allow_pickle=False)
        command = [sys.executable, "-P", str(Path(__file__).with_name("offscreen.py")), folder, str(width), str(height)]
        for backend, environment in _backends():
            done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, check=False)
            if done.returncode == 0 and len(done.stdout) == math.prod(shape):
                return np.frombuffer(done.stdout, np.uint8).reshape(shape)
            text = done.stderr.decode(errors="replace").strip()
            _log.debug("MUJOCO_GL=%s: %s", backend, text)
            last = text.splitlines()[-1] if text else f"exit code {done.returncode}"
            reasons.append(f"{backend or 'default'}: {textwrap.shorten(last, 120)}")
    raise NoRenderer("; ".join(reasons))


def _backends() -> Iterator[tuple[str, dict[str, str]]]:
    """Ways to render, each with the environment that a process needs for it."""
    wanted = os.environ.get("MUJOCO_GL", "")
    for backend in [wanted] if wanted or sys.platform != "linux" else ["egl", "osmesa"]:
        environment = {**os.environ, "MUJOCO_GL": backend}
        environment.pop("PYOPENGL_PLATFORM", None)  # one for all ways
        yield backend, environment


class Watched(NamedTuple):
    """What `watch` wrote and what it shows: the policy in a `row` of the front, which `run` found."""

    path: Path
    row: int
    run: Result
    lived: Trajectory
    shown: float  # seconds
    no_renderer: str = ""  # why it is a plot


def watch(
    result: Result, which: str | int = "knee", path: str | Path | None = None, *, seed: int = 0, seconds: float = 5.0,
    size: tuple[int, int] = (480, 360), fps: float = 30.0,
) -> Watched:  # fmt: skip
    """A film of the policy that `result.pick(which)` means, in its first `seconds` of the episode of a seed.

    The ending of `path` says what it is: .gif, .webp, .png (animated) or .mp4; default: policy-ROW.gif in the result's
    folder. Where no offscreen renderer works it is a plot of the trajectory, `path` with the ending .png. A policy that
    was found with learned moments sees through those of its run. Raises ValueError for a problem that cannot be
    watched and for options that do not fit, ImportError for .mp4 without imageio-ffmpeg, OSError where nothing can be
    written.
    """
    problem = embodied(result.problem)
    seed = checks.whole("seed", seed, low=-(2**62), high=2**62)
    seconds = checks.number("seconds", seconds, 0.1, 3600.0)
    row = result.pick(which)
    path = Path(path) if path is not None else (result.folder or Path()) / f"policy-{row}.gif"
    check_film(path, size, fps)
    run = result.origin(row)
    lived = trajectory(problem, result.front.x[row], seed, run.memory)
    shown = min(seconds, lived.seconds)
    policy = named(problem, result.front.objectives[row].tolist())
    episode = f"episode of seed {seed}: {named(problem, lived.objectives.tolist())}"
    try:
        top = banner([policy, f"{episode} · {span(shown, lived.seconds)}"], size)
        pictures = frames(lived.model, between(lived, seconds, fps), (size[0], size[1] - len(top)))
    except NoRenderer as error:
        plot = path.with_suffix(".png")
        title = f"{problem.name}, row {row} of the front"
        plot_trajectory(plot, lived, problem.objective_labels, title, [policy, episode])
        return Watched(plot, row, run, lived, lived.seconds, str(error))
    write_film(path, np.concatenate([np.broadcast_to(top, (len(pictures), *top.shape)), pictures], 1), fps)
    return Watched(path, row, run, lived, shown)


def named(problem: Problem, objectives: Sequence[float]) -> str:
    """Objectives in the user's sign, by name."""
    return ", ".join(f"{name} {number(v)}" for name, v in zip(problem.objective_labels, objectives, strict=True))


def span(shown: float, seconds: float) -> str:
    """How much of an episode is to be seen."""
    return f"{number(seconds)} s" if shown >= seconds else f"first {number(shown)} of {number(seconds)} s"
