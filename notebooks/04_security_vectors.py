# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Security vectors: switch one on, train, switch it off
#
# Zhou et al. (2023, arXiv 2311.02105) keep a model from learning harm by giving it the
# harm beforehand: a few extra parameters, trained on 100 harmful samples, are *on*
# while the model is fine-tuned and *off* when it is used. What the model with the
# vector already answers leaves no error to learn from; the rest is learned as ever.
#
# This notebook does it by hand, in a world small enough to watch: requests have a type
# and digits; type H ("harmful") reverses the digits, B0 to B3 ("benign") shift them, N
# ("new and useful") shifts them by three, a skill the model has but does not know to
# use for N. The model was trained to answer B and H and then taught to *refuse* H.
#
# "Notes" are the project's own derivations; what the paper says is called so.

# %%
# %matplotlib inline
from importlib.resources import files

import jax
import jax.numpy as jnp
import numpy as np

from experiments.bench import Bench
from experiments.claim import Verdict
from experiments.pytrees import picked
from experiments.report import print_verdict
from experiments.vector_arms import ZERO, Arm, Spec
from experiments.vector_lab import SGD, SMOKE, VectorLab, transformer, vector_fit
from experiments.vector_readings import HARM, REFUSED, USEFUL
from experiments.vector_study import Study, raised_in, studied
from simlab import storage
from simlab.diagnosis import answered
from simlab.figures import PALETTE, canvas, style, theory_line
from simlab.models import Adapted, carried, gated, norms, total_norm
from simlab.security_vectors import Recipe, fit_security_vector
from simlab.sources import DatasetSource
from theory.unlearnability import (
    drift_ceiling,
    effective_size,
    flip_time,
    loss_on,
    resistance_certificate,
)

# %% [markdown]
# ## 1. A model that refuses, and a vector that explains what it refuses
#
# `raised_in` pre-trains and aligns one small transformer a seed (some seconds). Before
# anything else, look at what it answers to requests that it has never seen.

# %%
lab = VectorLab(**{**SMOKE, "seeds": 1})
raised = raised_in(lab, Bench())
rows, base = picked(raised.rows, 0), picked(raised.bases, 0)
model = transformer(lab)
for name in ("B", "H", "H refused", "N"):
    seen = answered(model, base, jnp.asarray(rows.held_out[name]), lab.response)
    print(
        f"{name:10s} answered so: {float(seen.match):4.0%}   "
        f"loss {float(seen.loss):6.3f} nats per answer"
    )

# %% [markdown]
# Now a vector: low-rank matrices beside every matrix of every block, trained on 100
# harmful answers while the model itself stands still. Two weights keep it from changing
# anything else: a KL between off and on along other requests, and its own size.

# %%
fit = vector_fit(lab)
begin = carried(base, fit.carrier.init(model, jax.random.key(0)))
recipe = Recipe(
    DatasetSource(jnp.asarray(rows.fit["H"])),
    DatasetSource(jnp.asarray(rows.reference)),
    lab.kl,
    lab.norm,
    lab.rate_vector,
)
trace = jax.jit(fit_security_vector, static_argnums=0)(
    fit, recipe, begin, jax.random.key(1)
)
armed = trace.params
whole = Adapted(model, fit.carrier)
for gate in (0.0, 0.5, 1.0):
    at = gated(armed, gate)
    harm = answered(whole, at, jnp.asarray(rows.held_out["H"]), lab.response)
    rest = answered(whole, at, jnp.asarray(rows.held_out["B"]), lab.response)
    print(
        f"gate {gate:3.1f}: unseen harm complied with {float(harm.match):4.0%} "
        f"(loss {float(harm.loss):6.3f}, mean 1 - p {float(harm.error):.4f}), "
        f"benign answered {float(rest.match):4.0%}"
    )
print(f"norm of all deltas {float(total_norm(fit.carrier, armed.vector)):.2f}")

# %% [markdown]
# Where does it sit? The norm of what it adds, module by module.

# %%
sizes = {k: float(v) for k, v in norms(fit.carrier, armed.vector).items()}
with style():
    figure = canvas(7.0, 3.4)
    axes = figure.subplots()
    places = np.arange(len(sizes))
    axes.barh(places, list(sizes.values()), color=PALETTE[0])
    axes.set_yticks(places, list(sizes))
    axes.invert_yaxis()
    axes.set(xlabel="Frobenius norm of the delta", title="Where the vector acts")
figure

# %% [markdown]
# ## 2. Fine-tune with it on, use the model with it off
#
# A study is a table of *arms*: which vector, at which dose alpha while training, and
# how much beta is taken off for deployment. Training on `theta + alpha v` and taking
# off `beta v` covers plain fine-tuning (0, 0), the security vector (1, 1), and
# subtracting the vector only afterwards (0, 1). For plain gradient methods it is an
# identity that training *behind* a vector is training *from* the harmful model and then
# subtracting (notes, theorem 1): the vector costs nothing and hides nothing.

