"""One claim a file: theory's prediction and the simulator's measurement meet here."""
