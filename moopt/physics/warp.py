"""MuJoCo Warp: the worlds of a batch in float32, on a GPU or, for checks, on Warp's own CPU backend.

Tensors share memory with Warp's arrays. What a step does is recorded once for each number of worlds, as a graph, and
replayed on torch's current stream: a step is some copies and one launch, and the host waits for nothing.

Differences from `NativePhysics`:
- the solver is Newton where a model asks for PGS, which MuJoCo Warp has not, and its tolerance is 1e-6 at least;
- a world that diverged stays in the rest state to the end of the step, where MuJoCo steps it on from there;
- a world whose contacts or constraint rows do not fit into their buffers has diverged. These hold the most that the
  model's geoms can give, up to CONTACTS and ROWS. Contacts of all worlds share one: where it is full, all diverge;
- on CUDA two runs may differ in their last bits, and so may a world alone and among others: threads add contacts in
  the order in which they get there, and MuJoCo Warp 4.0 sorts them in none of its modes. On the CPU bits are equal.

Measured on the CPU backend, Gymnasium's models under random controls, 32 worlds: the largest difference of a position
(m, rad) after 10 control steps is 2e-7 for the reacher, 5e-7 for hopper and pusher, 1e-6 to 5e-6 for the swimmer, the
double pendulum, the walker, the ant and both humanoids (of which MuJoCo solves by PGS), and 4e-4 for the half-cheetah,
2e-6 in the median world: contacts that begin a moment earlier or later make differences grow. Of single steps from
the same state, 99 in 100 differ by 4e-6 at most, in a velocity by 1e-4.
"""
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import copy
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import Field, fields, is_dataclass
from functools import cache, cached_property
from threading import Lock
from typing import Any

from moopt.core.checks import InputError, MissingPackage

try:
    import mujoco
    import mujoco_warp as mjw
    import warp as wp
except ImportError as error:
    sentence = f"physics on a GPU: expected MuJoCo Warp, pip install moopt[gpu] ({error})"
    raise MissingPackage(sentence, name=error.name) from None
import numpy as np
import torch
from torch import Tensor

from moopt.physics.base import BodyState, Physics

_log = logging.getLogger("moopt")
_lock = Lock()  # Warp's current device, its captures and its log level belong to the process

CONTACTS, ROWS = 512, 1024  # of a world at most; contacts on average
KEPT = 4  # numbers of worlds with buffers: of a search, of its starts, of the final front and of that one's starts
IDLE = ("cam_", "light_", "mat_", "tex_", "key_", "dof_length")  # of pictures, key frames and sleep: no step asks
STILL = ("geom_xpos", "geom_xmat", "mocap_pos", "mocap_quat")  # of the state, made with the model: no step writes all

BAD = wp.constant(float(mujoco.mjMAXVAL))  # MuJoCo, too, takes greater numbers for a divergence
PLANE, CAPSULE = wp.constant(int(mujoco.mjtGeom.mjGEOM_PLANE)), wp.constant(int(mujoco.mjtGeom.mjGEOM_CAPSULE))
_Flag = mjw.OverflowType
LOST = wp.constant(  # contacts or rows; the other flags speak of sensors and of solvers that ran out of iterations
    int(_Flag.NEFC | _Flag.NJMAX_NNZ | _Flag.BROADPHASE | _Flag.NARROWPHASE)
    | int(_Flag.CCD | _Flag.HFIELD | _Flag.NVMAX | _Flag.EPA_HORIZON)
)