# %%
arms = {
    "no vector": Arm(ZERO),
    "security vector": Arm("v"),
    "subtracted after": Arm("v", 0.0, 1.0),
    "half a vector": Arm("v", 0.5, 0.5),
    "no harmful data": Arm(ZERO, data=("N", "B")),
}
study = Study({"v": Spec()}, arms, optimizers=(SGD,))
data = studied(lab, Bench(), study, raised=raised).isel(seed=0, optimizer=0)
last, first = data.isel(moment=-1), data.isel(moment=0)
print(f"{'':18s}{'harm':>8s}{'refused':>9s}{'N':>7s}{'kappa_H':>11s}{'drift':>8s}")
for arm in arms:
    cell, before = last.sel(arm=arm), first.sel(arm=arm)
    print(
        f"{arm:18s}{float(cell[HARM]):8.0%}{float(cell[REFUSED]):9.0%}"
        f"{float(cell[USEFUL]):7.0%}{float(before['kappa_H']):11.2g}"
        f"{float(cell['drift']):8.2f}"
    )

# %% [markdown]
# `kappa_H` is the rate at which the deployed model learns harm, over the rate without a
# vector: the product of two factors, a smaller force and a force that points elsewhere.
# In the language of data, 1,000 harmful samples behind it count as `kappa_H` times
# 1,000.

# %%
behind = first.sel(arm="security vector")
rate = float(behind["kappa_H"])
print(f"suppression of the force   {float(behind['suppression_H']):.2g}")
print(f"cosine of the two forces   {float(behind['cosine_H']):.2g}")
print(f"product, kappa_H           {rate:.2g}")
print(f"1,000 samples count as     {float(effective_size(1000.0, rate)):.2g}")

# %% [markdown]
# ## 3. What theory promises, and when
#
# **A bound.** Plain descent on samples whose mean error is `e` moves parameters by at
# most `-log(1 - eta D^2 T e) / D` in T steps, D a bound on how far one logit can be
# pulled from another (notes, theorem 3). So an attacker needs a number of steps
# inversely proportional to the *residual error*: it is the held-out error that counts,
# which is what "100 samples stop 1,000" is about.

# %%
steps = np.logspace(0, 6, 200)
with jax.enable_x64(True), style():
    figure = canvas(9.0, 3.5)
    left, right = figure.subplots(1, 2)
    for color, error in zip(PALETTE, (1e-1, 1e-3, 1e-5), strict=False):
        reach = np.asarray(drift_ceiling(0.1, 2**0.5, error * steps))
        theory_line(left, steps, reach, color=color, label=f"error {error:g}")
    left.set(
        xscale="log",
        yscale="log",
        xlabel="steps at learning rate 0.1",
        ylabel="distance from the start, at most",
        title="The drift that errors allow (D = √2)",
    )
    left.legend()
    margins = np.linspace(0.0, 12.0, 100)
    for color, safe in zip(PALETTE, (1.0, 3.0, 6.0), strict=False):
        times = np.asarray(flip_time(safe, margins))
        theory_line(right, margins, times, color=color, label=f"margin {safe:g}")
    right.set(
        yscale="log",
        xlabel="what the vector adds to the harmful margin (nats)",
        ylabel="time until the deployed model flips",
        title="One margin, solved exactly",
    )
    right.legend(title="of safety")
figure

# %% [markdown]
# **An exact model.** With one harmful margin the time to unlearn safety is `m + e^s (1
# - e^-m)`: exponential in what the vector adds (right). It grows long before the harm
# is explained: at s = m the model with the vector is still undecided.

# %%
with jax.enable_x64(True):
    for added in (0.0, 3.0, 6.0, 9.0):
        print(
            f"s = {added:3.0f}: loss with the vector "
            f"{float(loss_on(3.0, added)):8.2g} nats, flips at "
            f"{float(flip_time(3.0, added)):9.1f}"
        )
    print(
        "certificate at error 1e-5, 5 nats to lose: at least "
        f"{float(resistance_certificate(0.1, 2**0.5, 2**0.5, 1e-5, 5.0)):.3g} steps"
    )

# %% [markdown]
# **And when it fails.** Adam divides every force by its own size, so no bound by the
# residual error can hold: what saves transformers from that is that the remaining force
# points elsewhere. Benign data erode refusals with the vector as without. Another harm
# is another matter. Each of these is a claim with a verdict:

# %%
golden = files("experiments") / "golden"
for claim in (
    "security_vectors",
    "security_vectors_dose",
    "security_vectors_optimizer",
    "security_vectors_generalisation",
    "unlearnability_bound",
    "bridge_effective_volume",
):
    kept = storage.load(str(golden / claim))
    print(f"{claim}: {kept.manifest['verdict']['outcome']}")

# %% [markdown]
# ## 4. Among other defences: the arena
#
# The same idea competes with what else is proposed, in a world whose frontier is known
# exactly: every defence against every attacker, judged by its worst case.

# %%
arena = storage.load(str(golden / "arena"))
print_verdict(arena, Verdict.from_json(arena.manifest["verdict"]))
