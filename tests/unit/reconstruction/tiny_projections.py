"""A few images of 16 px, and the maps that are made of them."""

from pathlib import Path

import numpy as np

from halfmap.cli.main import main
from halfmap.io.eman.hdf_attributes import Transform
from halfmap.io.eman.hdf_writing import EmanImage, write_hdf
from halfmap.io.eman.volumes import read_volume
from halfmap.model.eman_orientations import eman_matrices

BOX = 16


def blob(x: float, y: float) -> np.ndarray:
    """Return a spot of 2 px about the centre; its edges are 0, and its corners in Fourier space."""
    offset = np.arange(BOX) - BOX // 2
    spot = np.exp(-((offset - x) ** 2 + (offset[:, None] - y) ** 2) / 8.0)
    spot[[0, -1]] = spot[:, [0, -1]] = 0.0
    return spot.astype(np.float32)


def write_projections(
    path: Path, images: list[np.ndarray], angles_deg: np.ndarray, said: list[dict] | None = None
) -> Path:
    """Write images with orientations (az, alt, phi), 2 Å a pixel, and what else is said of each."""
    turns = eman_matrices(np.asarray(angles_deg, np.float64))
    stored = []
    for number, (image, turn) in enumerate(zip(images, turns, strict=True)):
        matrix = np.concatenate([turn, np.zeros((3, 1))], axis=1)
        transform = Transform(tuple(float(value) for value in matrix.ravel()))
        more = said[number] if said else {}
        stored.append(EmanImage(image, 2.0, {"xform.projection": transform, **more}))
    write_hdf(path, stored)
    return path


def upright(path: Path, *images: np.ndarray, said: list[dict] | None = None) -> Path:
    """Write images that are all seen along z."""
    return write_projections(path, list(images), np.zeros((len(images), 3)), said)


def all_round(path: Path, n: int = 24) -> Path:
    """Write images of one spot off the centre, seen from many sides."""
    rng = np.random.default_rng(5)
    az, phi = rng.uniform(0.0, 360.0, (2, n))
    angles = np.stack([az, np.degrees(np.arccos(rng.uniform(-1.0, 1.0, n))), phi], axis=1)
    seen = eman_matrices(angles) @ np.array([3.0, 1.0, 0.0])
    return write_projections(path, [blob(x, y) for x, y, _ in seen], angles)


def made(source: Path, *words: object, output: str = "map.hdf") -> np.ndarray:
    """Return the map that is made in this process."""
    path = source.with_name(output)
    given = ["--input", source, "--output", path, "--threads", "1", *words]
    assert main(["reconstruct", *map(str, given)]) == 0
    return read_volume(path)[0]
