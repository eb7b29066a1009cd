"""MuJoCo itself, on all cores: `mujoco.batch`, whose worlds keep the solver's warm start.

So a world steps as a single MjData would, to the last bit, whatever the number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any

import mujoco
import numpy as np
import torch
from mujoco.batch import Batch
from torch import Tensor

from moopt.physics.base import BodyState, Physics
from moopt.physics.log import quiet

BAD = [int(getattr(mujoco.mjtWarning, f"mjWARN_BAD{what}")) for what in ("QPOS", "QVEL", "QACC")]


class NativePhysics(Physics):
    """Physics on the CPU in float64."""

    dtype = torch.float64

    def __init__(self, models: Sequence[mujoco.MjModel], substeps: int, places: str = "") -> None:
        super().__init__(models, substeps, places)
        self._worlds: _Worlds | None = None
        self._lock = Lock()

    def start(self, qpos: Tensor, qvel: Tensor, machine: Tensor | None = None) -> BodyState:
        *lead, _ = qpos.shape
        machine = torch.zeros(lead, dtype=torch.int64) if machine is None else machine
        state = BodyState(
            qpos, qvel, torch.zeros_like(qvel), qpos.new_zeros(*lead, self.n_places, 3),
            torch.zeros(lead, dtype=torch.bool), machine,
        )  # fmt: skip
        with self._lock, quiet():
            worlds = self._of(state)
            worlds.batch.reset(worlds.used, stage=mujoco.mjtStage.mjSTAGE_NONE.value)
            worlds.write(state)
            worlds.batch.forward(worlds.used)
            return worlds.read(state)

    def step(self, state: BodyState, control: Tensor) -> BodyState:
        with self._lock, quiet():
            worlds = self._of(state)
            worlds.write(state)
            worlds.ctrl[: worlds.n] = control.reshape(worlds.n, -1).numpy()
            worlds.batch.step(worlds.used, self.substeps)
            return worlds.read(state)

    def _of(self, state: BodyState) -> _Worlds:
        """Worlds in number enough, made of the models that the state says."""
        n, threads = state.machine.numel(), torch.get_num_threads()
        if self._worlds is None or self._worlds.batch.nsim < n or self._worlds.batch.nthread != threads:
            self._worlds = _Worlds(Batch(self.model, n, threads), self.places)
        self._worlds.take(n)
        if len(self.models) > 1:
            self._worlds.make(self.models, state.machine)
        return self._worlds


class _Worlds:
    """A batch and views of its rows. `n` of its worlds are in use: those numbered `used`, or all for `None`."""

    def __init__(self, batch: Batch, places: str) -> None:
        self.batch = batch
        self.rows = [batch.bind(name) for name in ("qpos", "qvel", "qacc_warmstart")]
        self.ctrl = batch.bind("ctrl")
        self.places = batch.bind(places) if places else np.zeros((batch.nsim, 0, 3))
        self.n = batch.nsim
        self.used: np.ndarray[Any, Any] | None = None
        self._machine: Tensor | None = None

    def take(self, n: int) -> None:
        """Uses so many of them."""
        if n != self.n:
            self.n, self.used = n, None if n == self.batch.nsim else np.arange(n, dtype=np.int32)

    def make(self, models: Sequence[mujoco.MjModel], machine: Tensor) -> None:
        """Gives each world its model."""
        if self._machine is None or not torch.equal(self._machine, machine):
            numbers = machine.flatten().tolist()
            numbers += numbers[:1] * (self.batch.nsim - self.n)
            self.batch.set_models([models[i] for i in numbers])
            self._machine = machine

    def write(self, state: BodyState) -> None:
        """Sets the worlds to a state."""
        for row, value in zip(self.rows, state[:3], strict=True):
            row[: self.n] = value.reshape(self.n, -1).numpy()
        self.batch.warning[: self.n, :, 1] = 1  # what `read` compares with; and only the first of a kind is told

    def read(self, before: BodyState) -> BodyState:
        """The state that they are in now, shaped as the one before."""
        # MuJoCo sets a world that diverged to its rest state and the counters of its other warnings to zero
        wild = (self.batch.warning[: self.n, BAD, 1] != 1).any(-1)
        found = [*self.rows, self.places]
        qpos, qvel, warmstart, places = (
            torch.from_numpy(row[: self.n].copy()).view(old.shape) for row, old in zip(found, before[:4], strict=True)
        )
        diverged = before.diverged | torch.from_numpy(wild).view(before.diverged.shape)
        return BodyState(qpos, qvel, warmstart, places, diverged, before.machine)
