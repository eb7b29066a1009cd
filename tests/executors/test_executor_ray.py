"""The Ray executor keeps the contract of the others: every end becomes an outcome."""

import logging
import os
import sys
import time

import pytest
import torch

import moopt
from moopt.executors import Ray, executor
from moopt.testing import check_executor

pytest.importorskip("ray")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


def fate(kind):
    if kind == "raise":
        raise ValueError("no beam is that thin")
    if kind == "sys.exit":
        sys.exit(3)
    if kind == "dies":
        os._exit(5)
    if kind == "endless":
        time.sleep(600)
    return {"value": kind}


@pytest.fixture
def ray():
    with Ray(2) as made:
        yield made


def outcomes(made, kinds):
    for key, kind in enumerate(kinds):
        made.submit(key, kind)
    found = []
    while made.pending:
        found += made.wait()
    return {outcome.key: outcome for outcome in found}


def test_every_end_becomes_an_outcome_and_the_others_go_on(ray):
    kinds = ["a", "raise", "dies", "endless", "sys.exit", "b"]
    ray.start(fate, timeout=20.0)
    found = outcomes(ray, kinds)
    errors = [found[key].error for key in range(len(kinds))]
    assert errors[0] is errors[5] is None and found[0].value == {"value": "a"} and found[5].value == {"value": "b"}
    assert errors[1] == "ValueError: no beam is that thin" and errors[4] == "SystemExit: 3"
    assert "the Ray worker was lost" in errors[2] and errors[3] == "exceeded the timeout of 20 s"
    assert ray.pending == 0 and ray.wait() == []


@pytest.mark.slow
def test_ray_keeps_the_contract_of_executors():
    """In a Ray that is there already, which every start joins instead of starting its own."""
    import ray

    ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, num_cpus=2)
    try:
        check_executor(lambda: Ray(2), timeout=20.0, patience=120.0)
        assert ray.is_initialized()  # it ends no Ray that is not its own
    finally:
        ray.shutdown()


def test_a_search_on_ray_finds_what_one_in_this_process_finds():
    problem = moopt.FunctionProblem(
        lambda a, b: {"f": a**2 + b, "g": (a - 1) ** 2 + b}, {"a": moopt.Real(0, 2), "b": moopt.Real(0, 1)},
        objectives=["f", "g"],
    )  # fmt: skip
    algorithm = moopt.algorithm("nsga2", pop_size=10)
    alone, spread = (moopt.minimize(problem, algorithm, 40, seed=3, executor=where) for where in ("inline", "ray:2"))
    assert torch.equal(alone.front.f, spread.front.f)


def test_names():
    assert executor("ray:3").workers == 3 and isinstance(executor("ray"), Ray)
    with pytest.raises(ValueError, match="workers: expected a whole number"):
        Ray(0)
