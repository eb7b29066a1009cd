"""Physics on MuJoCo Warp: against MuJoCo itself, on Warp's CPU backend, whose kernels are those of a GPU."""

import logging
import sys
from importlib import import_module

import numpy as np
import pytest
import torch

from moopt.core.random import Rng
from moopt.physics import gymnasium_model
from moopt.problems.robots.control import MoHopper2

mjw = pytest.importorskip("mujoco_warp")
pytest.importorskip("gymnasium")
mujoco, wp = pytest.importorskip("mujoco"), pytest.importorskip("warp")
warp, native, model_of = (import_module(f"moopt.physics.{name}") for name in ("warp", "native", "model"))
WarpPhysics, NativePhysics = warp.WarpPhysics, native.NativePhysics

CPU = torch.device("cpu")
# Substeps, watched places, and ten times the largest difference of a position that was seen after 5 control steps.
MODELS = {
    "hopper": (4, "xpos", 4e-6),
    "inverted_double_pendulum": (5, "site_xpos", 5e-6),
    "half_cheetah": (5, "", 4e-4),
    "swimmer": (4, "xipos", 4e-6),
    "ant": (5, "", 6e-6),
    "walker2d_v5": (4, "", 2e-5),
    "humanoid": (5, "xipos", 2e-5),
    "humanoidstandup": (5, "", 2e-5),
    "pusher_v5": (5, "xpos", 4e-6),
    "reacher": (2, "xpos", 2e-6),
}
EACH = [name if name == "hopper" else pytest.param(name, marks=pytest.mark.slow) for name in MODELS]


def engines(name):
    substeps, places, _ = MODELS[name]
    models = [gymnasium_model(name)]
    return WarpPhysics(models, substeps, places, CPU), NativePhysics(models, substeps, places)


@pytest.fixture(scope="module")
def hopper():
    return engines("hopper")


def noisy(model, n, seed=0):
    """Positions and velocities of n worlds, float64."""
    rng = torch.Generator().manual_seed(seed)
    qpos = torch.from_numpy(model.qpos0) + 0.02 * torch.rand(n, model.nq, generator=rng, dtype=torch.float64) - 0.01
    return qpos, 0.1 * torch.randn(n, model.nv, generator=rng, dtype=torch.float64)


def controls(model, n, steps, seed=1):
    """Within the range of the actuators, float64[steps, n, nu]."""
    rng = torch.Generator().manual_seed(seed)
    low, high = torch.from_numpy(model.actuator_ctrlrange).unbind(-1)
    return low + (high - low) * torch.rand(steps, n, model.nu, generator=rng, dtype=torch.float64)


def rounded(state):
    """As float32 has it."""
    return state._replace(**{name: getattr(state, name).float() for name in ("qpos", "qvel", "warmstart", "places")})


def doubled(state):
    return state._replace(**{name: getattr(state, name).double() for name in ("qpos", "qvel", "warmstart", "places")})


def same(one, other):
    """Whether two states have the same bits."""
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def part(state, which):
    return type(state)(*(leaf[which] for leaf in state))


@pytest.mark.parametrize("name", EACH)
def test_it_agrees_with_mujoco(name, hopper):
    quick, exact = hopper if name == "hopper" else engines(name)
    model, limit, n = exact.model, MODELS[name][-1], 16
    start = noisy(model, n)
    a, b = exact.start(*start), quick.start(*(leaf.float() for leaf in start))
    assert b.qpos.dtype == torch.float32 and not b.warmstart.any() and not b.diverged.any()
    assert torch.allclose(a.places, b.places.double(), rtol=0, atol=1e-6)
    velocities = []
    for step, control in enumerate(controls(model, n, 40)):
        again = exact.step(doubled(rounded(a)), control)
        once = quick.step(rounded(a), control.float())
        velocities.append((again.qvel - once.qvel).abs().amax(-1))
        a = exact.step(a, control)
        if step < 5:
            b = quick.step(b, control.float())
            for field in ("qpos", "places"):
                assert (getattr(a, field) - getattr(b, field)).abs().le(limit).all(), (field, step)
    assert not a.diverged.any() and not once.diverged.any()
    # one step from the same state: a rounded number may start a contact earlier, which few do
    assert torch.cat(velocities).quantile(0.9) < 2e-4


