"""The slice table: which images take part, with what orientation and weight."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.config.reconstruction.options import ReconstructOptions
from halfmap.errors import DataError
from halfmap.io.projection_source import ProjectionHeader, ProjectionSource
from halfmap.model.eman_orientations import centring_shifts, take_apart, tilt_matrices
from halfmap.model.slice_quality import KeepRule, kept, quality_of_weight
from halfmap.model.slice_table import SliceTable

SAME_SCALE = 1e-3


def slices_of_headers(source: ProjectionSource, options: ReconstructOptions) -> SliceTable:
    """Return the images whose headers have an orientation, and of the model that is wanted.

    Raises
    ------
    DataError
        If there is none, or a header lacks what the options ask for.
    """
    headers = source.headers()
    rows = [i for i, header in enumerate(headers) if header.transform is not None]
    if not rows:
        raise DataError(
            f"{source.path} has no xform.projection in its headers: no image has a known "
            "orientation. Give a tilt file with --tlt, or take the file that has them."
        )
    rows = _of_model(rows, headers, source, options)
    own = [headers[i] for i in rows]
    stored = np.array([header.transform for header in own], np.float64)
    placed = take_apart(stored)
    scaled = np.flatnonzero(np.abs(placed.scale - 1.0) > SAME_SCALE)
    if len(scaled):
        raise DataError(
            f"{source.path}: the xform.projection of image {rows[scaled[0]]} scales it by "
            f"{placed.scale[scaled[0]]:g}; expected 1. Resample the images first."
        )
    weight = _weights(own, options)
    quality = [header.class_qual for header in own]
    of_weight = quality_of_weight(weight)
    return SliceTable(
        row=np.array(rows),
        rotation=placed.rotation,
        shift_px=centring_shifts(placed, source.projection_convention),
        mirror=placed.mirror,
        weight=_known(own, weight) if options.use_ssnr else weight,
        quality=np.array([w if q is None else q for q, w in zip(quality, of_weight, strict=True)]),
        ssnr=_curves(own) if options.use_ssnr else None,
    )


def _of_model(
    rows: list[int],
    headers: Sequence[ProjectionHeader],
    source: ProjectionSource,
    options: ReconstructOptions,
) -> list[int]:
    if options.model_id is None:
        return rows
    lacking = [i for i in rows if headers[i].model_id is None]
    if lacking:
        raise DataError(
            f"{source.path}: image {lacking[0]} has no model_id in its header, nor have "
            f"{len(lacking) - 1} others; expected one with --input_model. Leave it out."
        )
    found = [i for i in rows if headers[i].model_id == options.model_id]
    if not found:
        known = sorted({str(headers[i].model_id) for i in rows})
        raise DataError(
            f"{source.path}: no image has the model_id {options.model_id} (--input_model); "
            f"found {', '.join(known)}."
        )
    return found


def _weights(
    headers: Sequence[ProjectionHeader], options: ReconstructOptions
) -> Float[Array, " slice"]:
    counts = [1.0 if header.ptcl_repr is None else header.ptcl_repr for header in headers]
    if options.root_weight:
        return np.sqrt(np.maximum(counts, 0.0))
    return np.ones(len(counts)) if options.no_weight else np.asarray(counts)


def _known(
    headers: Sequence[ProjectionHeader], weight: Float[Array, " slice"]
) -> Float[Array, " slice"]:
    """Leave out slices that have no curve."""
    return np.where([header.class_ssnr is not None for header in headers], weight, 0.0)


def _curves(headers: Sequence[ProjectionHeader]) -> tuple[Float[Array, " radius"], ...]:
    nothing = np.zeros(2)
    return tuple(nothing if h.class_ssnr is None else h.class_ssnr for h in headers)


def slices_of_tilts(angles_deg: Float[Array, " image"]) -> SliceTable:
    """Return the slices of a tilt series."""
    n = len(angles_deg)
    return SliceTable(
        row=np.arange(n),
        rotation=tilt_matrices(angles_deg),
        shift_px=np.zeros((n, 2)),
        mirror=np.zeros(n, bool),
        weight=np.ones(n),
        quality=np.ones(n),
    )


def good_slices(table: SliceTable, options: ReconstructOptions) -> tuple[SliceTable, SliceTable]:
    """Split a table by quality: slices that are kept, and those that are not.

    Raises
    ------
    DataError
        If none is kept, or none has a weight.
    """
    rule = KeepRule(options.keep, options.keep_sigma, options.keep_absolute)
    good = kept(table.quality, rule)
    if not np.any(table.weight[good] > 0.0):
        low, high = table.quality.min(), table.quality.max()
        raise DataError(
            f"no slice is left of {len(table)}: {int(good.sum())} have a quality number that is "
            f"small enough (found {low:g} to {high:g}, see --keep), none of them has a weight."
        )
    return table.only(good), table.only(~good)


def in_halves(table: SliceTable, n_halves: int) -> SliceTable:
    """Say which half each slice is of: what the table says, else every other one."""
    own = table.half
    if n_halves == 1:
        half = np.zeros(len(table), np.int64)
    else:
        half = np.arange(len(table)) % 2 if own is None else own
    values = (table.row, table.rotation, table.shift_px, table.mirror, table.weight, table.quality)
    return SliceTable(*values, table.ssnr, half)
