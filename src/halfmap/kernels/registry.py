"""Backends by name."""

from halfmap.errors import OptionError
from halfmap.kernels.protocol import Kernels

BACKENDS = ("numba", "reference")


def make_kernels(name: str = "numba") -> Kernels:
    """Return a backend; its module is imported (and its kernels loaded) only now.

    Raises
    ------
    OptionError
        If there is no such backend.
    """
    if name == "numba":
        from halfmap.kernels.numba_cpu.backend import NumbaKernels

        return NumbaKernels()
    if name == "reference":
        from halfmap.kernels.reference import ReferenceKernels

        return ReferenceKernels()
    raise OptionError(f"no kernels are called {name!r}; expected one of {', '.join(BACKENDS)}")
