"""What is read about the map beside the map: masks, a prior spectrum, local symmetry."""

from dataclasses import dataclass

from jaxtyping import Float, Float32
from numpy import ndarray as Array

from halfmap.config.options import RefineOptions
from halfmap.engine.starting.map_masks import MapMasks, MaskFile, fitted_masks, read_masks
from halfmap.engine.telling.console import Console
from halfmap.errors import DataError
from halfmap.io.local_symmetry_star import read_local_symmetry, read_region_mask
from halfmap.io.mrc import check_transform_box, read_half_transform
from halfmap.io.problems import Problems
from halfmap.io.tau_star import check_shells, read_tau2
from halfmap.model.local_symmetry import AlikeRegion


@dataclass(frozen=True, slots=True)
class MapInputs:
    """On the grid of the map."""

    masks: MapMasks
    """Those that were named."""
    tau2: Float[Array, " shell"] | None
    """``--tau``: the prior spectrum that stays as it is, per real component; None: estimated."""
    local_symmetry: tuple[AlikeRegion, ...]
    """Their masks stay in their files."""
    shown_frequencies: Float32[Array, "z y half"] | None
    """``--fourier_mask``: factor on each frequency of the map in its projections."""


@dataclass(frozen=True, slots=True)
class MapFiles:
    """As the files have it."""

    masks: dict[str, MaskFile]
    tau2: Float[Array, " shell"] | None
    local_symmetry: tuple[AlikeRegion, ...]
    shown_frequencies: Float32[Array, "z y half"] | None

    def check(self, options: RefineOptions, box: int, problems: Problems) -> None:
        """Keep what does not fit the box of the map."""
        if self.tau2 is not None and options.tau2_spectrum_file is not None:
            problems.attempt(check_shells, options.tau2_spectrum_file, self.tau2, box)
        for region in self.local_symmetry:
            problems.attempt(read_region_mask, region.mask_file, box)
        if self.shown_frequencies is not None:
            name = str(options.fourier_mask_file)
            problems.attempt(check_transform_box, name, self.shown_frequencies, box)

    def check_depth(self, *, flat: bool) -> None:
        """Refuse 3D masks of 2D references, and the reverse.

        Raises
        ------
        DataError
            Naming the first.
        """
        if flat and self.local_symmetry:
            raise DataError(
                "--local_symmetry: found 2D references, expected maps: there is no such symmetry "
                "of images. Leave it out"
            )
        found, expected = ("a map", "an image") if flat else ("an image", "a map")
        for mask in self.masks.values():
            if (len(mask.volume) == 1) != flat:
                raise DataError(
                    f"{mask.path}: found {found}, expected {expected}: references are "
                    f"{2 if flat else 3}D. Make the mask again"
                )

    def fitted(self, box: int, pixel_size_A: float, console: Console) -> MapInputs:
        """Bring all to the grid of the map, and say so where that changes it."""
        masks = fitted_masks(self.masks, box, pixel_size_A, console)
        return MapInputs(masks, self.tau2, self.local_symmetry, self.shown_frequencies)


def read_map_files(options: RefineOptions, problems: Problems) -> MapFiles:
    """Read what was named; keep what is wrong with a file on its own."""
    tau2, regions, shown = None, None, None
    if options.tau2_spectrum_file is not None:
        tau2 = problems.attempt(read_tau2, options.tau2_spectrum_file)
    if options.local_symmetry_file is not None:
        regions = problems.attempt(read_local_symmetry, options.local_symmetry_file)
    if options.fourier_mask_file is not None:
        shown = problems.attempt(read_half_transform, options.fourier_mask_file)
    return MapFiles(read_masks(options, problems), tau2, regions or (), shown)