class WarpPhysics(Physics):
    """Physics on a device of Warp, in float32.

    Several `models` may differ in all numbers that MuJoCo Warp holds for each world, such as masses, sizes and gears.
    Raises ValueError where they differ in others, ImportError without the extra `gpu`, and NotImplementedError for
    features that MuJoCo Warp has not.
    """

    dtype = torch.float32

    def __init__(
        self, models: Sequence[mujoco.MjModel], substeps: int, places: str, device: torch.device | str
    ) -> None:
        super().__init__(models, substeps, places)
        device = torch.device(device)
        if device.type == "cuda" and device.index is None:
            device = torch.device("cuda", torch.cuda.current_device())
        self.device = device
        self._worlds: OrderedDict[int, _Worlds] = OrderedDict()
        self._stream: tuple[Any, Any] = None, None  # the one used last, as torch and as Warp know it
        with _lock, _quiet():
            wp.init()
            self._parts = _Parts([_solvable(model) for model in self.models], places, device)

    def start(self, qpos: Tensor, qvel: Tensor, machine: Tensor | None = None) -> BodyState:
        lead = qpos.shape[:-1]
        whole = BodyState(
            qpos, qvel, torch.zeros_like(qvel), qpos.new_zeros(*lead, self.n_places, 3),
            qpos.new_zeros(lead, dtype=torch.bool),
            qpos.new_zeros(lead, dtype=torch.int64) if machine is None else machine,
        )  # fmt: skip
        return self._replay(lambda worlds: worlds.placing, whole)

    def step(self, state: BodyState, control: Tensor) -> BodyState:
        return self._replay(lambda worlds: worlds.stepping, state, control)

    def _replay(self, graph: Callable[[_Worlds], Any], state: BodyState, control: Tensor | None = None) -> BodyState:
        with _lock, torch.no_grad():
            worlds = self._get(state.machine.numel())
            recorded, stream = graph(worlds), self._current_stream()
            worlds.write(state, control)
            wp.capture_launch(recorded, stream)
            return worlds.read(state)

    def _get(self, n: int) -> _Worlds:
        if n not in self._worlds:
            if len(self._worlds) == KEPT:
                if self.device.type == "cuda":
                    torch.cuda.synchronize(self.device)  # Warp frees memory without asking torch's streams
                self._worlds.popitem(last=False)
            self._worlds[n] = _Worlds(self._parts, n, self.substeps)
        self._worlds.move_to_end(n)
        return self._worlds[n]

    def _current_stream(self) -> Any:
        """Torch's, as Warp knows it; after another one it waits for what that still does in the buffers."""
        if self.device.type == "cpu":
            return None
        stream = torch.cuda.current_stream(self.device)
        if stream != self._stream[0]:
            if self._stream[0] is not None:
                stream.wait_stream(self._stream[0])
            self._stream = stream, wp.stream_from_torch(stream)
        return self._stream[1]


class _Parts:
    """What the worlds of an engine have in common: models, sizes of buffers, and tables of what differs.

    `tables`: field -> [k, ...], its values in each of the k models, "opt.name" for an option; `still`: the same for
    fields of the state; `rest`: [k, n_places, 3], the watched places of worlds at rest.
    """

    def __init__(self, models: list[mujoco.MjModel], places: str, device: torch.device) -> None:
        self.model, self.places, self.device = models[0], places, device
        with wp.ScopedDevice("cpu"):
            made = mjw.put_model(self.model)
            names = _varying(models, made)
        self.contacts, self.pairs, self.rows = _sizes(models, made)
        states = [mujoco.MjData(model) for model in models]
        for model, state in zip(models, states, strict=True):
            mujoco.mj_kinematics(model, state)
        self.tables = {name: self._table(_value(model, name) for model in models) for name in names}
        self.still = {name: self._table(getattr(state, name) for state in states) for name in STILL}
        self.rest = self._table(getattr(state, places) for state in states) if places else None

    def _table(self, values: Iterable[np.ndarray]) -> Tensor:
        table = np.stack(list(values))
        return torch.from_numpy(table.astype(np.float32) if table.dtype.kind == "f" else table).to(self.device)

    def warp_model(self, n: int) -> Any:
        """The first model, with room for what differs in n worlds."""
        made = mjw.put_model(self.model, {name: n for name in self.tables if "." not in name})
        for name in self.tables:
            if "." in name:
                one = _value(made, name)
                setattr(made.opt, name.removeprefix("opt."), wp.array(np.repeat(one.numpy(), n, 0), dtype=one.dtype))
        if {PLANE, CAPSULE} <= set(self.model.geom_type.tolist()):
            made.callback.contactfilter = _align_frames
        made.opt.warn_overflow = 0  # nothing is printed, the flags are read
        if self.device.type == "cuda" and not wp.is_conditional_graph_supported():
            made.opt.graph_conditional = False
        return made


