"""Robot design: machines against MuJoCo's own compiler, episodes against a plain loop, designs alone and together."""

import math
import sys
from dataclasses import replace

import pytest
import torch

pytest.importorskip("mujoco")
pytest.importorskip("gymnasium")

import mujoco  # noqa: E402
import numpy as np  # noqa: E402

import moopt  # noqa: E402
from moopt import testing  # noqa: E402
from moopt.core.random import Rng  # noqa: E402
from moopt.indicators import hypervolume  # noqa: E402
from moopt.physics.model import bare, compiled, gymnasium_model, gymnasium_spec, variants  # noqa: E402
from moopt.problems.robots.design import GAIT, LEGS, LINKS, MACHINE, STANDARD_GAIT, CheetahDesign  # noqa: E402

DOUBLE = torch.float64
NAMES = list(MACHINE)


def fields(model):
    """Everything that a model holds, by name."""
    found = {}
    for where, part in (("", model), ("opt.", model.opt), ("stat.", model.stat)):
        for name in dir(part):
            value = getattr(part, name)
            if not name.startswith("_") and isinstance(value, (np.ndarray, int, float, bytes)):
                found[where + name] = value
    return found


def differing(one, other, tolerance=0.0):
    """Names of the fields that differ by more than the tolerance, relative to the largest number of the field."""
    found, known = set(), fields(other)
    for name, value in fields(one).items():
        if isinstance(value, bytes) or np.shape(value) != np.shape(known[name]):
            same = np.array_equal(value, known[name])
        else:
            scale = np.abs(np.asarray(known[name], dtype=float)).max(initial=1.0)
            gap = np.abs(np.subtract(value, known[name], dtype=float)).max(initial=0.0)
            same = bool(gap <= tolerance * scale)
        if not same:
            found.add(name)
    return found


def by_compiler(factors, height):
    """The machine as MuJoCo compiles it from a changed spec."""
    f, spec = dict(zip(NAMES, factors, strict=True)), gymnasium_spec("half_cheetah")
    spec.compiler.settotalmass = -1
    density = 1000 * 14 / spec.compile().body_mass.sum()  # of the standard machine, which weighs 14 kg
    for geom in spec.geoms:
        geom.density = density * (f["leg_density"] if geom.name in LINKS else 1)
    for leg in LEGS:
        for link, child in zip(leg, (*leg[1:], None), strict=True):
            s, geom = f[f"{link}_length"], next(g for g in spec.geoms if g.name == link)
            geom.pos, geom.size = geom.pos * s, [geom.size[0], geom.size[1] * s, 0]
            if child:
                spec.body(child).pos = spec.body(child).pos * s
    for motor in spec.actuators:
        motor.gear = [motor.gear[0] * f[f"{motor.name}_gear"], 0, 0, 0, 0, 0]
    spec.body("torso").pos = [0, 0, height]
    return spec.compile()


def machine(looks=False, **factors):
    """The machine with some factors other than 1."""
    x = torch.tensor([[factors.get(name, 1.0) for name in NAMES]], dtype=DOUBLE)
    return CheetahDesign().machines(x, looks)[0]


def at_rest(model):
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return data


def ends(model, data, link):
    """Centres of the caps of a link's capsule, the upper one first."""
    axis = data.geom(link).xmat.reshape(3, 3)[:, 2] * model.geom(link).size[1]
    return sorted((data.geom(link).xpos - axis, data.geom(link).xpos + axis), key=lambda end: -end[2])


def clearance(model):
    """Height of the lowest point of the legs at rest."""
    data = at_rest(model)
    return min(ends(model, data, link)[1][2] - model.geom(link).size[0] for link in LINKS)


def points(n, problem, seed=3):
    return problem.space.sample(Rng([seed]).uniform(n, problem.n_var))[0]


# the machine


def test_factors_of_one_make_the_standard_machine():
    stock = gymnasium_model("half_cheetah")
    assert differing(machine(looks=True), stock) == set()
    unpainted = differing(machine(), stock)
    looks = {"geom_matid", "nbuffer", "ntexdata", "signature", "nmat", "ntex"}
    assert all(name in looks or name.startswith(("mat_", "tex_", "name")) or name in ("nnames", "nnames_map")
               for name in unpainted)  # fmt: skip
    assert mujoco.mj_sizeModel(machine()) < 20_000 < 500_000 < mujoco.mj_sizeModel(stock)


def test_the_standard_machine_is_gymnasiums(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)  # MuJoCo warns of settotalmass in a file
    from pathlib import Path

    import gymnasium

    path = Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets" / "half_cheetah.xml"
    theirs = mujoco.MjModel.from_xml_path(str(path))
    assert differing(gymnasium_model("half_cheetah"), theirs) <= {"signature", "paths", "npaths", "nbuffer"}
    capfd.readouterr()


