"""Claims about a policy of which only the excess zeta is known."""

import jax.numpy as jnp

from theory.ledger.cases import disjoint, foreign_proxy, golden
from theory.ledger.record import Case, Record, Side, Sides
from theory.tradeoff.bounds import Interval
from theory.tradeoff.certificate import (
    Reach,
    certified_cap,
    reach,
    safety_transfer,
)
from theory.tradeoff.gaps import Gaps, gaps
from theory.tradeoff.limits import exact_limit
from theory.tradeoff.loss_constraint import excess
from theory.tradeoff.overlap import (
    support_overlap_capability,
    support_overlap_proxy,
)
from theory.tradeoff.price_reach import price_reach
from theory.typing import Nats

_WORLDS = "Hypothesis and 12,000 random worlds, float64, every run of the tests"


def _gaps(case: Case) -> Gaps:
    """The gaps of the case's policy."""
    return gaps(case.world, case.policy)


def _reach(case: Case, factor: float = 1.0) -> Reach:
    """What a multiple of the policy's excess allows."""
    zeta = _excess(case)
    return reach(case.world, case.penalty, factor * zeta)


def _transfer(case: Case, factor: float = 1.0) -> Interval:
    """What a multiple of the policy's excess allows for the true gap."""
    zeta = _excess(case)
    return safety_transfer(case.world, case.penalty, factor * zeta)


def _cap_proxy(case: Case) -> Nats:
    """What the policy's excess allows for its proxy gap, in any world of this o_f."""
    zeta, share = _excess(case), support_overlap_capability(case.world)
    return certified_cap(share / case.penalty, zeta / case.penalty)


def _cap_capability(case: Case) -> Nats:
    """What the policy's excess allows for its capability gap."""
    share = support_overlap_proxy(case.world)
    return certified_cap(share * jnp.asarray(case.penalty), _excess(case))


def _excess(case: Case) -> Nats:
    """The certificate zeta of the case's policy."""
    return excess(case.world, case.policy, case.penalty)


def _paid(case: Case) -> Nats:
    """The price that the case's policy pays for its proxy."""
    found = _gaps(case)
    total = case.penalty * found.safety + found.capability
    return jnp.asarray(total - exact_limit(case.world, case.penalty))


def _price(case: Case, factor: float = 1.0) -> Interval:
    """What a multiple of the policy's excess allows for that price."""
    zeta = _excess(case)
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
        name="cap with a certificate, proxy gap",
        statement="G^_s <= min_s log(1 + o_f / (s penalty)) + zeta / ((1 - s) penalty)",
        assumptions=f"{_ANY}; any s in (0, 1)",
        source="derived from notes (4.3), (4.5) and (4.6)",
        side=Side.UPPER,
        function=lambda c: Sides(_gaps(c).proxy, _cap_proxy(c)),
        evidence=_WORLDS,
        tight_when="zeta = 0 with disjoint outputs",
        tight_case=lambda: disjoint(1.0),
        tight_within=1e-5,
        vacuous_when="small tau, as (4.5); large zeta / penalty",
        planted=lambda c: Sides(_gaps(c).proxy, _cap_proxy(c) / 2),
    ),
    Record(
        name="cap with a certificate, capability gap",
        statement="G_f <= min_s log(1 + penalty o_s / s) + zeta / (1 - s)",
        assumptions=f"{_ANY}; any s in (0, 1)",
        source="derived from notes (4.3), (4.5) and (4.6)",
        side=Side.UPPER,
        function=lambda c: Sides(_gaps(c).capability, _cap_capability(c)),
        evidence=_WORLDS,
        tight_when="zeta = 0 with disjoint outputs",
        tight_case=lambda: disjoint(1.0),
        tight_within=1e-5,
        vacuous_when="small tau, as (4.5); large zeta",
        planted=lambda c: Sides(_gaps(c).capability, _cap_capability(c) / 2),
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
