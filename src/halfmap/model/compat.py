"""What `--compat eman2` imitates: one switch for each way in which e2make3dpar differs."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Compat:
    """Habits of e2make3dpar that change numbers, all off unless they are asked for."""

    tabulated_exp: bool = False
    """Gaussian kernels are read from a table in steps of 1/50 of the exponent."""
    friedel_planes: bool = False
    """Every sample of the half plane counts, the column x = 0 thus twice; only voxels at x = 0 and
    at Nyquist get the mate of a sample, and their weight is repaired when all is summed."""
    transform_factor: bool = False
    """Images are multiplied by sqrt((P + 2) / P) with P the padded size."""
    bilinear_shift: bool = False
    """Images are moved by bilinear interpolation, not by phases."""
    fill_drops_phi: bool = False
    """``--fillangle`` forgets the rotation in the plane."""
    arbitrary_gridding_scale: bool = False
    """Kernels of the gridding modes have any scale, and their correction is 1/2 at the centre."""
    structure_factor_radius: bool = False
    """``--setsf`` divides the frequency along x by N + 2, and is zero outside its curve."""

    uneven_modes: bool = False
    """Windows of 6 voxels reach further down than up; the weights of gauss_5_slow and gypergeom_5
    are those that made them unstable."""


HALFMAP = Compat()
EMAN2 = Compat(*(True for _ in fields(Compat)))
