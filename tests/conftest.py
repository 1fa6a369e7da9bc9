"""What every test shares: precision, a compilation cache, the Hypothesis profiles."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import matplotlib as mpl
import pytest
from hypothesis import HealthCheck, settings

mpl.use("Agg")
# Most of the time of the tests goes into compiling programs that run once: less of
# LLVM's work, kernels by the older and quicker emitters, one piece a program. What is
# computed is the same but for rounding. `XLA_FLAGS=` keeps them away.
LEVEL = os.environ.get("SIMLAB_TESTS_LEVEL", "1")  # of optimisation, 0 to 3
os.environ.setdefault(
    "XLA_FLAGS",
    f"--xla_backend_optimization_level={LEVEL} "
    "--xla_backend_extra_options=xla_cpu_disable_new_fusion_emitters "
    "--xla_cpu_parallel_codegen_split_count=1",
)
# Two halves of the tests on two cores get in each other's way unless each keeps to its
# own: SIMLAB_TESTS_CORE says which. Elsewhere there is room, and macOS cannot.
if (core := os.environ.get("SIMLAB_TESTS_CORE")) and hasattr(os, "sched_setaffinity"):
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) == 2:
        os.sched_setaffinity(0, {usable[int(core)]})
# Two host devices, so that the executors over devices are tested on any machine.
jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_default_matmul_precision", "highest")
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
# Tracing allocates much that stays, and Python's thresholds have the collector look at
# all of it again and again.
gc.set_threshold(50_000, 20, 50)

# The first example compiles, and the first of a class may generate slowly: neither is
# the property's fault.
_UNHURRIED = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    max_examples=50,
    print_blob=True,
    suppress_health_check=_UNHURRIED,
)
settings.register_profile(
    "dev", deadline=None, max_examples=20, suppress_health_check=_UNHURRIED
)
settings.register_profile(
    "deep", deadline=None, max_examples=2000, suppress_health_check=_UNHURRIED
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


MAPS = Path("/proc/self/maps")
MOST_MAPS = 30_000


@pytest.fixture(scope="module", autouse=True)
def few_programs() -> Iterator[None]:
    """Forgets compiled programs before there are too many of them for one process.

    Linux lets a process map 65,530 stretches of memory, and a compiled program takes
    seventeen: thousands of tests in one process would end in a segmentation fault.
    """
    yield
    if MAPS.exists() and len(MAPS.read_bytes().splitlines()) > MOST_MAPS:
        jax.clear_caches()


@pytest.fixture
def x64() -> Iterator[None]:
    """Double precision for one test."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="session")
def findings() -> dict[str, Any]:
    """One small search through the whole ledger: minutes to compile, hence shared."""
    # Imported here: at the top it would come before the hook that checks annotations.
    from tests.experiments.falsified import small_search

    return small_search()