def test_machines_are_what_the_compiler_makes():
    problem = CheetahDesign()
    low, high = problem.space.low, problem.space.high
    x = torch.cat((points(4, problem), low[None], high[None]))
    for row, model in zip(x.tolist(), problem.machines(x, looks=True), strict=True):
        known = by_compiler(row, model.body("torso").pos[2])
        assert differing(model, known, 1e-12) <= {"stat.meansize", "signature"}  # of a picture's arrows; of a spec
    assert problem.machines(x[:0]) == []


@pytest.mark.parametrize("link", LINKS)
def test_lengths(link):
    stock, other = machine(), machine(**{f"{link}_length": 1.3})
    changed = {f"{kind}_{what}" for kind, what in (("geom", "size"), ("geom", "pos"), ("body", "mass"))}
    assert changed <= differing(other, stock) and "actuator_gear" not in differing(other, stock)
    before, after = at_rest(stock), at_rest(other)
    for leg in LEGS:
        # each link is one vector from its joint to the next one, the last one to its tip
        for one, next_one in zip(leg, (*leg[1:], None), strict=True):
            there, here = (
                (d.body(next_one).xpos if next_one else ends(m, d, one)[1]) - d.body(one).xpos
                for m, d in ((stock, before), (other, after))
            )
            np.testing.assert_allclose(here, there * (1.3 if one == link else 1), rtol=0, atol=1e-14)
            assert other.geom(one).size[0] == stock.geom(one).size[0] == 0.046
            radius, half = stock.geom(one).size[:2]
            volumes = [2 * h + 4 / 3 * radius for h in (half, half * (1.3 if one == link else 1))]
            ratio = other.body(one).mass / stock.body(one).mass
            assert ratio == pytest.approx(volumes[1] / volumes[0], rel=1e-13)
    assert other.body("torso").mass == stock.body("torso").mass


@pytest.mark.parametrize("factor", [0.6, 0.83, 1.5])
def test_legs_stay_connected_and_stand(factor):
    """The next joint lies within the capsule, and the lowest foot as high as ever."""
    for lengths in ([factor] * 6, [factor, 1, 1, 1, 1, 1], [1, 1, 1, 1.2, factor, 0.7]):
        model = machine(**{f"{link}_length": s for link, s in zip(LINKS, lengths, strict=True)})
        data = at_rest(model)
        assert clearance(model) == pytest.approx(clearance(machine()), abs=1e-14) and clearance(model) > 0.05
        for leg in LEGS:
            for link, child in zip(leg, leg[1:], strict=False):
                upper, lower = ends(model, data, link)
                for joint in (data.body(link).xpos, data.body(child).xpos):
                    along = np.clip((joint - upper) @ (lower - upper) / ((lower - upper) @ (lower - upper)), 0, 1)
                    assert np.linalg.norm(upper + along * (lower - upper) - joint) < model.geom(link).size[0]
        for _ in range(300):
            mujoco.mj_step(model, data)
        touching = {model.geom(g).name for c in data.contact[: data.ncon] for g in c.geom}
        assert touching & {"bfoot", "ffoot"} and abs(data.qvel).max() < 0.5
        # all of its weight rests on the ground
        force, pressed = np.zeros(6), 0.0
        for i in range(data.ncon):
            mujoco.mj_contactForce(model, data, i, force)
            pressed += force[0]
        assert pressed == pytest.approx(9.81 * model.body_mass.sum(), rel=0.2)


def test_density_and_gears():
    stock, heavy = machine(), machine(leg_density=1.7)
    for link in LINKS:
        for what in ("mass", "inertia"):
            value, known = (getattr(model.body(link), what) for model in (heavy, stock))
            np.testing.assert_allclose(value, 1.7 * known, rtol=1e-15)
    assert differing(heavy, stock) == {
        "body_mass", "body_inertia", "body_subtreemass", "body_invweight0", "dof_invweight0", "dof_M0", "actuator_acc0",
        "stat.meanmass", "stat.meaninertia", "cam_poscom0", "light_poscom0",
    }  # fmt: skip
    for link in LINKS:
        strong = machine(**{f"{link}_gear": 1.9})
        assert differing(strong, stock) == {"actuator_gear", "actuator_acc0"}
        gears = strong.actuator_gear[:, 0] / stock.actuator_gear[:, 0]
        assert gears.tolist() == [1.9 if name == link else 1.0 for name in LINKS]


def test_variants_leave_their_model_alone():
    model = compiled(bare(gymnasium_spec("hopper")))
    before = fields(compiled(bare(gymnasium_spec("hopper"))))
    mass = np.stack([model.body_mass * s for s in (1.0, 2.5)])
    same, heavy = variants(model, {"body_mass": mass, "body_inertia": model.body_inertia * np.ones((2, 1, 1))})
    assert all(np.array_equal(value, before[name]) for name, value in fields(model).items())
    assert differing(same, model) == set() and heavy.body_subtreemass[0] == pytest.approx(2.5 * model.body_mass.sum())
    assert heavy.stat.meaninertia == pytest.approx(heavy.dof_M0.mean())


