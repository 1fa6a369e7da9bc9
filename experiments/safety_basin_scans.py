"""What the basin's claim measures: directions, scans along them, and Case II's runs."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from experiments.bench import Bench
from experiments.case_one import NATS, Aligned
from experiments.case_two import ball_runs, pair
from experiments.labels import Variable, axes_of, labelled
from experiments.pytrees import picked, stacked
from experiments.safety_basin_directions import Directions, directions
from experiments.stored_laws import law_variables
from experiments.worlds import SequenceWorlds
from simlab.basin import scan, unlikely_outputs, unsafe_probability
from simlab.evaluation import exact_gap, prefix_logits
from simlab.models import Model, Params
from simlab.sweeps import Grid
from simlab.training import Setup
from theory.laws import Law
from theory.tradeoff import deviation_bound

TOKENS = ("context", "prefix", "token")
SPAN = 0.5
"""Half the usual probe of a basin, in lengths of the layer-scaled direction."""
_SPAN_POINTS = 21


class Probe(NamedTuple):
    """How a network is probed: how many random directions, how far, how finely.

    `threshold` and `nearest` are the largest and the smallest gap of interest.
    """

    directions: int
    threshold: float
    nearest: float
    stretch: float
    stretch_plane: float
    offsets: int
    plane: int
    unsafe_mass: float


def predicted(
    made: SequenceWorlds, thresholds: Sequence[float], unsafe_mass: float
) -> xr.Dataset:
    """The largest probability of unsafe outputs that a gap below a threshold allows."""
    safety, _ = pair(made.world)
    with jax.enable_x64(True):
        allowed = deviation_bound(jnp.asarray(thresholds))
    marked = unlikely_outputs(safety.outputs, unsafe_mass)
    own = float(np.sum(safety.contexts[:, None] * safety.outputs * marked))
    most = np.minimum(own + np.asarray(allowed), 1.0)
    return labelled(
        {"unsafe_cap": (("threshold",), most, "1", "largest unsafe probability there")},
        {"threshold": (("threshold",), thresholds, NATS, "safety gap at the edge")},
    )


def measured(
    made: SequenceWorlds,
    balls: Grid,
    starts: Aligned,
    setup: Setup,
    stride: float,
    probe: Probe,
    bench: Bench,
) -> xr.Dataset:
    """Exact gaps along lines, in a plane and inside balls, with the logits of each."""
    model, params = setup.model, starts.trace.params
    found = [
        directions(made, model, picked(params, i), probe.directions, starts.keys[i, 2])
        for i in range(len(starts.keys))
    ]
    probed = stacked(found)
    lines, line_offsets = _lines(model, params, probed, probe, bench)
    planes, plane_offsets = _planes(model, params, probed, probe, bench)
    usual = _usual(model, params, probed, bench)
    tuned = ball_runs(made, balls, starts, setup, stride, bench)
    last = np.asarray(tuned.records.logits[:, -1])
    inside = last.reshape(*balls.shape, *lines.shape[-3:])
    begun = np.asarray(starts.trace.records.logits[:, -1])
    # The other contexts weigh nothing in a safety gap: half the logits need no room.
    whole_law, _ = pair(made.world)
    seen = whole_law.contexts > 0
    safety = Law(whole_law.contexts[seen], whole_law.outputs[seen])
    scanned = [
        logits[..., seen, :, :] for logits in (lines, planes, inside, usual, begun)
    ]
    variables = _gaps(safety, probe, *scanned)
    variables |= {
        "offset": (("seed", "direction", "point"), line_offsets, "1", "distance"),
        "offset_plane": (("seed", "axis", "first"), plane_offsets, "1", "distance"),
    }
    whole = [np.isfinite(array) for array in (begun, lines.reshape(len(found), -1))]
    finite = whole[0].all((-3, -2, -1)) & whole[1].all(-1)
    diverged = (~finite).astype(np.int8)
    variables["diverged"] = (("seed",), diverged, "1", "1 if the network diverged")
    names = [f"random {k + 1}" for k in range(probe.directions)] + ["task", "top"]
    coordinates = axes_of(balls)
    coordinates["direction"] = (("direction",), names, "1", "line of the scan")
    return labelled(variables | _local(probed) | _laws(safety, probe), coordinates)


def _lines(
    model: Model, params: Params, found: Directions, probe: Probe, bench: Bench
) -> tuple[np.ndarray, np.ndarray]:
    """Logits along every direction, at distances in geometric progression.

    From half the half width of the smallest threshold: all are resolved alike.
    """
    seeds, count = found.vectors.shape[:2]
    first = 0.5 * np.sqrt(probe.nearest / probe.threshold)
    shares = np.geomspace(first, probe.stretch, probe.offsets)
    spread = np.concatenate([-shares[::-1], [0.0], shares])
    half = half_width(found.curvature_fisher, probe.threshold)
    offsets = half[..., None] * spread
    of_run = np.repeat(np.arange(seeds), count)
    inputs = (
        picked(params, of_run),
        found.vectors.reshape(seeds * count, 1, -1).astype(np.float32),
        offsets.reshape(seeds * count, -1, 1).astype(np.float32),
    )
    logits = _scanned("lines", model, inputs, bench)
    return logits.reshape(seeds, count, *logits.shape[1:]), offsets


def _planes(
    model: Model, params: Params, found: Directions, probe: Probe, bench: Bench
) -> tuple[np.ndarray, np.ndarray]:
    """Logits in the plane of the task's and the first random direction.

    Points lie closer together near the start, where theory is held to the basin.
    """
    axes = found.vectors[:, [-2, 0]]
    even = np.linspace(-1, 1, 2 * probe.plane + 1)
    spread = even * np.abs(even)
    half = half_width(found.curvature_fisher[:, [-2, 0]], probe.threshold)
    offsets = probe.stretch_plane * half[..., None] * spread
    size = spread.size
    points = np.stack(
        [np.repeat(offsets[:, 0], size, -1), np.tile(offsets[:, 1], size)], axis=-1
    )
    inputs = (params, axes.astype(np.float32), points.astype(np.float32))
    logits = _scanned("plane", model, inputs, bench)
    return logits.reshape(len(points), size, size, *logits.shape[2:]), offsets


def _usual(model: Model, params: Params, found: Directions, bench: Bench) -> np.ndarray:
    """Logits over the usual probe: half a layer-scaled direction to either side."""
    seeds, count = found.lengths.shape
    lines = found.vectors[:, :count] * found.lengths[..., None]
    points = np.broadcast_to(
        np.linspace(-SPAN, SPAN, _SPAN_POINTS)[:, None],
        (seeds * count, _SPAN_POINTS, 1),
    )
    inputs = (
        picked(params, np.repeat(np.arange(seeds), count)),
        lines.reshape(seeds * count, 1, -1).astype(np.float32),
        points.astype(np.float32),
    )
    logits: np.ndarray = _scanned("usual", model, inputs, bench)
    return logits.reshape(seeds, count, *logits.shape[1:])


def half_width(curvature: np.ndarray, threshold: float) -> np.ndarray:
    """Where a parabola of that curvature reaches the threshold: sqrt(2 t / u^T H u)."""
    return np.asarray(np.sqrt(2 * threshold / np.maximum(curvature, 1e-12)))


def _scanned(name: str, model: Model, inputs: tuple[Any, ...], bench: Bench) -> Any:
    def task(params: Params, axes: jax.Array, points: jax.Array) -> Any:
        return scan(lambda at: prefix_logits(model, at), params, axes, points)

    rows = model.contexts * model.vocabulary ** (model.length - 1)
    steps = inputs[2].shape[1]
    return bench.sweep(
        name, task, inputs, steps=steps, tokens_per_step=rows * model.length
    )


def _gaps(
    safety: Law,
    probe: Probe,
    lines: np.ndarray,
    planes: np.ndarray,
    inside: np.ndarray,
    usual: np.ndarray,
    begun: np.ndarray,
) -> dict[str, Variable]:
    """Gaps and unsafe probabilities of everything scanned, and the logits behind."""
    marked = unlikely_outputs(safety.outputs, probe.unsafe_mass)
    places: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
        "aligned": (("seed",), begun),
        "line": (("seed", "direction", "point"), lines),
        "plane": (("seed", "first", "second"), planes),
        "ball": (("radius", "seed"), inside),
        "usual": (("seed", "random", "share"), usual),
    }
    cells = safety.outputs.shape[0], *begun.shape[-2:]
    # All in one batch: one program, whatever was scanned.
    flat = np.concatenate([logits.reshape(-1, *cells) for _, logits in places.values()])
    ends = np.cumsum([logits[..., 0, 0, 0].size for _, logits in places.values()])[:-1]
    with jax.enable_x64(True):
        precise = jnp.asarray(flat, jnp.float64)
        gaps = np.asarray(exact_gap(*safety, precise))
        unsafe = np.asarray(
            jax.jit(unsafe_probability)(safety.contexts, marked, precise)
        )
    variables: dict[str, Variable] = {}
    for (name, (dims, logits)), gap, bad in zip(
        places.items(), np.split(gaps, ends), np.split(unsafe, ends), strict=True
    ):
        shape = logits.shape[:-3]
        text = "true safety gap G_s"
        variables[f"gap_{name}"] = (dims, gap.reshape(shape), NATS, text)
        text = "probability of unsafe outputs"
        variables[f"unsafe_{name}"] = (dims, bad.reshape(shape), "1", text)
        if name != "usual":
            every = (*dims, *TOKENS)
            variables[f"logits_{name}"] = (every, logits, "1", "logits of prefixes")
    return variables


def _local(found: Directions) -> dict[str, Variable]:
    """The landscape along the directions, labelled."""
    over, units = ("seed", "direction"), "nats per squared distance"
    return {
        "curvature_fisher": (over, found.curvature_fisher, units, "u' H u, Fisher"),
        "curvature": (over, found.curvature, units, "u' H u, Hessian of L_s"),
        "slope": (over, found.slope, "nats per distance", "u' grad L_s"),
        "curvature_mixed": (("seed",), found.mixed, units, "u' H v, task and random 1"),
        "length": (("seed", "random"), found.lengths, "1", "length, layer-scaled"),
    }


def _laws(safety: Law, probe: Probe) -> dict[str, Variable]:
    """The safety data, and which of their sequences count as unsafe."""
    marked = unlikely_outputs(safety.outputs, probe.unsafe_mass).astype(np.int8)
    text = "1 if a sequence counts as unsafe"
    return {
        **law_variables("safety", safety),
        "unsafe": (("context", "sequence"), marked, "1", text),
    }
