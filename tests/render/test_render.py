"""Watching the policies that a search found."""

import importlib.machinery
import math
import os
import sys
import types
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import moopt
from moopt import Result, Rng
from moopt.cli import app

mujoco = pytest.importorskip("mujoco")
pytest.importorskip("gymnasium")

from moopt.learning.policysearch import PRIOR  # noqa: E402
from moopt.problems.robots import control  # noqa: E402
from moopt.render import film, watch  # noqa: E402

DOUBLE = torch.float64


def policies(problem, n=3, seed=1, spread=2.0):
    return spread * (2 * torch.rand(n, problem.n_var, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed)) - 1)


@pytest.fixture
def known_moments(monkeypatch):
    """As if the moments of the cheetah's observations were published."""
    known = {"mean": [0.1] * 17, "std": [0.5 + i / 10 for i in range(17)]}
    monkeypatch.setattr(control, "published", lambda name: known)


@pytest.mark.parametrize("name", ["mohalfcheetah", "mohopper3", "moant", "mopusher", "moinverteddoublependulum"])
def test_the_episode_is_the_one_of_the_evaluation(name):
    problem = moopt.problem(name, normalise="not", horizon=30)
    for i, x in enumerate(policies(problem)):
        lived = watch.trajectory(problem, x, seed=40 + i)
        told = problem.evaluate(x[None], Rng([40 + i]))
        torch.testing.assert_close(lived.objectives, told.f[0] * torch.tensor(problem.signs), rtol=0, atol=1e-12)
        steps = int(told.cost[0])
        assert lived.qpos.shape == (steps + 1, problem.model.nq) and lived.rewards.shape == (steps, problem.n_obj)
        torch.testing.assert_close(lived.rewards.sum(0), lived.objectives, rtol=1e-12, atol=1e-12)
        assert lived.seconds == steps * problem.physics(torch.device("cpu")).dt


def test_it_is_the_first_of_several_episodes_and_another_for_another_seed():
    problem = moopt.problem("mohalfcheetah", normalise="not", horizon=20, episodes=3)
    x = policies(problem)[0]
    lived = watch.trajectory(problem, x, seed=7)
    alone = replace(problem, episodes=1).evaluate(x[None], Rng([7]))
    torch.testing.assert_close(-lived.objectives, alone.f[0], rtol=0, atol=1e-12)
    assert not torch.equal(lived.qpos[0], watch.trajectory(problem, x, seed=8).qpos[0])


def test_rewards_are_discounted():
    @control.dataclass(frozen=True, kw_only=True)
    class Impatient(control.MoHalfCheetah):
        discount: float = 0.9

    problem = Impatient(normalise="not", horizon=15)
    x = policies(problem)[0]
    lived = watch.trajectory(problem, x)
    weights = 0.9 ** torch.arange(15, dtype=DOUBLE)
    torch.testing.assert_close(lived.objectives, (weights[:, None] * lived.rewards).sum(0))
    torch.testing.assert_close(-lived.objectives, problem.evaluate(x[None], Rng([0])).f[0], rtol=0, atol=1e-12)


def test_a_policy_sees_through_the_moments_of_its_run(known_moments, tmp_path):
    problem = moopt.problem("mohalfcheetah", normalise="learned", horizon=20)
    found = moopt.minimize(problem, "random", 200, runs=2, progress=False, out=tmp_path / "run")
    assert found.memory == {} and [run.memory.mean.shape for run in found.runs] == [(1, 17)] * 2
    one, two = (run.memory for run in found.runs)
    assert not torch.equal(one.mean, two.mean) and one.count.item() > PRIOR
    back = Result.load(tmp_path / "run")
    for run, same in zip(found.runs, back.runs, strict=True):
        assert type(same.memory) is type(run.memory)
        for name in ("count", "mean", "squares"):
            assert torch.equal(getattr(run.memory, name), getattr(same.memory, name))
    seen = watch.watch(back, "best:speed", tmp_path / "film.gif", seed=3, size=(64, 64), seconds=0.1)
    row = seen.row
    run, x = back.origin(row), back.front.x[row]
    assert any((candidate == x).all() for candidate in run.front.x)
    lived = seen.lived
    assert seen.run is run
    learned, plain = (problem.evaluate(x[None], Rng([3]), memory).f[0] for memory in (run.memory, None))
    torch.testing.assert_close(-lived.objectives, learned, rtol=0, atol=1e-12)
    assert not torch.allclose(learned, plain, rtol=0, atol=1e-9)


