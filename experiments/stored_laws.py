"""Laws kept in a result, so that it can be judged again from its file alone."""

import numpy as np
import xarray as xr

from experiments.labels import Variable
from theory.laws import Law


def law_variables(name: str, law: Law, along: str | None = None) -> dict[str, Variable]:
    """A law's tables, to be stored as `<name>_contexts` and `<name>_outputs`.

    Shapes: contexts [x], or [along, x] if the law of contexts varies along a dimension
    of the result; outputs [x, y].
    """
    contexts = ("context",) if along is None else (along, "context")
    return {
        f"{name}_contexts": law_table(f"{name} contexts", contexts, law.contexts),
        f"{name}_outputs": law_table(
            f"{name} outputs", ("context", "sequence"), law.outputs
        ),
    }


def law_table(name: str, dims: tuple[str, ...], values: object) -> Variable:
    """One table of probabilities, labelled."""
    return dims, np.asarray(values), "1", f"law of {name}"


def stored_law(data: xr.Dataset, name: str) -> Law:
    """The law that `law_variables` stored under a name, float64 arrays."""
    return Law(data[f"{name}_contexts"].values, data[f"{name}_outputs"].values)
