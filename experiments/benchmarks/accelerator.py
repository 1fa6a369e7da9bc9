"""What only an accelerator can say: a large decoder's share of peak, toys at once."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from matplotlib.figure import Figure

from experiments.benchmarks.drawing import side_by_side
from experiments.benchmarks.measuring import Inside, interleaved, spread
from experiments.benchmarks.options import Options
from experiments.benchmarks.reports import Report, Row, not_measured, ratio_row
from experiments.benchmarks.toy import Toy, products
from simlab.executors import Executor
from simlab.models import Compute, Transformer
from simlab.sources import DatasetSource
from simlab.sweeps import Plan, run_task, sweep
from simlab.training import Hyper, Setup

PEAKS = {
    "NVIDIA H200": 989e12,
    "NVIDIA H100 80GB HBM3": 989e12,
    "TPU v5 lite": 197e12,
    "TPU v5p": 459e12,
    "TPU v6 lite": 918e12,
}
"""Dense bfloat16 operations a second, by device kind, from the makers' data sheets."""

SHARE, TOYS = 0.45, 256
LARGE = "share of the bfloat16 peak, 100M decoder"
MANY = f"tokens/s of {TOYS} vmapped toys over one"
ONCE, ONE = f"{TOYS} toys at once, a toy", "one toy"
HOW = (
    "Products of the decoder by formula, 6 n a token for n weights of matrices and 12 "
    "depth length width for attention, over wall time and the maker's dense bfloat16 "
    "peak; toys one by one and all at once by vmap, one after the other."
)


def measure(options: Options) -> Report:
    """The two rows; plainly not measured on a CPU."""
    title = "On one accelerator"
    kind = jax.devices()[0].device_kind
    if jax.default_backend() == "cpu":
        why = "no accelerator in this run"
        rows = [
            not_measured(LARGE, why, "share", SHARE),
            not_measured(MANY, why, "times", 50.0),
        ]
        return Report("accelerator", title, HOW, rows, {})
    setup, steps = decoder(), 20
    program = jax.jit(jax.vmap(run_task(replace(setup, steps=steps, records=1))))
    given = jax.tree.map(
        lambda leaf: leaf[None], (large_hyper(setup), jax.random.key(1))
    )
    contenders = [
        Inside("decoder", lambda: program(*given), steps),
        Inside(ONCE, toys(TOYS), TOYS),
        Inside(ONE, toys(1)),
    ]
    found = interleaved(contenders, options.repeats)
    flops = products(setup)
    peak = PEAKS.get(kind, math.nan)
    shares = [flops / each / peak for each in found.seconds["decoder"]]
    rows = [
        Row(LARGE, spread(shares), "share", SHARE),
        ratio_row(found, ONE, ONCE, MANY, 50.0),
    ]
    facts = {"parameters": parameters(setup), "peak": peak}
    return Report("accelerator", title, HOW, rows, found.seconds, facts)


def draw(document: dict[str, Any]) -> Figure:
    """Seconds of a step or of a toy, and the ratio."""
    return side_by_side(document, seconds="s", ratio="times")


def decoder(**fields: Any) -> Setup:
    """A decoder of 98 million parameters, trained by the code that trains a toy."""
    model = Transformer(
        vocabulary=8192,
        contexts=1,
        length=512,
        width=768,
        depth=12,
        heads=12,
        compute=Compute.BFLOAT16,
        rematerialised=True,
    )
    wanted: dict[str, Any] = {"steps": 20, "batch": 32, "records": 1, **fields}
    return Setup(model, enumerated=False, **wanted)


def large_hyper(setup: Setup, rows: int = 256) -> Hyper:
    """One run on sequences of random tokens, as fast or slow as any."""
    model, (key, other) = setup.model, jax.random.split(jax.random.key(0))
    tokens = jax.random.randint(key, (rows, model.length), 0, model.vocabulary)
    context = jnp.full((rows, 1), model.vocabulary)
    data = DatasetSource(jnp.hstack([context, tokens]))
    start = jax.jit(model.init)(other)
    return Hyper(jnp.float32(3e-4), jnp.float32(0.0), data, None, start)


def parameters(setup: Setup) -> int:
    """How many numbers a model has."""
    shapes = jax.eval_shape(setup.model.init, jax.random.key(0))
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes))


def toys(runs: int) -> Callable[[], object]:
    """A sweep of so many reference toys at once, compiled on its first call."""
    toy = Toy(steps=50)
    inputs = toy.inputs(runs)
    plan = Plan(Executor.VMAP, chunk=runs)
    return lambda: sweep(run_task(toy.setup), inputs, plan)
