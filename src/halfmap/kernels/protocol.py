"""What the hot loops of the expectation compute. `halfmap.kernels.reference` defines it in numpy.

Complex rows are interleaved single precision, padded with zeros (`halfmap.model.disc`); "pixel"
is a position in such a list, pixel 0 being k = 0. Results are written into arrays that the
caller owns, so that a thread can use the same memory again.

A hidden state is (orientation, shift). The coarse search lists the significant ones of each
image as samples, grouped by orientation; the fine search gives every sample ``child`` finer
orientations times ``shift`` finer shifts; what is left of those are hits, one for each fine
orientation, each with some fine shifts and their posterior.
"""

from typing import NamedTuple, Protocol, runtime_checkable

from jaxtyping import Complex64, Float32, Float64, Int, Int32, Int64
from numpy import ndarray as Array

from halfmap.model.interpolation import EVERYWHERE

GUARD = 8
"""Floats behind the end of a grid that a backend may write zeros to."""


class Volume(NamedTuple):
    """A padded Fourier transform, laid out as `halfmap.model.reference.FourierReference`.

    It has 2 half + 1 planes, or one: that of 2D references, where z is 0 and interpolation is
    bilinear.
    """

    values: Float32[Array, " float"]
    """Flattened, re and im interleaved."""
    half: int


class Pixels(NamedTuple):
    """Frequencies of a pixel list, px."""

    kx: Float32[Array, " pixel"]
    ky: Float32[Array, " pixel"]
    linear_square: float = EVERYWHERE
    """From this |k|² on a pixel takes from, and gives to, the nearest voxel alone."""


class PlaneLayout(NamedTuple):
    """How to read the transform of a whole image."""

    place: Int64[Array, " pixel"]
    """Position of each listed pixel in the flattened half plane."""
    sign: Float32[Array, " pixel"]
    """±1 / number of pixels: moves the phase origin to the centre and normalises."""
    shell: Int32[Array, " plane"]
    """Shell in which a pixel's power is counted, or -1."""
    n_shells: int


class Spectra(NamedTuple):
    """Images of a batch, weighted so that the reference need not know CTF or noise.

    With C the CTF times the intensity scale and w the inverse noise variance:
    """

    masked: Float32[Array, "image width"]
    """w C X of the masked image."""
    unmasked: Float32[Array, "image width"]
    """w C X (w X if premultiplied) of the image as it is: what is inserted."""
    power: Float32[Array, "image pixel"]
    """w C²: the weight of |P|² in the likelihood."""
    weight: Float32[Array, "image pixel"]
    """w C² (w C if premultiplied): what is inserted as weight."""


class LogPriors(NamedTuple):
    """Logarithms of the priors of coarse states; the rest of the prior depends on neither."""

    orientation: Float32[Array, " orientation"]
    """Sorted by class."""
    shift: Float32[Array, "image class shift"]
    """Each class may expect its particles elsewhere."""
    first_row: Int64[Array, " class_and_1"]
    """Where the orientations of each class begin."""


class Samples(NamedTuple):
    """Significant coarse states of a batch: image -> groups (orientations) -> samples (shifts)."""

    first_group: Int64[Array, " image_and_1"]
    orientation: Int64[Array, " group"]
    first_sample: Int64[Array, " group_and_1"]
    shift: Int32[Array, " sample"]


class SliceTable(NamedTuple):
    """Fine slices of some of the orientations of a batch."""

    slices: Float32[Array, "slot child width"]
    first: int
    """Slot that the table starts with."""
    slot: Int64[Array, " group"]
    """Of each group, its orientation's place among all of the batch."""


class Hits(NamedTuple):
    """Fine states that count: image -> hits (orientations) -> shifts with their posterior."""

    first_hit: Int64[Array, " image_and_1"]
    group: Int64[Array, " hit"]
    child: Int64[Array, " hit"]
    first_shift: Int64[Array, " hit"]
    end_shift: Int64[Array, " hit"]
    """Where the shifts of a hit begin and end among the entries."""
    shift: Int32[Array, " entry"]
    posterior: Float32[Array, " entry"]


