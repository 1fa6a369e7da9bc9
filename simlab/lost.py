"""What goes wrong between processes; known without importing JAX."""


class ProcessLostError(RuntimeError):
    """Another process of this run is gone."""
