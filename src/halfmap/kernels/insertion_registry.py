"""Which backend inserts the slices of a direct reconstruction."""

from halfmap.kernels.insertion_protocol import Insertion


def insertion_backend() -> Insertion:
    """Return the fastest backend of this machine."""
    # Loaded here: rank 0 only leads, and a dry run does not insert.
    from halfmap.kernels.numba_cpu.insertion_backend import NumbaInsertion

    return NumbaInsertion()
