"""MuJoCo leaves nothing on the terminal and nothing in the folder, also where worlds diverge."""

import os
import subprocess
import sys
import threading

import pytest

mujoco = pytest.importorskip("mujoco")
pytest.importorskip("gymnasium")

from moopt.physics.log import quiet  # noqa: E402

# A spring that is at ease at 1, where the worlds start, and so stiff that from the model's own rest, 0, everything
# bursts. A world that is pushed leaves the numbers in its acceleration, is set to rest, and leaves them in its velocity
# within the same step: of the second kind MuJoCo has not told before.
OWN = """
from dataclasses import dataclass

import mujoco
import torch

import moopt
from moopt.physics import RobotControl

MODEL = '''<mujoco><option timestep="0.01" gravity="0 0 0"/><worldbody><body>
  <joint name="j" type="slide" axis="1 0 0" stiffness="1e13" springref="1"/><geom size="0.1" mass="1"/>
</body></worldbody><actuator><motor joint="j" gear="1e12" ctrlrange="-1 1"/></actuator></mujoco>'''


@dataclass(frozen=True, kw_only=True)
class Spring(RobotControl):
    horizon: int = 3
    normalise: str = "not"

    n_obj, objective_names = 2, ("place", "effort")
    substeps, spread = 4, (0.0, 0.0)

    @property
    def model(self):
        return mujoco.MjModel.from_xml_string(MODEL)

    def starts(self, worlds, rng):
        qpos, qvel = super().starts(worlds, rng)
        return qpos + 1.0, qvel

    def observe(self, state):
        return torch.cat((state.qpos, state.qvel), -1)

    def act(self, x, observation):
        return (x[..., None, :1] > 0).to(observation).expand(*observation.shape[:-1], 1)

    def rewards(self, step):
        return step.after.qpos[..., 0] - 1, -step.effort


if __name__ == "__main__":
    x = torch.zeros(4, Spring().n_var, dtype=torch.float64)
    x[1, 0], x[3, 0] = 0.25, 0.5
    for executor in ("inline", "processes"):
        result = moopt.minimize(Spring(), moopt.algorithm("random"), 4, initial=x, executor=executor, progress=False)
        print(result.failures)
"""

BROKEN = """
import gymnasium
import mo_gymnasium
from gymnasium.envs.registration import load_env_creator

import moopt


class Broken(load_env_creator(gymnasium.spec("mo-halfcheetah-v5").entry_point)):
    def step(self, action):
        self.data.qvel[:] = 1e12
        return super().step(action)


gymnasium.register("Broken-v0", Broken, max_episode_steps=3)
problem = moopt.problem("mogymnasium", env="Broken-v0")
moopt.minimize(problem, moopt.algorithm("random"), 4, progress=False)
"""


def settings():
    found = mujoco.MjLogConfig.get()
    return found.logto_console, found.logto_file, found.logfile, found.topics


@pytest.mark.parametrize("program, said", [(OWN, "2\n2\n"), (BROKEN, "")], ids=["robot", "mo-gymnasium"])
def test_a_program_leaves_its_folder_and_the_terminal_clean(program, said, tmp_path):
    """Deprecation warnings that Python would hide are shown here."""
    if program is BROKEN:
        pytest.importorskip("mo_gymnasium")
    folder = tmp_path / "empty"
    folder.mkdir()
    (tmp_path / "own.py").write_text(program, encoding="utf-8")
    command = [sys.executable, "-W", "default::DeprecationWarning", str(tmp_path / "own.py")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0 and done.stderr == "" and done.stdout == said
    assert os.listdir(folder) == []


def test_settings_come_back_also_after_an_error():
    before = settings()
    with pytest.raises(KeyError), quiet():
        assert settings()[:2] == (False, False) and settings()[2:] == before[2:]
        raise KeyError
    assert settings() == before


def test_blocks_of_two_threads_may_end_in_any_order():
    """The first to begin is the first to end: the other is quiet on, and its end brings back what was."""
    before, other_is_in, first_is_out = settings(), threading.Event(), threading.Event()
    seen = []

    def other():
        with quiet():
            other_is_in.set()
            first_is_out.wait(30)
            seen.append(settings()[:2])

    thread = threading.Thread(target=other)
    with quiet():
        thread.start()
        assert other_is_in.wait(30)
    first_is_out.set()
    thread.join()
    assert seen == [(False, False)] and settings() == before


def test_what_the_user_has_set_is_kept(tmp_path, monkeypatch):
    """A log file of the user's own, and a handler, which hears of everything."""
    monkeypatch.chdir(tmp_path)
    before, mine = mujoco.MjLogConfig.get(), mujoco.MjLogConfig.get()
    mine.logto_console, mine.logfile = False, "mine.txt"
    mine.set()
    try:
        with quiet():
            pass
        assert settings() == (False, True, "mine.txt", 0)
    finally:
        before.set()
    heard = []
    handler = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(heard.append)
    try:
        body = "<body><freejoint/><geom size='1'/></body>"
        model = mujoco.MjModel.from_xml_string(f"<mujoco><worldbody>{body}</worldbody></mujoco>")
        data = mujoco.MjData(model)
        data.qvel[:] = 1e12
        with quiet():
            mujoco.mj_step(model, data)
    finally:
        mujoco.set_mju_user_warning(handler)
    assert len(heard) == 1 and "QVEL" in heard[0] and os.listdir() == []
