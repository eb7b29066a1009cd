"""The problem catalogue: the classes of each module, loaded on first use; a name is that of its class in lower case.

`moopt.problems.ZDT1` is the class behind "zdt1"; nothing is imported before it is asked for.
"""

import importlib
from typing import Any

CATALOGUE: dict[str, str] = {
    "moopt.problems.language.alignment": "ExactAlignment",
    "moopt.problems.synthetic.branincurrin": "BraninCurrin",
    "moopt.problems.decision.deepseatreasure": "DeepSeaTreasure",
    "moopt.problems.synthetic.dtlz": "C2DTLZ2 DTLZ1 DTLZ2 DTLZ3 DTLZ4 DTLZ5 DTLZ6 DTLZ7",
    "moopt.problems.decision.mogymnasium": "MOGymnasium",
    "moopt.problems.synthetic.mw": "MW1 MW2 MW3 MW4 MW5 MW6 MW7 MW8 MW9 MW10 MW11 MW12 MW13 MW14",
    "moopt.problems.engineering.penicillin": "Penicillin",
    "moopt.problems.engineering.re": (
        "CarSideImpact RE21 RE22 RE23 RE24 RE25 RE31 RE32 RE33 RE34 RE35 RE36 RE37 RE41 RE42 RE61 RE91 "
        "VehicleSafety"
    ),
    "moopt.problems.robots.control": (
        "MoAnt MoHalfCheetah MoHopper2 MoHopper3 MoHumanoid MoHumanoidStandup MoInvertedDoublePendulum "
        "MoPusher MoReacher MoSwimmer MoWalker2d"
    ),
    "moopt.problems.robots.design": "CheetahDesign",
    "moopt.problems.engineering.weldedbeam": "WeldedBeam",
    "moopt.problems.synthetic.zdt": "ZDT1 ZDT2 ZDT3 ZDT4 ZDT6",
}


def __getattr__(name: str) -> Any:
    for module, classes in CATALOGUE.items():
        if name in classes.split():
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *(name for classes in CATALOGUE.values() for name in classes.split())})
