"""One training step of the reference toy, against the same step in PyTorch."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jax
from matplotlib.figure import Figure

from experiments.benchmarks.agreement import Exam, Examined
from experiments.benchmarks.cores import usable
from experiments.benchmarks.drawing import side_by_side
from experiments.benchmarks.measuring import Contender, Inside, Measured, interleaved
from experiments.benchmarks.options import Options
from experiments.benchmarks.reports import Report, Row, explained
from experiments.benchmarks.together import Together
from experiments.benchmarks.toy import TINY, Toy
from experiments.benchmarks.workers import Worker
from simlab.training import State, advance, begin

STEPS = 100
EAGER, COMPILED = "torch eager", "torch.compile"
PINNED = "torch.compile, a process a core"
ONE, EVERY = "simlab, one model on all cores", "simlab, a model a core"
TARGET = 0.75
HOW = (
    f"{STEPS} steps a block: drawing the batch from a data set on the machine, loss, "
    "gradients, Adam, schedule; simlab's also takes the norm of the gradient for its "
    "records. Not included: starting, compiling. PyTorch: fused attention and fused "
    "Adam, on all cores, unless one process a core trains a model each. Where several "
    "models are trained at once, seconds are those of a step and model. Before the "
    "timing, loss and gradients of all were found to be the same, to 1e-4."
)
WHY = (
    "the products, most of a step: an Intel core at 2 GHz does 48 to 68 GFLOP/s in "
    "XLA's products of 2048 x 64 x 256 and 2048 x 256 x 64 and 28 to 66 in their "
    "gradients, 70 to 97 in PyTorch's (MKL); an AMD EPYC core does 170 to 230 in "
    "XLA's, and there, on a noisier machine, the share was 0.52 [0.10, 0.74]"
)


def measure(options: Options) -> Report:
    """Blocks of steps in turn, after every program has shown that it is the same."""
    toy, steps = replace(Toy(), steps=1_000_000), STEPS
    if options.quick:
        toy, steps = replace(toy, **TINY), 2
    with TemporaryDirectory() as directory:
        exam = Exam(toy, Path(directory))
        exam.write()
        eager, compiled = (
            torch_steps(name, exam, way, steps, options.torch_python)
            for name, way in ((EAGER, "eager"), (COMPILED, "compile"))
        )
        contenders: list[Contender] = [
            *(ours(ONE, toy, steps, 1), ours(EVERY, toy, steps, None)),
            *(eager, compiled, pinned(exam, steps, options.torch_python)),
        ]
        found = interleaved(contenders, options.repeats)
    names = [each.name for each in contenders]
    rows = [
        *(Row(name, found.spread(name), "s", why=found.why(name)) for name in names),
        share(found, EVERY, COMPILED, TARGET),
        *(share(found, ONE, other) for other in (EAGER, COMPILED)),
        *(share(found, EVERY, other) for other in (EAGER, PINNED)),
    ]
    there = [each for each in (eager, compiled) if each.name not in found.missing]
    facts = {
        "products": toy.products,
        "distances": {each.name: each.distance for each in there},
        "workers": {each.name: each.worker.facts for each in there},
    }
    title = "One training step of the reference toy"
    return Report("step", title, HOW, rows, found.seconds, facts)


def draw(document: dict[str, Any]) -> Figure:
    """Seconds of a step, and the shares of what others take."""
    return side_by_side(document, seconds="s a step and model", ratio="share of time")


def share(found: Measured, ours: str, other: str, target: float | None = None) -> Row:
    """What share of the other's time ours takes."""
    what, missing = f"{ours}: share of {other}", found.why(ours, other)
    ratio = found.ratio(ours, other)
    row = Row(what, ratio, "share", target, least=False, why=missing)
    return explained(row, WHY)


def ours(name: str, toy: Toy, steps: int, devices: int | None) -> Inside:
    """`training.advance` on so many host devices, None: on all, one model on each."""
    chosen = jax.local_devices()[:devices]
    return Inside(name, stepping(toy, steps, chosen), units=steps * len(chosen))


def stepping(
    toy: Toy, steps: int, devices: Sequence[jax.Device]
) -> Callable[[], list[jax.Array]]:
    """Takes `steps` more steps of a model on each device, and returns their losses."""
    setup, placed = toy.setup, []

    def block(hyper: Any, key: jax.Array, state: State) -> tuple[State, jax.Array]:
        state, history = jax.lax.scan(
            lambda at, _: advance(setup, hyper, key, at), state, None, length=steps
        )
        return state, history[0]

    for seed, device in enumerate(devices):
        inputs = jax.device_put((toy.hyper(1e-3, seed), jax.random.key(seed)), device)
        state = jax.device_put(begin(setup, inputs[0]), device)
        program = jax.jit(block).lower(*inputs, state).compile()
        placed.append({"program": program, "inputs": inputs, "state": state})

    def onward(at: dict[str, Any]) -> jax.Array:
        losses: jax.Array
        at["state"], losses = at["program"](*at["inputs"], at["state"])
        losses.block_until_ready()
        return losses

    def onward_all() -> list[jax.Array]:
        with ThreadPoolExecutor(len(placed)) as threads:
            return list(threads.map(onward, placed))

    return onward_all


def torch_steps(
    name: str,
    exam: Exam,
    way: str,
    steps: int,
    python: str,
    core: int | None = None,
) -> Examined:
    """The step in PyTorch, on all cores or on one of them alone."""
    cores = None if core is None else [core]
    asked = {"toy": exam.toy.document(), "steps": steps, "cores": cores}
    answer = exam.directory / f"{way}-{core}.json"
    words = (json.dumps(asked), way, str(exam.path), str(answer))
    module = "experiments.benchmarks.torch_steps"
    worker = Worker(name, module, words, steps, python, needs="torch")
    return Examined(worker, exam, answer)


def pinned(exam: Exam, steps: int, python: str) -> Together:
    """A process with `torch.compile` on every core."""
    return Together(
        PINNED,
        [
            torch_steps(f"{PINNED} {core}", exam, "compile", steps, python, core)
            for core in usable()
        ],
    )