def test_rewards_agree_with_mujoco(hopper):
    mine, theirs = MoHopper2(normalise="not"), MoHopper2(normalise="not")
    mine._engines["cpu"] = WarpPhysics([mine.model], mine.substeps, mine.places, CPU)
    rng = Rng([3], dtype=torch.float64)
    a, b = theirs.reset(8, rng), mine.reset(8, rng)
    assert torch.equal(a.qpos.float(), b.qpos)
    for t, control in enumerate(controls(mine.model, 8, 10)):
        a, expected, over = theirs.step(a, control[None], rng.fold(t))
        b, found, ended = mine.step(b, control[None].float(), rng.fold(t))
        assert found.dtype == torch.float32 and torch.equal(over, ended)
        assert torch.allclose(found.double(), expected, rtol=0, atol=2e-4)  # a difference of positions over 0.008 s


def test_a_world_depends_on_nothing_else_in_the_batch(hopper):
    engine, _ = hopper
    whole = engine.start(*noisy(engine.model, 7))
    control = controls(engine.model, 7, 6).float()
    for k in range(3):
        whole = engine.step(whole, control[k])
    which = torch.tensor([5, 0, 3])
    some, alone = part(whole, which), part(whole, slice(2, 3))
    for k in range(3, 6):
        whole, some = engine.step(whole, control[k]), engine.step(some, control[k][which])
        alone = engine.step(alone, control[k][2:3])
    assert same(part(whole, which), some) and same(part(whole, slice(2, 3)), alone)
    folded = type(whole)(*(leaf[:6].unflatten(0, (2, 3)) for leaf in whole))  # any leading dimensions
    stepped = engine.step(folded, control[0][:6].unflatten(0, (2, 3)))
    assert same(type(whole)(*(leaf.flatten(0, 1) for leaf in stepped)), part(engine.step(whole, control[0]), slice(6)))


def test_states_are_values(hopper):
    engine, _ = hopper
    qpos, qvel = (leaf.float() for leaf in noisy(engine.model, 7))
    kept = qpos.clone(), qvel.clone()
    state, control = engine.start(qpos, qvel), controls(engine.model, 7, 2).float()
    before, given = type(state)(*(leaf.clone() for leaf in state)), control.clone()
    first = engine.step(state, control[0])
    copies = type(first)(*(leaf.clone() for leaf in first))
    engine.step(first, control[1])
    engine.start(qvel, qvel)
    assert same(state, before) and same(first, copies) and torch.equal(control, given)
    assert torch.equal(qpos, kept[0]) and torch.equal(qvel, kept[1])
    assert same(engine.step(state, control[0]), first)
    assert not engine.step(state, control[0].clone().requires_grad_()).qpos.requires_grad


def test_a_graph_does_what_its_steps_do(hopper, monkeypatch, without_waiting):
    engine, _ = hopper
    n, control = 7, controls(engine.model, 7, 1).float()[0]
    state = engine.step(engine.start(*noisy(engine.model, n)), control)
    recorded = []
    monkeypatch.setattr(wp, "ScopedCapture", lambda *args, **kwargs: recorded.append(args))
    with without_waiting(warp):
        found = engine.step(state, control)
    assert not recorded
    worlds = engine._worlds[n]
    for mine, values in ((worlds._data.qpos, state.qpos), (worlds._data.qvel, state.qvel),
                         (worlds._data.qacc_warmstart, state.warmstart), (worlds._data.ctrl, control)):  # fmt: skip
        mine.assign(values.numpy())
    with wp.ScopedDevice("cpu"):
        for _ in range(engine.substeps):
            mjw.step(worlds._model, worlds._data)
    assert np.array_equal(worlds._data.qpos.numpy(), found.qpos.numpy())
    assert np.array_equal(worlds._data.qacc_warmstart.numpy(), found.warmstart.numpy())


