"""Search for worlds that break a claim of the ledger: random ones, then by descent."""
