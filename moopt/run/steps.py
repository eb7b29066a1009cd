"""Drives a search by whole steps: generations that the problem evaluates at once, or updates of a learner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moopt.core.algorithm import Asking, generation
from moopt.core.points import Points
from moopt.run.interrupts import Interrupts
from moopt.run.progress import Progress


def drive(
    progress: Progress, answer: Callable[..., tuple[Points, Any]], interrupts: Interrupts, keep: Callable[[], None]
) -> None:
    """Goes on until the budget has ended. `answer` evaluates as `Problem.answer`; `keep` is called after each step."""
    problem, algorithm, budget = progress.search.problem, progress.search.algorithm, progress.search.budget
    while going := progress.going():
        for index in going:
            group, evaluated = progress.groups[index], None
            turn = progress.turn(index)
            if isinstance(algorithm, Asking):
                limit = group.remaining(budget)
                state, spent, evaluated, memory = generation(
                    algorithm, problem, group.state, turn, limit, group.memory, answer
                )
                after = group.after(state, spent, evaluated, memory)
            else:
                state, spent = algorithm.step(problem, group.state, turn)
                look, after = group.look(progress.search, state), group.after(state, spent)
                if look is not None:
                    evaluated, after = look[0], after.seen(*look)
            with interrupts.whole():
                progress.book(index, after, evaluated)
                if progress.monitors:
                    progress.show(progress.snapshot(after, evaluated))
                keep()