def test_memories_of_other_precision_and_results_without(known_moments, tmp_path):
    problem = moopt.problem("mohalfcheetah", normalise="learned", horizon=10)
    found = moopt.minimize(problem, "random", 100, progress=False)
    single = moopt.core.tree.map_tensors(torch.Tensor.float, found.memory)
    replace(found, memory=single).save(tmp_path / "single")
    back = Result.load(tmp_path / "single")
    assert back.memory.mean.dtype == torch.float32 and torch.equal(back.memory.mean, single.mean)
    plain = moopt.minimize("zdt1", "random", 100, progress=False)
    assert plain.memory == {} and Result.load(plain.save(tmp_path / "plain")).memory == {}


# films


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A tiny search by the command line."""
    folder = tmp_path_factory.mktemp("runs") / "cheetah"
    settings = ["problem.horizon=40", "normalise=not", "algorithm.pop_size=8"]
    answer = command(
        "solve", "mohalfcheetah", "--algorithm", "nsga2", "--evaluations", 16, "--out", folder, "--no-progress",
        *(part for setting in settings for part in ("--set", setting)),
    )  # fmt: skip
    assert answer.exit_code == 0, answer.output
    return folder


@pytest.fixture(scope="module")
def renderer():
    """Skips where nothing can be rendered."""
    model = mujoco.MjModel.from_xml_string("<mujoco><worldbody><geom size='1'/></worldbody></mujoco>")
    try:
        watch.frames(model, np.zeros((1, 0)), (64, 64))
    except watch.NoRenderer as error:
        pytest.skip(f"no offscreen renderer: {error}")


def command(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def pictures(path):
    """Frames uint8[k, h, w, 3] of an animation and its length in seconds."""
    with Image.open(path) as opened:
        shown, milliseconds = [], 0
        for i in range(opened.n_frames):
            opened.seek(i)
            shown.append(np.asarray(opened.convert("RGB")))
            milliseconds += opened.info["duration"]
        assert opened.info.get("loop") == 0
    return np.stack(shown), milliseconds / 1000


def refused(answer, *words):
    assert answer.exit_code == 2 and answer.stdout == "", (answer.output, answer.exception)
    assert answer.stderr.startswith("moopt: ") and answer.stderr.count("\n") == 1, answer.stderr
    for word in words:
        assert word in answer.stderr


def test_states_between_steps():
    problem = moopt.problem("moant", normalise="not", horizon=12)  # a free joint, with a quaternion
    lived = watch.trajectory(problem, policies(problem)[0])
    qpos = lived.qpos.numpy()
    assert not np.allclose(np.linalg.norm(qpos[0, 3:7]), 1.0)  # the noise of the start; MuJoCo itself sets it right
    qpos[0, 3:7] /= np.linalg.norm(qpos[0, 3:7])
    np.testing.assert_allclose(watch.between(lived, 99.0, 1 / lived.dt), qpos[:-1], atol=1e-12)
    halves = watch.between(lived, 99.0, 2 / lived.dt)
    assert len(halves) == 24
    middle = (qpos[1:, :] + qpos[:-1, :]) / 2
    angles = [0, 1, 2, *range(7, 15)]
    np.testing.assert_allclose(halves[1::2][:, angles], middle[:, angles], atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(halves[:, 3:7], axis=1), 1.0, atol=1e-9)
    assert len(watch.between(lived, 0.3, 20.0)) == 6 and len(watch.between(lived, 99.0, 1.0)) == 1


def orange(frame):
    """Where the robot is: mean column and number of its pixels."""
    red, green, blue = (frame[..., i].astype(int) for i in range(3))
    there = np.argwhere((red - blue > 40) & (red > green))
    return there[:, 1].mean(), len(there)


def test_the_camera_follows(renderer):
    problem = moopt.problem("mohalfcheetah", normalise="not")
    qpos = np.zeros((3, problem.model.nq))
    qpos[:, 0] = 0.0, 3.1, 60.0  # the last beyond the 40 m of the model's floor
    near, far, beyond = watch.frames(problem.model, qpos, (160, 120))
    for frame in (near, far, beyond):
        column, pixels = orange(frame)
        assert abs(column - orange(near)[0]) < 3 and pixels > 200
        assert np.ptp(frame[-15:].mean(-1)) > 100  # squares of the floor
    assert (near != far).any()


SCENE = """<mujoco><worldbody><light pos='0 -3 3'/>
<geom type='box' size='0.2 0.2 0.2' pos='0 0 9' rgba='0 1 0 1'/>%s
<body><joint type='slide' axis='1 0 0'/><joint type='slide' axis='0 0 1'/>
<geom size='0.2' rgba='1 0.3 0 1'/></body></worldbody></mujoco>"""


def test_cameras_of_a_model(renderer):
    travels = np.array([[0.0, 0.0], [0.0, 0.1], [70.0, 0.0]])
    plain = mujoco.MjModel.from_xml_string(SCENE % "")
    near, higher, far = (orange(frame) for frame in watch.frames(plain, travels, (96, 96)))
    assert near[1] > 200 and far[1] > 200 and abs(far[0] - near[0]) < 2 and abs(near[0] - 47.5) < 2
    own = mujoco.MjModel.from_xml_string(SCENE % "<camera name='track' pos='0 -1 9' xyaxes='1 0 0 0 0 1'/>")
    frame = watch.frames(own, travels[:1], (96, 96))[0].astype(int)
    assert ((frame[..., 1] > 100) & (frame[..., 0] < 50)).sum() > 200  # what only this camera sees


@pytest.mark.parametrize("name", ["moinverteddoublependulum", "moreacher", "mopusher"])
def test_what_moves_is_in_the_picture_without_a_camera_of_the_model(renderer, name):
    problem = moopt.problem(name, normalise="not", horizon=40)
    lived = watch.trajectory(problem, policies(problem)[0])
    shown = watch.frames(lived.model, lived.qpos.numpy()[[0, -1]], (160, 120)).astype(int)
    moved = np.argwhere(np.abs(shown[1] - shown[0]).max(-1) > 20)
    assert len(moved) > 40
    assert (moved.min(0) > 0).all() and (moved.max(0) < (119, 159)).all()


def test_a_film_from_the_command_line(renderer, run_folder):
    before = dict(os.environ)
    answer = command("render", run_folder, "--seed", 3, "--size", "200x160", "--fps", 20)
    assert answer.exit_code == 0 and answer.stderr == "", answer.output
    told = dict(line.split(None, 1) for line in answer.stdout.splitlines())
    found = Result.load(run_folder)
    row = found.pick()
    assert told["file"] == str(run_folder / f"policy-{row}.gif") and told["shown"] == "2 s"
    lived = watch.trajectory(found.problem, found.front.x[row], 3)
    speed, effort = (film.number(v) for v in lived.objectives.tolist())
    assert told["episode"] == f"seed 3: speed {speed}, effort {effort}"
    speed, effort = (film.number(v) for v in found.front.objectives[row].tolist())
    assert told["policy"] == f"row {row} of front.csv: speed {speed}, effort {effort}"
    frames, seconds = pictures(told["file"])
    assert frames.shape == (40, 160, 200, 3) and seconds == 2.0
    assert all((one != other).any() for one, other in zip(frames[:-1], frames[1:], strict=True))
    assert all(orange(frame)[1] > 100 and frame.std() > 20 for frame in frames)
    caption = frames[0, :20]
    assert (caption.min(-1) > 200).sum() > 50 and (frames[:, :20] == caption).all()  # white letters, the same in all
    assert dict(os.environ) == before and not list(run_folder.parent.rglob("MUJOCO_LOG.TXT"))


def test_other_endings_and_a_part_of_the_episode(renderer, run_folder, tmp_path):
    for ending in ("webp", "png"):
        path = tmp_path / "deep" / f"film.{ending}"
        answer = command("render", run_folder, "--pick", 0, "--seconds", 0.5, "--out", path, "--size", "100x80")
        assert answer.exit_code == 0 and "first 0.5 of 2 s" in answer.stdout, answer.output
        frames, seconds = pictures(path)
        assert frames.shape == (15, 80, 100, 3) and seconds == 0.5


def test_frames_of_a_gif_last_whole_hundredths(tmp_path):
    moving = np.zeros((31, 64, 64, 3), np.uint8)
    for k, frame in enumerate(moving):
        frame[k : k + 9] = 255
    film.write_film(tmp_path / "film.gif", moving, 30.0)
    frames, seconds = pictures(tmp_path / "film.gif")
    assert len(frames) == 31 and seconds == 1.03
    np.testing.assert_array_equal(frames, moving)


def test_a_robot_that_falls_makes_a_short_film(renderer, tmp_path):
    problem = moopt.problem("mohopper2", normalise="not", horizon=400)
    found = moopt.minimize(problem, "random", 1, progress=False, out=tmp_path / "run")
    seen = watch.watch(found, 0, size=(96, 96))
    assert seen.path == tmp_path / "run" / "policy-0.gif" and len(seen.lived.rewards) < 400
    assert bool(problem.fallen(problem.physics(torch.device("cpu")).start(*ending(seen.lived))))
    frames, seconds = pictures(seen.path)
    assert len(frames) == math.ceil(seen.lived.seconds * 30) and abs(seconds - seen.lived.seconds) < 0.04


def ending(lived):
    """Positions and velocities, the latter at rest, of the last state."""
    return lived.qpos[-1:], torch.zeros(1, lived.model.nv, dtype=DOUBLE)


def test_a_plot_where_nothing_can_be_rendered(run_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("MUJOCO_GL", "disable")
    answer = command("render", run_folder, "--out", tmp_path / "film.gif")
    assert answer.exit_code == 0, answer.output
    assert answer.stderr.startswith("moopt: no offscreen renderer works here (disable: ")
    assert answer.stderr.endswith("): this is a plot of the trajectory\n") and answer.stderr.count("\n") == 1
    assert f"file         {tmp_path / 'film.png'}\n" in answer.stdout
    assert os.listdir(tmp_path) == ["film.png"]
    with Image.open(tmp_path / "film.png") as picture:
        assert picture.format == "PNG" and np.asarray(picture.convert("L")).std() > 10


def test_a_plot_shows_positions_angles_and_rewards():
    problem = moopt.problem("moant", normalise="not", horizon=10)
    lived = watch.trajectory(problem, policies(problem)[0])
    (where, places, positions), (what, joints, angles) = film._coordinates(lived)
    assert (where, places) == ("position (m)", ["root x", "root y", "root z"])
    assert what == "joint angle (rad)" and joints[:2] == ["hip_1", "ankle_1"] and len(joints) == 8
    np.testing.assert_array_equal(positions, lived.qpos[:, :3])
    np.testing.assert_array_equal(angles, lived.qpos[:, 7:])


def test_backends_leave_the_environment_alone(monkeypatch):
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setenv("PYOPENGL_PLATFORM", "egl")
    monkeypatch.setattr(watch.sys, "platform", "linux")
    ways = list(watch._backends())
    assert [backend for backend, _ in ways] == ["egl", "osmesa"]
    assert all(way["MUJOCO_GL"] == name and "PYOPENGL_PLATFORM" not in way for name, way in ways)
    assert "MUJOCO_GL" not in os.environ and os.environ["PYOPENGL_PLATFORM"] == "egl"
    monkeypatch.setenv("MUJOCO_GL", "osmesa")
    assert [backend for backend, _ in watch._backends()] == ["osmesa"]


def test_mp4_needs_a_package(run_folder, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    monkeypatch.setattr(film.importlib.util, "find_spec", lambda name: None)
    answer = command("render", run_folder, "--out", tmp_path / "film.mp4")
    refused(answer, "film.mp4: expected imageio-ffmpeg for .mp4, install it with pip install imageio-ffmpeg")
    assert os.listdir(tmp_path) == []


def test_mp4_by_that_package(monkeypatch, tmp_path):
    given, closed = [], []

    def write_frames(path, size, **options):
        assert (path, size, options["fps"]) == (str(tmp_path / "film.mp4"), (80, 64), 25.0)
        try:
            while True:
                given.append((yield))
        finally:
            closed.append(True)

    package = types.ModuleType("imageio_ffmpeg")
    package.__spec__ = importlib.machinery.ModuleSpec("imageio_ffmpeg", None)
    package.write_frames = write_frames
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", package)
    film.check_film(tmp_path / "film.mp4", (80, 64), 25.0)
    frames = np.arange(3 * 64 * 80 * 3, dtype=np.uint32).astype(np.uint8).reshape(3, 64, 80, 3)
    film.write_film(tmp_path / "film.mp4", frames, 25.0)
    assert closed == [True] and len(given) == 3
    np.testing.assert_array_equal(np.stack(given), frames)


@pytest.mark.parametrize(
    "options, words",
    [
        (["--pick", "kne"], ["pick: expected knee, best:speed, best:effort or a row", "(did you mean 'knee'?)"]),
        (["--pick", "best:sped"], ["(did you mean 'best:speed'?)"]),
        (["--pick", "1000"], ["got '1000'"]),
        (["--size", "big"], ["--size: expected WIDTHxHEIGHT in pixels, got 'big'"]),
        (["--size", "9x100"], ["width: expected a whole number from 64 to 4096, got 9"]),
        (["--fps", "60"], ["fps of .gif: expected a finite number from 1 to 50, got 60"]),
        (["--seconds", "0"], ["seconds: expected a finite number from 0.1"]),
        (["--out", "film.avi"], ["film.avi: expected a name that ends in .gif, .webp, .png, .mp4, got '.avi'"]),
        (["--out", "film.mp4", "--size", "99x80"], ["width: expected an even number of pixels for .mp4, got 99"]),
        (["--problem", "zdt1"], ["expected path.py:NAME, got 'zdt1'"]),
    ],
)
def test_options_that_do_not_fit(run_folder, options, words):
    refused(command("render", run_folder, *options), *words)


def test_folders_that_cannot_be_rendered(run_folder, tmp_path):
    refused(command("render", tmp_path / "nowhere"), "nowhere: expected the folder of a run, got no result.json in it")
    (tmp_path / "killed").mkdir()
    (tmp_path / "killed" / "config.json").write_text((run_folder / "config.json").read_text())
    refused(command("render", tmp_path / "killed"), f"; moopt resume {tmp_path / 'killed'} ends it")
    moopt.minimize("deepseatreasure", "random", 20, progress=False, out=tmp_path / "sea")
    answer = command("render", tmp_path / "sea")
    refused(answer, "deepseatreasure: expected a problem whose policies move bodies (moant, mohalfcheetah, ")
    answer = command("render", run_folder, "--out", run_folder / "front.csv" / "film.gif", "--seconds", 0.1)
    if "no offscreen renderer" not in answer.stderr:
        refused(answer, "film.gif: expected a file that can be written, got: ")


OWN = """
from dataclasses import dataclass

