"""The models of Gymnasium's MuJoCo environments, as MuJoCo compiles them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from moopt.core.checks import MissingPackage

if TYPE_CHECKING:
    import mujoco


def gymnasium_spec(name: str) -> mujoco.MjSpec:
    """The editable model of `name`.xml in Gymnasium's assets. Raises ImportError without mujoco or gymnasium."""
    try:
        import gymnasium
        import mujoco
    except (ImportError, AttributeError) as error:  # the latter where MUJOCO_GL names what is not installed
        text = f"{name}: expected MuJoCo and Gymnasium, install moopt[robot] ({error})"
        raise MissingPackage(text, name=getattr(error, "name", None)) from None
    assets = Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets"
    return mujoco.MjSpec.from_file(str(assets / f"{name}.xml"))


def compiled(spec: mujoco.MjSpec) -> mujoco.MjModel:
    """The model of a spec, with the total mass that it asks for.

    MuJoCo is about to drop `settotalmass` and warns of it, on stderr and in a file, so that is done here.
    """
    import mujoco

    total = spec.compiler.settotalmass
    spec.compiler.settotalmass = -1
    model = spec.compile()
    spec.compiler.settotalmass = total
    if total > 0:
        mujoco.mj_setTotalmass(model, total)
        _derive(model, mujoco.MjData(model))
    return model


def _derive(model: mujoco.MjModel, data: mujoco.MjData) -> None:
    """Makes anew what follows from other fields of a model, in place.

    `mj_setConst` leaves the mean inertia, which scales the solver's tolerance, and the mean mass to the compiler.
    """
    import mujoco

    mujoco.mj_setConst(model, data)
    model.stat.meaninertia = model.dof_M0.mean()
    model.stat.meanmass = model.body_mass[1:].mean()


def gymnasium_model(name: str) -> mujoco.MjModel:
    """The model of `name`.xml in Gymnasium's assets. Raises ImportError without mujoco or gymnasium."""
    return compiled(gymnasium_spec(name))


def bare(spec: mujoco.MjSpec) -> mujoco.MjSpec:
    """The same spec without textures and materials, in place: what only pictures need, yet every model carries."""
    for geom in spec.geoms:
        geom.material = ""
    for thing in (*spec.materials, *spec.textures):
        spec.delete(thing)
    return spec


def variants(model: mujoco.MjModel, fields: Mapping[str, np.ndarray]) -> list[mujoco.MjModel]:
    """n copies of a model with other values in some of its arrays: name -> [n, *shape of the array].

    What MuJoCo derives from them is made anew (inertia at rest, bounding volumes of bodies), but not what its compiler
    derives from shapes: masses, inertias and bounds of geoms are the caller's to give.
    """
    import mujoco

    data = mujoco.MjData(model)
    made = [copy.copy(model) for _ in range(len(next(iter(fields.values()))))]
    for i, one in enumerate(made):
        for name, values in fields.items():
            getattr(one, name)[:] = values[i]
        _derive(one, data)
    return made
