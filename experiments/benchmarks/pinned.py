"""The command `simlab` on one core: `python -m experiments.benchmarks.pinned 0 run`.

A process that may use one core is what a second process is compared with.
"""

import sys

from experiments.__main__ import main
from experiments.benchmarks import cores

if __name__ == "__main__":
    cores.keep_to([cores.usable()[int(sys.argv[1])]])
    sys.exit(main(sys.argv[2:]))
