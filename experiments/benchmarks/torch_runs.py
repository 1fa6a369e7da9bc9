"""A worker: whole runs of the reference toy in PyTorch, one a block.

Nothing here but PyTorch and the standard library. The compiled step is kept from run to
run; what building and compiling it took is told as set-up.
"""

import itertools
import json
import sys
import time

from experiments.benchmarks import torch_toy
from experiments.benchmarks.cores import keep_to
from experiments.benchmarks.serving import decline, serve


def main(document: str, way: str) -> None:
    """Serves the runs of a sweep; a compiled model has taken its first steps."""
    asked, begin = json.loads(document), time.perf_counter()
    sizes, rates, cores = asked["toy"], asked["rates"], asked["cores"]
    if cores is not None:
        keep_to(cores)
        torch_toy.use_threads(len(cores))
    pairs = ((rate, seed) for seed in itertools.count() for rate in rates)
    trainer = torch_toy.Trainer(sizes, way)

    def block() -> None:
        trainer.begin(*next(pairs))
        for _ in range(sizes["steps"]):
            trainer.step()

    try:
        for _ in range(2):  # a compiler may look at a second run before it is content
            trainer.begin(1e-3, 0)
            trainer.step()
            trainer.step()
    except Exception as error:  # torch.compile fails in many ways, without a common one
        decline(f"{way} does not work here: {str(error).splitlines()[0]}")
        return
    serve(block, setup=time.perf_counter() - begin, **torch_toy.facts())


if __name__ == "__main__":
    main(*sys.argv[1:])
