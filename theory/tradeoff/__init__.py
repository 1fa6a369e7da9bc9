"""Limits of safe fine-tuning: how much safety a capability costs, and back.

Case I, the alignment loss constraint, is solved exactly; everything else is a bound on
its solution or on any policy.
"""

from theory.tradeoff.behaviour import (
    deviation_bound,
    event_probability,
    optimal_event_probability,
)
from theory.tradeoff.bigram import Source, bigram_gap, bigram_optimum, departures
from theory.tradeoff.bounds import (
    Interval,
    capability_gap_bounds,
    capability_gap_coarse,
    capability_gap_linear,
    proxy_gap_bounds,
    proxy_gap_coarse,
    proxy_gap_linear,
)
from theory.tradeoff.certificate import Reach, concentration, reach, safety_transfer
from theory.tradeoff.counterexamples import CounterExample, counter_examples
from theory.tradeoff.dynamics import (
    Slopes,
    at_infinite_penalty,
    at_zero_penalty,
    capability_rate_linear,
    capability_rate_quadratic,
    proxy_rate_linear,
    proxy_rate_quadratic,
    slopes,
)
from theory.tradeoff.envelope import envelope, envelope_capability
from theory.tradeoff.frontier import (
    frontier,
    frontier_points,
    frontier_proxy,
    supporting_penalty,
)
from theory.tradeoff.gaps import Gaps, gap, gaps
from theory.tradeoff.limits import (
    exact_limit,
    harmonic_limit,
    minimum_limit,
    root_frontier,
    root_limit,
    scalarised_limit,
)
from theory.tradeoff.loss_constraint import (
    capability_weight,
    excess,
    mixture_posterior,
    optimal_gaps,
    optimum,
    posterior_weight,
    total_weight,
)
from theory.tradeoff.overlap import (
    harmonic_overlap,
    overlap_coefficient,
    support_overlap_capability,
    support_overlap_proxy,
    weighted_overlap,
)
from theory.tradeoff.proxy import (
    log_ratio_span,
    price,
    price_bound,
    proxy_adequacy,
    proxy_distance,
    proxy_distance_split,
    proxy_floor,
    safety_gap_bound,
    safety_gap_coarse,
    smoothed_loss_cap,
    transfer,
    transfer_bounded,
    transfer_span,
)
from theory.tradeoff.reverse import (
    geometric_mixture,
    reverse_excess,
    reverse_objective,
    reverse_optimum,
)
from theory.tradeoff.sequences import (
    optimal_next_token,
    prefix_posterior,
    token_gap_cap,
    token_gaps,
)
from theory.tradeoff.shapes import Number, Policy
from theory.tradeoff.sharper import (
    capability_gap_data_processing,
    capability_gap_total_variation,
    optimum_bounds,
    optimum_least,
    proxy_gap_data_processing,
    proxy_gap_total_variation,
)

__all__ = [
    "CounterExample",
    "Gaps",
    "Interval",
    "Number",
    "Policy",
    "Reach",
    "Slopes",
    "Source",
    "at_infinite_penalty",
    "at_zero_penalty",
    "bigram_gap",
    "bigram_optimum",
    "capability_gap_bounds",
    "capability_gap_coarse",
    "capability_gap_data_processing",
    "capability_gap_linear",
    "capability_gap_total_variation",
    "capability_rate_linear",
    "capability_rate_quadratic",
    "capability_weight",
    "concentration",
    "counter_examples",
    "departures",
    "deviation_bound",
    "envelope",
    "envelope_capability",
    "event_probability",
    "exact_limit",
    "excess",
    "frontier",
    "frontier_points",
    "frontier_proxy",
    "gap",
    "gaps",
    "geometric_mixture",
    "harmonic_limit",
    "harmonic_overlap",
    "log_ratio_span",
    "minimum_limit",
    "mixture_posterior",
    "optimal_event_probability",
    "optimal_gaps",
    "optimal_next_token",
    "optimum",
    "optimum_bounds",
    "optimum_least",
    "overlap_coefficient",
    "posterior_weight",
    "prefix_posterior",
    "price",
    "price_bound",
    "proxy_adequacy",
    "proxy_distance",
    "proxy_distance_split",
    "proxy_floor",
    "proxy_gap_bounds",
    "proxy_gap_coarse",
    "proxy_gap_data_processing",
    "proxy_gap_linear",
    "proxy_gap_total_variation",
    "proxy_rate_linear",
    "proxy_rate_quadratic",
    "reach",
    "reverse_excess",
    "reverse_objective",
    "reverse_optimum",
    "root_frontier",
    "root_limit",
    "safety_gap_bound",
    "safety_gap_coarse",
    "safety_transfer",
    "scalarised_limit",
    "slopes",
    "smoothed_loss_cap",
    "support_overlap_capability",
    "support_overlap_proxy",
    "supporting_penalty",
    "token_gap_cap",
    "token_gaps",
    "total_weight",
    "transfer",
    "transfer_bounded",
    "transfer_span",
    "weighted_overlap",
]
