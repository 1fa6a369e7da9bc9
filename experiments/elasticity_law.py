"""The elasticity theorem, sharpened, on drawn leaf masses and trees: no network at all.

Theory predicts by quadrature, limits and closed forms; the simulation draws masses and
trees, re-optimises the joint model after finite changes of a data set's size, and
compares. What was printed (two forms of a theorem) is answered apart from what holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from experiments.bench import Bench
from experiments.claim import Verdict, conclude
from experiments.elasticity_law_evidence import law_evidence, remarks
from experiments.elasticity_law_figure import law_figure
from experiments.elasticity_law_masses import (
    FORM_ALPHAS,
    STEP,
    alpha_sweep,
    form_signs,
    k_sweep,
)
from experiments.elasticity_law_samples import finite_samples
from experiments.elasticity_law_shares import MIDDLE, share_sweep
from experiments.elasticity_law_tokens import token_law
from experiments.elasticity_law_trees import depth_sweep, huffman_staircase
from experiments.labels import labelled
from experiments.validation import at_least, confidence
from theory.compression import (
    EXPONENTS,
    Perturbation,
    disjoint_slopes_a,
    exchangeable_critical_share,
    exchangeable_ratio,
    rebound_size,
    unrelated_size,
)


@dataclass(frozen=True)
class Config:
    """Every choice of the experiment; rates in nats a block, sizes as k : 1 : l."""

    draws: int = 160  # random sets of leaf masses, or of sources, for each point
    seed: int = 1  # the key they are drawn from
    leaves: int = 4096  # leaves of a tree whose masses are drawn
    leaves_alpha: int = 65_536  # leaves where the constant of E5 is measured
    alpha: float = 1.5  # Pareto exponent where none is swept
    alphas: tuple[float, ...] = (1.05, 1.1, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0)  # swept
    sizes: int = 11  # values of k between 1 and 1e5
    fit_from: float = 30.0  # exponents are fitted over k from this one on
    parts: tuple[int, ...] = (2, 3, 5, 10)  # parts of the pre-training data, form B
    depth: int = 12  # deepest tree
    huffman_leaves: int = 48  # leaves of the Huffman codes
    samples: tuple[int, ...] = (100, 1000, 10_000)  # alignment responses, finite data
    exponent_margin: float = 0.02  # of an exponent
    ratio_margin: float = 0.01  # of the ratio over k: l is a step away from 0
    closed_margin: float = 1e-3  # finite differences against closed forms, relative
    share_margin: float = 0.1  # of l* times (m - 1), in the limit of large k
    level: float = 0.99  # confidence of each statistical answer

    def __post_init__(self) -> None:
        at_least(
            self,
            {
                "draws": 2, "seed": 0, "leaves": 8, "leaves_alpha": 8, "sizes": 4,
                "depth": 4, "huffman_leaves": 4,
            },
        )  # fmt: skip
        if not self.alphas or min(*self.alphas, self.alpha, 2.0) <= 1:
            raise ValueError(
                f"alphas={self.alphas}, alpha={self.alpha} must be > 1: the mean mass "
                "of a leaf is infinite otherwise"
            )
        if not self.parts or min(self.parts) < 2:
            raise ValueError(f"parts={self.parts} must be >= 2: one part is no mixture")
        if self.depth > 14:
            raise ValueError(
                f"depth={self.depth} must be <= 14: 2^depth leaves are listed"
            )
        if sum(self.ks >= self.fit_from) < 3:
            raise ValueError(
                f"fit_from={self.fit_from} leaves fewer than 3 of the {self.sizes} "
                "values of k between 1 and 1e5 to fit an exponent to"
            )
        for name in (
            "exponent_margin", "ratio_margin", "closed_margin", "share_margin",
        ):  # fmt: skip
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be in (0, 1)")
        confidence(self, "level")

    @property
    def ks(self) -> np.ndarray:
        """The sizes of the pre-training data, in units of the alignment data."""
        return np.geomspace(1.0, 1e5, self.sizes)


PRESETS: Mapping[str, Config] = {
    "smoke": Config(
        draws=10, leaves=1024, leaves_alpha=4096, depth=9, huffman_leaves=24,
        samples=(100, 1000),
    ),
    "laptop": Config(),
    "accelerator": Config(
        draws=640, leaves=16_384, leaves_alpha=1_048_576, sizes=21, depth=14,
        huffman_leaves=256, samples=(100, 1000, 10_000, 100_000),
    ),
}  # fmt: skip

PRINTED_ALPHAS = (1.05, 1.1, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0)
PRINTED = (0.862, 0.750, 0.584, 0.318, 0.152, 0.057, 0.017, 0.004)
"""The table of elasticity notes 2.6, to three digits."""


def predict(config: Config) -> xr.Dataset:
    """Exponents, constants by quadrature, l* and the ratio beyond l = 0."""
    kinds = list(Perturbation)
    with jax.enable_x64(True):
        tails = (PRINTED_ALPHAS, config.alphas, FORM_ALPHAS, (config.alpha,))
        # One quadrature for all: each new shape would be compiled.
        sizes = np.asarray(rebound_size(np.concatenate(tails)))
        ends = np.cumsum([len(tail) for tail in tails])
        table, curve, form_b_sizes, (size,) = np.split(sizes, ends[:-1])
        unrelated = np.asarray(unrelated_size(np.asarray(config.alphas)))
        form_a_sizes = np.asarray(unrelated_size(np.asarray(FORM_ALPHAS)))
        lines = _responses(config.ks, float(size))
        parts = np.asarray(config.parts, float)
        shares = np.asarray(exchangeable_critical_share(parts))
        recovery = 1 / np.asarray(
            exchangeable_ratio(1.0, MIDDLE * shares[:, None], parts[:, None])
        )
    powers = np.array([EXPONENTS[kind][:2] for kind in kinds])
    forms = np.stack([form_a_sizes, form_b_sizes], axis=-1)
    meaning = "n d gamma_a/dl for many leaves and large k, by quadrature"
    return labelled(
        {
            "predicted_exponent": (
                ("kind", "set"), powers, "1", "power of k of a response",
            ),
            "predicted_size": (("alpha",), curve, "nats per block", meaning),
            "predicted_unrelated": (
                ("alpha",), unrelated, "nats per block",
                "n d gamma_a/dl of form A, independent masses, large k",
            ),
            "table_size": (("table",), table, "nats per block", meaning),
            "table_printed": (
                ("table",), np.array(PRINTED), "nats per block", "as printed in notes",
            ),
            "predicted_share": (
                ("parts",), shares, "1", "l* beyond which pre-training worsens",
            ),
            "predicted_recovery": (
                ("parts", "relative_share"), recovery, "1", "k d gamma_p / d gamma_a",
            ),
            "predicted_response": (
                ("kind", "set", "k"), lines, "nats per block",
                "response: by quadrature for large k, exact for disjoint data",
            ),
            "predicted_form": (
                ("form_alpha", "form"), forms, "nats per block",
                "n d gamma_a/dl for many leaves and large k",
            ),
        },
        {"table": (("table",), np.array(PRINTED_ALPHAS), "1", "Pareto exponent")},
    )  # fmt: skip


def _responses(k: np.ndarray, size: float) -> np.ndarray:
    """The responses d gamma / dl [kind, set, k], `size` being that of another part.

    For large k another part gives n d gamma_a/dl = 1 - S_at = (S_aa - 1) / 2 (m = 3),
    more of the pre-training data chi2(p_a || p_p) / k = (S_aa - 1) / k; p falls k times
    less than a rises. Disjoint data raise both alike, at every k.
    """
    part, same = size / (k + 1), 2 * size / (k * (k + 1))
    apart = np.asarray(disjoint_slopes_a(k, STEP / 2).alignment)
    return np.array([[-part / k, part], [-same / k, same], [apart, apart]])


def simulate(config: Config, bench: Bench) -> xr.Dataset:
    """Draw masses and trees, and re-optimise after finite changes of a size."""
    sweeps = (
        k_sweep, share_sweep, alpha_sweep, form_signs, depth_sweep, huffman_staircase,
        finite_samples, token_law,
    )  # fmt: skip
    pieces = []
    with (
        jax.enable_x64(True),
        bench.progress("sweeps", len(sweeps), 1) as bar,
    ):
        for sweep in sweeps:
            pieces.append(sweep(config))
            bar.advance(1)
    return xr.merge(pieces, join="exact", compat="identical")


def judge(config: Config, data: xr.Dataset) -> Verdict:
    """Exponents, ratio, signs, sizes, depth and codes; two answers are statistical."""
    return conclude(law_evidence(config, data), 0, remarks(config, data))


def draw(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Six panels: k, l, alpha, forms, depth, Huffman."""
    return law_figure(data, verdict)