class _Worlds:
    """Buffers of n worlds in Warp, tensors that share their memory, and graphs of what is done in them."""

    def __init__(self, parts: _Parts, n: int, substeps: int) -> None:
        self._parts, self._n, self._substeps = parts, n, substeps
        self._made_of: Tensor | None = None
        with self._warp():
            self._model = model = parts.warp_model(n)
            self._data = data = mjw.make_data(
                parts.model, n, nconmax=parts.contacts, nccdmax=parts.pairs, njmax=parts.rows
            )
            self._wild = wp.zeros(n, dtype=int)
            shared = data.qpos, data.qvel, data.qacc_warmstart, data.ctrl, self._wild
            self._qpos, self._qvel, self._warmstart, self._control, self._diverged = map(wp.to_torch, shared)
            self._seen = self._rest = self._qpos.new_zeros(n, 0, 3)
            if parts.rest is not None:
                self._seen, self._rest = wp.to_torch(getattr(data, parts.places)), parts.rest[:1].repeat(n, 1, 1)
            filled = [(table, wp.to_torch(_value(model, name))) for name, table in parts.tables.items()]
            if filled:  # machines differ
                filled += [(table, wp.to_torch(getattr(data, name))) for name, table in parts.still.items()]
                filled += [(parts.rest, self._rest)] if parts.rest is not None else []
        self._filled = [(table.view(len(table), *rows.shape[1:]), rows) for table, rows in filled]

    @cached_property
    def stepping(self) -> Any:
        """The graph of a step."""
        return self._graph(mjw.step, self._substeps)

    @cached_property
    def placing(self) -> Any:
        """The graph that finds the places of bodies and sites."""
        return self._graph(mjw.kinematics, 1)

    def write(self, state: BodyState, control: Tensor | None) -> None:
        n = self._n
        if self._filled and state.machine is not self._made_of:
            for table, rows in self._filled:
                torch.index_select(table, 0, state.machine.reshape(n), out=rows)
            self._made_of = state.machine
        self._qpos.copy_(state.qpos.reshape(n, -1))
        self._qvel.copy_(state.qvel.reshape(n, -1))
        self._warmstart.copy_(state.warmstart.reshape(n, -1))
        self._diverged.zero_()
        if control is not None:
            self._control.copy_(control.reshape(n, -1))

    def read(self, like: BodyState) -> BodyState:
        wild = self._diverged.bool()
        return BodyState(
            self._qpos.clone().view(like.qpos.shape), self._qvel.clone().view(like.qvel.shape),
            self._warmstart.clone().view(like.warmstart.shape),
            torch.where(wild[:, None, None], self._rest, self._seen).view(like.places.shape),
            like.diverged | wild.view(like.diverged.shape), like.machine,
        )  # fmt: skip

    def _graph(self, act: Callable[[Any, Any], None], times: int) -> Any:
        """`act` so many times, and a look at every world before and after each."""
        with self._warp():
            self._settle()
            act(self._model, self._data)  # outside of a graph first: kernels are compiled and loaded
            with wp.ScopedCapture(force_module_load=False) as capture:
                self._settle()
                for _ in range(times):
                    act(self._model, self._data)
                    self._settle()
        return capture.graph

    def _settle(self) -> None:
        data = self._data
        given = [self._model.qpos0, self._model.actuator_ctrllimited]
        changed = [data.qpos, data.qvel, data.qacc_warmstart, data.ctrl, data.overflow, self._wild]
        wp.launch(_rest_wild, dim=self._n, inputs=given, outputs=changed)

    @contextmanager
    def _warp(self) -> Iterator[None]:
        """Warp on our device, on a stream that can be captured; all is done when this ends."""
        device = wp.device_from_torch(self._parts.device)
        with _quiet(), wp.ScopedDevice(device), wp.ScopedStream(wp.Stream(device) if device.is_cuda else None):
            yield
            wp.synchronize_device(device)


