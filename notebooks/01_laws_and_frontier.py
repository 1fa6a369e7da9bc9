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
# # Laws, the frontier, and transformers on it
#
# A language model that was aligned on *safety data* is fine-tuned on *capability
# data*. The safety data are gone; a *proxy* stands in for them. How much safety must
# be lost for how much capability?
#
# The setting (three data sets, a penalty on the proxy's loss) is that of Chen et al.
# 2025, *Fundamental Safety-Capability Trade-offs in Fine-tuning Large Language
# Models*, arXiv 2503.20807. The formulas are **not** that paper's theorems: they were
# derived independently and are cited as "notes (4.1)", the number they have in this
# project's derivations and in the docstrings.
#
# Everything is in nats, for a single output in the first world and for a whole
# sequence in the second.

# %%
# %matplotlib inline
from importlib.resources import files

import jax
import jax.numpy as jnp
import numpy as np

from experiments import tradeoff_penalty
from experiments.claim import Verdict
from experiments.report import print_verdict
from experiments.worlds import sequence_worlds
from simlab import storage
from simlab.figures import MARKERS, PALETTE, canvas, measured_points, style, theory_line
from theory.laws import (
    Law,
    World,
    blended_proxy,
    exact_proxy,
    output_conflict,
    overlapping_world,
)
from theory.tradeoff import (
    counter_examples,
    exact_limit,
    frontier,
    frontier_points,
    gaps,
    harmonic_limit,
    harmonic_overlap,
    mixture_posterior,
    optimal_gaps,
    overlap_coefficient,
    proxy_floor,
    root_frontier,
    root_limit,
    scalarised_limit,
    support_overlap_capability,
    support_overlap_proxy,
    weighted_overlap,
)

# %% [markdown]
# ## 1. Two worlds
#
# A **law** is a distribution of contexts and, for each context, a distribution of
# outputs. A **world** is three laws: safety, proxy and capability data. The first
# world has three contexts: one that only the safety data hold, one that both hold,
# one that only the capability data hold. Its proxy has the safety data's contexts,
# but three answers in ten come from a foreign teacher.

# %%
with jax.enable_x64(True):
    safety = Law(
        np.array([0.5, 0.5, 0.0]),
        np.array([[0.80, 0.15, 0.05], [0.70, 0.20, 0.10], [0.20, 0.20, 0.60]]),
    )
    capability = Law(
        np.array([0.0, 0.5, 0.5]),
        np.array([[0.30, 0.50, 0.20], [0.10, 0.30, 0.60], [0.05, 0.15, 0.80]]),
    )
    teacher = np.array([[0.20, 0.60, 0.20]] * 3)
    small = blended_proxy(World(safety, safety, capability), teacher, 0.3)

    policies = {
        "stay aligned (p_s)": small.safety.outputs,
        "imitate the proxy": small.proxy.outputs,
        "imitate the task (p_f)": small.capability.outputs,
        "best at penalty 1": mixture_posterior(small, 1.0),
    }
    print(f"{'gaps, nats per output':26}{'safety':>10}{'proxy':>10}{'capability':>12}")
    for name, policy in policies.items():
        lost = gaps(small, policy)
        print(f"{name:26}{lost.safety:10.4f}{lost.proxy:10.4f}{lost.capability:12.4f}")

# %% [markdown]
# A **gap** is what a policy loses against the best one for that law: an average of
# KL divergences, notes (2.2). No row has zeros everywhere: nobody can serve all three
# laws. The last row is the policy that least loses `G_f + penalty * G^_s`. It is the
# posterior mixture of the proxy's and the task's outputs, notes (4.1).
#
# Two things make the laws collide: their outputs differ at a context (*output
# conflict*, a total variation), and they share contexts (*overlap*). The paper speaks
# of context overlap, but its definition is not known here. So the project computes
# several candidates. Each has its place in some bound, and all are 0 for disjoint
# contexts.
#
# The second world has six contexts and sequences of three tokens from random Markov
# chains. Half of the contexts are safety contexts, and capability data fall on them
# with a chosen probability.

# %%
distances, overlaps = (0.0, 0.2, 0.6), (0.0, 0.3, 0.7, 1.0)
made = sequence_worlds(
    0,
    contexts=6,
    vocabulary=3,
    length=3,
    concentration=1.0,
    distances=distances,
    overlaps=overlaps,
)

