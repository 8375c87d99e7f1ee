"""What an HDF5 file of EMAN holds and where, found by the HDF5 library; no pixel is read.

A damaged file can crash the library, or keep it busy for ever. So this runs in a process of its own
(`halfmap.io.eman.hdf_scanner`), which answers one JSON text for each name that it is given.
"""

import json
import os
from collections.abc import Sequence
from itertools import count
from math import prod
from pathlib import Path
from resource import RLIM_INFINITY, RLIMIT_AS, RLIMIT_CORE, getrlimit, setrlimit
from typing import IO, Any

import h5py
import numpy as np

from halfmap.io.eman.hdf_attributes import (
    BIT_KEYS,
    LONGEST,
    PREFIX,
    TRANSFORM_TYPE,
    decode,
    to_json,
)
from halfmap.io.frames import read_header, write_frame

MOST_MEMORY = 8 * 2**30
"""Bytes that the process may take."""
OF_THE_FIRST = ("is_complex", "apix_x")
"""Attributes that one image has for all: looking for each takes time."""
NUMBER_OF_LAST = b"imageid_max"


class RefusedError(Exception):
    """The file is not one of EMAN's; the message says why."""


def scan(path: str, keys: Sequence[str] | None) -> list[dict[str, Any]]:
    """Return for each image its layout (`halfmap.io.eman.hdf_layout`) and its attributes.

    Parameters
    ----------
    path
        The file.
    keys
        Names of attributes, without ``EMAN.``; None: all of them.

    Raises
    ------
    RefusedError
        If the file is not one of EMAN's.
    OSError, RuntimeError, ValueError
        If the HDF5 library finds it damaged.
    """
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_file_locking(False, True)
    file = h5py.h5f.open(os.fsencode(path), h5py.h5f.ACC_RDONLY, access)
    try:
        if file.get_create_plist().get_userblock():
            raise RefusedError("it begins with a user block")
        images = _group(_group(file, b"MDF"), b"images")
        wanted = None if keys is None else [(key, (PREFIX + key).encode()) for key in keys]
        return [_image(images, number, wanted) for number in range(_number_of_images(images))]
    finally:
        file.close()


def _number_of_images(images: h5py.h5g.GroupID) -> int:
    found = images.get_num_objs()
    if h5py.h5a.exists(images, NUMBER_OF_LAST):
        last = _value(images, NUMBER_OF_LAST)
        promised = last + 1 if isinstance(last, int) else -1
        if not 0 <= promised <= found:
            raise RefusedError(
                f"it promises images up to number {last}, and has {found} (imageid_max)"
            )
        return promised
    return next(i for i in count() if not images.links.exists(str(i).encode()))


def _group(parent: Any, name: bytes) -> h5py.h5g.GroupID:
    return h5py.h5g.open(_checked(parent, name), name)


def _checked(parent: Any, name: bytes) -> Any:
    """Return the parent, if what it has by that name is its own and not a link elsewhere."""
    if not parent.links.exists(name):
        raise RefusedError(f"it has no {_path(parent, name)}")
    if parent.links.get_info(name).type != h5py.h5l.TYPE_HARD:
        raise RefusedError(f"{_path(parent, name)} is a link to somewhere else")
    return parent


def _path(parent: Any, name: bytes) -> str:
    return f"{(h5py.h5i.get_name(parent) or b'').decode().rstrip('/')}/{name.decode()}"


def _image(images: Any, number: int, keys: list[tuple[str, bytes]] | None) -> dict[str, Any]:
    group = _group(images, str(number).encode())
    dataset = h5py.h5d.open(_checked(group, b"image"), b"image")
    layout = _layout(dataset)
    needless: tuple[str, ...] = OF_THE_FIRST if number else ()
    if layout["dtype"][1:2] == "f":
        needless += BIT_KEYS
    wanted = keys and [pair for pair in keys if pair[0] not in needless]
    return {**layout, "attributes": _attributes(group, wanted)}


