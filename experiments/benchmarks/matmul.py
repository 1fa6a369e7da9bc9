"""The share of the machine's float32 matrix-product rate that training reaches."""

from dataclasses import replace
from typing import Any

import jax
from matplotlib.figure import Figure

from experiments.benchmarks.drawing import side_by_side
from experiments.benchmarks.measuring import Measured, Spread, interleaved, spread
from experiments.benchmarks.options import Options
from experiments.benchmarks.reports import Report, Row, ratio_row
from experiments.benchmarks.sweepers import simlab_sweep
from experiments.benchmarks.toy import TINY, Toy
from experiments.benchmarks.workers import Worker
from simlab import devices
from simlab.training import advance, begin

TARGET = 0.7
SQUARE = 2048
DOT, SHAPED = "jnp.dot, square", "jnp.dot, the model's shapes"
EACH, ONE = "training, a model a core", "training, one model on all cores"
HOW = (
    f"Seconds a GFLOP, one after the other: jitted `jnp.dot` of {SQUARE} x {SQUARE} "
    "float32 matrices on one host device with all cores' threads (the machine's rate); "
    "the same for the largest product of the model; and training of the toy at width "
    "256 by simlab's sweep. Counted are the matrix products alone, 6 n a token for n "
    "weights of matrices and 12 depth length width for attention: what training spends "
    "elsewhere counts as time, not as work. XLA's own count is in the last row."
)
WHY = (
    "the largest products of the model reach the rate by themselves (third share): the "
    "rest is normalisation, GELU, softmax, attention's small products, Adam, and copies"
)


def measure(options: Options) -> Report:
    """Rates pair by pair."""
    toy, square = Toy(width=256, steps=8), SQUARE
    if options.quick:
        toy, square = replace(toy, steps=2, **TINY), 64
    found = interleaved(contenders(toy, square, options.repeats), options.repeats)
    counted = step_flops(toy) / toy.products
    rate_quoted = devices.matmul_rate() / 1e9
    rows = [
        rate_row(found, DOT),
        rate_row(found, SHAPED),
        rate_row(found, EACH),
        rate_row(found, ONE),
        share_row(found, EACH, TARGET),
        share_row(found, ONE, None),
        share_row(found, SHAPED, None),
        Row("the rate that manifests quote", once(rate_quoted), "GFLOP/s"),
        Row("operations by XLA's count over products by formula", once(counted)),
    ]
    facts = {"gflop_step": toy.products / 1e9, "toy": toy.document()}
    title = f"Share of the float32 matmul rate, width {toy.width}"
    return Report("matmul", title, HOW, rows, found.seconds, facts)


def draw(document: dict[str, Any]) -> Figure:
    """Seconds a GFLOP, and the shares."""
    return side_by_side(document, seconds="s a GFLOP", ratio="share of jnp.dot's rate")


def contenders(toy: Toy, square: int, repeats: int) -> list[Worker]:
    """Two products, two ways to train; a unit of work is a GFLOP of products."""
    cores = devices.usable_cores()
    each = toy.steps * toy.products / 1e9
    sweeps = [
        simlab_sweep(EACH, toy, cores * (repeats + 1), cores, units=cores * each),
        simlab_sweep(ONE, toy, repeats + 1, 1, units=each, devices=1),
    ]
    shape = (toy.tokens, toy.width, 4 * toy.width)
    return [product(DOT, square, square, square), product(SHAPED, *shape), *sweeps]


def product(name: str, rows: int, inner: int, columns: int) -> Worker:
    """About a second of products of one shape."""
    flops = 2.0 * rows * inner * columns
    times = max(round(1e11 / flops), 1) if flops > 1e8 else 10
    sizes = [str(size) for size in (rows, inner, columns, times)]
    module = "experiments.benchmarks.products"
    return Worker(name, module, sizes, units=times * flops / 1e9)


def rate_row(found: Measured, name: str) -> Row:
    """GFLOP a second of one contender."""
    rates = [1 / each for each in found.seconds[name]]
    return Row(name, spread(rates), "GFLOP/s")


def share_row(found: Measured, name: str, target: float | None) -> Row:
    """The share of the machine's rate that a contender reaches."""
    what = f"{name}: share of the rate"
    if target is None:
        return Row(what, found.ratio(DOT, name), "share")
    return replace(ratio_row(found, DOT, name, what, target, WHY), unit="share")


def step_flops(toy: Toy) -> float:
    """Floating-point operations of one compiled step, as XLA counts them."""
    setup, hyper = toy.setup, toy.hyper(1e-3, 0)
    step = jax.jit(lambda given, key, state: advance(setup, given, key, state))
    compiled = step.lower(hyper, jax.random.key(0), begin(setup, hyper)).compile()
    found: Any = compiled.cost_analysis()
    return float(found["flops"])


def once(value: float) -> Spread:
    """A number that is counted, not measured."""
    return spread([value])
