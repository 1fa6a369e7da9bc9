"""Random laws, drawn from a key: raw material for worlds, as plain arrays."""

import jax
import jax.numpy as jnp
from jaxtyping import Float


def dirichlet_table(
    key: jax.Array, shape: tuple[int, ...], outcomes: int, concentration: float
) -> Float[jax.Array, "*shape outcomes"]:
    """Independent Dirichlet(concentration, ..., concentration) laws, one an entry.

    Shape: [*shape, outcomes]; small concentrations give peaked laws.
    Domain: concentration > 0. Errors: ValueError otherwise.
    """
    if not concentration > 0:
        raise ValueError(
            f"concentration={concentration} must be > 0; did you pass its logarithm?"
        )
    return jax.random.dirichlet(key, jnp.full(outcomes, concentration), shape)


def dirichlet_chain(
    key: jax.Array, contexts: int, vocabulary: int, concentration: float
) -> tuple[Float[jax.Array, "x v"], Float[jax.Array, "x v v"]]:
    """Initial laws and transition tables of one random Markov chain a context.

    Shapes: [contexts, vocabulary] and [contexts, vocabulary, vocabulary].
    """
    key_initial, key_transition = jax.random.split(key)
    return (
        dirichlet_table(key_initial, (contexts,), vocabulary, concentration),
        dirichlet_table(
            key_transition, (contexts, vocabulary), vocabulary, concentration
        ),
    )
