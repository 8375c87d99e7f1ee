"""Memory of one thread: what its unit adds up, and arrays to be used again."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.model.exact import to_integers, within_bounds
from halfmap.model.sums import ExpectationSums
from halfmap.steps.search import Search
from halfmap.steps.unit_grid import UnitGrid


def _of_nobody_else(slab: int) -> AbstractContextManager[None]:
    """Return no lock: nobody else adds to the sums."""
    del slab
    return nullcontext()


class Workspace:
    """The sums of one unit in floating point, until they are turned into integers.

    One unit at a time: `add_to` must be called after each, since rounding to integers is what
    makes the order of units irrelevant.
    """

    def __init__(self, search: Search, n_slabs: int = 1) -> None:
        self.search = search
        self.grid = UnitGrid(search.sphere, search.n_classes, n_slabs)
        self.noise = np.zeros_like(search.model.noise_variance)
        self.directions = np.zeros((search.n_classes, search.n_directions))
        self.n_particles = 0
        self._memory: dict[str, Array] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: Any = np.float32) -> Array:
        """Return an array with arbitrary content; the last one of this name is given up."""
        size = int(np.prod(shape))
        if name not in self._memory or self._memory[name].size < size:
            self._memory[name] = np.empty(size, dtype)
        return self._memory[name][:size].reshape(shape)

    @property
    def n_bytes(self) -> int:
        """Memory held at present."""
        held = [self.grid.values, self.noise, self.directions, *self._memory.values()]
        return sum(array.nbytes for array in held)

    def add_to(
        self,
        sums: ExpectationSums,
        locked: Callable[[int], AbstractContextManager[None]] = _of_nobody_else,
    ) -> None:
        """Add the unit's sums to integers and clear them.

        Parameters
        ----------
        sums
            Added to.
        locked
            Returns the lock on a slab of ``sums``, by its number; 0 is also that on what is not a
            volume.

        Raises
        ------
        DataError
            If the unit's images are so bright that the integers of the whole run might overflow.
        """
        search, scales = self.search, self.search.scales
        largest = scales.largest(max(self.n_particles, 1))
        fits = True
        for number, slab in enumerate(self.grid.slabs(search.kernels)):
            with locked(number):
                fits &= search.kernels.flush(slab, search.scale_of_square, largest, sums.volume)
        fits &= within_bounds(self.noise, scales.noise, largest)
        if not fits:
            raise DataError(
                "the sums over some particles are too large for exact arithmetic: their intensity "
                "is far above the noise spectrum; expected images normalised to standard "
                "deviation 1 outside the particle; use --normalise, or remove the outliers"
            )
        scaled = to_integers(self.directions, scales.direction)
        with locked(0):
            np.add(sums.noise, to_integers(self.noise, scales.noise), out=sums.noise)
            np.add(sums.directions, scaled, out=sums.directions)
        self.noise[:] = 0.0
        self.directions[:] = 0.0
        self.n_particles = 0
