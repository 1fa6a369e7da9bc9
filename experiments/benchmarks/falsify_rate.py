"""How much faster claims are asked together than one by one, in the same worlds.

Run as `python -m experiments.benchmarks.falsify_rate`. Prints evaluations a second of a
group of closed forms compiled as one program and as a program each, and their ratio
over repeats: mean, standard deviation and number. Planted errors come along in both.
"""

import numpy as np

CLAIMS, WORLDS, REPEATS = 24, 2**17, 7


def main() -> None:
    """Measures and prints, alternating so that both see the same machine."""
    from simlab.devices import configure

    configure()
    import jax

    from experiments.falsification.groups import traced
    from experiments.falsification.search import Compiled, Worlds, compiled, searched
    from theory.ledger import LEDGER

    def seconds(programs: list[Compiled]) -> float:
        return sum(searched(one, worlds, WORLDS)[0].seconds for one in programs)

    with jax.enable_x64(True):
        worlds, devices = Worlds(0, 6, 8), jax.local_devices()
        claims = [traced(record, 6, 8) for record in LEDGER[:CLAIMS]]
        together = [compiled(tuple(claims), worlds, devices)]
        apart = [compiled((claim,), worlds, devices) for claim in claims]
        pairs = [(seconds(together), seconds(apart)) for _ in range(REPEATS)]
    rates = CLAIMS * WORLDS / np.asarray(pairs) / 1e6
    ratios = rates[:, 0] / rates[:, 1]
    for name, values, unit in (
        ("together", rates[:, 0], "million evaluations a second"),
        ("one by one", rates[:, 1], "million evaluations a second"),
        ("ratio", ratios, ""),
    ):
        spread = f"{values.mean():.2f} +- {values.std(ddof=1):.2f}"
        print(f"{name}: {spread} {unit} (n = {REPEATS})".replace("  ", " "))


if __name__ == "__main__":
    main()