# episodes


def sines(gait, t):
    """Controls after t steps of 0.05 s."""
    frequency, *rest = gait
    waves = (a * math.sin(2 * math.pi * frequency * 0.05 * t + b) for a, b in zip(rest[:6], rest[6:], strict=True))
    return [min(1.0, max(-1.0, wave)) for wave in waves]


def plain(model, controls, qpos, qvel):
    """Speed and power of an episode, one world, one number at a time."""
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = qpos, qvel
    mujoco.mj_forward(model, data)
    work = 0.0
    for control in controls:
        angles, data.ctrl[:] = data.qpos[3:].copy(), control
        for _ in range(5):
            mujoco.mj_step(model, data)
        moved = data.qpos[3:] - angles
        work += sum(abs(torque * angle) for torque, angle in zip(data.qfrc_actuator[3:], moved, strict=True))
    seconds = 0.05 * len(controls)
    return (data.qpos[0] - qpos[0]) / seconds, work / seconds


@pytest.mark.parametrize("controller", ["fixed", "searched"])
@pytest.mark.parametrize("horizon", [12, 80])
def test_episodes_are_those_of_a_plain_loop(controller, horizon):
    """Only short ones where the loop has sines of its own: legs that hit the ground make much of a rounding."""
    problem = CheetahDesign(controller=controller, horizon=horizon, episodes=2)
    x, rng = points(3, problem), Rng([11])
    evaluation = problem.evaluate(x[None], rng)
    starts = problem.reset(2, rng.fold(0)).body
    for row, f, model in zip(x, evaluation.f[0].tolist(), problem.machines(x), strict=True):
        if horizon == 12:
            gait = row[13:].tolist() if controller == "searched" else STANDARD_GAIT
            controls = [sines(gait, t) for t in range(horizon)]
        else:
            time = 0.05 * torch.arange(horizon, dtype=DOUBLE)
            controls = problem.act(row[None], time[None, :, None])[0].tolist()
        values = [plain(model, controls, starts.qpos[0, i].numpy(), starts.qvel[0, i].numpy()) for i in range(2)]
        speed, power = np.mean(values, 0)
        assert f == pytest.approx([-speed, power], rel=1e-9, abs=1e-9) and power > 100
    assert (evaluation.cost == 2 * horizon).all() and not evaluation.failed.any()
    assert evaluation.f_var is not None and (evaluation.f_var > 0).all()


def test_signs():
    problem = CheetahDesign(horizon=5)
    result = moopt.minimize(problem, moopt.algorithm("random", pop_size=3), 3, seed=1, progress=False)
    front, table = result.front, result.to_dataframe()
    assert torch.equal(front.objectives, front.f * torch.tensor([-1.0, 1.0], dtype=DOUBLE))
    assert (table["power"] > 0).all() and {*NAMES, "speed", "power"} <= set(table)


def test_starts_are_gymnasiums():
    body = CheetahDesign().reset(4000, Rng([5])).body
    assert body.qpos.abs().amax((0, 1)).tolist() == pytest.approx([0.1] * 9, abs=5e-4)
    assert body.qvel.std((0, 1)).tolist() == pytest.approx([0.1] * 9, rel=0.06)
    assert body.qvel.abs().max() > 0.3 and body.qpos.mean((0, 1)).abs().max() < 0.005


def test_the_controller_is_a_clipped_sine_of_the_time():
    problem = CheetahDesign(controller="searched")
    values = {"frequency": 1.25} | {f"{link}_amplitude": 0.2 + 0.25 * i for i, link in enumerate(LINKS)}
    values |= {f"{link}_phase": 0.5 * i - 1 for i, link in enumerate(LINKS)} | dict.fromkeys(MACHINE, 1.0)
    x = problem.space.encode(values)
    time = torch.tensor([0.0, 0.15, 20.05], dtype=DOUBLE)
    control = problem.act(x[None], time[None, :, None])[0]
    expected = [
        [max(-1.0, min(1.0, (0.2 + 0.25 * i) * math.sin(2.5 * math.pi * t + 0.5 * i - 1))) for i in range(6)]
        for t in time.tolist()
    ]
    torch.testing.assert_close(control, torch.tensor(expected, dtype=DOUBLE), rtol=0, atol=1e-13)
    assert control.abs().max() == 1
    world = problem.reset(2, Rng([1, 2]))
    for _ in range(3):
        world, _, _ = problem.step(world, torch.zeros(2, 2, 6, dtype=DOUBLE), Rng([1, 2]))
    assert problem.observe(world).tolist() == [[[pytest.approx(0.15)]] * 2] * 2
    assert list(problem.space.variables) == [*MACHINE, *GAIT] and list(CheetahDesign().space.variables) == NAMES


