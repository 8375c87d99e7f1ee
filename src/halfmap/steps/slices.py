"""Slices of the references, for the orientations of a search and those below them."""

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy import ndarray as Array

from halfmap.kernels.protocol import Pixels
from halfmap.model.disc import Disc
from halfmap.model.orientations import (
    child_angles_deg,
    direction_pixels,
    perturbed_matrices,
    psi_angles_deg,
)
from halfmap.model.rotations import euler_matrices
from halfmap.steps.search import Candidates, Search


def coarse_shape(search: Search) -> tuple[int, int]:
    """Return the shape of the coarse slices; (0, ...) for a local search, which has none."""
    rows = 0 if search.candidates is None else len(search.candidates)
    return rows, coarse_floats(search.disc)


def coarse_floats(disc: Disc) -> int:
    """Return the numbers of a coarse slice: its pixels and half of their power."""
    return disc.coarse_width + disc.power_width


def n_bytes_of_slices(n_rows: int, disc: Disc) -> int:
    """Return the memory of the coarse slices."""
    return np.dtype(np.float32).itemsize * n_rows * coarse_floats(disc)


def fill_coarse_slices(search: Search, out: Float32[Array, "row float"], block: slice) -> None:
    """Cut the slices of some rows of the coarse grid.

    Parameters
    ----------
    search
        Of `make_search`.
    out
        Of shape `coarse_shape`, perhaps shared.
    block
        Rows to fill.
    """
    if search.candidates is None:
        return
    rows = search.candidates[block]
    width = search.disc.coarse_width
    own = out[block]
    axes = coarse_axes(search, rows.direction, rows.psi)
    project_classes(search, rows.class_index, axes, (search.coarse_pixels, own[:, :width]))
    search.kernels.half_power(own[:, :width], own[:, width:])


def project_classes(
    search: Search,
    class_index: Int[Array, " slice"],
    axes: Float32[Array, "slice 6"],
    into: tuple[Pixels, Float32[Array, "slice width"]],
) -> None:
    """Cut slices of several classes (sorted by class) at some pixels."""
    pixels, out = into
    ends = np.searchsorted(class_index, np.arange(search.n_classes + 1))
    for volume, first, last in zip(search.volumes, ends[:-1], ends[1:], strict=True):
        if last > first:
            search.kernels.project(volume, axes[first:last], pixels, out[first:last])


def coarse_axes(
    search: Search, direction: Int[Array, " row"], psi: Int[Array, " row"]
) -> Float32[Array, "row 6"]:
    """Return where kx and ky of each coarse slice point, in padded voxels."""
    sampling = search.plan.sampling
    if search.given_deg is not None:
        return slice_axes(search, euler_matrices(search.given_deg[direction]))
    _, directions = direction_pixels(sampling)
    angles = np.column_stack([directions[direction], psi_angles_deg(sampling)[psi]])
    return slice_axes(search, perturbed_matrices(angles, sampling))


def child_matrices(search: Search, rows: Candidates) -> Float[Array, "row child 3 3"]:
    """Return the orientations below each coarse one, as perturbed matrices."""
    sampling = search.plan.sampling
    if search.given_deg is not None:
        return euler_matrices(search.given_deg[rows.direction])[:, None]
    pixel, _ = direction_pixels(sampling)
    psi = psi_angles_deg(sampling)[rows.psi]
    return perturbed_matrices(child_angles_deg(sampling, pixel[rows.direction], psi), sampling)


def child_axes(search: Search, rows: Candidates) -> Float32[Array, "row child 6"]:
    """Return where kx and ky of the slices below each coarse one point, in padded voxels."""
    return slice_axes(search, child_matrices(search, rows))


def slice_axes(search: Search, matrices: Float[Array, "*pose 3 3"]) -> Float32[Array, "*pose 6"]:
    """Return where kx and ky of slices point, in padded voxels."""
    # K = padding * A^T (to_model k): the rows say where kx and ky of the image point.
    to_padded = search.plan.images.geometry.to_model * search.references[0].padding
    rows = np.einsum("ij,...ik->...jk", to_padded, matrices[..., :2, :])
    return np.asarray(rows.reshape(*matrices.shape[:-2], 6).astype(np.float32))
