"""Claims about a policy of which only the excess zeta is known."""

import jax.numpy as jnp

from theory.ledger.cases import foreign_proxy, golden
from theory.ledger.record import Case, Record, Side, Sides
from theory.tradeoff.bounds import Interval
from theory.tradeoff.certificate import Reach, reach, safety_transfer
from theory.tradeoff.gaps import Gaps, gaps
from theory.tradeoff.limits import exact_limit
from theory.tradeoff.loss_constraint import excess
from theory.tradeoff.price_reach import price_reach
from theory.typing import Nats

_WORLDS = "Hypothesis and 12,000 random worlds, float64, every run of the tests"


def _gaps(case: Case) -> Gaps:
    """The gaps of the case's policy."""
    return gaps(case.world, case.policy)


def _reach(case: Case, factor: float = 1.0) -> Reach:
    """What a multiple of the policy's excess allows."""
    zeta = excess(case.world, case.policy, case.penalty)
    return reach(case.world, case.penalty, factor * zeta)


def _transfer(case: Case, factor: float = 1.0) -> Interval:
    """What a multiple of the policy's excess allows for the true gap."""
    zeta = excess(case.world, case.policy, case.penalty)
    return safety_transfer(case.world, case.penalty, factor * zeta)


def _paid(case: Case) -> Nats:
    """The price that the case's policy pays for its proxy."""
    found = _gaps(case)
    total = case.penalty * found.safety + found.capability
    return jnp.asarray(total - exact_limit(case.world, case.penalty))


def _price(case: Case, factor: float = 1.0) -> Interval:
    """What a multiple of the policy's excess allows for that price."""
    zeta = excess(case.world, case.policy, case.penalty)
    return price_reach(case.world, case.penalty, factor * zeta)


_ANY = "any world, any policy with this excess, penalty > 0"
_RATIO = (
    "price(P) = penalty G_s(P) + G_f(P) - J_true; a <= rho <= A, rho = (mu_f p_f + "
    "penalty mu_s p_s) / (mu_f p_f + penalty mu^_s p^_s)"
)
_LARGE = "zeta large enough to spend a whole side of the frontier"

RECORDS = (
    Record(
        name="reach, proxy gap below",
        statement="min{g: F^(g) + penalty g <= J + zeta} <= G^_s(P)",
        assumptions=_ANY,
        source="derived from notes (4.3) and (6.1)",
        side=Side.LOWER,
        function=lambda c: Sides(_reach(c).proxy.lower, _gaps(c).proxy),
        evidence=_WORLDS,
        tight_when="frontier policies of a larger penalty, P* among them",
        tight_case=lambda: golden(1.0),
        tight_within=1e-9,
        vacuous_when=f"{_LARGE}: 0",
        planted=lambda c: Sides(_reach(c, 0.25).proxy.lower, _gaps(c).proxy),
    ),
    Record(
        name="reach, proxy gap above",
        statement="G^_s(P) <= max{g: F^(g) + penalty g <= J + zeta}",
        assumptions=_ANY,
        source="derived from notes (4.3) and (6.1)",
        side=Side.UPPER,
        function=lambda c: Sides(_gaps(c).proxy, _reach(c).proxy.upper),
        evidence=_WORLDS,
        tight_when="frontier policies of a smaller penalty, P* among them",
        tight_case=lambda: golden(1.0),
        tight_within=1e-9,
        vacuous_when="never; (J + zeta) / penalty at worst",
        planted=lambda c: Sides(_gaps(c).proxy, _reach(c, 0.25).proxy.upper),
    ),
    Record(
        name="reach, capability gap below",
        statement="min{F^(g): F^(g) + penalty g <= J + zeta} <= G_f(P)",
        assumptions=_ANY,
        source="derived from notes (4.3) and (6.1)",
        side=Side.LOWER,
        function=lambda c: Sides(_reach(c).capability.lower, _gaps(c).capability),
        evidence=_WORLDS,
        tight_when="frontier policies of a smaller penalty, P* among them",
        tight_case=lambda: golden(1.0),
        tight_within=1e-9,
        vacuous_when=f"{_LARGE}: 0",
        planted=lambda c: Sides(_reach(c, 0.25).capability.lower, _gaps(c).capability),
    ),
    Record(
        name="reach, capability gap above",
        statement="G_f(P) <= max{F^(g): F^(g) + penalty g <= J + zeta}",
        assumptions=_ANY,
        source="derived from notes (4.3) and (6.1)",
        side=Side.UPPER,
        function=lambda c: Sides(_gaps(c).capability, _reach(c).capability.upper),
        evidence=_WORLDS,
        tight_when="frontier policies of a larger penalty, P* among them",
        tight_case=lambda: golden(1.0),
        tight_within=1e-9,
        vacuous_when="never; J + zeta at worst",
        planted=lambda c: Sides(_gaps(c).capability, _reach(c, 0.25).capability.upper),
    ),
    Record(
        name="true safety gap, below",
        statement="G_s(P*) - C sqrt(m zeta / 2) <= G_s(P)",
        assumptions=f"{_ANY}; C = max D_s / (M P*), m = sum_x M",
        source="derived from notes (4.3)",
        side=Side.LOWER,
        function=lambda c: Sides(_transfer(c).lower, _gaps(c).safety),
        evidence=_WORLDS,
        tight_when="zeta = 0",
        tight_case=lambda: golden(1.0),
        tight_within=1e-6,
        vacuous_when="D_s holds what the training data lack: 0",
        planted=lambda c: Sides(_transfer(c, 0.0).lower, _gaps(c).safety),
    ),
    Record(
        name="true safety gap, above",
        statement="G_s(P) <= G_s(P*) + C (zeta + sqrt(m zeta / 2))",
        assumptions=f"{_ANY}; C = max D_s / (M P*), m = sum_x M",
        source="derived from notes (4.3)",
        side=Side.UPPER,
        function=lambda c: Sides(_gaps(c).safety, _transfer(c).upper),
        evidence=_WORLDS,
        tight_when="zeta = 0",
        tight_case=lambda: golden(1.0),
        tight_within=1e-6,
        vacuous_when="D_s holds what the training data lack: inf",
        planted=lambda c: Sides(_gaps(c).safety, _transfer(c, 0.0).upper),
    ),
    Record(
        name="price in reach, below",
        statement="price - (A - a) sqrt(m zeta / 2) <= price(P)",
        assumptions=f"{_ANY}; {_RATIO}",
        source="derived from notes (4.3) and (5.4)",
        side=Side.LOWER,
        function=lambda c: Sides(_price(c).lower, _paid(c)),
        evidence=_WORLDS,
        tight_when="zeta = 0",
        tight_case=lambda: foreign_proxy(1.0),
        tight_within=1e-6,
        vacuous_when="the true data hold what the training data lack: 0",
        planted=lambda c: Sides(_price(c, 0.0).lower, _paid(c)),
    ),
    Record(
        name="price in reach, above",
        statement="price(P) <= price + A zeta + (A - a) sqrt(m zeta / 2)",
        assumptions=f"{_ANY}; {_RATIO}",
        source="derived from notes (4.3) and (5.4)",
        side=Side.UPPER,
        function=lambda c: Sides(_paid(c), _price(c).upper),
        evidence=_WORLDS,
        tight_when="zeta = 0, or an exact proxy: then it is zeta",
        tight_case=lambda: foreign_proxy(1.0),
        tight_within=1e-6,
        vacuous_when="the true data hold what the training data lack: inf",
        planted=lambda c: Sides(_paid(c), _price(c, 0.0).upper),
    ),
)
"""What a certificate buys."""
