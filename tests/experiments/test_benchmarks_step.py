"""The benchmark of one step: programs must agree before they are timed."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from experiments.benchmarks import step
from experiments.benchmarks.agreement import MARGIN, Exam, Examined, distance_between
from experiments.benchmarks.measuring import Inside, Measured
from experiments.benchmarks.together import Together
from experiments.benchmarks.toy import TINY, Toy
from experiments.benchmarks.workers import Worker

TOY = replace(Toy(), steps=1_000_000, rows=16, **TINY)


class Deaf(Worker):
    """A worker that starts nothing."""

    def __enter__(self) -> "Deaf":
        return self


def examined(directory: Path, factor: float) -> Examined:
    """A program that answers right but for the gradient of the head, times `factor`."""
    exam, answer = Exam(TOY, directory), directory / "answer.json"
    right = exam.solved()
    gradients = {name: np.asarray(g).tolist() for name, g in right["gradients"].items()}
    gradients["head"] = (factor * np.asarray(gradients["head"])).tolist()
    found = {"loss": right["loss"], "gradients": gradients}
    answer.write_text(json.dumps(found), "utf-8")
    return Examined(Deaf("other", ""), exam, answer)


def test_a_program_that_computes_the_same_step_is_let_in(tmp_path: Path) -> None:
    with examined(tmp_path, factor=1.0) as program:
        assert program.distance == 0.0


@pytest.mark.parametrize("factor", [1 + 10 * MARGIN, -1.0, float("nan")])
def test_a_program_with_another_gradient_is_kept_out(
    tmp_path: Path, factor: float
) -> None:
    with pytest.raises(ValueError, match="another model"):
        examined(tmp_path, factor).__enter__()


def test_the_exam_names_every_parameter_and_turns_matrices(tmp_path: Path) -> None:
    exam = Exam(TOY, tmp_path)
    exam.write()
    asked: dict[str, Any] = json.loads(exam.path.read_text("utf-8"))
    shapes = {k: np.shape(value) for k, value in asked["parameters"].items()}
    width, words = TOY.width, TOY.vocabulary + TOY.contexts
    expected = {"embed": (words, width), "norm": (width,)}
    expected["head"] = (TOY.vocabulary, width)
    for k in range(TOY.depth):
        expected |= {f"{k}.norm_attention": (width,), f"{k}.norm_hidden": (width,)}
        expected |= {f"{k}.query_key_value": (3 * width, width)}
        expected |= {f"{k}.attention_out": (width, width)}
        expected |= {f"{k}.up": (4 * width, width), f"{k}.down": (width, 4 * width)}
    assert shapes == expected
    assert np.shape(asked["tokens"]) == (TOY.batch, 1 + TOY.length)


def test_the_distance_is_the_worst_of_all_and_keeps_nan() -> None:
    ours = {"loss": 2.0, "gradients": {"a": [1.0, 4.0], "b": [1.0, 1.0]}}
    near = {"loss": 2.0, "gradients": {"a": [1.0, 3.0], "b": [1.0, 1.5]}}
    lost = {"loss": 2.0, "gradients": {"a": [1.0, np.nan], "b": [1.0, 1.0]}}
    assert distance_between(ours, near) == 0.5
    assert np.isnan(distance_between(ours, lost))


def test_a_block_of_steps_goes_on_where_the_last_one_ended() -> None:
    one = step.stepping(TOY, 4, jax.local_devices()[:1])
    two = step.stepping(TOY, 2, jax.local_devices()[:1])
    whole, halves = one()[0], [two()[0], two()[0]]
    # Data depend on the number of the step alone, so the bits are the same.
    np.testing.assert_array_equal(whole, np.concatenate(halves))


def test_what_works_at_once_shares_the_time_of_the_slowest() -> None:
    class Fixed(Inside):
        def measure(self) -> float:
            return self.units

    with Together("both", [Fixed("a", list, 1.0), Fixed("b", list, 3.0)]) as both:
        assert both.measure() == 1.5


def test_a_share_is_missing_where_the_other_is() -> None:
    found = Measured({"a": (3.0, 3.0)}, {"b": "torch is not installed"})
    row = step.share(found, "a", "b", 0.75)
    assert (row.verdict, row.why) == ("not measured", "torch is not installed")
    found = Measured({"a": (3.0, 3.0), "b": (6.0, 6.0)}, {})
    assert step.share(found, "a", "b", 0.75).verdict == "**met**"
