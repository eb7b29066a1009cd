"""moopt searches Pareto fronts of anything, from a million policies per generation to fifty training runs."""

from moopt import indicators, monitors, selection
from moopt.api import minimize, resume
from moopt.catalogue import algorithm, problem
from moopt.core.algorithm import Algorithm, Generational, Incremental, Turn
from moopt.core.budget import (
    Both,
    Budget,
    Either,
    EnvSteps,
    Evaluations,
    Generations,
    Reached,
    Seconds,
    Stalled,
    Tokens,
)
from moopt.core.checks import InputError
from moopt.core.points import Points
from moopt.core.problem import Draw, FunctionProblem, Problem
from moopt.core.random import Rng
from moopt.core.space import Box, Choice, Flag, Integer, Kind, Permutation, Real, Space, Weights
from moopt.core.status import Status
from moopt.learning.generative import GenerativeProblem
from moopt.learning.sequential import SequentialProblem
from moopt.run.monitor import Monitor, Snapshot
from moopt.run.result import Result
from moopt.run.run import Run
from moopt.run.trial import Trial

__all__ = [
    "Algorithm", "Both", "Box", "Budget", "Choice", "Draw", "Either", "EnvSteps", "Evaluations", "Flag",
    "FunctionProblem", "Generational", "Generations", "GenerativeProblem", "Incremental", "InputError", "Integer",
    "Kind", "Monitor", "Permutation", "Points", "Problem", "Reached", "Real", "Result", "Rng", "Run", "Seconds",
    "SequentialProblem", "Snapshot", "Space", "Stalled", "Status", "Tokens", "Trial", "Turn", "Weights", "algorithm",
    "indicators", "minimize", "monitors", "problem", "resume", "selection",
]  # fmt: skip