with jax.enable_x64(True):
    # Axes of the second world: [proxy, overlap]. Proxy distance 0.2, overlap 0.7.
    sequences = World(
        *(Law(law.contexts[1, 2], law.outputs[1, 2]) for law in made.world)
    )
    for name, world in {"small": small, "sequences": sequences}.items():
        values = {
            "mean output conflict on the proxy's contexts": jnp.sum(
                world.proxy.contexts * output_conflict(world)
            ),
            "o     overlap coefficient, notes (6.4)": overlap_coefficient(world),
            "o_f   task mass on proxy contexts, (4.5)": support_overlap_capability(
                world
            ),
            "o_s   proxy mass on task contexts, (4.5)": support_overlap_proxy(world),
            "H     harmonic overlap at penalty 1, (6.3)": harmonic_overlap(world, 1.0),
            "C_ov  weighted overlap, (5.3)": weighted_overlap(world),
            "Delta_s  proxy floor in nats, (5.2)": proxy_floor(world),
        }
        print(f"the world `{name}`")
        for text, value in values.items():
            print(f"  {text:46}{value:8.4f}")

# %% [markdown]
# ## 2. The frontier that no policy can beat
#
# Take exact safety data for the moment (the proxy is the safety law). Sweeping the
# penalty from 0 to infinity, the best policy draws the lower left edge of *all*
# reachable pairs of gaps, notes (6.1). Below it lies nothing, whatever the model, its
# size or its training.
#
# Two closed forms say the same less sharply and more legibly:
#
# * notes (6.3): `penalty G_s + G_f >= 2 penalty sum_x [mu_s mu_f / (penalty mu_s +
#   mu_f)] tau^2`, one straight line a penalty; drawn is the envelope of all of them;
# * notes (6.4): `sqrt(G_s) + sqrt(G_f) >= sqrt(2) (sum_x min(mu_s, mu_f) tau) /
#   sqrt(o)`, overlap times output conflict in one number.
#
# The dots of the left panel are 600 policies drawn at random around good ones. They
# are an attempt to break the limit, and none does.

# %%
penalties = np.geomspace(1e-3, 1e3, 241)
marked = np.array([0.1, 1.0, 10.0])

with jax.enable_x64(True):
    key_noise, key_penalty = jax.random.split(jax.random.key(0))
    spread = jnp.geomspace(0.01, 2.0, 600)[:, None, None]
    around = jnp.exp(jax.random.uniform(key_penalty, (600,), minval=-5.0, maxval=5.0))
    good = mixture_posterior(exact_proxy(small), around)
    noise = spread * jax.random.normal(key_noise, good.shape)
    tried = gaps(small, jax.nn.softmax(jnp.log(good) + noise))
    slack = tried.capability - jax.jit(frontier)(small, tried.safety)
    print(
        f"least distance of 600 random policies above the frontier: {slack.min():.1e}"
    )
    for name, world in {"small": small, "sequences": sequences}.items():
        exact, closed = exact_limit(world, 1.0), harmonic_limit(world)
        print(
            f"{name:10} least G_s + G_f of any policy: {exact:.4f} exactly, "
            f"{closed:.4f} by (6.3), {root_limit(world) ** 2 / 2:.4f} by (6.4)"
        )

