"""The side of a worker: one block at a time, when asked, over a pipe.

Only the standard library: a worker may live in an environment without JAX. A line on
standard input asks for a block, a line of JSON on standard output answers; whatever
else the worker prints goes to standard error.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any


def serve(block: Callable[[], Any], **facts: Any) -> None:
    """Answers every line with the seconds of one block, until the input ends.

    A block that returns a mapping adds its entries to the answer; its own "seconds"
    stand for those taken here. `facts` (versions, threads) go out first.
    """
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        _say(answers, facts)
        for _ in sys.stdin:
            begin = time.perf_counter()
            found = block()
            took = time.perf_counter() - begin
            more = found if isinstance(found, Mapping) else {}
            _say(answers, {"seconds": took, **more})


def decline(reason: str) -> None:
    """Says why this worker cannot measure, in one line."""
    print(json.dumps({"missing": reason}), flush=True)


def _say(answers: Any, line: Mapping[str, Any]) -> None:
    answers.write(json.dumps(line) + "\n")
    answers.flush()
