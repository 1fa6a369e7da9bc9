"""A decoder of 100 million parameters is a matter of sizes; how far results moved."""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import pytest

from experiments.benchmarks.accelerator import decoder, large_hyper, parameters
from experiments.benchmarks.toy import products
from simlab.executors import Executor
from simlab.flops import matmul_flops
from simlab.models import Compute
from simlab.sweeps import Plan, run_task, sweep
from simlab.training import advance, begin


def test_the_large_decoder_has_about_a_hundred_million_parameters() -> None:
    assert 0.9e8 < parameters(decoder()) < 1.1e8


def test_its_work_by_formula_is_that_of_its_program() -> None:
    full: Any = decoder(batch=2)
    model = replace(full.model, width=48, heads=2, length=16, vocabulary=64)
    for forgets, more in ((False, 0.0), (True, 0.2)):
        made = replace(full, model=replace(model, rematerialised=forgets))
        hyper, key = large_hyper(made, rows=4), jax.random.key(0)
        traced = jax.make_jaxpr(partial(advance, made))(hyper, key, begin(made, hyper))
        # Forgotten activations cost up to one more forward pass, a third of the work.
        share = matmul_flops(traced) / products(made)
        assert 1 + more <= share <= 1 + more + 0.15


@pytest.mark.slow
def test_the_large_decoder_trains_by_the_code_of_the_toys() -> None:
    half: Any = decoder(batch=1, steps=2, records=2)
    setup = replace(half, model=replace(half.model, compute=Compute.FLOAT32))
    inputs = jax.tree.map(lambda x: x[None], (large_hyper(setup, 4), jax.random.key(0)))
    trace = sweep(run_task(setup), inputs, Plan(Executor.VMAP, chunk=1))
    first, last = trace.records.loss[0]
    assert last < first - 1  # nats per sequence
