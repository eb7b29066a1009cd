"""moopt searches Pareto fronts of anything, from a million policies per generation to fifty training runs."""

from moopt import indicators, selection
from moopt._checks import InputError
from moopt.algorithm import Algorithm, Generational, Incremental, Turn
from moopt.api import minimize, resume
from moopt.budget import Both, Budget, Either, EnvSteps, Evaluations, Generations, Reached, Seconds, Stalled, Tokens
from moopt.catalogue import algorithm, problem
from moopt.generative import GenerativeProblem
from moopt.monitor import Monitor, Snapshot
from moopt.points import Points
from moopt.problem import Draw, FunctionProblem, Problem
from moopt.random import Rng
from moopt.result import Result, Status
from moopt.run import Run
from moopt.sequential import SequentialProblem
from moopt.space import Box, Choice, Flag, Integer, Kind, Permutation, Real, Space
from moopt.trials import Trial

__all__ = [
    "Algorithm", "Both", "Box", "Budget", "Choice", "Draw", "Either", "EnvSteps", "Evaluations", "Flag",
    "FunctionProblem", "Generational", "Generations", "GenerativeProblem", "Incremental", "InputError", "Integer",
    "Kind", "Monitor", "Permutation", "Points", "Problem", "Reached", "Real", "Result", "Rng", "Run", "Seconds",
    "SequentialProblem", "Snapshot", "Space", "Stalled", "Status", "Tokens", "Trial", "Turn", "algorithm", "indicators",
    "minimize", "problem", "resume", "selection",
]  # fmt: skip