def _layout(dataset: h5py.h5d.DatasetID) -> dict[str, Any]:
    """Return shape, type, and the places of the pieces: (first element, offset, bytes, mask)."""
    plan, dtype = dataset.get_create_plist(), dataset.dtype
    shape = dataset.get_space().get_simple_extent_dims()
    layout = {"shape": shape, "dtype": dtype.str if dtype.kind in "iuf" else str(dtype)}
    kind = plan.get_layout()
    if kind == h5py.h5d.CONTIGUOUS and not plan.get_external_count():
        offset = dataset.get_offset()
        places = [] if offset is None else [[0] * len(shape) + [offset, dataset.get_storage_size()]]
        return {**layout, "chunk": None, "filters": [], "places": places}
    if kind != h5py.h5d.CHUNKED:
        raise RefusedError(f"the values of {_path(dataset, b'')} are not in the file as usual")
    filters = [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]
    places = []
    dataset.chunk_iter(
        lambda piece: (
            places.append([*piece.chunk_offset, piece.byte_offset, piece.size])
            if piece.filter_mask == 0
            else places.append([*piece.chunk_offset, -1, piece.size])
        )
    )
    return {**layout, "chunk": plan.get_chunk(), "filters": filters, "places": places}


def _attributes(group: Any, keys: list[tuple[str, bytes]] | None) -> dict[str, Any]:
    if keys is None:
        names = [h5py.h5a.open(group, index=i).name for i in range(h5py.h5a.get_num_attrs(group))]
        prefix = PREFIX.encode()
        keys = [(name.decode()[len(PREFIX) :], name) for name in names if name.startswith(prefix)]
    return {key: _held(group, name) for key, name in keys if h5py.h5a.exists(group, name)}


def _held(group: Any, name: bytes) -> Any:
    try:
        return to_json(_value(group, name))
    except (ValueError, TypeError, OSError, RuntimeError, UnicodeDecodeError) as error:
        return {"unreadable": str(error)}


def _value(group: Any, name: bytes) -> Any:
    attribute = h5py.h5a.open(group, name)
    kind, shape = attribute.get_type(), attribute.shape
    if prod(shape) * kind.get_size() > LONGEST:
        raise ValueError(f"{kind.dtype} of shape {shape}")
    in_memory, dtype = _TAKEN_AS.get((kind.get_class(), kind.get_size()), (None, None))
    stored = np.zeros(shape, dtype or kind.dtype)
    attribute.read(stored, in_memory)
    return decode(stored)


_TAKEN_AS = {
    (h5py.h5t.COMPOUND, TRANSFORM_TYPE.itemsize): (
        h5py.h5t.py_create(TRANSFORM_TYPE),
        TRANSFORM_TYPE,
    ),
    (h5py.h5t.FLOAT, 4): (h5py.h5t.NATIVE_FLOAT, np.dtype(np.float32)),
    (h5py.h5t.INTEGER, 4): (h5py.h5t.NATIVE_INT32, np.dtype(np.int32)),
}
"""What the usual values are read as: describing a type to numpy takes longer than reading."""


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Return what a file holds as ``images``, or the reason why it cannot be used."""
    try:
        return {"images": scan(request["path"], request["keys"])}
    except RefusedError as error:
        return {"refused": str(error)}
    except (OSError, RuntimeError, ValueError, TypeError, KeyError, MemoryError) as error:
        return {"damaged": f"{error}"}


def serve(requests: Any, answers: IO[bytes]) -> None:
    """Answer requests until there are no more."""
    while True:
        try:
            request = read_header(requests)["words"]
        except EOFError:
            return
        text = json.dumps(answer(request)).encode()
        write_frame(answers, {}, {"text": np.frombuffer(text, np.uint8)})


def main() -> None:
    """Keep the pipes for ourselves; the library may print to standard error, which is dropped."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with Path(os.devnull).open("r+b") as nothing:
        for descriptor in (0, 1, 2):
            os.dup2(nothing.fileno(), descriptor)
    hard = getrlimit(RLIMIT_AS)[1]
    setrlimit(RLIMIT_AS, (MOST_MEMORY if hard == RLIM_INFINITY else min(hard, MOST_MEMORY), hard))
    setrlimit(RLIMIT_CORE, (0, 0))
    serve(requests, answers)


if __name__ == "__main__":
    main()
