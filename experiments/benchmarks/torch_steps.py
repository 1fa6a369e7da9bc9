"""A worker: steps of the reference toy in PyTorch, `steps` of them in a block.

Before the first block it takes an exam: the loss and the gradients of given parameters
and tokens are written to a file, to be compared with another program's.
"""

import json
import sys
from typing import Any

from experiments.benchmarks import torch_toy
from experiments.benchmarks.cores import keep_to
from experiments.benchmarks.serving import decline, serve


def main(document: str, way: str, exam: str, answer: str) -> None:
    """Serves blocks of steps of one endless run, after the exam."""
    asked = json.loads(document)
    if asked["cores"] is not None:
        keep_to(asked["cores"])
        torch_toy.use_threads(len(asked["cores"]))
    trainer = torch_toy.Trainer(asked["toy"], way)
    try:
        found = trainer.examined(torch_toy.read(exam))
    except Exception as error:  # torch.compile fails in many ways, without a common one
        decline(f"{way} does not work here: {str(error).splitlines()[0]}")
        return
    with open(answer, "w", encoding="utf-8") as file:
        json.dump(found, file)
    trainer.begin(1e-3, 0)

    def block() -> dict[str, Any]:
        for _ in range(asked["steps"]):
            loss = trainer.step()
        return {"loss": loss.item()}

    serve(block, **torch_toy.facts())


if __name__ == "__main__":
    main(*sys.argv[1:])
