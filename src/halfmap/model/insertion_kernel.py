"""How a sample of a slice is spread over the voxels around it: one frozen object for all modes."""

from dataclasses import dataclass

from halfmap.model.compat import HALFMAP, Compat
from halfmap.model.insertion_modes import InsertionMode, as_in_eman2
from halfmap.model.reconstruction_sizes import Sizes


@dataclass(frozen=True, slots=True)
class InsertionKernel:
    """A mode, the sizes that it works at, and what it imitates."""

    mode: InsertionMode
    sizes: Sizes
    compat: Compat = HALFMAP

    @property
    def applied(self) -> InsertionMode:
        """The mode as it is computed."""
        return as_in_eman2(self.mode, self.compat)
