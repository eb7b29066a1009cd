"""Robot control: the physics is MuJoCo's, the tasks are those of the table, worlds do not depend on one another."""

import sys
from dataclasses import dataclass

import numpy as np
import pytest
import torch

import moopt
from moopt import catalogue
from moopt.core.budget import EnvSteps
from moopt.core.points import Points
from moopt.core.random import Rng
from moopt.run.result import Status

pytest.importorskip("mujoco")
gymnasium = pytest.importorskip("gymnasium")

import mujoco  # noqa: E402

from moopt.learning import play, rollout  # noqa: E402
from moopt.problems.robots import control as tasks  # noqa: E402

TASKS = [
    name for name in catalogue.table("problems") if catalogue.load("problems", name).__module__ == tasks.__name__
]
DOUBLE = torch.float64

# task -> Gymnasium's environment, and its terms whose sum, times a factor, is an objective's reward without bonus
TERMS = {
    "mohalfcheetah": ("HalfCheetah-v5", [[("reward_forward", 1)], [("reward_ctrl", 1)]]),
    "mohopper2": ("Hopper-v5", [[("reward_forward", 1), ("reward_ctrl", 1)], None]),
    "mohopper3": ("Hopper-v5", [[("reward_forward", 1)], None, [("reward_ctrl", 1000)]]),
    "moswimmer": ("Swimmer-v5", [[("reward_forward", 1)], [("reward_ctrl", 1)]]),
    "moant": ("Ant-v5", [None, [("reward_ctrl", 2)]]),
    "mowalker2d": ("Walker2d-v5", [[("reward_forward", 1)], [("reward_ctrl", 1)]]),
    "mohumanoid": ("Humanoid-v5", [[("reward_forward", 1)], [("reward_ctrl", 10)]]),
    "mohumanoidstandup": ("HumanoidStandup-v5", [[("reward_linup", 0.2)], [("reward_quadctrl", 0.1)]]),
    "moinverteddoublependulum": ("InvertedDoublePendulum-v5", [[("distance_penalty", 1)], [("velocity_penalty", 1)]]),
    "mopusher": ("Pusher-v5", [[("reward_near", 2)], [("reward_dist", 1)], [("reward_ctrl", 10)]]),
    "moreacher": ("Reacher-v5", [[("reward_dist", 1)], [("reward_ctrl", 1)]]),
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Where Gymnasium's own models leave MuJoCo's log of warnings."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_all_eleven_are_there():
    assert len(TASKS) == 11 and set(TASKS) == set(TERMS)


@pytest.mark.parametrize("name", TASKS)
def test_steps_are_those_of_gymnasium(name):
    """Positions, velocities, and the rewards that both define, for a policy that acts on what it sees."""
    problem, rng = moopt.problem(name, normalise="not", bonus="all"), Rng([5])
    env_name, terms = TERMS[name]
    env = gymnasium.make(env_name).unwrapped
    env.reset(seed=0)
    state = problem.reset(1, rng)
    mujoco.mj_resetData(env.model, env.data)
    env.set_state(state.qpos[0, 0].numpy(), state.qvel[0, 0].numpy())
    x = problem.space.sample(rng.fold(1).uniform(1, problem.n_var)) * 0.3
    assert problem.physics(torch.device("cpu")).dt == pytest.approx(env.dt, rel=1e-12)
    compared = 0
    for _ in range(300):
        action = problem.act(x, problem.observe(state)[:, :, None])[:, :, 0]
        before = state
        state, reward, done = problem.step(state, action, rng)
        _, _, terminated, _, info = env.step(action[0, 0].numpy())
        np.testing.assert_allclose(state.qpos[0, 0], env.data.qpos, rtol=0, atol=1e-9)
        np.testing.assert_allclose(state.qvel[0, 0], env.data.qvel, rtol=0, atol=1e-7)
        bonus = problem.alive * (not done.item())
        for k, parts in enumerate(terms):
            if parts is not None:
                theirs = sum(factor * info[term] for term, factor in parts)
                assert reward[0, 0, k].item() - bonus == pytest.approx(theirs, abs=1e-6)
        if name.startswith("mohopper"):
            assert reward[0, 0, 1].item() - bonus == pytest.approx(
                10 * (env.data.qpos[1] - 1.25) + (info["reward_ctrl"] if name == "mohopper2" else 0), abs=1e-6
            )
        if name == "moant":
            speed = (state.qpos[0, 0, 0] - before.qpos[0, 0, 0]).item() / env.dt
            assert reward[0, 0, 0].item() - bonus == pytest.approx(speed, abs=1e-9)
        compared += 1
        if terminated or done.item():
            assert done.item() == terminated or name in ("moant",)
            break
    assert compared >= 5
    env.close()


@pytest.mark.parametrize("name, k", [("mohopper2", 11), ("mohalfcheetah", 17), ("moswimmer", 8), ("mowalker2d", 17)])
def test_observations_are_those_of_gymnasium(name, k):
    problem = moopt.problem(name)
    env = gymnasium.make(TERMS[name][0]).unwrapped
    seen, _ = env.reset(seed=3)
    state = problem.physics(torch.device("cpu")).start(
        torch.from_numpy(env.data.qpos.copy())[None, None], torch.from_numpy(env.data.qvel.copy())[None, None]
    )
    np.testing.assert_array_equal(problem.observe(state)[0, 0], seen)
    assert problem.policy.sizes[0] == k


def test_numbers_of_the_table():
    """Parameters with 16 hidden units where observations are the table's, and names of the objectives."""
    wanted = {
        "mohalfcheetah": 390, "mohopper2": 243, "mohopper3": 243, "moswimmer": 178, "moant": 584, "mowalker2d": 390,
        "moinverteddoublependulum": 161, "mopusher": 503, "moreacher": 226,
    }  # fmt: skip
    assert {name: moopt.problem(name).n_var for name in wanted} == wanted
    assert {name: moopt.problem(name).n_obj for name in TASKS} == {
        name: 3 if name in ("mohopper3", "mopusher") else 2 for name in TASKS
    }
    assert all(set(moopt.problem(name).directions) == {"max"} for name in TASKS)


# starts


@pytest.mark.parametrize("name", TASKS)
def test_starts(name):
    problem = moopt.problem(name)
    qpos, qvel = problem.starts(2000, Rng([1, 2]))
    rest, (positions, velocities) = torch.from_numpy(problem.model.qpos0), problem.spread
    placed = {"mopusher": 4, "moreacher": 2}.get(name, 0)
    free = slice(0, problem.model.nq - placed)
    noise = (qpos - rest)[..., free]
    assert noise.abs().max() <= positions
    assert positions == 0 or noise.std() == pytest.approx(positions / 3**0.5, rel=0.03)
    spread = velocities if problem.normal_velocities else velocities / 3**0.5
    assert qvel[..., : problem.model.nv - placed].std() == pytest.approx(spread, rel=0.03)
    if name == "mopusher":
        objects = qpos[..., -4:-2]
        assert objects.norm(dim=-1).min() > 0.17 and (objects[..., 1].abs() <= 0.2).all()
        assert (objects[..., 0] <= 0).all() and (objects[..., 0] >= -0.3).all()
        assert (qpos[..., -2:] == 0).all() and (qvel[..., -4:] == 0).all()
    if name == "moreacher":
        targets = qpos[..., -2:].norm(dim=-1)
        assert targets.max() < 0.2 and (targets**2).mean() == pytest.approx(0.02, rel=0.05)  # uniform in the disc
        assert (qvel[..., -2:] == 0).all()
    assert not torch.equal(qpos[0], qpos[1])


def test_policies_of_a_generation_meet_the_same_episodes():
    problem = moopt.problem("moswimmer", horizon=30, episodes=2, normalise="not")
    x = problem.space.sample(Rng([1]).uniform(3, problem.n_var))
    twins = torch.cat((x, x), 1)
    f = problem.evaluate(twins, Rng([7]).fold(3)).f
    assert torch.equal(f[:, :3], f[:, 3:])
    assert not torch.equal(f, problem.evaluate(twins, Rng([7]).fold(4)).f)
    assert problem.evaluate(x, Rng([7])).f_var.min() > 0


# episodes


def by_hand(problem, x, rng):
    """Returns and steps of policies x[n, d] of one run, world by world, without the rollout."""
    engine, starts = problem.physics(torch.device("cpu")), problem.reset(problem.episodes, rng.fold(0))
    moments = problem.moments(1)
    values = []
    for row in x:
        for e in range(problem.episodes):
            state = type(starts)(*(leaf[:, e : e + 1].clone() for leaf in starts))
            value, steps = torch.zeros(problem.n_obj, dtype=DOUBLE), 0
            for _ in range(problem.horizon):
                seen = problem.observe(state)
                if moments is not None:
                    seen = ((seen - moments.mean) / moments.std).clamp(-5, 5)
                state, reward, done = problem.step(state, problem.act(row[None, None], seen[:, :, None])[:, :, 0], rng)
                value, steps = value + reward[0, 0], steps + 1
                if done.item():
                    break
            values.append((value, steps))
    assert engine is problem.physics(torch.device("cpu"))
    f = torch.stack([value for value, _ in values]).view(len(x), problem.episodes, -1).mean(1)
    return -f, torch.tensor([steps for _, steps in values]).view(len(x), -1).sum(1)


@pytest.mark.parametrize("name", ["mohopper3", "mowalker2d", "moinverteddoublependulum"])
def test_falling_is_final(name):
    """Those that fall leave the batch at different steps; the others must not notice."""
    problem, rng = moopt.problem(name, horizon=80, episodes=2, normalise="not"), Rng([11])
    x = problem.space.sample(rng.fold(5).uniform(12, problem.n_var))
    found, (f, steps) = problem.evaluate(x, rng), by_hand(problem, x[0], rng)
    torch.testing.assert_close(found.f[0], f, rtol=1e-12, atol=1e-12)
    assert torch.equal(found.cost[0], steps) and len(set(steps.tolist())) > 4 and steps.max() < 160


def test_a_policy_is_worth_the_same_alone_and_among_others():
    problem, rng = moopt.problem("mohopper2", horizon=60, normalise="not"), Rng([3, 4])
    x = problem.space.sample(rng.fold(1).uniform(40, problem.n_var))
    whole = problem.evaluate(x, rng)
    for i in (0, 17, 39):
        alone = problem.evaluate(x[:, i : i + 1], rng)
        assert torch.equal(alone.f[:, 0], whole.f[:, i]) and torch.equal(alone.cost[:, 0], whole.cost[:, i])
    assert torch.equal(problem.evaluate(x[1:], rng.take(slice(1, 2))).f[0], whole.f[1])


def test_blocks_change_nothing(monkeypatch):
    problem, rng = moopt.problem("mohopper2", horizon=40, episodes=3, normalise="learned"), Rng([3, 4])
    x = problem.space.sample(rng.fold(1).uniform(15, problem.n_var))
    whole, learned = problem.answer(x, rng, problem.memory(rng))
    monkeypatch.setattr(sys.modules["moopt.learning.rollout"], "BLOCK", 7)
    parts, again = problem.answer(x, rng, problem.memory(rng))
    assert torch.equal(whole.f, parts.f) and torch.equal(whole.cost, parts.cost)
    assert torch.equal(learned.mean, again.mean) and torch.equal(learned.squares, again.squares)


def test_the_number_of_threads_changes_nothing():
    threads = torch.get_num_threads()
    found = []
    try:
        for number in (1, 2, 3):
            torch.set_num_threads(number)
            result = moopt.minimize(
                moopt.problem("mohalfcheetah", horizon=25, normalise="learned"), moopt.algorithm("nsga2", pop_size=30),
                120, seed=2, runs=2, progress=False,
            )  # fmt: skip
            found.append([leaf for run in result.runs for leaf in (run.front.x, run.front.f, run.population.f)])
    finally:
        torch.set_num_threads(threads)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


def test_the_vectorised_environment_is_the_same_world():
    """For algorithms that train: reset, observe, act, step by a function of observations."""
    problem, rng = moopt.problem("mohopper2", horizon=50, normalise="not"), Rng([8])
    x = problem.space.sample(rng.fold(1).uniform(1, problem.n_var))
    found = rollout(problem, lambda seen: problem.act(x, seen[:, None])[:, 0], 4, rng)
    starts = problem.reset(4, rng.fold(0))
    assert found.steps.shape == (1, 4) and starts.qpos.shape == (1, 4, 6)
    many = moopt.problem("mohopper2", horizon=50, normalise="not", episodes=4)
    returns, _ = play(many, x, rng)
    assert torch.equal(found.value, returns.value) and torch.equal(found.steps, returns.steps)


# objectives


def test_a_bonus_in_the_first_objective_only():
    every, first = (moopt.problem("mohopper3", horizon=30, normalise="not", bonus=bonus) for bonus in ("all", "first"))
    x = every.space.sample(Rng([1]).uniform(6, every.n_var))
    a, b = (problem.evaluate(x, Rng([2])) for problem in (every, first))
    assert torch.equal(a.f[..., 0], b.f[..., 0])
    paid = b.f[..., 1:] - a.f[..., 1:]  # minimised: what is not paid makes them larger
    lived = a.cost[..., None] - (a.cost[..., None] < 30).long()  # the step of the fall is not paid
    torch.testing.assert_close(paid, lived.double().expand_as(paid), rtol=1e-12, atol=1e-12)


def test_efforts_and_the_range_of_actuators():
    """Weights of zero act in the middle; large biases at an end, which for a humanoid is 0.4 and for a pusher 2."""
    for name, most in (("mohumanoidstandup", 0.4), ("mopusher", 2.0), ("mohalfcheetah", 1.0)):
        problem = moopt.problem(name, horizon=3, normalise="not", hidden=(), bound=50.0)
        x = torch.zeros(2, problem.n_var, dtype=DOUBLE)
        x[1, -problem.model.nu :] = 50.0
        factor = {"mohumanoidstandup": 0.01, "mopusher": 1.0, "mohalfcheetah": 0.1}[name]
        f = problem.evaluate(x).f[:, -1]
        assert f[0] == 0 and f[1].item() == pytest.approx(3 * factor * problem.model.nu * most**2, rel=1e-12)


def test_held_out_episodes_are_the_same_for_everyone():
    problem = moopt.problem("moreacher", horizon=20, normalise="not")
    x = problem.space.sample(Rng([1]).uniform(4, problem.n_var))
    a, b = problem.measure(x, Rng([1])), problem.measure(x, Rng([99]))
    assert torch.equal(a.f, b.f) and (a.cost == 100).all() and not torch.equal(a.f, problem.evaluate(x, Rng([1])).f)
    result = moopt.minimize(problem, moopt.algorithm("nsga2", pop_size=8), 32, seed=5, progress=False)
    assert torch.equal(result.front.f, problem.measure(result.front.x[None], Rng([0])).f[0])


@pytest.mark.parametrize("name", TASKS)
def test_published_values(name):
    problem, known = moopt.problem(name), tasks.published(name)
    assert len(known["mean"]) == len(known["std"]) == problem.policy.sizes[0] and min(known["std"]) >= 0
    assert (problem.ideal <= problem.nadir).all() and (problem.nadir < problem.reference_point).all()
    random = problem.space.sample(Rng([1]).uniform(4, problem.n_var))
    short = moopt.problem(name, horizon=100)
    assert (short.ideal, short.nadir, short.reference_point) == (None, None, None)
    assert not short.evaluate(random).failed.any()


@pytest.mark.parametrize("name", ["moinverteddoublependulum", "mowalker2d"])
def test_short_searches_stay_within_the_published_points(name):
    problem = moopt.problem(name)
    result = moopt.minimize(problem, moopt.algorithm("nsga2", pop_size=20), EnvSteps(30_000), seed=1, progress=False)
    reached = (problem.reference_point - result.front.f) / (problem.reference_point - problem.ideal)
    assert (reached.amax(0) > 0).all() and (reached < 1.05).all()


# memory


def test_moments_are_those_of_what_was_seen():
    problem, rng = moopt.problem("mohalfcheetah", horizon=33, normalise="learned"), Rng([1, 2])
    x = problem.space.sample(rng.fold(1).uniform(5, problem.n_var))
    before = problem.memory(rng)
    _, after = problem.answer(x, rng, before)
    assert (after.count - before.count).tolist() == [25.0, 25.0]  # 5 worlds, steps 0 8 .. 32
    seen = [[] for _ in range(2)]
    state = problem.reset(1, rng.fold(0))
    state = type(state)(*(leaf.repeat_interleave(5, 1) for leaf in state))
    for t in range(33):
        observation = problem.observe(state)
        for i in range(2) if t % 8 == 0 else ():
            seen[i].append(observation[i])
        scaled = ((observation - before.mean[:, None]) / before.std[:, None]).clamp(-5, 5)
        state, _, _ = problem.step(state, problem.act(x, scaled[:, :, None])[:, :, 0], rng)
    for i in range(2):
        new, count = torch.cat(seen[i]), before.count[i]
        mean = (before.mean[i] * count + new.sum(0)) / (count + 25)
        second = (before.squares[i] + count * before.mean[i] ** 2 + (new**2).sum(0)) / (count + 25)
        torch.testing.assert_close(after.mean[i], mean, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(after.std[i], (second - mean**2).sqrt(), rtol=1e-6, atol=1e-8)


def test_memory_is_part_of_a_run(tmp_path):
    """Interrupted and resumed, moments and what follows from them are the same bits."""
    problem = moopt.problem("moreacher", horizon=15, normalise="learned")
    options = {"algorithm": moopt.algorithm("nsga2", pop_size=10), "seed": 4, "runs": 2, "progress": False}
    whole, steps = moopt.Run(problem, budget=80, **options), 0
    expected = whole.run()

    def cut(snapshot):
        nonlocal steps
        steps += 1
        if steps == 4:
            raise KeyboardInterrupt

    part = moopt.minimize(problem, budget=80, monitors=[cut], out=tmp_path / "run", **options)
    assert part.status is Status.INTERRUPTED
    rest = moopt.resume(tmp_path / "run", progress=False)
    assert torch.equal(rest.population.f, expected.population.f) and torch.equal(rest.front.f, expected.front.f)
    counts = whole.progress.groups[0].memory.count
    assert (counts > problem.memory(Rng([1, 2])).count).all()
    alone = moopt.Run(problem, budget=80, **{**options, "seed": 5, "runs": 1})
    alone.run()
    assert torch.equal(alone.progress.groups[0].memory.mean[0], whole.progress.groups[0].memory.mean[1])


# worlds that diverge


@dataclass(frozen=True, kw_only=True)
class Bursting(tasks.MoHalfCheetah):
    """Worlds of policies whose first weight is positive get velocities that no number can follow."""

    @property
    def name(self):
        return "mohalfcheetah"

    def act(self, x, observation):
        action = super().act(x, observation)
        return torch.where(x[..., None, :1] > 0.25, torch.inf, action)


def test_a_world_that_diverges_costs_its_policy_and_nobody_else(capfd, folder):
    calm, bursting = (kind(horizon=20, normalise="not", bound=0.5) for kind in (tasks.MoHalfCheetah, Bursting))
    x = calm.space.sample(Rng([1]).uniform(50, calm.n_var))
    wild = x[0, :, 0] > 0.25
    plain, found = calm.evaluate(x, Rng([2])), bursting.evaluate(x, Rng([2]))
    assert 5 < wild.sum() < 45 and torch.equal(found.failed[0], wild) and found.f[0, wild].isnan().all()
    assert torch.equal(found.f[0, ~wild], plain.f[0, ~wild])
    result = moopt.minimize(bursting, moopt.algorithm("nsga2", pop_size=20), 200, seed=1, progress=False)
    assert result.failures > 5 and result.front.f.isfinite().all() and (result.front.x[:, 0] <= 0.25).all()
    assert capfd.readouterr().err == "" and not (folder / "MUJOCO_LOG.TXT").exists()


@pytest.mark.parametrize("field, value", [("qpos", torch.nan), ("qvel", 1e12), ("qvel", torch.inf)])
def test_engines_mark_worlds_that_left_the_numbers(field, value, capfd):
    problem, rng = moopt.problem("mohopper2"), Rng([1])
    engine, state = problem.physics(torch.device("cpu")), problem.reset(5, rng)
    control = rng.fold(1).uniform(5, 3)
    clean = engine.step(state, control)
    broken = getattr(state, field).clone()
    broken[0, 2, 1] = value
    after = engine.step(state._replace(**{field: broken}), control)
    others = [0, 1, 3, 4]
    assert after.diverged.tolist() == [[False, False, True, False, False]]
    assert torch.equal(after.qpos[0, others], clean.qpos[0, others]) and after.qpos.isfinite().all()
    again = engine.step(after, control)
    assert again.diverged[0, 2] and again.qvel.isfinite().all()
    assert torch.equal(again.qpos[0, others], engine.step(clean, control).qpos[0, others])
    assert capfd.readouterr().err == ""


# the door


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"horizon": 0}, "horizon: expected"), ({"hidden": (0,)}, "hidden: expected"),
        ({"hidden": "8,8"}, r"hidden: expected whole numbers such as \[16, 16\], got '8,8'"),
        ({"bound": 0.0}, "bound: expected"),
        ({"normalise": "maybe"}, "normalise: expected one of published, learned, not, got 'maybe'"),
        ({"bonus": "none"}, "bonus: expected one of all, first"), ({"version": "v0"}, "version: expected one of v1"),
    ],
)  # fmt: skip
def test_wrong_options(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        moopt.problem("mohopper2", **options)


def test_policies_of_any_depth():
    from moopt.kernels.perceptron import cpu as perceptron_cpu
    from moopt.kernels.perceptron import perceptron
    from moopt.learning.policies import MLP

    generator = torch.Generator().manual_seed(1)
    for sizes in ((3, 2), (5, 7, 3), (4, 6, 1, 8, 2)):
        policy = MLP(sizes)
        x = torch.randn(2, 9, policy.n_parameters, dtype=DOUBLE, generator=generator)
        observation = torch.randn(2, 9, 4, sizes[0], dtype=DOUBLE, generator=generator)
        action = policy(x, observation)
        assert action.shape == (2, 9, 4, sizes[-1])
        at, h = 0, observation[1, 3, 2]
        for i, o in zip(sizes[:-1], sizes[1:], strict=True):
            weights, bias = x[1, 3, at : at + i * o].view(i, o), x[1, 3, at + i * o : at + i * o + o]
            h, at = torch.tanh(sum(h[k] * weights[k] for k in range(i)) + bias), at + i * o + o
        torch.testing.assert_close(action[1, 3, 2], h, rtol=1e-13, atol=1e-14)
        reference, fast = (run(x, observation, sizes) for run in (perceptron.reference, perceptron_cpu.perceptron))
        torch.testing.assert_close(fast, reference, rtol=1e-12, atol=1e-13)
    with pytest.raises(ValueError, match="sizes: expected inputs"):
        MLP((4,))


def test_an_engine_stays_in_its_process():
    import cloudpickle

    problem = moopt.problem("mohopper2", horizon=20, normalise="not")
    x = problem.space.sample(Rng([1]).uniform(3, problem.n_var))
    f = problem.evaluate(x).f
    twin = cloudpickle.loads(cloudpickle.dumps(problem))
    assert torch.equal(twin.evaluate(x).f, f) and isinstance(problem.evaluate(x), Points)
