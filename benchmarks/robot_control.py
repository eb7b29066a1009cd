"""Control steps a second: policies, observations and rewards in the loop, beside the simulator's own throughput.

`python benchmarks/robot_control.py` records the controls of moopt's policies in worlds that nothing ends, and steps
the same worlds through the same controls with `mujoco.rollout`, five or four substeps a call, and with `mujoco.batch`,
on as many threads: the ceiling of what a closed loop can reach. All three must arrive at the same positions. Then the
tasks as they are, where episodes end; MO-Gymnasium, one environment at a time; and the memory of 10,000 policies over
1,000 steps. Writes `results/robot_control.md`; `--smoke` takes few worlds and writes nothing. Needs
`pip install -e '.[benchmark]'`.
"""

from __future__ import annotations

import contextlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
import report
import torch
from mujoco import rollout
from mujoco.batch import Batch
from torch import Tensor

import moopt
from moopt.core.random import Rng
from moopt.physics import BodyState

TASKS = ["mohalfcheetah"] if report.SMOKE else ["mohalfcheetah", "mohopper2", "moant", "mohumanoid"]
WORLDS, STEPS, REPEATS = ((32,), 10, 1) if report.SMOKE else ((2048, 128), 50, 3)
SAME = 1e-6  # rollout starts its solver anew in each call and so arrives a little elsewhere; chaos makes it more


def endless(name: str) -> Any:
    """The task without falls, which remembers what its policies did and from where."""
    task = type(moopt.problem(name))

    @dataclass(frozen=True, kw_only=True)
    class Endless(task):  # type: ignore[valid-type, misc]
        name = task.__name__.lower()

        def fallen(self, state: BodyState) -> Tensor:
            return torch.zeros_like(state.diverged)

        def step(self, state: BodyState, action: Tensor, rng: Rng) -> Any:
            found = super().step(state, action, rng)
            if "tape" in self.__dict__:
                self.__dict__["tape"].append((action[0].numpy(), found[0].qpos[0].numpy()))
            return found

    return Endless(horizon=STEPS)


def seconds(function: Any) -> float:
    """Median of a few calls."""
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        function()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def loops(name: str, worlds: int) -> list[str]:
    """One row: the three ways through the same work."""
    problem, rng, threads = endless(name), Rng([1]), torch.get_num_threads()
    x = problem.space.sample(rng.uniform(worlds, problem.n_var))
    problem.__dict__["tape"] = []
    problem.evaluate(x, rng)
    tape = problem.__dict__.pop("tape")  # block by block of worlds
    controls = [np.concatenate([control for control, _ in tape[t::STEPS]]) for t in range(STEPS)]
    ours = np.concatenate([qpos for _, qpos in tape[STEPS - 1 :: STEPS]])
    starts = problem.reset(1, rng.fold(0))
    model, k = problem.model, problem.substeps

    batch = Batch(model, worlds, threads)
    ctrl = batch.bind("ctrl")

    def by_batch() -> None:
        batch.reset()
        for field, value in (("qpos", starts.qpos), ("qvel", starts.qvel), ("qacc_warmstart", starts.warmstart)):
            batch.bind(field)[:] = value[0].numpy()
        for control in controls:
            ctrl[:] = control
            batch.step(nstep=k)

    spec = mujoco.mjtState.mjSTATE_FULLPHYSICS
    data = [mujoco.MjData(model) for _ in range(threads)]
    data[0].qpos, data[0].qvel = starts.qpos[0, 0].numpy(), starts.qvel[0, 0].numpy()
    row = np.empty(mujoco.mj_stateSize(model, spec))
    mujoco.mj_getState(model, data[0], row, spec)
    final: dict[str, Any] = {}

    def by_rollout() -> None:
        state = np.tile(row, (worlds, 1))
        with rollout.Rollout(nthread=threads) as pool:
            for control in controls:
                whole, _ = pool.rollout(model, data, state, np.repeat(control[:, None], k, 1), nstep=k)
                state = whole[:, -1]
        final["rollout"] = state

    found = [seconds(way) for way in (lambda: problem.evaluate(x, rng), by_batch, by_rollout)]
    apart = np.abs(final["rollout"][:, 1 : 1 + model.nq] - ours).max(1)
    if not np.array_equal(batch.bind("qpos"), ours) or np.median(apart) > SAME:
        raise SystemExit(f"{name}: the loops arrive at different positions, half of them {np.median(apart):.1e} apart")
    rates = [worlds * STEPS / taken for taken in found]
    shares = [f"{rates[0] / other:.2f}" for other in rates[1:]]
    return [name, f"{worlds:,}", *(f"{rate:,.0f}" for rate in rates), *shares]


def whole_task(name: str) -> list[str]:
    """Live steps a second of a generation as a search has it, falls and all."""
    problem, rng = moopt.problem(name, horizon=STEPS * 2), Rng([1])
    x = problem.space.sample(rng.uniform(WORLDS[0], problem.n_var))
    taken, steps = seconds(lambda: problem.evaluate(x, rng)), int(problem.evaluate(x, rng).cost.sum())
    return [name, f"{steps:,}", f"{steps / taken:,.0f}"]


def one_environment() -> float:
    """Steps a second of mo-halfcheetah-v5, one environment in one process, acting at random."""
    import mo_gymnasium

    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):  # MuJoCo logs a warning of its model there
        env = mo_gymnasium.make("mo-halfcheetah-v5")
    env.reset(seed=1)
    actions = np.random.default_rng(1).uniform(-1, 1, (STEPS * 10, 6)).astype(np.float32)

    def steps() -> None:
        for action in actions:
            if env.step(action)[3]:
                env.reset()

    return len(actions) / seconds(steps)


def memory(policies: int, horizon: int) -> None:
    """Prints the peak of this process in GB."""
    problem = moopt.problem("mohalfcheetah", horizon=horizon)
    x = problem.space.sample(Rng([1]).uniform(policies, problem.n_var))
    problem.evaluate(x, Rng([1]))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)


def main() -> None:
    if "--memory" in sys.argv:
        memory(*map(int, sys.argv[-2:]))
        return
    rows = []
    for name in TASKS:
        for worlds in WORLDS:
            rows.append(loops(name, worlds))
            sys.stderr.write(" | ".join(rows[-1]) + "\n")
    head = ["task", "worlds", "moopt, steps/s", "batch", "rollout", "moopt / batch", "moopt / rollout"]
    tasks = report.table(["task", "live steps", "steps/s"], [whole_task(name) for name in TASKS])
    size = ["20", "10"] if report.SMOKE else ["10000", "1000"]
    done = subprocess.run([sys.executable, __file__, "--memory", *size], check=True, capture_output=True, text=True)
    single, peak = one_environment(), float(done.stdout)
    body = f"""Control steps a second on {torch.get_num_threads()} threads, the same worlds under the same controls:

{report.table(head, rows)}

As a search has it, {WORLDS[0]:,} policies drawn at random, at most {2 * STEPS} steps, less where the robot falls:

{tasks}

MO-Gymnasium's mo-halfcheetah-v5, one environment in one process: {single:,.0f} steps/s.

Peak memory of {int(size[0]):,} policies over {int(size[1]):,} steps of the half-cheetah: {peak:.2f} GB."""
    report.write("robot_control", "Robot control on the CPU", body, "mujoco", "gymnasium", "mo-gymnasium", "numba")


if __name__ == "__main__":
    main()
