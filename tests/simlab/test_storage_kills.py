import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


# One process forks children that write for ever, kills each at another moment, and
# looks at what is left. Imported once, so that thirty kills take a second or two.
KILLER = """
import json, os, signal, sys, time
import numpy as np, xarray as xr
from pathlib import Path
from simlab.storage import Parts, find, final_directory, finish, partial_directory

out, where = Path(sys.argv[1]), (sys.argv[1], "frontier", {"seeds": 8})
partial, final = partial_directory(*where), final_directory(*where)
SIZE = 20_000

def write_parts():
    with Parts(partial, "me") as parts:
        for turn in range(10**9):
            parts.write(turn % 4, {"x": np.full(SIZE, turn % 4), "y": np.arange(9)})

def look_at_parts():
    with Parts(partial, "me") as parts:
        read = [parts.read(index) for index in range(4)]
        right = all(p is None or (p["x"] == i).all() for i, p in enumerate(read))
        return right and not parts.damaged and any(p is not None for p in read)

def write_results():
    for turn in range(10**9):
        label = {"units": "1", "long_name": "the turn"}
        data = xr.Dataset({"x": ("i", np.full(SIZE, float(turn)), label)})
        manifest = {"claim": "frontier", "config": {"seeds": 8}, "turn": turn}
        with Parts(partial, "me"):
            finish(partial, final, manifest, data, replace=True)

def look_at_results():
    found = find(*where)
    return found is not None and (found.dataset["x"] == found.manifest["turn"]).all()

def write_carelessly():
    while True:
        with open(out / "careless", "wb") as file:
            for _ in range(1000):
                file.write(bytes(8 * SIZE // 1000))
                file.flush()

def look_at_careless():
    return (out / "careless").stat().st_size == 8 * SIZE

def survives(write, look, ready, delay):
    child = os.fork()
    if not child:
        write()
    while not ready():
        time.sleep(1e-3)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return bool(look())

moments = [0.03 * ((0.618 * k) % 1) for k in range(30)]
part = partial / "parts/000000.part"
cases = {
    "parts": (write_parts, look_at_parts, part.exists),
    "results": (write_results, look_at_results, final.exists),
    "careless": (write_carelessly, look_at_careless, (out / "careless").exists),
}
print(json.dumps({k: [survives(*c, t) for t in moments] for k, c in cases.items()}))
"""


def test_a_kill_at_any_moment_leaves_parts_and_results_whole_or_absent(tmp_path):
    command = [sys.executable, "-c", KILLER, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    survived = json.loads(done.stdout)
    assert survived["parts"] == [True] * 30
    assert survived["results"] == [True] * 30
    # The control: the same kills do catch a writer that takes no care.
    assert not all(survived["careless"])
