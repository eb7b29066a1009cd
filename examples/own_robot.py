"""A robot of your own: a pole on a cart from a few lines of MJCF, which swings up fast or gently.

    python examples/own_robot.py [ENV_STEPS]
"""

import sys
from dataclasses import dataclass
from functools import cached_property

import mujoco
import torch

import moopt
from moopt.physics import RobotControl

MODEL = """
<mujoco>
  <option timestep="0.01" integrator="RK4"/>
  <worldbody>
    <body name="cart">
      <joint name="slide" type="slide" axis="1 0 0" damping=".5"/><geom type="box" size=".1 .05 .05" mass="1"/>
      <body name="pole">
        <joint name="hinge" type="hinge" axis="0 1 0" damping=".01"/>
        <geom type="capsule" fromto="0 0 0 0 0 -.6" size=".02" mass=".1"/>
      </body>
    </body>
  </worldbody>
  <actuator><motor joint="slide" gear="10" ctrlrange="-1 1"/></actuator>
</mujoco>"""


@dataclass(frozen=True, kw_only=True)
class SwingUp(RobotControl):
    """Height of the tip in [-1, 1] and effort -|a|^2, both summed over the episode (max)."""

    normalise: str = "learned"
    horizon: int = 250

    n_obj = 2
    objective_names = ("height", "effort")
    substeps, spread = 2, (0.05, 0.05)

    @cached_property
    def model(self):
        return mujoco.MjModel.from_xml_string(MODEL)

    def observe(self, state):
        angle = state.qpos[..., 1:]
        return torch.cat((state.qpos[..., :1], angle.sin(), angle.cos(), state.qvel), -1)

    def rewards(self, step):
        return -step.after.qpos[..., 1].cos(), -step.effort

    def fallen(self, state):
        return state.qpos[..., 0].abs() > 2  # off the rails


if __name__ == "__main__":
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 3_000_000
    result = moopt.minimize(SwingUp(), moopt.algorithm("nsga2", pop_size=60), moopt.EnvSteps(steps), seed=1)
    print(result.message)
    print(result.to_dataframe()[["height", "effort"]].sort_values("height").round(1).to_string(index=False))