@pytest.mark.parametrize("field", ["qpos", "qvel", "warmstart"])
def test_a_world_that_diverges_is_marked_and_rests(hopper, field):
    engine, _ = hopper
    n, control = 7, controls(engine.model, 7, 3).float()
    state = engine.step(engine.start(*noisy(engine.model, n)), control[0])
    wild = {1: torch.nan, 3: -torch.inf, 4: 3e10, 6: 9e9}  # the last is a number yet, for a substep
    ill = state._replace(**{field: getattr(state, field).clone()})
    for world, value in wild.items():
        getattr(ill, field)[world, 2] = value
    well, after = engine.step(state, control[1]), engine.step(ill, control[1])
    others = torch.tensor([i for i in range(n) if i not in wild])
    bad = torch.tensor([world for world in wild if (world, field) not in [(6, "warmstart"), (6, "qpos")]])
    assert same(part(after, others), part(well, others)) and not after.diverged[others].any()
    assert after.diverged[bad].all()
    rest = torch.from_numpy(engine.model.qpos0).float()
    assert (after.qpos[bad] == rest).all() and not after.qvel[bad].any() and not after.warmstart[bad].any()
    home = engine.start(rest[None], 0 * rest[None, : engine.model.nv]).places
    assert torch.allclose(after.places[bad], home, rtol=0, atol=1e-6)
    assert all(leaf.isfinite().all() for leaf in after)
    later = engine.step(after, control[2])
    assert later.diverged[bad].all() and all(leaf.isfinite().all() for leaf in later)
    assert same(part(later, others), part(engine.step(well, control[2]), others))


def test_a_bad_start_is_marked_and_a_bad_control_is_none(hopper):
    engine, exact = hopper
    qpos, qvel = noisy(engine.model, 7)
    qpos[2, 0], qvel[5, 1] = torch.nan, 1e11
    a, b = exact.start(qpos, qvel), engine.start(qpos, qvel)
    assert torch.equal(a.diverged, b.diverged) and b.diverged.sum() == 2
    assert torch.allclose(a.qpos, b.qpos.double(), atol=1e-6) and torch.allclose(a.places, b.places.double(), atol=1e-6)
    control = controls(engine.model, 7, 1)[0]
    control[0, 1], control[1, 0] = torch.nan, torch.inf
    a, b = exact.step(a, control), engine.step(b, control.float())
    well = ~b.diverged
    assert torch.equal(a.diverged, b.diverged) and torch.allclose(a.qpos[well], b.qpos[well].double(), atol=1e-6)


def machines(name, k, seed=0):
    """Compiled models of one structure whose sizes, masses, gears, damping and gravity differ, on floors that do."""
    rng, made = np.random.default_rng(seed), []
    for _ in range(k):
        spec = model_of.gymnasium_spec(name)
        scale = rng.uniform(0.8, 1.25, 7)
        for geom in spec.geoms:
            if geom.type == mujoco.mjtGeom.mjGEOM_PLANE:
                geom.pos = np.array(geom.pos) - [0, 0, 0.02 * scale[0]]
            else:
                geom.size, geom.density = np.array(geom.size) * scale[1], 1000 * scale[2]
        for body in spec.bodies[2:]:
            body.pos = np.array(body.pos) * scale[3]
        for actuator in spec.actuators:
            actuator.gear = np.array(actuator.gear) * scale[4]
        for joint in spec.joints:
            joint.damping = np.array(joint.damping) * scale[5]
        spec.option.gravity = [0, 0, -9.81 * scale[6]]
        made.append(model_of.compiled(spec))
    return made


@pytest.mark.parametrize("name", ["hopper", pytest.param("ant", marks=pytest.mark.slow)])
def test_several_machines_in_one_batch(name):
    models, (substeps, _, _) = machines(name, 3), MODELS[name]
    engine = WarpPhysics(models, substeps, "xpos", CPU)
    exact = NativePhysics(models, substeps, "xpos")
    known = {"body_mass", "body_pos", "geom_size", "geom_pos", "actuator_gear", "dof_invweight0", "opt.gravity"}
    assert known <= set(engine._parts.tables)
    machine, start, control = torch.tensor([2, 0, 1, 1, 2, 0, 2]), noisy(models[0], 7), controls(models[0], 7, 8)
    backwards = machine.flip(0), [leaf.flip(0) for leaf in start], control.flip(1)  # by the same graph
    a, b = (one.start(*start, machine) for one in (exact, engine))
    c = engine.start(*backwards[1], backwards[0])
    for k in range(8):
        a, b, c = exact.step(a, control[k]), engine.step(b, control[k].float()), engine.step(c, backwards[2][k].float())
    assert same(b, type(c)(*(leaf.flip(0) for leaf in c)))
    assert torch.allclose(a.qpos, b.qpos.double(), rtol=0, atol=1e-4)
    assert torch.allclose(a.places, b.places.double(), rtol=0, atol=1e-4)
    for i in range(3):
        mine, alone = machine == i, WarpPhysics([models[i]], substeps, "xpos", CPU)
        d = alone.start(*(leaf[mine] for leaf in start))
        for k in range(8):
            d = alone.step(d, control[k][mine].float())
        assert all(torch.equal(x, y) for x, y in zip(part(b, mine)[:-1], d[:-1], strict=True)), i
    ill = b._replace(qpos=b.qpos.clone())
    ill.qpos[3] = torch.nan
    after = engine.step(ill, control[0].float())
    assert torch.equal(after.qpos[3], torch.from_numpy(models[1].qpos0).float())
    assert after.diverged.tolist() == [i == 3 for i in range(7)]
    rest = torch.from_numpy(models[1].qpos0)[None]
    home = exact.start(rest, torch.zeros_like(start[1][:1]), machine[3:4])
    assert torch.allclose(after.places[3].double(), home.places[0], rtol=0, atol=1e-6)


