"""Where PyTorch is missing its side of the benchmarks has no doctests to collect."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("torch") else ["torch_*.py"]
