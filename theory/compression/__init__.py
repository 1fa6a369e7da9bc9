"""Compression and elasticity: token trees, codes, rates, springs."""

from theory.compression.datasets import DataSets, shares, with_size

__all__ = [
    "DataSets",
    "shares",
    "with_size",
]