class HitGeometry(NamedTuple):
    """Where hits are inserted: the slices that they refer to, and how these lie."""

    pixels: Pixels
    shell: Int32[Array, " pixel"]
    axes: Float32[Array, "slice 6"]
    class_index: Int64[Array, " slice"]
    slice_row: Int64[Array, " hit"]
    """Slice of each hit; rising within an image."""


class Grid(NamedTuple):
    """What a unit inserts into: (re, im, weight) of voxels that insertion can touch.

    Of the planes of constant z (of indices, not frequencies) from ``first_plane`` up to
    ``last_plane``, that one excluded, and of one more on either side if there is one: a margin,
    whose sums are those of other grids, and are lost. Row ``plane * (2 half + 1) + y + half``
    begins with x = 0 at voxel ``row_start[row]``, counted from the first voxel of all; so does a
    grid's first row not at its first float, unless it holds all planes. Of 2D references there is
    one plane. Behind the last voxel are at least `GUARD` more floats.
    """

    values: Float32[Array, "class float"]
    row_start: Int[Array, " row_and_1"]
    half: int
    first_plane: int
    last_plane: int


class ShellSums(NamedTuple):
    """Posterior-weighted sums of each image by class and shell."""

    model: Float64[Array, "image class shell"]
    """Σ p w C² |P|²."""
    cross: Float64[Array, "image class shell"]
    """Σ p w C Re(conj(P) X)."""


