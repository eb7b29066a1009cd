"""MuJoCo itself, on all cores: `mujoco.batch`, whose worlds keep the solver's warm start.

So a world steps as a single MjData would, to the last bit, whatever the number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

import mujoco
import numpy as np
import torch
from mujoco.batch import Batch
from torch import Tensor

from moopt.physics.base import BodyState, Physics

BAD = [int(getattr(mujoco.mjtWarning, f"mjWARN_BAD{what}")) for what in ("QPOS", "QVEL", "QACC")]


class NativePhysics(Physics):
    """Physics on the CPU in float64."""

    dtype = torch.float64

    def __init__(self, models: Sequence[mujoco.MjModel], substeps: int, places: str = "") -> None:
        super().__init__(models, substeps, places)
        self._batch: Batch | None = None
        self._lock = Lock()
        self._made_of: Tensor | None = None  # what the worlds of the batch are made of

    def start(self, qpos: Tensor, qvel: Tensor, machine: Tensor | None = None) -> BodyState:
        *lead, _ = qpos.shape
        machine = torch.zeros(lead, dtype=torch.int64) if machine is None else machine
        whole = BodyState(
            qpos, qvel, torch.zeros_like(qvel), qpos.new_zeros(*lead, self.n_places, 3),
            torch.zeros(lead, dtype=torch.bool), machine,
        )  # fmt: skip
        with self._lock:
            batch, n = self._load(whole)
            batch.reset(range(n), stage=mujoco.mjtStage.mjSTAGE_NONE.value)
            self._write(batch, n, whole)
            batch.forward(range(n))
            return self._read(batch, n, whole)

    def step(self, state: BodyState, control: Tensor) -> BodyState:
        with self._lock:
            batch, n = self._load(state)
            self._write(batch, n, state)
            batch.bind("ctrl")[:n] = control.reshape(n, -1).numpy()
            batch.step(range(n), self.substeps)
            return self._read(batch, n, state)

    def _load(self, state: BodyState) -> tuple[Batch, int]:
        """A batch with room for the worlds, made of their models."""
        n, threads = state.machine.numel(), torch.get_num_threads()
        if self._batch is None or self._batch.nsim < n or self._batch.nthread != threads:
            self._batch, self._made_of = Batch(self.model, n, threads), None
            self._places = self._batch.bind(self.places) if self.places else np.zeros((n, 0, 3))
        if len(self.models) > 1 and (self._made_of is None or not torch.equal(self._made_of, state.machine)):
            numbers = state.machine.flatten().tolist()
            others = [numbers[0]] * (self._batch.nsim - n)
            self._batch.set_models([self.models[i] for i in (*numbers, *others)])
            self._made_of = state.machine
        return self._batch, n

    def _write(self, batch: Batch, n: int, state: BodyState) -> None:
        for name, value in (("qpos", state.qpos), ("qvel", state.qvel), ("qacc_warmstart", state.warmstart)):
            batch.bind(name)[:n] = value.reshape(n, -1).numpy()
        batch.warning[:n, :, 1] = 1  # of each kind only the first is printed, and that one has been

    def _read(self, batch: Batch, n: int, like: BodyState) -> BodyState:
        def row(values: np.ndarray, old: Tensor) -> Tensor:
            return torch.from_numpy(values[:n].copy()).view(old.shape)

        # MuJoCo sets a world that diverged to its rest state and the counters of its other warnings to zero
        wild = torch.from_numpy((batch.warning[:n][:, BAD, 1] != 1).any(-1)).view(like.diverged.shape)
        return BodyState(
            row(batch.bind("qpos"), like.qpos), row(batch.bind("qvel"), like.qvel),
            row(batch.bind("qacc_warmstart"), like.warmstart), row(self._places, like.places),
            like.diverged | wild, like.machine,
        )  # fmt: skip
