"""How a search is done: image preparation, sampling, sizes, rules; nothing that is learnt."""

from dataclasses import dataclass

from jaxtyping import Int
from numpy import ndarray as Array

from halfmap.model.ctf import CtfOptions
from halfmap.model.geometry import ImageGeometry
from halfmap.model.interpolation import LINEAR, Interpolation
from halfmap.model.optics import Optics
from halfmap.model.sampling import Sampling


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """How images of one geometry are prepared; the same in all iterations."""

    geometry: ImageGeometry
    optics: tuple[Optics, ...]
    ctf: CtfOptions | None
    """None: there is no CTF, it is 1 everywhere."""
    mask_radius_px: float
    mask_edge_px: float
    zero_mask: bool
    """Fill the outside with its own mean; otherwise with noise."""
    seed: int
    """Of the noise fill, together with the particle's row."""
    do_norm: bool
    do_scale: bool

    @property
    def box(self) -> int:
        """Of the images, px."""
        return self.geometry.box

    @property
    def pixel_size_A(self) -> float:
        """Of the images."""
        return self.geometry.pixel_size_A

    def shows(self, group: Optics) -> bool:
        """Whether the images of an optics group have this geometry."""
        own = (group.box, group.pixel_size_A, group.magnification)
        return own == (self.box, self.pixel_size_A, self.geometry.magnification)

    @property
    def model_box(self) -> int:
        """Of the map, px."""
        return self.geometry.model_box


@dataclass(frozen=True, slots=True)
class SearchRules:
    """What counts as significant, and how images are compared."""

    adaptive_fraction: float = 0.999
    """Part of the posterior that the significant states must exceed together."""
    max_significant: int = -1
    """At most so many coarse states are significant; not limited if not positive."""
    cross_correlation: bool = False
    """Take the single state of best normalised correlation; no noise model, no priors."""
    reference_without_ctf: bool = False
    """The reference shows what images show: it is compared as it is."""
    inserts_others: bool = False
    """Each particle comes with a second image, which is inserted instead of the compared one."""
    compares_coarsely: bool = False
    """The second pass compares no finer detail than the first (``--strict_highres_exp``); the sums
    hold all."""
    single_precision_sums: bool = False
    """Only for tests: find the threshold from running sums in single precision, as RELION does."""


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """Everything about a search that is not the model."""

    sampling: Sampling
    images: ImageSettings
    current_size: int
    """Windows of the map, px."""
    coarse_size: int
    rules: SearchRules
    n_particles: int
    """Of the whole run, both halves: the sums must have room for all of them."""
    interpolation: Interpolation = LINEAR
    """In the transforms of the maps."""
    seed_class: Int[Array, " particle"] | None = None
    """The class that each particle of the run is forced into while all references are equal: poses
    are searched for in the first class only. None: classes are free."""

    @property
    def compared_size(self) -> int:
        """Window of the map in which the second pass compares, px."""
        return self.coarse_size if self.rules.compares_coarsely else self.current_size