# %%
with jax.enable_x64(True), style():
    figure = canvas(9.0, 4.0)
    panels = zip(
        figure.subplots(1, 2),
        (small, sequences),
        ("Small world", "Markov sequences"),
        ("output", "sequence"),
        strict=True,
    )
    for axes, world, title, unit in panels:
        exact = jax.jit(frontier_points)(world, penalties)
        best = jax.jit(frontier_points)(world, marked)
        proxied = jax.jit(optimal_gaps)(world, marked)
        level = np.linspace(0.0, exact.safety.max(), 200)
        lines = jax.jit(scalarised_limit)(world, penalties)
        straight = jnp.max(lines - penalties * level[:, None], axis=-1)
        rooted = jax.jit(root_frontier)(world, level)
        theory_line(
            axes,
            exact.capability,
            exact.safety,
            color=PALETTE[0],
            label="exact frontier",
        )
        theory_line(
            axes,
            jnp.maximum(straight, 0.0),
            level,
            color=PALETTE[1],
            dash="--",
            label="limit (6.3), all penalties",
        )
        theory_line(
            axes, rooted, level, color=PALETTE[2], dash=":", label="limit (6.4)"
        )
        if world is small:
            axes.plot(
                tried.capability, tried.safety, ".", color="0.75", ms=2.5, zorder=0
            )
            axes.plot([], [], ".", color="0.75", label="random policies")
        axes.plot(
            best.capability,
            best.safety,
            "o",
            color=PALETTE[0],
            label="best policy, exact proxy",
        )
        axes.plot(
            proxied.capability,
            proxied.safety,
            "s",
            color=PALETTE[3],
            label="best policy, this proxy",
        )
        for penalty, x, y in zip(marked, best.capability, best.safety, strict=True):
            axes.annotate(
                f"penalty {penalty:g}",
                (x, y),
                xytext=(8, 7),
                textcoords="offset points",
                fontsize=8,
                color=PALETTE[0],
            )
        axes.set(
            xlabel=f"capability gap (nats per {unit})",
            ylabel=f"true safety gap (nats per {unit})",
            title=title,
            xlim=(0, 1.15 * exact.capability.max()),
            ylim=(0, 1.05 * exact.safety.max()),
        )
        axes.legend(loc="upper right", frameon=True, framealpha=1, edgecolor="none")
figure

# %% [markdown]
# The closed forms stay below the frontier, as they must; they are not tight, because
# all they know of two laws is the total variation. In the small world the two
# coincide: with a single shared context, (6.4) is the envelope of (6.3). The squares
# are the best policies for the *proxy's* loss: they are above the frontier of the
# true safety data, and what they lose there is the price of the proxy, notes (5.4).

# %% [markdown]
# ## 3. What moves the frontier: the proxy and the overlap
#
# ### The proxy
#
# A proxy at distance `d` answers as the safety data with probability `1 - d` in each
# token's law and as a foreign teacher otherwise. With an infinite penalty the best
# policy *is* the proxy on its contexts, so its true gap tends to the **proxy floor**
# `Delta_s = E KL(p_s || p^_s)`, notes (5.2). No penalty buys that back.

# %%
fine = np.geomspace(1e-2, 1e3, 121)
far = np.linspace(0.0, 0.9, 31)
many = sequence_worlds(
    0,
    contexts=6,
    vocabulary=3,
    length=3,
    concentration=1.0,
    distances=far,
    overlaps=(1.0,),
).world

with jax.enable_x64(True), style():
    curves = jax.jit(optimal_gaps)(made.world, fine[:, None, None])
    floors = proxy_floor(made.world)[:, -1]
    figure = canvas(9.0, 3.8)
    left, right = figure.subplots(1, 2)
    for i, distance in enumerate(distances):
        theory_line(
            left,
            fine,
            curves.safety[:, i, -1],
            color=PALETTE[i],
            label=f"proxy at distance {distance:g}",
        )
        left.axhline(floors[i], color=PALETTE[i], lw=0.9, ls=":")
    left.plot([], [], color="0.3", lw=0.9, ls=":", label="proxy floor")
    left.set(
        xscale="log",
        ylim=(0, None),
        xlabel="penalty",
        ylabel="true safety gap (nats per sequence)",
        title="Best policy, overlap 1",
    )
    left.legend()
    for i, penalty in enumerate((0.3, 1.0, 10.0)):
        theory_line(
            right,
            far,
            optimal_gaps(many, penalty).safety[:, 0],
            color=PALETTE[3 + i],
            label=f"penalty {penalty:g}",
        )
    theory_line(
        right,
        far,
        proxy_floor(many)[:, 0],
        color=PALETTE[6],
        dash=":",
        label="proxy floor (infinite penalty)",
    )
    right.set(
        ylim=(0, 1.6),
        xlabel="distance of the proxy",
        ylabel="true safety gap (nats per sequence)",
        title="The same at fixed penalties",
    )
    right.legend()
figure

