"""A bad law is refused in one line that names the field and guesses the mistake."""

import jax
import numpy as np
import pytest
from hypothesis import given

from tests.assertions import one_line
from tests.strategies import laws, worlds
from tests.worlds import golden_b, random_rows
from theory import Law, joint, validate_law, validate_world

GOOD = Law(np.array([0.25, 0.75]), np.array([[0.5, 0.5], [0.1, 0.9]]))
ROWS = np.asarray(GOOD.outputs)

MISTAKES = {
    "logits": (GOOD._replace(outputs=np.log(ROWS)), "outputs.*did you pass logits"),
    "transposed": (GOOD._replace(outputs=ROWS.T), "outputs.*rows on the wrong axis"),
    "joint": (
        Law(GOOD.contexts, ROWS * GOOD.contexts[:, None]),
        "outputs.*did you pass the joint law",
    ),
    "percentages": (GOOD._replace(outputs=100 * ROWS), "outputs.*percentages"),
    "counts": (
        GOOD._replace(outputs=np.array([[3.0, 4.0], [5.0, 0.0]])),
        "outputs.*a row sums to 7.*did you pass counts",
    ),
    "unnormalised": (
        GOOD._replace(contexts=np.array([0.5, 0.75])),
        "contexts.*sums to 1.25, must be 1; did you forget to normalise",
    ),
    "empty row": (
        GOOD._replace(outputs=np.array([[0.5, 0.5], [0.0, 0.0]])),
        "outputs.*even where the context has no weight",
    ),
    "nan": (
        GOOD._replace(contexts=np.array([np.nan, 1.0])),
        "contexts: nan must be in .0, 1.; did a division by 0 occur",
    ),
    "integers": (GOOD._replace(contexts=np.array([1, 0])), "contexts: dtype int64"),
    "no rows": (GOOD._replace(outputs=ROWS[0]), "outputs: shape .2,. must have"),
    "wrong count": (
        GOOD._replace(contexts=np.array([0.2, 0.3, 0.5])),
        "outputs: 2 rows for 3 contexts",
    ),
    "batches": (
        Law(np.full((3, 2), 0.5), np.full((4, 2, 2), 0.5)),
        "batch axes .3,. of contexts and .4,. of outputs",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_message_guesses_the_mistake(mistake):
    law, message = MISTAKES[mistake]
    with one_line(match=message) as caught:
        validate_law(law)
    assert str(caught.value).startswith("law")


def test_a_world_names_the_law_that_is_wrong():
    world = golden_b()
    bad = world._replace(proxy=Law(world.proxy.contexts, -world.proxy.outputs))
    with pytest.raises(ValueError, match=r"world\.proxy\.outputs"):
        validate_world(bad)


def test_laws_of_different_sizes_do_not_make_a_world():
    other = Law(np.array([1.0]), np.array([[0.5, 0.5]]))
    with pytest.raises(ValueError, match=r"world\.capability: 1 contexts, 2 outputs"):
        validate_world(golden_b()._replace(capability=other))


@given(laws(), worlds())
def test_good_laws_pass(law, world):
    validate_law(law)
    validate_world(world)


def test_single_precision_is_good_enough_but_a_visible_error_is_not():
    law = Law(random_rows(1, 1000), random_rows(2, 1000, 50))
    single = jax.tree.map(lambda array: array.astype(np.float32), law)
    validate_law(single)
    with pytest.raises(ValueError, match="must be 1"):
        validate_law(Law(single.contexts, single.outputs * np.float32(1.001)))


def test_a_joint_table_is_not_a_conditional_one():
    with pytest.raises(ValueError, match="joint"):
        validate_law(Law(GOOD.contexts, joint(GOOD)))
