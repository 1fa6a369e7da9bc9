"""The machine: set once on purpose, described in full."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from simlab import devices

SCRIPT = """
import json, jax
from simlab import devices
devices.configure(cores=3)
print(json.dumps({
    "devices": jax.local_device_count(),
    "precision": devices.describe()["matmul_precision"],
    "cache": jax.config.values["jax_compilation_cache_dir"],
    "x64": jax.config.values["jax_enable_x64"],
}))
"""


def told_by(script: str, *words: str, **environment: str) -> Any:
    """The JSON that a fresh process prints; it inherits no setting of JAX or XLA."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("JAX_") and name != devices.THREADS
    }
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        capture_output=True,
        text=True,
        check=True,
        env=kept | environment,
    )
    return json.loads(done.stdout)


def configured(**environment: str) -> dict[str, object]:
    """What a fresh process is like after `configure`."""
    told: dict[str, object] = told_by(SCRIPT, **environment)
    return told


def test_configure_gives_every_core_a_device_and_full_products(tmp_path: Path) -> None:
    told = configured(XDG_CACHE_HOME=str(tmp_path))
    assert told == {
        "devices": 3,
        "precision": "highest",
        "cache": str(tmp_path / "simlab" / "xla"),
        "x64": False,
    }


def test_a_cache_directory_of_the_user_is_left_alone(tmp_path: Path) -> None:
    told = configured(JAX_COMPILATION_CACHE_DIR=str(tmp_path / "mine"))
    assert told["cache"] == str(tmp_path / "mine")


def test_programs_of_every_size_are_kept(tmp_path: Path) -> None:
    script = """
import jax
from simlab import devices
devices.configure(cores=1)
print(int(jax.jit(lambda x: x + 1)(1)))
"""
    assert told_by(script, XDG_CACHE_HOME=str(tmp_path)) == 2
    assert list((tmp_path / "simlab" / "xla").glob("*-cache"))


def test_a_description_names_machine_and_software() -> None:
    told = devices.describe()
    assert told["backend"] == "cpu"
    assert told["device_count"] == 2  # what the tests configure
    assert set(devices.PACKAGES) == set(told["packages"])  # type: ignore[call-overload]
    json.dumps(told)


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert devices.cache_directory() == Path.home() / ".cache" / "simlab" / "xla"
    assert devices.usable_cores() >= 1


BITS = """
import hashlib, json, sys
import jax, jax.numpy as jnp
import numpy as np
from simlab import devices
devices.configure(cache=False, **json.loads(sys.argv[1]))
draws = np.random.default_rng(0)
x, y = (draws.normal(size=(2048, k)).astype(np.float32) for k in (64, 16))
product = np.asarray(jax.jit(lambda x, y: x.T @ y)(x, y))
print(json.dumps([hashlib.sha256(product).hexdigest(), devices.threads()]))
"""


def product(**how: int) -> tuple[str, int]:
    """The bits of a long sum in a fresh process, and the threads it told of."""
    bits, threads = told_by(BITS, json.dumps(how))
    return bits, threads


def test_cores_and_not_devices_decide_the_bits_of_a_long_sum() -> None:
    one, two, four = product(cores=1), product(cores=2), product(cores=4)
    assert [one[1], two[1], four[1]] == [1, 2, 4]
    assert len({one, two, four}) == 3  # else `cores` would not be worth its flag
    assert product(cores=4, devices=1) == four
    assert product(cores=2, devices=1) == two


@pytest.mark.parametrize("name", ["cores", "devices"])
def test_there_is_a_core_at_least(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name}=0 must be >= 1$"):
        devices.configure(**{name: 0})
