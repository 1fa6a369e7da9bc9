"""A worker without JAX: it says that block k took k seconds; the third ends it."""

import itertools
import os
import sys

from experiments.benchmarks.serving import decline, serve

if __name__ == "__main__":
    if "decline" in sys.argv:
        decline("no such device")
        sys.exit()
    counted = itertools.count(1)

    def block() -> dict[str, float]:
        print("chatter that is no answer")
        number = next(counted)
        if number > 2:
            os._exit(1)
        return {"seconds": float(number), "memory": 5.0}

    serve(block, version="7")