@runtime_checkable
class Kernels(Protocol):
    """One backend."""

    name: str

    def shift_and_mask(
        self,
        images: Float32[Array, "image y x"],
        gain: Float32[Array, " image"],
        shift_px: Int64[Array, "image 2"],
        background: Float32[Array, "y x"],
        fill: Float32[Array, "image_or_0 y x"],
    ) -> Float32[Array, "image 2 y x"]:
        """Multiply by ``gain``, shift by (x, y) with zeros entering; then the same, masked.

        ``background`` is the weight of ``fill`` in the masked copy; an empty ``fill`` means the
        image's own mean, weighted by ``background``.
        """
        ...

    def read_planes(
        self, planes: Complex64[Array, "plane y half"], layout: PlaneLayout
    ) -> tuple[Complex64[Array, "plane pixel"], Float64[Array, "plane shell"]]:
        """List the pixels of transforms (not normalised), and sum their power by shell."""
        ...

    def project(
        self,
        volume: Volume,
        axes: Float32[Array, "slice 6"],
        pixels: Pixels,
        out: Float32[Array, "slice width"],
    ) -> None:
        """Cut central slices by linear interpolation (or the nearest voxel: see `Pixels`).

        Pixel (kx, ky) lies at (x, y, z) = kx * axes[:3] + ky * axes[3:], in padded voxels; for
        x < 0 the conjugate at the opposite point is taken.
        """
        ...

    def shifted(
        self,
        spectra: Float32[Array, "image width"],
        ramps: Float32[Array, "shift width"],
        out: Float32[Array, "image shift width"],
    ) -> None:
        """Multiply every spectrum with every phase ramp."""
        ...

    def products(
        self, a: Float32[Array, "a n"], b: Float32[Array, "b n"], out: Float32[Array, "a b"]
    ) -> None:
        """Inner products of all rows: a @ b.T."""
        ...

    def half_power(
        self, slices: Float32[Array, "slice width"], out: Float32[Array, "slice pixels_padded"]
    ) -> None:
        """Half of |P|² of each pixel."""
        ...

    def cone_scores(
        self,
        slices_of: tuple[Volume, Pixels],
        axes: Float32[Array, "orientation 6"],
        copies: Float32[Array, "shift width"],
        power: Float32[Array, " pixel"],
        out: tuple[Float32[Array, "shift orientation"], Float32[Array, " orientation"]],
    ) -> None:
        """Project, and compare with one image: Re(conj(P) X_t), and Σ power |P|² / 2."""
        ...

    def weigh(
        self,
        scores: Float32[Array, "image shift orientation"],
        norms: Float32[Array, "image orientation"],
        log_prior: LogPriors,
    ) -> tuple[Float64[Array, " image"], Float64[Array, " image"]]:
        """Turn scores, in place, into weights; return the peak and the total of each image.

        weight = exp(score - norm + log prior - peak).
        """
        ...

    def threshold(
        self,
        weights: Float32[Array, " state"],
        first: Int64[Array, " image_and_1"],
        totals: Float64[Array, " image"],
        fraction: float,
    ) -> tuple[Float32[Array, " image"], Int64[Array, " image"]]:
        """Find how many of the largest weights it takes to exceed ``fraction`` of the total.

        Weights are at most 1. Returns the smallest weight taken, and the number; the smallest
        positive weight and all of them if rounding keeps the sum from getting there.
        """
        ...

    def list_samples(
        self,
        weights: Float32[Array, "image shift orientation"],
        threshold: Float32[Array, " image"],
    ) -> Samples:
        """List the states whose weight is positive and reaches the threshold."""
        ...

    def fine_scores(
        self,
        spectra: Spectra,
        ramps: Float32[Array, "coarse_shift fine_shift width"],
        samples: Samples,
        table: SliceTable,
        out: Float32[Array, "sample child fine_shift"],
    ) -> None:
        """Compare the samples whose slices are in the table: Re(conj(P) X_t) - Σ power |P|² / 2.

        Samples whose slices are not in the table are left alone.
        """
        ...

    def weigh_fine(
        self,
        scores: Float32[Array, "sample child fine_shift"],
        samples: Samples,
        log_orientation: Float32[Array, " group"],
        log_shift: tuple[Float32[Array, "image class shift"], Int64[Array, " group"]],
    ) -> tuple[Float64[Array, " image"], Float64[Array, " image"]]:
        """As `weigh`, for fine states; priors are those of the coarse state.

        With ``log_shift`` comes the class of each group.
        """
        ...

    def list_hits(
        self,
        weights: Float32[Array, "sample child fine_shift"],
        samples: Samples,
        threshold: Float32[Array, " image"],
        totals: Float64[Array, " image"],
    ) -> tuple[Hits, Int64[Array, " image"]]:
        """List the fine states that reach the threshold, and the first best of each image.

        The best is a flat index into ``weights``, -1 for an image without samples.
        """
        ...

    def moments(self, hits: Hits, offsets: Float64[Array, "shift 2"]) -> Float64[Array, "hit 4"]:
        """Sum the posterior over the shifts of each hit: times 1, x, y and x² + y²."""
        ...

    def accumulate(
        self,
        spectra: Spectra,
        ramps: Float32[Array, "shift width"],
        hits: Hits,
        slices: Float32[Array, "slice width"],
        geometry: HitGeometry,
        out: tuple[Grid, ShellSums],
    ) -> None:
        """Insert the posterior mean of the images, and add up model and cross power.

        Of each hit, with G = Σ_t posterior(t) ramp(t): inserted are G * unmasked and
        Σ_t posterior(t) * weight, distributed over the 8 voxels around each pixel (4 in a plane).
        Without slices (of no rows) nothing is added up: voxels get what they get with them.
        """
        ...

    def flush(
        self,
        grid: Grid,
        scale_of_square: Float64[Array, "square 2"],
        largest: float,
        out: Int64[Array, "class voxel 3"],
    ) -> bool:
        """Add the grid to the integers and clear it; say whether all stayed within ``largest``.

        The voxels of ``out`` are those of all planes, in the order of the grid.

        ``scale_of_square[K²]`` are the scales of signal and weight.
        """
        ...
