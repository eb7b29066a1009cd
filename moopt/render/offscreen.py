"""Paints frames in a process of its own: `python offscreen.py FOLDER WIDTH HEIGHT`, MUJOCO_GL in its environment.

MuJoCo reads that variable when it is imported, and PyOpenGL binds one platform for good. So this file imports nothing
of moopt. FOLDER holds `model.mjb` and `qpos.npy`, float64[k, nq]; k frames, uint8[height, width, 3] each, go to stdout.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import mujoco
import numpy as np

SHADOWS = 1024  # pixels of their map: with 4096, the default, a frame takes 1.5 to 2.2 times as long without a GPU
FLOOR, ROOM = 10.0, 4.0  # a finite floor grows so much where its robot goes farther than this part of it
FLAT = 0.7  # what moves in a box lower than this part of its width is seen from above
MARGIN = 1.1  # of the radius of what moves

Place = Callable[[np.ndarray], None]


def main(folder: Path, width: int, height: int) -> None:
    """Reads, paints, writes."""
    stream = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a driver says on stdout is none of the picture
    model = mujoco.MjModel.from_binary_path(str(folder / "model.mjb"))
    states = np.load(folder / "qpos.npy", allow_pickle=False)
    data = mujoco.MjData(model)

    def place(qpos: np.ndarray) -> None:
        data.qpos[:] = qpos
        mujoco.mj_fwdPosition(model, data)

    camera, offset = _camera(model, data, place, states)
    settings = model.vis.global_, model.vis.quality
    settings[0].offwidth, settings[0].offheight = max(width, settings[0].offwidth), max(height, settings[0].offheight)
    settings[1].shadowsize = min(SHADOWS, settings[1].shadowsize)
    with mujoco.Renderer(model, height, width) as renderer, stream:
        for qpos in states:
            place(qpos)
            if isinstance(camera, mujoco.MjvCamera):
                camera.lookat[:] = data.xpos[_root(model)] + offset
            renderer.update_scene(data, camera)
            stream.write(renderer.render().tobytes())


def _root(model: mujoco.MjModel) -> int:
    """The first body that joints move."""
    return int(model.jnt_bodyid[0]) if model.njnt else 0


def _camera(
    model: mujoco.MjModel, data: mujoco.MjData, place: Place, states: np.ndarray
) -> tuple[str | mujoco.MjvCamera, np.ndarray]:
    """The model's own camera "track", or one that keeps what moves in the picture: it looks at the root + offset."""
    root, moving = _root(model), model.geom_bodyid > 0
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    start, farthest = None, 0.0
    for qpos in states:
        place(qpos)
        here = data.xpos[root].copy()
        start = here if start is None else start
        farthest = max(farthest, float(np.abs(here - start).max()))
        centres = data.geom_xpos[moving] - here
        low, high = np.minimum(low, centres.min(0, initial=np.inf)), np.maximum(high, centres.max(0, initial=-np.inf))
    for floor in np.flatnonzero(model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE):
        if 0 < model.geom_size[floor, 0] < ROOM * farthest:
            model.geom_size[floor, :2] *= FLOOR
            if model.geom_matid[floor] >= 0:
                model.mat_texrepeat[model.geom_matid[floor]] *= FLOOR
    if "track" in {model.camera(i).name for i in range(model.ncam)}:
        return "track", np.zeros(3)
    camera = mujoco.MjvCamera()
    mujoco.mjv_defaultFreeCamera(model, camera)
    if not np.isfinite(low).all():
        return camera, camera.lookat - data.xpos[root]
    extent = high - low
    flat = extent[2] < FLAT * extent[:2].max()
    camera.azimuth, camera.elevation = 90.0, -45.0 if flat else -15.0
    radius = np.linalg.norm(extent) / 2 + model.geom_rbound[moving].mean()
    camera.distance = MARGIN * radius / np.sin(np.radians(model.vis.global_.fovy) / 2)
    return camera, (low + high) / 2


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