# %% [markdown]
# Here a better proxy lowers the whole curve, and the floor decides where it ends. For
# a poor proxy the floor lies *above* the gap at a finite penalty (right, where the
# dotted line crosses the others): more weight on it is then no longer safer. The
# counter-example below makes that plain.
#
# ### The overlap
#
# With `mu_f = o mu_s + (1 - o) mu_outside` the frontier can only get worse as the
# overlap `o` grows, notes 6.4. At `o = 0` there is no trade-off: both gaps can vanish.

# %%
shares = np.linspace(0.0, 1.0, 31)
many = sequence_worlds(
    0,
    contexts=6,
    vocabulary=3,
    length=3,
    concentration=1.0,
    distances=(0.0,),
    overlaps=shares,
).world

with jax.enable_x64(True), style():
    points = jax.jit(frontier_points)(made.world, penalties)
    figure = canvas(9.0, 3.8)
    left, right = figure.subplots(1, 2)
    for j, overlap in enumerate(overlaps):
        if overlap > 0:
            theory_line(
                left,
                points.capability[:, 0, j],
                points.safety[:, 0, j],
                color=PALETTE[j],
                label=f"overlap {overlap:g}",
            )
    left.plot(
        0, 0, "o", color=PALETTE[0], clip_on=False, label="overlap 0: no trade-off"
    )
    left.set(
        xlim=(0, None),
        ylim=(0, None),
        xlabel="capability gap (nats per sequence)",
        ylabel="true safety gap (nats per sequence)",
        title="Exact frontier, exact safety data",
    )
    left.legend()
    theory_line(
        right, shares, exact_limit(many, 1.0)[0], color=PALETTE[0], label="exact"
    )
    theory_line(
        right,
        shares,
        harmonic_limit(many)[0],
        color=PALETTE[1],
        dash="--",
        label="limit (6.3) at penalty 1",
    )
    theory_line(
        right,
        shares,
        root_limit(many)[0] ** 2 / 2,
        color=PALETTE[2],
        dash=":",
        label="limit (6.4)",
    )
    right.set(
        xlim=(0, 1),
        ylim=(0, None),
        xlabel="overlap of the contexts",
        ylabel="least $G_s + G_f$ (nats per sequence)",
        title="What every policy loses on both sides together",
    )
    right.legend()
figure

# %% [markdown]
# ### Two plausible statements that are false
#
# "A larger penalty is safer" is proved for the *proxy* gap and false for the *true*
# gap, notes 5.4. In a single context with `p_s = (.7, .3)`, `p^_s = (.95, .05)`,
# `p_f = (.5, .5)` the best penalty is 0.8, where the mixture happens to be `p_s`
# itself. An infinite penalty ends at the floor, worse than no safety data at all.
#
# "At a fixed penalty, more overlap costs more capability" is false too, notes 6.4. The
# frontier gets worse, but the best policy also moves along it: the more capability
# data fall on the safety contexts, the less the proxy weighs there.

# %%
rising = counter_examples()["safety gap falls with penalty"].world()
helping = counter_examples()["capability gap rises with overlap"].world()
finely = np.linspace(0.0, 1.0, 121)

with jax.enable_x64(True), style():
    curve = jax.jit(optimal_gaps)(rising, fine)
    moved = overlapping_world(
        helping.safety, np.array([0.0, 1.0]), helping.capability.outputs, finely
    )
    without = gaps(rising, rising.capability.outputs).safety
    figure = canvas(9.0, 3.8)
    left, right = figure.subplots(1, 2)
    theory_line(left, fine, curve.safety, color=PALETTE[0], label="true safety gap")
    theory_line(left, fine, curve.proxy, color=PALETTE[1], dash="--", label="proxy gap")
    left.axhline(
        proxy_floor(rising), color=PALETTE[6], lw=0.9, ls=":", label="proxy floor"
    )
    left.axhline(without, color="0.5", lw=0.9, ls="-.", label="true gap at penalty 0")
    left.axvline(0.8, color="0.7", lw=0.9, label="penalty 0.8")
    left.set(
        xscale="log",
        ylim=(0, None),
        xlabel="penalty",
        ylabel="gap (nats per output)",
        title="More penalty, less safety",
    )
    left.legend()
    for i, penalty in enumerate((0.1, 0.3, 1.0)):
        theory_line(
            right,
            finely,
            optimal_gaps(moved, penalty).capability,
            color=PALETTE[3 + i],
            label=f"penalty {penalty:g}",
        )
    right.set(
        xlim=(0, 1),
        ylim=(0, None),
        xlabel="overlap of the contexts",
        ylabel="capability gap (nats per output)",
        title="More overlap, less capability lost",
    )
    right.legend()
    print(f"true safety gap at penalty 0: {without:.4f} nats")
    print(f"              at penalty 0.8: {optimal_gaps(rising, 0.8).safety:.4f} nats")
    print(f"  floor, at infinite penalty: {proxy_floor(rising):.4f} nats")
