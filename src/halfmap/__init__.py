"""Gold-standard cryo-EM refinement on MPI ranks."""

__version__ = "0.1.0"
