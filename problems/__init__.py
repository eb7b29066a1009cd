"""The problem catalogue: name -> "module:Class", loaded on first use.

`moopt.problems.ZDT1` is the class behind "zdt1"; nothing is imported before it is asked for.
"""

import importlib
from typing import Any

CATALOGUE: dict[str, str] = {
    "branincurrin": "moopt.problems.branincurrin:BraninCurrin",
    "c2dtlz2": "moopt.problems.dtlz:C2DTLZ2",
    "carsideimpact": "moopt.problems.re:CarSideImpact",
    "cheetahdesign": "moopt.problems.robot_design:CheetahDesign",
    "deepseatreasure": "moopt.problems.deepseatreasure:DeepSeaTreasure",
    "dtlz1": "moopt.problems.dtlz:DTLZ1",
    "dtlz2": "moopt.problems.dtlz:DTLZ2",
    "dtlz3": "moopt.problems.dtlz:DTLZ3",
    "dtlz4": "moopt.problems.dtlz:DTLZ4",
    "dtlz5": "moopt.problems.dtlz:DTLZ5",
    "dtlz6": "moopt.problems.dtlz:DTLZ6",
    "dtlz7": "moopt.problems.dtlz:DTLZ7",
    "exactalignment": "moopt.problems.alignment:ExactAlignment",
    "moant": "moopt.problems.robot_control:MoAnt",
    "mogymnasium": "moopt.problems.mogymnasium:MOGymnasium",
    "mohalfcheetah": "moopt.problems.robot_control:MoHalfCheetah",
    "mohopper2": "moopt.problems.robot_control:MoHopper2",
    "mohopper3": "moopt.problems.robot_control:MoHopper3",
    "mohumanoid": "moopt.problems.robot_control:MoHumanoid",
    "mohumanoidstandup": "moopt.problems.robot_control:MoHumanoidStandup",
    "moinverteddoublependulum": "moopt.problems.robot_control:MoInvertedDoublePendulum",
    "mopusher": "moopt.problems.robot_control:MoPusher",
    "moreacher": "moopt.problems.robot_control:MoReacher",
    "moswimmer": "moopt.problems.robot_control:MoSwimmer",
    "mowalker2d": "moopt.problems.robot_control:MoWalker2d",
    "mw1": "moopt.problems.mw:MW1",
    "mw10": "moopt.problems.mw:MW10",
    "mw11": "moopt.problems.mw:MW11",
    "mw12": "moopt.problems.mw:MW12",
    "mw13": "moopt.problems.mw:MW13",
    "mw14": "moopt.problems.mw:MW14",
    "mw2": "moopt.problems.mw:MW2",
    "mw3": "moopt.problems.mw:MW3",
    "mw4": "moopt.problems.mw:MW4",
    "mw5": "moopt.problems.mw:MW5",
    "mw6": "moopt.problems.mw:MW6",
    "mw7": "moopt.problems.mw:MW7",
    "mw8": "moopt.problems.mw:MW8",
    "mw9": "moopt.problems.mw:MW9",
    "penicillin": "moopt.problems.penicillin:Penicillin",
    "re21": "moopt.problems.re:RE21",
    "re22": "moopt.problems.re:RE22",
    "re23": "moopt.problems.re:RE23",
    "re24": "moopt.problems.re:RE24",
    "re25": "moopt.problems.re:RE25",
    "re31": "moopt.problems.re:RE31",
    "re32": "moopt.problems.re:RE32",
    "re33": "moopt.problems.re:RE33",
    "re34": "moopt.problems.re:RE34",
    "re35": "moopt.problems.re:RE35",
    "re36": "moopt.problems.re:RE36",
    "re37": "moopt.problems.re:RE37",
    "re41": "moopt.problems.re:RE41",
    "re42": "moopt.problems.re:RE42",
    "re61": "moopt.problems.re:RE61",
    "re91": "moopt.problems.re:RE91",
    "vehiclesafety": "moopt.problems.re:VehicleSafety",
    "weldedbeam": "moopt.problems.weldedbeam:WeldedBeam",
    "zdt1": "moopt.problems.zdt:ZDT1",
    "zdt2": "moopt.problems.zdt:ZDT2",
    "zdt3": "moopt.problems.zdt:ZDT3",
    "zdt4": "moopt.problems.zdt:ZDT4",
    "zdt6": "moopt.problems.zdt:ZDT6",
}


def __getattr__(name: str) -> Any:
    for target in CATALOGUE.values():
        module, _, attribute = target.partition(":")
        if attribute == name:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *(target.partition(":")[2] for target in CATALOGUE.values())})