@wp.kernel(enable_backward=False)
def _rest_wild(
    qpos0: wp.array2d[float],
    limited: wp.array[bool],
    qpos: wp.array2d[float],
    qvel: wp.array2d[float],
    warmstart: wp.array2d[float],
    control: wp.array2d[float],
    overflow: wp.array[int],
    wild: wp.array[int],
) -> None:
    """Marks the worlds that left the numbers, in this step or earlier in it, and sets them to rest."""
    world = wp.tid()
    if overflow[world] & LOST:
        wild[world] = 1
    overflow[world] = 0
    for i in range(qpos.shape[1]):
        if not wp.abs(qpos[world, i]) <= BAD:  # which NaN is not
            wild[world] = 1
    for i in range(qvel.shape[1]):
        if not (wp.abs(qvel[world, i]) <= BAD and wp.abs(warmstart[world, i]) <= BAD):
            wild[world] = 1
    if wild[world] != 0:
        for i in range(qpos.shape[1]):
            qpos[world, i] = qpos0[world % qpos0.shape[0], i]
        for i in range(qvel.shape[1]):
            qvel[world, i] = 0.0
            warmstart[world, i] = 0.0
    bad = int(0)  # noqa: UP018  # a variable to Warp, not a constant
    for i in range(control.shape[1]):
        if wp.isnan(control[world, i]) or (wp.abs(control[world, i]) > BAD and not limited[i]):
            bad = 1
    if bad != 0:  # as MuJoCo does, to which such controls are none and those beyond their range at its end
        for i in range(control.shape[1]):
            control[world, i] = 0.0


@wp.kernel(enable_backward=False)
def _align(
    types: wp.array[int],
    axes: wp.array2d[wp.mat33],
    geoms: wp.array[wp.vec2i],
    worlds: wp.array[int],
    count: wp.array[int],
    frames: wp.array[wp.mat33],
) -> None:
    """Turns the tangents of contacts to the capsule's axis where one touches a plane, as MuJoCo does.

    MuJoCo Warp 4.0 does not within 30 degrees of the normal (for MJX see google-deepmind/mujoco, issue 2774), so that
    the pyramid of friction stands elsewhere: the velocities of an ant differ by 0.4 after a step.
    """
    i = wp.tid()
    if i >= count[0] or geoms[i][0] < 0 or geoms[i][1] < 0:  # no contact, or one of a flexible body
        return
    if types[geoms[i][0]] != PLANE or types[geoms[i][1]] != CAPSULE:
        return
    turn = axes[worlds[i], geoms[i][1]]
    axis = wp.vec3(turn[0, 2], turn[1, 2], turn[2, 2])
    n = frames[i][0]
    along = axis - n * wp.dot(n, axis)
    if wp.length(along) > 0.0:
        along = wp.normalize(along)
        frames[i] = wp.matrix_from_rows(n, along, wp.cross(n, along))