class Wild(CheetahDesign):
    """A long back foot explodes."""

    def embody(self, state, x):
        world = super().embody(state, x)
        fast = torch.where(x[..., 2:3] > 1.3, 1e12, 1.0)
        return world._replace(body=world.body._replace(qvel=world.body.qvel * fast))


@pytest.mark.parametrize("controller", ["fixed", "searched"])
def test_designs_together_are_designs_alone(controller, monkeypatch):
    problem, rng = Wild(controller=controller, horizon=12, episodes=2), Rng([21, 22])
    x = torch.stack([points(9, problem, 5), points(9, problem, 6)])
    x[..., 2] = 1.1
    x[0, 4] = x[0, 3]  # one machine twice
    x[0, [1, 2, 5, 8], 2] = 1.4
    together = problem.evaluate(x, rng)
    assert together.failed[0].tolist() == [i in (1, 2, 5, 8) for i in range(9)] and not together.failed[1].any()
    assert (together.cost[together.failed] < 24).all() and (together.cost[~together.failed] == 24).all()
    for run, i in ((0, 0), (0, 3), (0, 7), (1, 8)):
        alone = problem.evaluate(x[run : run + 1, i : i + 1], rng.take(run))
        assert torch.equal(alone.f[0, 0], together.f[run, i]) and torch.equal(alone.f_var[0, 0], together.f_var[run, i])
    monkeypatch.setattr(sys.modules["moopt.learning.rollout"], "BLOCK", 7)  # the worlds of a design in two blocks
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        apart = problem.evaluate(x, rng)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(apart.f.nan_to_num(7), together.f.nan_to_num(7)) and torch.equal(apart.cost, together.cost)
    single = problem.evaluate(x.float(), rng)
    assert single.f.dtype == torch.float32 and not single.failed[1].any()


# the problem


def test_measured_on_held_out_episodes():
    problem = CheetahDesign(horizon=8)
    x = points(3, problem)[None]
    measured = problem.measure(x, Rng([1]))
    known = replace(problem, episodes=10).evaluate(x, Rng([90210]))
    assert torch.equal(measured.f, known.f) and (measured.cost == 80).all()
    assert not torch.equal(measured.f, problem.evaluate(x, Rng([1])).f)


def test_contract():
    testing.check_problem(CheetahDesign(horizon=10), n=16)
    testing.check_problem(CheetahDesign(horizon=10, controller="searched", episodes=2), n=16)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"controller": "learned"}, "controller: expected one of fixed, searched, got 'learned'"),
        ({"version": "v0"}, "version: expected one of v1, got 'v0'"),
        ({"horizon": 0}, "horizon: expected a whole number of at least 1, got 0"),
        ({"episodes": 2.5}, "episodes: expected a whole number of at least 1, got 2.5"),
    ],
)
def test_wrong_options(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        moopt.problem("cheetahdesign", **options)


def test_the_standard_machine_runs_as_published():
    still = dict.fromkeys([*MACHINE, *GAIT], 1.0) | {f"{link}_amplitude": 0.0 for link in LINKS}
    resting = CheetahDesign(controller="searched")
    speed, power = resting.measure(resting.space.encode(still)[None, None], Rng([1])).f[0, 0]
    assert abs(speed) < 0.02 and power == 0
    speed, power = CheetahDesign().measure(torch.ones(1, 1, 13, dtype=DOUBLE), Rng([1])).f[0, 0]
    assert -speed == pytest.approx(2.52, abs=0.1) and power == pytest.approx(559, abs=10)


def test_published_points():
    for controller in ("fixed", "searched"):
        problem = CheetahDesign(controller=controller)
        assert (problem.ideal < problem.nadir).all() and (problem.nadir < problem.reference_point).all()
        assert -problem.ideal[0] > 2.52 and problem.nadir[1] < 600  # faster than the standard machine
        assert replace(problem, horizon=499).ideal is None and replace(problem, episodes=3).nadir is not None


@pytest.mark.slow
def test_search_beats_chance():
    """In episodes of 3 s NSGA-II had 784 to 1,069 m W / s with seeds 4 to 6, random search 485 to 573."""
    problem = CheetahDesign(horizon=60, controller="searched")
    found, drawn = (
        float(hypervolume(front.f, [0.0, 1000.0]))
        for front in (
            moopt.minimize(problem, moopt.algorithm(name, pop_size=20), 900, seed=4, progress=False).front
            for name in ("nsga2", "random")
        )
    )
    assert found > 650 and found > 1.3 * drawn > 0
