"""The models of Gymnasium's MuJoCo environments, as MuJoCo compiles them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import mujoco


def gymnasium_spec(name: str) -> mujoco.MjSpec:
    """The editable model of `name`.xml in Gymnasium's assets. Raises ImportError without mujoco or gymnasium."""
    try:
        import gymnasium
        import mujoco
    except (ImportError, AttributeError) as error:  # the latter where MUJOCO_GL names what is not installed
        text = f"{name}: expected MuJoCo and Gymnasium, install moopt[robot] ({error})"
        raise ImportError(text, name=getattr(error, "name", None)) from None
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
        mujoco.mj_setConst(model, mujoco.MjData(model))
    return model


def gymnasium_model(name: str) -> mujoco.MjModel:
    """The model of `name`.xml in Gymnasium's assets. Raises ImportError without mujoco or gymnasium."""
    return compiled(gymnasium_spec(name))