figure

# %% [markdown]
# ## 4. Transformers on the frontier
#
# So far nothing was trained. The claim `tradeoff_penalty` trains small transformers:
# aligned on the safety data, then fine-tuned on the capability data plus the penalty
# times the proxy data. Their sequences are short enough to enumerate, so their gaps
# are exact too. What follows reads a result that is kept with the project;
# `simlab run tradeoff_penalty` makes a new one.
#
# A verdict is one of three. **Violated**: a measurement contradicts the theory.
# **Inconclusive**: something could not be decided with these seeds and this much
# training. **Holds**: every question was answered with yes.

# %%
golden = files("experiments") / "golden" / "tradeoff_penalty"
result = storage.load(str(golden))
data, verdict = result.dataset, Verdict.from_json(result.manifest["verdict"])
print_verdict(result, verdict)

# %% [markdown]
# Lines are the exact best policies, markers the transformers. Left, the proxy is exact
# and the overlap varies: the lines are frontiers, and no marker may lie below its own.
# (At overlap 0 the frontier is the origin.) Right, the distance of the proxy varies at
# the largest overlap. There a marker may lie below its own line, because that line is
# best for the proxy and not for the true safety data; it may not lie below the line of
# distance 0, which is the frontier.

# %%
final = data.isel(record=-1)
middle, error = (
    final.mean("seed"),
    final.std("seed", ddof=1) / final.sizes["seed"] ** 0.5,
)
by_overlap = [
    ("overlap", value, {"proxy": 0, "overlap": j})
    for j, value in enumerate(data["overlap"].values)
]
by_proxy = [
    ("distance", value, {"proxy": i, "overlap": -1})
    for i, value in enumerate(data["proxy"].values)
]

with style():
    figure = canvas(9.0, 4.0)
    for axes, cells in zip(figure.subplots(1, 2), (by_overlap, by_proxy), strict=True):
        for (name, value, where), color, marker in zip(
            cells, PALETTE, MARKERS, strict=False
        ):
            mean, sem = middle.isel(where), error.isel(where)
            theory_line(
                axes,
                mean["curve_capability"].values,
                mean["curve_safety"].values,
                color=color,
            )
            measured_points(
                axes,
                mean["gap_capability"].values,
                mean["gap_safety"].values,
                x_error=sem["gap_capability"].values,
                y_error=sem["gap_safety"].values,
                color=color,
                marker=marker,
                label=f"{name} {value:g}",
            )
        axes.set(
            xlabel="capability gap (nats per sequence)",
            ylabel="true safety gap (nats per sequence)",
        )
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.legend()
    figure.axes[0].set_title("Exact proxy, overlap varied")
    figure.axes[1].set_title(
        f"Overlap {data.overlap.values[-1]:g}, distance of the proxy varied"
    )
    figure.suptitle(
        f"Markers: mean and standard error over n = {final.sizes['seed']} seeds",
        fontsize=9,
    )
figure

# %% [markdown]
# The claim's own figure, drawn again from the file, adds what this picture hides: the
# residuals of every cell in standard errors, and the certificate `zeta`, the exact
# distance of each network from the best policy, notes (4.3). A trained network is
# never the best policy, so residuals need not lie within two standard errors. The
# question is whether they stay inside what `zeta` allows.

# %%
tradeoff_penalty.draw(data, verdict)

# %% [markdown]
# What to remember, for the setting of this notebook:
#
# * outputs that conflict on shared contexts cost, and nothing else does (6.3);
# * the penalty only chooses a point on a curve; overlap and conflict set the curve;
# * a proxy sets a floor of its own, and with a poor one more penalty can be less safe.