def test_what_worlds_share_must_be_the_same():
    models = [gymnasium_model("hopper") for _ in range(2)]
    WarpPhysics(models, 4, "", CPU)
    models[1].opt.timestep *= 2
    with pytest.raises(ValueError, match="models: expected the same opt.timestep in all"):
        WarpPhysics(models, 4, "", CPU)
    models[1].opt.timestep /= 2
    models[1].geom_condim[:] = 4
    models[1].jnt_limited[3] = 0  # not held, but decides which joints are
    with pytest.raises(ValueError, match="expected the same geom_condim, .*jnt_limited_slide_hinge_adr.* in all"):
        WarpPhysics(models, 4, "", CPU)
    models[1] = gymnasium_model("hopper")
    models[1].opt.density = 1.2  # held, but decides whether there is a fluid at all
    with pytest.raises(ValueError, match="expected the same has_fluid in all"):
        WarpPhysics(models, 4, "", CPU)
    with pytest.raises(ValueError, match="models: expected the same .* more in all, of which"):
        WarpPhysics([models[0], gymnasium_model("swimmer")], 4, "", CPU)


@pytest.mark.parametrize("name", list(MODELS))
def test_buffers_hold_what_there_can_be(name):
    """Bodies in all places at once: no more contacts and rows than there is room for."""
    model = gymnasium_model(name)
    parts = WarpPhysics([model], 1, "", CPU)._parts
    data, rng = mujoco.MjData(model), np.random.default_rng(0)
    for _ in range(100):
        data.qpos[:] = rng.normal(0, 2, model.nq)
        data.qpos[:3] *= 0.1
        mujoco.mj_forward(model, data)
        assert data.ncon <= parts.contacts <= warp.CONTACTS and data.nefc <= parts.rows <= warp.ROWS
    assert parts.pairs <= parts.contacts


@pytest.mark.slow
@pytest.mark.parametrize(
    "room, size, heights, full",  # from 1.2 m down the foot is in the ground
    [("ROWS", 8, [3.0, 1.2, 4.0], [False, True, False]), ("CONTACTS", 1, [1.2, 1.2, 4.0], [True, True, True])],
)
def test_a_world_that_does_not_fit_has_diverged(room, size, heights, full, monkeypatch, capfd):
    monkeypatch.setattr(warp, room, size)
    model = gymnasium_model("hopper")
    engine = WarpPhysics([model], 4, "", CPU)
    qpos = torch.from_numpy(model.qpos0).repeat(3, 1)
    qpos[:, 1] = torch.tensor(heights)
    state = engine.start(qpos, torch.zeros_like(qpos))
    assert engine.step(state, torch.zeros(3, 3)).diverged.tolist() == full
    qpos[:, 1] = 3.0
    assert not engine.step(engine.start(qpos, torch.zeros_like(qpos)), torch.zeros(3, 3)).diverged.any()
    assert "overflow" not in capfd.readouterr().out


