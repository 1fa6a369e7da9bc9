"""The measurements of `unlearnability_bound`, labelled."""

import numpy as np
import xarray as xr

from experiments.labels import Variable, labelled
from experiments.unlearnability_bound_fresh import Fresh
from experiments.unlearnability_bound_network import ARMS, Networks
from experiments.unlearnability_bound_softmax import BOUNDS, MODES, Runs, kept_steps
from experiments.unlearnability_config import Config

NONE = "none"
RUN = ("seed", "mode", "rate", "arm")
WALK = ("network", "network_arm", "network_step")
_PARAMETERS = "parameter units"
_NATS = "nats per token"


def arms(config: Config) -> list[str]:
    """The vectors by the error that they leave, and none."""
    return [*(f"{residual:g}" for residual in config.residuals), NONE]


def readings(
    config: Config, runs: Runs, fresh: Fresh, networks: Networks
) -> xr.Dataset:
    """All that was measured."""
    variables = _softmax(runs) | _fresh(fresh) | _network(config, networks)
    return labelled(variables, _coordinates(config))


def _softmax(runs: Runs) -> dict[str, Variable]:
    found, curve = runs.found, (*RUN, "step")
    single = np.float32
    numbers = (found.path, found.drift, found.change, found.ceiling, found.error_sum)
    diverged = ~np.all([np.isfinite(one[..., -1]) for one in numbers[:3]], axis=0)
    return {
        "path": (curve, single(found.path), _PARAMETERS, "length of the path"),
        "drift": (curve, single(found.drift), _PARAMETERS, "distance from the start"),
        "change": (curve, single(found.change), _NATS, "change of the loss, off"),
        "error_sum": (curve, single(found.error_sum), "1", "S, initial errors used"),
        "ceiling": (
            (*RUN, "bound", "step"), single(found.ceiling),
            "parameter units, of the loss nats", "bounds of the path, and of |change|",
        ),
        "excess": (
            (*RUN, "bound"), found.excess, "parameter units, of the loss nats",
            "most by which a bound was exceeded at any step; below 0: never",
        ),
        "tightest": (
            (*RUN, "bound"), found.tightest, "1", "largest share of a bound, any step"
        ),
        "crossing": (
            (*RUN, "fall"), found.crossing, "steps", "until the loss, off, fell so far"
        ),
        "certificate": (
            (*RUN, "fall"), found.certificate, "steps", "least that theory allows"
        ),
        "control": (
            (*RUN[:-1], "residual"), runs.control, _PARAMETERS,
            "most by which the undefended path exceeds a defended run's bound (i)",
        ),
        "error_start": (RUN, runs.error_start, "1", "mean error before training, on"),
        "diverged": (RUN, diverged.astype(np.int8), "1", "1 if the run diverged"),
    }  # fmt: skip


def _fresh(fresh: Fresh) -> dict[str, Variable]:
    cell = ("repetition", "residual_fresh")
    return {
        "fresh_seen": (cell, fresh.seen, "1", "mean error on held-out samples"),
        "fresh_expected": (cell, fresh.expected, "1", "expected error of the law"),
        "fresh_used": (cell, fresh.used, "1", "sum of errors of the fresh samples"),
        "fresh_path": (cell, fresh.path, _PARAMETERS, "path over the fresh samples"),
    }


_LINKS: dict[str, tuple[str, str]] = {
    "norm": ("nats per token and parameter unit", "gradient norm as trained"),
    "norm_theory": ("nats per token and parameter unit", "norm by theorem 2(b)"),
    "separate": ("nats per token and parameter unit", "mean(D_i e_i)"),
    "joint": ("nats per token and parameter unit", "D_max mean(e_i)"),
    "by_loss": ("nats per token and parameter unit", "D_max (1 - exp(-L))"),
    "apart": ("nats per parameter unit", "D_max of the batch, on"),
    "error": ("1", "mean error of the batch, on"),
    "error_start": ("1", "mean error of the batch by the model before training"),
    "drift": (_PARAMETERS, "distance from the start"),
    "loss_off": (_NATS, "loss on watched harmful rows, off"),
    "apart_off": ("nats per parameter unit", "D_max of the watched rows, off"),
}


def _network(config: Config, networks: Networks) -> dict[str, Variable]:
    links = networks.links._asdict()
    made: dict[str, Variable] = {
        f"network_{name}": (WALK, links[name], *meaning)
        for name, meaning in _LINKS.items()
    }
    lost = ~np.isfinite(links["norm"]).all(axis=-1)
    return made | {
        "network_rate": (
            (), config.rate_network * config.response, "1",
            "learning rate for losses in nats per token",
        ),
        "network_diverged": (WALK[:2], lost.astype(np.int8), "1", "1 if it diverged"),
        "network_held_out_error": (
            ("network",), networks.held_out_error, "1",
            "error of the model with its vector on unseen harm",
        ),
        "network_held_out_loss": (
            ("network",), networks.held_out_loss, "nats per answer",
            "loss of the model with its vector on unseen harm",
        ),
    }  # fmt: skip


def _coordinates(config: Config) -> dict[str, Variable]:
    first, count = config.seed, config.network_steps + 1
    return {
        "seed": (("seed",), range(first, first + config.seeds), "1", "seed of a world"),
        "mode": (("mode",), list(MODES), "1", "what a step descends"),
        "arm": (("arm",), arms(config), "1", "mean error that the vector leaves"),
        "bound": (("bound",), list(BOUNDS), "1", "bound of theorem 3"),
        "network": (
            ("network",), range(first, first + config.network_seeds), "1",
            "seed of a transformer",
        ),
        "network_arm": (("network_arm",), list(ARMS), "1", "vector on, or none"),
        "network_step": (("network_step",), range(count), "steps", "steps on harm"),
    } | shared_coordinates(config)  # fmt: skip


def shared_coordinates(config: Config) -> dict[str, Variable]:
    """The axes that prediction and measurement share."""
    return {
        "rate": (("rate",), list(config.rates), "1", "learning rate"),
        "residual": (
            ("residual",), list(config.residuals), "1", "mean error that vectors leave"
        ),
        "step": (("step",), kept_steps(config), "steps", "steps of training"),
        "fall": (("fall",), list(config.falls), "nats", "fall of the loss, off"),
        "residual_fresh": (
            ("residual_fresh",), list(config.residuals_fresh), "1",
            "mean error that vectors leave, fresh samples",
        ),
    }  # fmt: skip
