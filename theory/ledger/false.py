"""Claims that are plausible and false, kept with what refutes them."""

from theory.ledger.cases import at_optimum
from theory.ledger.record import Case, Record, Side, Sides, Status
from theory.tradeoff.counterexamples import CounterExample, counter_examples


def _record(name: str) -> Record:
    """The record of one kept counter-example."""

    def kept() -> CounterExample:
        return counter_examples()[name]

    def sides(case: Case) -> Sides:
        return Sides(*kept().claim(case.world, case.penalty))

    return Record(
        name=name,
        statement=kept().statement,
        assumptions="none: that is what is wrong with it",
        source="derived, notes 4.8, 5.4, 6.4, 9.1, 9.3, 11.2, 11.4: warnings",
        side=Side.FALSE,
        status=Status.FALSE,
        function=sides,
        evidence="a counter-example, evaluated in every run of the tests",
        counter_example=lambda: at_optimum(kept().world(), kept().penalty),
    )


RECORDS = tuple(_record(name) for name in counter_examples())
"""What must not be claimed."""
