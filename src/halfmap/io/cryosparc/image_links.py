"""Where images lie, what they are called, and their grey values."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy import ndarray as Array

from halfmap.io.cryosparc.files import Fields
from halfmap.io.cryosparc.link import (
    Columns,
    Link,
    counts,
    decoded,
    doubles,
    encoded,
    numbers,
    scaled,
    single,
)
from halfmap.io.image_names import split_image_name


def image_links() -> tuple[Link, ...]:
    """Return the links of names, boxes, pixel sizes and grey values."""
    return (
        Link(("blob/path", "blob/idx"), ("rlnImageName",), _image_names, _blobs),
        Link(("uid",), (), lambda _: (), _uids, uses=("rlnImageName",)),
        scaled("blob/psize_A", "rlnImagePixelSize", optics=True),
        Link(("blob/shape",), ("rlnImageSize",), _boxes, _shapes, optics=True),
        Link(
            ("blob/sign", "ctf/scale"),
            ("rlnCtfScalefactor",),
            lambda f: (doubles(f["blob/sign"]) * doubles(f["ctf/scale"]),),
            _sign_and_scale,
        ),
        Link(
            ("ctf/exp_group_id",),
            ("rlnOpticsGroupName",),
            lambda f: (np.char.add("opticsGroup", f["ctf/exp_group_id"].astype(str)),),
            _group_numbers,
            uses=("rlnOpticsGroup",),
            optics=True,
        ),
    )


def _image_names(fields: Fields) -> Sequence[Array]:
    paths, slices = decoded(fields["blob/path"]), fields["blob/idx"].tolist()
    return (
        np.array(
            [f"{k + 1:06d}@{p}{_mark(p)}" for p, k in zip(paths, slices, strict=True)], object
        ),
    )


def _mark(path: str) -> str:
    """Return what tells RELION that a file is a stack, whatever it is called."""
    return "" if path.endswith(".mrcs") else ":mrcs"


def _blobs(columns: Columns) -> Sequence[Array]:
    parts = [split_image_name(str(name)) for name in columns["rlnImageName"]]
    slices = counts(np.array([number - 1.0 for number, _ in parts]))
    return np.array([encoded(path) for _, path in parts]), slices


def _uids(columns: Columns) -> Sequence[Array]:
    """Make a number of each image name; of the second image of one name another one."""
    seen: dict[str, int] = {}
    uids = []
    for name in map(str, columns["rlnImageName"]):
        seen[name] = seen.get(name, 0) + 1
        digest = blake2b(f"{seen[name]} {name}".encode(), digest_size=8).digest()
        uids.append(int.from_bytes(digest, "little"))
    return (np.array(uids, np.uint64),)


def _boxes(fields: Fields) -> Sequence[Array]:
    return (fields["blob/shape"][:, 0].astype(np.int64),)


def _shapes(columns: Columns) -> Sequence[Array]:
    box = numbers(columns["rlnImageSize"]).astype(np.uint32)
    return (np.stack([box, box], axis=1),)


def _sign_and_scale(columns: Columns) -> Sequence[Array]:
    factor = numbers(columns["rlnCtfScalefactor"])
    return single(np.where(factor < 0, -1.0, 1.0)), single(np.abs(factor))


def _group_numbers(columns: Columns) -> Sequence[Array]:
    """Read the number that a name ends with, or take that of the group."""
    found = []
    for name, number in zip(columns["rlnOpticsGroupName"], columns["rlnOpticsGroup"], strict=True):
        text = str(name).removeprefix("opticsGroup").partition("_")[0]
        found.append(float(text) if text.isdecimal() else float(number))
    return (counts(np.array(found)),)