def test_pgs_becomes_newton_and_is_told_once(caplog):
    warp._tell_of_newton.cache_clear()
    models = [gymnasium_model("humanoid"), gymnasium_model("humanoidstandup")]
    with caplog.at_level(logging.WARNING, "moopt"):
        made = [WarpPhysics([model], 5, "", CPU) for model in models]
    assert ["Newton" in record.getMessage() for record in caplog.records] == [True]
    assert all(model.opt.solver == mujoco.mjtSolver.mjSOL_PGS for model in models)
    assert all(one.model is model for one, model in zip(made, models, strict=True))
    assert made[0]._parts.model.opt.solver == mujoco.mjtSolver.mjSOL_NEWTON


def test_buffers_of_old_numbers_of_worlds_go(hopper):
    engine = WarpPhysics([hopper[0].model], 4, "", CPU)
    for n in (1, 2, 3, 4, 1, 5):
        engine.start(*noisy(engine.model, n))
    assert list(engine._worlds) == [3, 4, 1, 5]


def test_it_is_quiet(capfd, hopper):
    level = wp.config.log_level
    engine = WarpPhysics([hopper[0].model], 3, "", CPU)
    engine.step(engine.start(*noisy(engine.model, 2)), torch.zeros(2, 3))
    assert wp.config.log_level == level and not any(capfd.readouterr())


def test_without_the_package_it_says_how_to_get_it(monkeypatch):
    with pytest.raises(ValueError, match="places: expected one of"):
        WarpPhysics([gymnasium_model("hopper")], 4, "xmat", CPU)
    monkeypatch.setitem(sys.modules, "mujoco_warp", None)
    monkeypatch.delitem(sys.modules, "moopt.physics.warp")
    with pytest.raises(ImportError, match=r"physics on a GPU: expected MuJoCo Warp, pip install moopt\[gpu\]"):
        import_module("moopt.physics.warp")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", ["hopper", "half_cheetah", "ant", "humanoid"])
def test_cuda_agrees_with_the_cpu(name, monkeypatch, hopper):
    """The graph is recorded once, on any stream, and its worlds are those of the CPU."""
    exact = hopper[0] if name == "hopper" else engines(name)[0]
    substeps, places, limit = MODELS[name]
    engine = WarpPhysics([exact.model], substeps, places, "cuda")
    n, control = 512, controls(exact.model, 512, 5).float()
    start = [leaf.float() for leaf in noisy(exact.model, n)]
    a, b = exact.start(*start), engine.start(*(leaf.cuda() for leaf in start))
    captures = []

    class Counted(wp.ScopedCapture):
        def __enter__(self):
            captures.append(self)
            return super().__enter__()

    monkeypatch.setattr(wp, "ScopedCapture", Counted)
    side = torch.cuda.Stream()
    for k in range(5):
        a = exact.step(a, control[k])
        there = control[k].cuda()
        if k % 2:
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                b = engine.step(b, there)
            torch.cuda.current_stream().wait_stream(side)
        else:
            b = engine.step(b, there)
    assert len(captures) == 2  # one on each device
    assert b.qpos.is_cuda and not b.diverged.any()
    away = (a.qpos - b.qpos.cpu()).abs().amax(-1)
    assert away.quantile(0.9) <= limit and torch.allclose(a.places, b.places.cpu(), rtol=0, atol=100 * limit)
    torch.cuda.set_sync_debug_mode("error")
    try:
        after = engine.step(b, there)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    ill = b._replace(qvel=b.qvel.clone())
    ill.qvel[7] = torch.nan
    marked = engine.step(ill, there)
    assert marked.diverged.tolist() == [i == 7 for i in range(n)]
    others = torch.arange(n) != 7
    assert (after.qpos.cpu()[others] - marked.qpos.cpu()[others]).abs().quantile(0.9) <= limit


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_several_machines_on_cuda():
    models = machines("ant", 3)
    cpu, cuda = (WarpPhysics(models, 5, "xpos", device) for device in ("cpu", "cuda"))
    machine, control = torch.arange(6) % 3, controls(models[0], 6, 4).float()
    start = [leaf.float() for leaf in noisy(models[0], 6)]
    a, b = cpu.start(*start, machine), cuda.start(*(leaf.cuda() for leaf in start), machine.cuda())
    for k in range(4):
        a, b = cpu.step(a, control[k]), cuda.step(b, control[k].cuda())
    assert torch.allclose(a.qpos, b.qpos.cpu(), rtol=0, atol=1e-4)
    assert torch.allclose(a.places, b.places.cpu(), rtol=0, atol=1e-4)