from moopt.problems.robots.control import MoHalfCheetah


@dataclass(frozen=True, kw_only=True)
class Slow(MoHalfCheetah):
    horizon: int = 10
    normalise: str = "not"
"""


def test_a_problem_of_a_file(tmp_path, monkeypatch):
    (tmp_path / "slow.py").write_text(OWN)
    monkeypatch.setenv("MUJOCO_GL", "disable")
    monkeypatch.setattr(sys, "path", list(sys.path))
    folder = tmp_path / "run"
    own = f"{tmp_path / 'slow.py'}:Slow"
    answer = command("solve", own, "--algorithm", "random", "--evaluations", 3, "--out", folder)
    assert answer.exit_code == 0, answer.output
    del sys.modules["slow"]  # as in a new process
    answer = command("render", folder)
    assert answer.exit_code == 0 and "0.5 s" in answer.stdout, answer.output
    del sys.modules["slow"]
    (tmp_path / "slow.py").rename(tmp_path / "moved.py")
    refused(command("render", folder), "name it with --problem path.py:Slow")
    assert command("render", folder, "--problem", f"{tmp_path / 'moved.py'}:Slow").exit_code == 0
    refused(command("render", folder, "--problem", f"{tmp_path / 'moved.py'}:MoHalfCheetah"), "that the run has, got")
    del sys.modules["moved"]
