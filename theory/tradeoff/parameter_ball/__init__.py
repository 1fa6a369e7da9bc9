"""Case II, the alignment parameter constraint: what a ball of parameters allows."""

from theory.tradeoff.parameter_ball.divergence import (
    divergence_ball_optimum,
    self_generated,
)
from theory.tradeoff.parameter_ball.hoeffding import (
    aligned_ball,
    aligned_hoeffding,
    gap_change,
    hoeffding_change,
    logit_spread,
)
from theory.tradeoff.parameter_ball.local import (
    local_cost,
    local_gain,
    tangent_overlap,
)
from theory.tradeoff.parameter_ball.logits import (
    curvature,
    curvature_cap,
    curvature_cap_head,
    curvature_top,
    gradient_cap,
    gradient_cap_network,
    gradient_norm,
    logit_gradient,
    logit_norm,
)
from theory.tradeoff.parameter_ball.smoothness import (
    descent_length,
    gap_convex,
    gap_convex_quadratic,
    gap_descended,
    gap_lipschitz,
    gap_reached,
    gap_smooth,
)
from theory.tradeoff.parameter_ball.solution import (
    BallSolution,
    ball_optimum,
    ball_reach,
    ball_solution,
)

__all__ = [
    "BallSolution",
    "aligned_ball",
    "aligned_hoeffding",
    "ball_optimum",
    "ball_reach",
    "ball_solution",
    "curvature",
    "curvature_cap",
    "curvature_cap_head",
    "curvature_top",
    "descent_length",
    "divergence_ball_optimum",
    "gap_change",
    "gap_convex",
    "gap_convex_quadratic",
    "gap_descended",
    "gap_lipschitz",
    "gap_reached",
    "gap_smooth",
    "gradient_cap",
    "gradient_cap_network",
    "gradient_norm",
    "hoeffding_change",
    "local_cost",
    "local_gain",
    "logit_gradient",
    "logit_norm",
    "logit_spread",
    "self_generated",
    "tangent_overlap",
]
