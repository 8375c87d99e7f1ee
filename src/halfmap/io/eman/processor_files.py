"""What parameters of processors name: pictures and curves."""

from pathlib import Path

from jaxtyping import Float32
from numpy import ndarray as Array

from halfmap.io.eman.structure_factor import read_structure_factor
from halfmap.io.eman.volumes import read_volume
from halfmap.model.structure_factor import StructureFactor


class ProcessorFiles:
    """Reads files; see `halfmap.steps.processors.registry.Files`."""

    def picture(self, name: str) -> Float32[Array, "z y x"]:
        """Read an image (of one plane) or a map."""
        return read_volume(Path(name))[0]

    def curve(self, name: str) -> StructureFactor:
        """Read a structure factor."""
        return read_structure_factor(Path(name))
