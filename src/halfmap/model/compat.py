"""What `--compat eman2` imitates: one switch for each way in which e2make3dpar differs."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Compat:
    """Habits of e2make3dpar that change numbers, all off unless they are asked for."""

    tabulated_exp: bool = False
    """Gaussian kernels are read from a table in steps of 1/50 of the exponent."""
    double_line: bool = False
    """The samples at x = 0 of an image count twice: as they are, and as mates of each other."""
    uneven_windows: bool = False
    """Windows of 6 voxels reach further down than up."""
    friedel_planes: bool = False
    """On the planes x = 0 and Nyquist the weight at y = z = 0 counts once."""
    transform_factor: bool = False
    """Images are multiplied by sqrt((P + 2) / P) with P the padded size."""
    bilinear_shift: bool = False
    """Images are moved by bilinear interpolation, not by phases."""
    fill_drops_phi: bool = False
    """``--fillangle`` forgets the rotation in the plane."""
    arbitrary_gridding_scale: bool = False
    """Kernels of the gridding modes have any scale, and their correction is 1/2 where least."""
    structure_factor_radius: bool = False
    """``--setsf`` divides the frequency along x by N + 2, and is zero outside its curve."""
    unstable_weights: bool = False
    """The weights of gauss_5_slow and gypergeom_5 may vanish."""


HALFMAP = Compat()
"""Nothing is imitated: all that follows from the method alone."""
HARMLESS = Compat(double_line=True, uneven_windows=True)
"""What a reconstruction does unless it is told otherwise: what is as good, and comes to the maps of
e2make3dpar."""
EMAN2 = Compat(*(True for _ in fields(Compat)))
