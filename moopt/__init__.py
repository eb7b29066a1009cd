"""moopt searches Pareto fronts of anything, from a million policies per generation to fifty training runs."""

from moopt import indicators, selection
from moopt._checks import InputError
from moopt.algorithm import Algorithm, AskTell
from moopt.api import minimize, resume
from moopt.budget import Budget, EnvSteps, Evaluations, Generations, Reached, Seconds, Stalled, Tokens
from moopt.generative import GenerativeProblem
from moopt.monitor import Monitor, Snapshot
from moopt.population import Population
from moopt.problem import Evaluation, FunctionProblem, Problem
from moopt.random import Rng
from moopt.registry import algorithm, problem
from moopt.result import Result, Status
from moopt.run import Run
from moopt.sequential import SequentialProblem
from moopt.space import Box, Choice, Flag, Integer, Kind, Permutation, Real, Space
from moopt.trials import Trial

__all__ = [
    "Algorithm", "AskTell", "Box", "Budget", "Choice", "EnvSteps", "Evaluation", "Evaluations", "Flag",
    "FunctionProblem", "Generations", "GenerativeProblem", "InputError", "Integer", "Kind", "Monitor", "Permutation",
    "Population", "Problem", "Reached", "Real", "Result", "Rng", "Run", "Seconds", "SequentialProblem", "Snapshot",
    "Space", "Stalled", "Status", "Tokens", "Trial", "algorithm", "indicators", "minimize", "problem", "resume",
    "selection",
]  # fmt: skip
