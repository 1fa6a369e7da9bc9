import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from simlab.storage import Parts
from tests.simlab.stored import complaint, spoilt

ROOT = Path(__file__).parents[2]


numbers = st.sampled_from([np.float32, np.float64, np.int32, np.uint8, np.complex128])
shapes = st.sampled_from([(), (0,), (3,), (2, 2)])
pieces = st.dictionaries(
    st.text(max_size=5), arrays_of.arrays(numbers, shapes), max_size=3
)


@given(arrays=pieces, index=st.integers(0, 10**7))
def test_any_part_comes_back_bit_by_bit(tmp_path_factory, arrays, index):
    with Parts(tmp_path_factory.mktemp("out") / "partial", "me") as parts:
        parts.write(index, arrays)
        assert parts.finished() == [index]
        back = parts.read(index)
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        assert back[name].shape == array.shape
        assert back[name].tobytes() == array.tobytes()


def test_a_damaged_part_reads_as_absent_and_is_listed_until_written_again(tmp_path):
    with Parts(tmp_path / "partial", "me") as parts:
        parts.write(1, {"losses": np.arange(50.0)})
        parts.write(2, {"losses": np.arange(50.0)})
        file = tmp_path / "partial/parts/000001.part"
        intact = file.read_bytes()
        for content in spoilt(intact):
            file.write_bytes(content)
            assert parts.finished() == [2]
            assert parts.read(1) is None
            assert parts.damaged == [1]
        shutil.copy(file.with_name("000002.part"), file)
        assert parts.read(1) is None, "another part in its place"
        parts.write(1, {"losses": np.arange(50.0)})
        assert (parts.finished(), parts.damaged) == ([1, 2], [])
        assert file.read_bytes() == intact


def test_parts_of_another_fingerprint_are_refused_or_cleared_explicitly(tmp_path):
    with Parts(tmp_path / "partial", "old code") as parts:
        parts.write(0, {"losses": np.zeros(2)})
    assert "fresh=True" in complaint(Parts, tmp_path / "partial", "new code")
    with Parts(tmp_path / "partial", "old code") as parts:
        assert (parts.finished(), parts.cleared) == ([0], 0)
    with Parts(tmp_path / "partial", "new code", fresh=True) as parts:
        assert (parts.finished(), parts.cleared) == ([], 1)
    Parts(tmp_path / "partial", "third code").close()  # nothing there to be mistaken


def test_parts_refuse_what_they_could_not_give_back(tmp_path):
    with Parts(tmp_path / "partial", "me") as parts:
        assert "object" in complaint(parts.write, 0, {"losses": np.array([None])})
        assert "from 0" in complaint(parts.write, -1, {})
        assert parts.finished() == []


OPEN = "import sys; from simlab.storage import Parts; Parts(sys.argv[1], 'me').close()"


def test_two_processes_do_not_write_the_same_parts(tmp_path):
    command = [sys.executable, "-c", OPEN, str(tmp_path / "partial")]
    with Parts(tmp_path / "partial", "me"):
        assert "in use" in complaint(Parts, tmp_path / "partial", "me")
        second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert "in use by another run" in second.stderr.splitlines()[-1]
    subprocess.run(command, cwd=ROOT, check=True)
    assert os.listdir(tmp_path) == ["partial"], "no lock is left behind"
