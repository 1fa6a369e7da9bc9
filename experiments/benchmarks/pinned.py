"""The command `simlab` on one core: `python -m experiments.benchmarks.pinned 0 run`.

A process that may use one core is what a second process is compared with.
"""

import os
import sys

from experiments.__main__ import main

if __name__ == "__main__":
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[int(sys.argv[1])]})
    sys.exit(main(sys.argv[2:]))
