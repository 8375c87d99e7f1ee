import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from halfmap.io.image_form import ImageForm
from halfmap.io.mrc import write_stack
from halfmap.io.scratch.copying import Copying, Tally, wanted_stacks
from halfmap.io.scratch.reading import CopiedImages
from halfmap.io.scratch.store import ScratchStore, disc_room
from halfmap.io.stacks import AS_IS, ImageSource

BOX, SIZES = 16, (5, 3, 7)
ONE = np.zeros(5, int), np.arange(5)
"""The images of the first stack."""
Store = Callable[..., ScratchStore]


class Reader:
    """A process that copies and reads."""

    def __init__(self, store: ScratchStore, paths: list[str], form: ImageForm = AS_IS) -> None:
        self.store, self.source, self.tally = store, ImageSource(paths, form=form), Tally()
        self.copied = CopiedImages(store)
        self.source.copies = self.copied

    def copy(
        self,
        stack: np.ndarray,
        slice_: np.ndarray,
        *,
        adds: bool = True,
        pace: Callable[[], bool] = lambda: True,
    ) -> Tally:
        copying = Copying(self.store, self.source, self.copied, self.tally, adds=adds)
        copying.run(list(wanted_stacks(stack, slice_)), pace)
        return self.tally

    def copy_all(self, **more: object) -> Tally:
        return self.copy(*every_image(), **more)

    def read_all(self) -> np.ndarray:
        return self.source.read(*every_image(), BOX)


def every_image() -> tuple[np.ndarray, np.ndarray]:
    return np.repeat(np.arange(len(SIZES)), SIZES), np.concatenate([np.arange(n) for n in SIZES])


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    """Of all stacks, one after the other."""
    return rng.normal(size=(sum(SIZES), BOX, BOX)).astype(np.float32)


@pytest.fixture
def paths(tmp_path: Path, images: np.ndarray) -> list[str]:
    """Stacks with these images."""
    names = [tmp_path / f"stack{n}.mrcs" for n in range(len(SIZES))]
    for name, own in zip(names, np.split(images, np.cumsum(SIZES)[:-1]), strict=True):
        write_stack(name, own, 1.0)
    return [str(name) for name in names]


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def store(scratch: Path) -> Iterator[Store]:
    """``store()``: a process's hold of the copies; let go of in the end."""
    made = []

    def make(**options: object) -> ScratchStore:
        made.append(ScratchStore(scratch, disc_room(0), **options))
        return made[-1]

    yield make
    for one in made:
        if scratch.is_dir() and one.folder.descriptor >= 0:
            one.close()


def files(scratch: Path) -> list[str]:
    """Return what lies in the folder of the copies."""
    return sorted(file.name for folder in scratch.iterdir() for file in folder.iterdir())


def only(scratch: Path, ending: str) -> Path:
    (found,) = scratch.glob(f"*/*{ending}")
    return found


def spoil(path: str) -> None:
    """Overwrite the pixels of a stack, as if it had not been touched: it must not be read."""
    status = Path(path).stat()
    with Path(path).open("r+b") as file:
        file.seek(1024)
        file.write(b"\xff" * (status.st_size - 1024))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