def _align_frames(model: Any, data: Any) -> None:
    touch = data.contact
    given = [model.geom_type, data.geom_xmat, touch.geom, touch.worldid, data.nacon]
    wp.launch(_align, dim=data.naconmax, inputs=given, outputs=[touch.frame])


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what Warp writes to the standard output about devices and kernels."""
    level = wp.config.log_level
    wp.config.log_level = max(level, wp.LOG_WARNING)
    try:
        yield
    finally:
        wp.config.log_level = level


def _solvable(model: mujoco.MjModel) -> mujoco.MjModel:
    """The model, or a copy with a solver that MuJoCo Warp has."""
    if model.opt.solver == mujoco.mjtSolver.mjSOL_PGS:
        _tell_of_newton()
        model = copy.copy(model)
        model.opt.solver = mujoco.mjtSolver.mjSOL_NEWTON
    return model


@cache
def _tell_of_newton() -> None:
    _log.warning("MuJoCo Warp has no PGS solver: models that ask for it are solved by Newton's method on this device")


def _sizes(models: Sequence[mujoco.MjModel], made: Any) -> tuple[int, int, int]:
    """The most contacts of a world, pairs of geoms that can touch, and constraint rows; `made`: of the first model."""
    model, kind = models[0], mujoco.mjtGeom
    pairs, explicit = made.nxn_geom_pair_filtered.numpy(), made.nxn_pairid_filtered.numpy()[:, 0]
    contacts = rows = 0
    for geoms, pair in zip(pairs, explicit, strict=True):
        types = {int(model.geom_type[geom]) for geom in geoms}
        if types & {kind.mjGEOM_HFIELD, kind.mjGEOM_SDF}:
            most = mujoco.mjMAXCONPAIR
        elif types & {kind.mjGEOM_SPHERE, kind.mjGEOM_ELLIPSOID}:
            most = 1
        else:
            most = 2 if types <= {kind.mjGEOM_PLANE, kind.mjGEOM_CAPSULE} else 8
        dim = int(model.pair_dim[pair] if pair >= 0 else max(model.geom_condim[geom] for geom in geoms))
        pyramid = model.opt.cone == mujoco.mjtCone.mjCONE_PYRAMIDAL and dim > 1
        contacts += most
        rows += most * (2 * (dim - 1) if pyramid else dim)
    rubbing = max(np.count_nonzero(one.dof_frictionloss) + np.count_nonzero(one.tendon_frictionloss) for one in models)
    rows += 6 * model.neq + rubbing + 2 * (np.count_nonzero(model.jnt_limited) + np.count_nonzero(model.tendon_limited))
    if model.nflex:  # as many as there is room for
        contacts, rows = CONTACTS, ROWS
    contacts = min(contacts, CONTACTS)
    return contacts, min(len(pairs), contacts), int(min(rows, ROWS))


def _varying(models: Sequence[mujoco.MjModel], made: Any) -> list[str]:
    """Names of what differs among the models and is held for each world; `made`: of the first one.

    Raises ValueError where something else differs that MuJoCo Warp's steps depend on.
    """
    first = models[0]
    names = [name for name in dir(first) if isinstance(getattr(first, name), np.ndarray) and not name.startswith(IDLE)]
    names += [f"opt.{name}" for name in dir(first.opt) if not name.startswith("_")]
    values = {name: [np.asarray(_value(model, name)) for model in models] for name in names}
    values = {name: every for name, every in values.items() if any(not np.array_equal(one, every[0]) for one in every)}
    own = {field.name for field in fields(made) if _per_world(field)}
    own |= {f"opt.{field.name}" for field in fields(made.opt) if _per_world(field)} - {"opt.timestep"}
    own = {name for name in own & values.keys() if _copied(made, name, values[name])}
    refused = {name for name in values.keys() - own if "." in name or hasattr(made, name)}
    # The rest of a Warp model follows from whole numbers and from which of the others are zero.
    kinds: dict[bytes, mujoco.MjModel] = {}
    for i, model in enumerate(models):
        these = (every[i] for every in values.values())
        kinds.setdefault(b"".join((one != 0 if one.dtype.kind == "f" else one).tobytes() for one in these), model)
    others = list(kinds.values())[1:]
    shared = _shared(made) if others else {}
    for model in others:
        other = _shared(mjw.put_model(model))
        refused |= {name for name in shared if shared[name] != other[name] and not name.startswith(IDLE)}
    if refused:
        some, more = sorted(refused)[:5], len(refused) - 5
        raise InputError(
            f"models: expected the same {', '.join(some)}{f' and {more} more' if more > 0 else ''} in all, "
            "of which MuJoCo Warp does not hold one for each world"
        )
    return sorted(own)


def _per_world(field: Field[Any]) -> bool:
    return tuple(getattr(field.type, "shape", None) or ())[:1] == ("*",)


def _copied(made: Any, name: str, values: list[np.ndarray]) -> bool:
    """Whether MuJoCo Warp takes the numbers of a field as they are."""
    held, first = _value(made, name).numpy().ravel(), values[0]
    return {one.shape for one in values} == {first.shape} and np.array_equal(held, first.ravel().astype(held.dtype))


def _shared(value: Any) -> Any:
    """What is the same for all worlds in a Warp model or in a part of it, so that it can be compared."""
    if isinstance(value, wp.array):
        return value.shape, value.numpy().tobytes()
    if is_dataclass(value):
        return {field.name: _shared(getattr(value, field.name)) for field in fields(value) if not _per_world(field)}
    return [_shared(one) for one in value] if isinstance(value, (tuple, list)) else value


def _value(model: Any, name: str) -> Any:
    """Of a field, or of an option "opt.name"."""
    return getattr(model.opt, name.removeprefix("opt.")) if name.startswith("opt.") else getattr(model, name)
