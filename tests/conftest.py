import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from halfmap.io.eman.hdf_scanner import HdfScanner


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20_261_120)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with reference data: ``HALFMAP_SHARED``, or ``shared`` beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("HALFMAP_SHARED", beside))
    if not (folder / "golden").is_dir():
        pytest.skip(f"reference data absent: no golden/ in {folder} (set HALFMAP_SHARED)")
    return folder


@pytest.fixture(scope="session")
def one_scanner() -> Iterator[None]:
    """Let one process look into the HDF5 files of all tests: a new one costs half a second."""
    answer = HdfScanner._answer
    with HdfScanner() as scanner, pytest.MonkeyPatch.context() as patch:
        patch.setattr(HdfScanner, "_answer", lambda _, request: answer(scanner, request))
        yield
