"""What attributes say of a projection, checked."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.io.eman.hdf_attributes import Transform, Value
from halfmap.io.projection_source import ProjectionHeader

TRANSFORM_KEY, PIXEL_SIZE_KEY = "xform.projection", "apix_x"
KEYS = (TRANSFORM_KEY, "ptcl_repr", "class_qual", "class_ssnr", "model_id")
"""Attributes that a reconstruction looks at."""
_SMALLEST_DETERMINANT = 1e-9
LARGEST = 1e30
"""Beyond the range of single precision nothing is meant."""
_ORTHOGONAL = 1e-3
"""Matrices are stored with six digits."""


def projection_header(attributes: Mapping[str, Value | ValueError]) -> ProjectionHeader:
    """Return what attributes say.

    Raises
    ------
    ValueError
        If one cannot be what it should be: what was found and what was expected.
    """
    return ProjectionHeader(
        transform=_transform(attributes),
        ptcl_repr=_number(attributes, "ptcl_repr"),
        class_qual=_number(attributes, "class_qual"),
        class_ssnr=_curve(attributes, "class_ssnr"),
        model_id=_whole(attributes, "model_id"),
    )


def pixel_size_A(attributes: Mapping[str, Value | ValueError]) -> float:
    """Return the pixel size along x; 0 if nothing says it.

    Raises
    ------
    ValueError
        If it is no positive number.
    """
    size = _number(attributes, PIXEL_SIZE_KEY)
    if size is not None and size < 0.0:
        raise _wrong(PIXEL_SIZE_KEY, size, "a size in Å")
    return size or 0.0


def _transform(attributes: Mapping[str, Value | ValueError]) -> Float[Array, "3 4"] | None:
    value = attributes.get(TRANSFORM_KEY)
    if value is None:
        return None
    if not isinstance(value, Transform):
        raise _wrong(TRANSFORM_KEY, value, "a 3 x 4 matrix")
    matrix = np.array(value.elements, np.float64).reshape(3, 4)
    if not np.isfinite(matrix).all():
        raise _wrong(TRANSFORM_KEY, matrix.tolist(), "finite numbers")
    turn = matrix[:, :3]
    determinant = abs(np.linalg.det(turn))
    scale = np.cbrt(max(determinant, _SMALLEST_DETERMINANT))
    if np.abs(turn @ turn.T / scale**2 - np.eye(3)).max() > _ORTHOGONAL:
        raise _wrong(TRANSFORM_KEY, turn.round(4).tolist(), "a rotation")
    return matrix


def _number(attributes: Mapping[str, Value | ValueError], key: str) -> float | None:
    value = attributes.get(key)
    if value is None:
        return None
    if not _is_number(value):
        raise _wrong(key, value, "a number")
    return float(value)  # type: ignore[arg-type]


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= LARGEST  # false for what is not a number


def _whole(attributes: Mapping[str, Value | ValueError], key: str) -> int | None:
    number = _number(attributes, key)
    if number is not None and number != int(number):
        raise _wrong(key, number, "a whole number")
    return None if number is None else int(number)


def _curve(
    attributes: Mapping[str, Value | ValueError], key: str
) -> Float[Array, " radius"] | None:
    value: Any = attributes.get(key)
    if value is None:
        return None
    value = value if isinstance(value, list) else [value]
    if len(value) < 2 or not all(map(_is_number, value)):
        raise _wrong(key, value, "a list of at least two numbers")
    return np.array(value, np.float32)


def _wrong(key: str, found: object, expected: str) -> ValueError:
    text = f"unreadable ({found})" if isinstance(found, ValueError) else f"{found!r}"
    return ValueError(f"has {key} {_shortened(text)}, expected {expected}")


def _shortened(text: str, longest: int = 120) -> str:
    return text if len(text) <= longest else f"{text[:longest]}..."
