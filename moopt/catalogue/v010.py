"""Where the classes of moopt 0.1.0 stood, which wrote them with their modules: the only place that knows.

With it `describe.rebuild` reads the folders of that version, and a study finds the cells that it finished.
"""

from __future__ import annotations

_BUDGET, _VARIABLE = "moopt.budget:Budget abc:ABC", "moopt.space:Variable abc:ABC"
_ASKTELL = "moopt.algorithm:AskTell moopt.algorithm:Algorithm abc:ABC"
_PROBLEM = "moopt.problem:Problem abc:ABC"
_NOISY = f"moopt.problems._functions:Noisy {_PROBLEM}"
_DTLZ, _RE = f"moopt.problems.dtlz:_DTLZ {_PROBLEM}", f"moopt.problems.re:_RE {_PROBLEM}"
_SPHERE = f"moopt.problems.dtlz:_Sphere {_DTLZ}"
_MW, _ZDT = f"moopt.problems.mw:_MW {_NOISY}", f"moopt.problems.zdt:_ZDT {_PROBLEM}"
_SEQUENTIAL = f"moopt.sequential:SequentialProblem {_PROBLEM}"
_ROBOT = f"moopt.problems.robot_control:RobotControl {_SEQUENTIAL}"
_HUMAN = f"moopt.problems.robot_control:_Human {_ROBOT}"
_BAYESIAN = f"moopt.surrogate.bayesian:Bayesian {_ASKTELL}"

# module then, place now, names, bases then
_ROWS = [
    ("algorithm", "moopt", "Algorithm", "abc:ABC"),
    ("budget", "moopt", "Budget", "abc:ABC"),
    ("budget", "moopt", "EnvSteps Evaluations Generations Tokens", f"moopt.budget:_Limit {_BUDGET}"),
    ("budget", "moopt", "Reached Seconds Stalled", _BUDGET),
    ("budget", "moopt", "Both Either", f"moopt.budget:_Combined {_BUDGET}"),
    ("generative", "moopt", "GenerativeProblem", _PROBLEM),
    ("learning.policy", "moopt.learning", "MLP", ""),
    ("operators.variation", "moopt.operators", "Variation", ""),
    ("problem", "moopt", "FunctionProblem", _PROBLEM),
    ("problem", "moopt", "Problem", "abc:ABC"),
    ("sequential", "moopt", "SequentialProblem", _PROBLEM),
    ("space", "moopt", "Box", "moopt.space:Space"),
    ("space", "moopt", "Choice Flag Integer Permutation Real", _VARIABLE),
    ("space", "moopt", "Space", ""),
    ("algorithms.bayes", "algorithms", "Bayes", _BAYESIAN),
    ("algorithms.egbo", "algorithms", "EGBO", _BAYESIAN),
    ("algorithms.hype", "algorithms", "HypE", _ASKTELL),
    ("algorithms.moead", "algorithms", "MOEAD", _ASKTELL),
    ("algorithms.nsga2", "algorithms", "NSGA2", _ASKTELL),
    ("algorithms.nsga3", "algorithms", "NSGA3", _ASKTELL),
    ("algorithms.parego", "algorithms", "ParEGO", _BAYESIAN),
    ("algorithms.policygradient", "algorithms", "PolicyGradient", "moopt.algorithm:Algorithm abc:ABC"),
    ("algorithms.qlearners", "algorithms", "QLearners", "moopt.algorithm:Algorithm abc:ABC"),
    ("algorithms.qnehvi", "algorithms", "QNEHVI", _BAYESIAN),
    ("algorithms.random", "algorithms", "RandomSearch", _ASKTELL),
    ("algorithms.rvea", "algorithms", "RVEA", _ASKTELL),
    ("problems.alignment", "problems", "ExactAlignment", f"moopt.generative:GenerativeProblem {_PROBLEM}"),
    ("problems.branincurrin", "problems", "BraninCurrin", _NOISY),
    ("problems.deepseatreasure", "problems", "DeepSeaTreasure", f"moopt.sequential:TabularProblem {_SEQUENTIAL}"),
    ("problems.dtlz", "problems", "C2DTLZ2", f"moopt.problems._functions:Noisy moopt.problems.dtlz:DTLZ2 {_SPHERE}"),
    ("problems.dtlz", "problems", "DTLZ1 DTLZ7", _DTLZ),
    ("problems.dtlz", "problems", "DTLZ2 DTLZ3 DTLZ4", _SPHERE),
    ("problems.dtlz", "problems", "DTLZ5 DTLZ6", f"moopt.problems.dtlz:_Curve {_DTLZ}"),
    ("problems.mogymnasium", "problems", "MOGymnasium", _PROBLEM),
    ("problems.mw", "problems", "MW1 MW2 MW3 MW6 MW9 MW10 MW11 MW12 MW13", _MW),
    ("problems.mw", "problems", "MW4 MW8 MW14", f"moopt.problems.mw:_AnyNumber {_MW}"),
    ("problems.mw", "problems", "MW5 MW7", f"moopt.problems.mw:_Arc {_MW}"),
    ("problems.penicillin", "problems", "Penicillin", _NOISY),
    ("problems.re", "problems", "CarSideImpact", f"moopt.problems._functions:Noisy moopt.problems.re:RE41 {_RE}"),
    ("problems.re", "problems", "VehicleSafety", f"moopt.problems._functions:Noisy moopt.problems.re:RE34 {_RE}"),
    ("problems.re", "problems", "RE21 RE22 RE23 RE24 RE25 RE31 RE32 RE33 RE34 RE35 RE36 RE37 RE41 RE42 RE61 RE91", _RE),
    ("problems.robot_control", "moopt.physics", "RobotControl", _SEQUENTIAL),
    ("problems.robot_control", "problems", "MoAnt MoHalfCheetah MoInvertedDoublePendulum MoSwimmer MoWalker2d", _ROBOT),
    ("problems.robot_control", "problems", "MoHopper2 MoHopper3", f"moopt.problems.robot_control:_Hopping {_ROBOT}"),
    ("problems.robot_control", "problems", "MoHumanoid MoHumanoidStandup", _HUMAN),
    ("problems.robot_control", "problems", "MoPusher MoReacher", f"moopt.problems.robot_control:_Reaching {_ROBOT}"),
    ("problems.robot_design", "problems", "CheetahDesign", _SEQUENTIAL),
    ("problems.weldedbeam", "problems", "WeldedBeam", _PROBLEM),
    ("problems.zdt", "problems", "ZDT1 ZDT2 ZDT3 ZDT4 ZDT6", _ZDT),
]  # fmt: skip


def _name(place: str, name: str) -> str:
    """As `describe.public` writes it now."""
    return f"{place}:{name}" if place.startswith("moopt") else f"{place}:{name.lower().removesuffix('search')}"


# "moopt.space:Box" -> "moopt:Box", "moopt.problems.zdt:ZDT1" -> "problems:zdt1"
NOW = {f"moopt.{module}:{name}": _name(place, name) for module, place, names, _ in _ROWS for name in names.split()}

# classes without a public name, within values of those that have one
PRIVATE = {"_Vector": ["moopt.space:_Vector", *_VARIABLE.split(), "builtins:object"]}  # the variable of a Box

# "moopt:Box" -> the class and its bases, as a digest of that version held them
THEN = {
    _name(place, name): [f"moopt.{module}:{name}", *bases.split(), "builtins:object"]
    for module, place, names, bases in _ROWS
    for name in names.split()
}
