"""Projections from any file that EMAN2 takes them from: HDF5, lists of images, MRC, tilt stacks."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
from jaxtyping import Float32
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.io.eman.hdf_attributes import Value
from halfmap.io.eman.hdf_layout import Piece, StoredImage
from halfmap.io.eman.hdf_scanner import HdfScanner
from halfmap.io.eman.hdf_stack import HdfStack, open_hdf
from halfmap.io.eman.headers import KEYS, PIXEL_SIZE_KEY, pixel_size_A, projection_header
from halfmap.io.eman.image_list import read_image_list
from halfmap.io.eman.mrc_stack import MrcStack
from halfmap.io.problems import Problems, refuse
from halfmap.io.projection_source import ProjectionHeader

LIST_SUFFIXES = (".lst", ".lsx")
HDF_SUFFIXES = (".hdf", ".h5", ".hdf5")


class Stack(Protocol):
    """Images of one file."""

    @property
    def attributes(self) -> Sequence[dict[str, Value | ValueError]]:
        """Return what is said of each image."""
        ...

    def __len__(self) -> int: ...

    def shape(self, number: int) -> tuple[int, ...]:
        """Return the shape of an image."""
        ...

    def read(self, number: int) -> Float32[Array, "..."]:
        """Read an image."""
        ...


class Projections:
    """Images of one size, from one file or several; a `ProjectionSource`.

    Parameters
    ----------
    path
        What the user named.
    images
        The stack of each image, and its number there.
    changed
        Attributes of each image in place of those of its stack.
    projection_convention
        Whether translations say where the content has gone.
    """

    def __init__(
        self,
        path: Path,
        images: Sequence[tuple[Stack, int]],
        changed: Sequence[dict[str, Value | ValueError]],
        projection_convention: bool,
    ) -> None:
        self.path, self.projection_convention = path, projection_convention
        self._images, self._changed = tuple(images), tuple(changed)
        self.image_shape = _common_shape(path, images)
        self.pixel_size_A = self._pixel_size()

    def __len__(self) -> int:
        return len(self._images)

    def headers(self) -> list[ProjectionHeader]:
        """Return what is said of all projections.

        Raises
        ------
        DataError
            If an attribute cannot be what it should be: all of them are named.
        """
        found, problems = [], []
        for number in range(len(self)):
            try:
                found.append(projection_header(self._attributes(number)))
            except ValueError as error:
                problems.append(f"image {number} {error}. Correct it, or leave the image out.")
        refuse(self.path, problems)
        return found

    def read(self, rows: Sequence[int]) -> Float32[Array, "image y x"]:
        """Read some images; safe to call from several threads.

        Raises
        ------
        DataError
            If one cannot be read.
        """
        width, height = self.image_shape
        images = np.empty((len(rows), height, width), np.float32)
        for image, row in zip(images, rows, strict=True):
            stack, number = self._images[row]
            image[...] = stack.read(number)
        return images

    def _attributes(self, number: int) -> dict[str, Value | ValueError]:
        stack, place = self._images[number]
        return {**stack.attributes[place], **self._changed[number]}

    def _pixel_size(self) -> float:
        said = {**self._images[0][0].attributes[0], **self._attributes(0)}
        try:
            return pixel_size_A(said)
        except ValueError as error:
            raise DataError(f"{self.path}: image 0 {error}. Correct it.") from error


def open_projections(path: Path, tilt_stack: bool, wanted: Sequence[str] = KEYS) -> Projections:
    """Find the projections of a file; no pixel is read.

    Parameters
    ----------
    path
        HDF5, LST or MRC, by its ending.
    tilt_stack
        Whether a single map in the file is a stack of images.
    wanted
        Attributes that are looked at, of `KEYS`. Each takes 50 µs for an image of an HDF5 file.

    Raises
    ------
    DataError
        If it cannot be read, or its images are not all of one size.
    """
    with HdfScanner() as scanner:
        if path.suffix.lower() in LIST_SUFFIXES:
            return _listed(path, wanted, scanner)
        stack = _open(path, wanted, scanner)
    if isinstance(stack, HdfStack) and len(stack.images[0].shape) == 3:
        stack = _sections(stack, tilt_stack)
    images: list[tuple[Stack, int]] = [(stack, number) for number in range(len(stack))]
    return Projections(path, images, [{}] * len(stack), projection_convention=False)


def _open(path: Path, wanted: Sequence[str], scanner: HdfScanner) -> HdfStack | MrcStack:
    if path.suffix.lower() in HDF_SUFFIXES:
        return open_hdf(path, [*wanted, PIXEL_SIZE_KEY], scanner)
    return MrcStack(path)


def _listed(path: Path, wanted: Sequence[str], scanner: HdfScanner) -> Projections:
    entries = read_image_list(path)
    problems = Problems()
    files = dict.fromkeys(entry.file for entry in entries)
    opened = {file: problems.attempt(_open, file, wanted, scanner) for file in files}
    problems.refuse()
    stacks = {file: stack for file, stack in opened.items() if stack is not None}
    refuse(
        path,
        [
            f"it lists image {entry.number} of {entry.file}, which has images 0 to "
            f"{len(stacks[entry.file]) - 1}. Take the list that belongs to this stack."
            for entry in entries
            if entry.number >= len(stacks[entry.file])
        ],
    )
    images: list[tuple[Stack, int]] = [(stacks[e.file], e.number) for e in entries]
    changed = [entry.attributes for entry in entries]
    return Projections(path, images, changed, projection_convention=True)


def _common_shape(path: Path, images: Sequence[tuple[Stack, int]]) -> tuple[int, int]:
    shapes = [stack.shape(number) for stack, number in images]
    counts = Counter(shapes)
    common = max(counts, key=lambda shape: (counts[shape], shape))
    if len(counts) > 1:
        other = next(number for number, shape in enumerate(shapes) if shape != common)
        raise DataError(
            f"{path} has images of different sizes: {_text(shapes[other])} px (image {other}) and "
            f"{_text(common)} px ({counts[common]} images); expected one size. Clip or pad them."
        )
    if len(common) != 2:
        raise DataError(f"{path} holds maps of {_text(common)} voxels, expected images of (x, y).")
    return common[1], common[0]


def _text(shape: tuple[int, ...]) -> str:
    return " x ".join(str(n) for n in reversed(shape))


def _sections(stack: HdfStack, tilt_stack: bool) -> HdfStack:
    """Return the sections of the one map of a file as images."""
    volume = stack.images[0]
    if len(stack) > 1 or not (tilt_stack or volume.shape[0] == 1):
        raise DataError(
            f"{stack.path} holds maps of {_text(volume.shape)} voxels, expected images. If one is "
            "a tilt stack, give the file with its angles: --tlt."
        )
    pieces_of_many = volume.piece_shape[0] > 1 and (volume.filters or len(volume.pieces) > 1)
    if pieces_of_many:
        raise DataError(
            f"{stack.path} is packed in pieces of {volume.piece_shape[0]} sections, expected 1. "
            "Write it again with EMAN2, or convert it to MRC."
        )
    said = stack.attributes[0]
    sections = [_section(volume, number) for number in range(volume.shape[0])]
    return HdfStack(stack.path, sections, [said] * len(sections))


def _section(volume: StoredImage, number: int) -> StoredImage:
    height, width = volume.shape[1:]
    if volume.piece_shape[0] == 1:
        mine = [piece for piece in volume.pieces if piece.first[0] == number]
        pieces = tuple(Piece(piece.first[1:], piece.offset, piece.n_bytes) for piece in mine)
        return replace(
            volume, shape=(height, width), pieces=pieces, piece_shape=volume.piece_shape[1:]
        )
    size = height * width * volume.dtype.itemsize
    piece = Piece((0, 0), volume.pieces[0].offset + number * size, size)
    return replace(volume, shape=(height, width), pieces=(piece,), piece_shape=(height, width))
