"""One process looks into the HDF5 files of all tests: a new one for each costs half a second."""

from collections.abc import Iterator

import pytest

from halfmap.io.eman.hdf_scanner import HdfScanner


@pytest.fixture(scope="session", autouse=True)
def one_scanner() -> Iterator[None]:
    answer = HdfScanner._answer
    with HdfScanner() as scanner, pytest.MonkeyPatch.context() as patch:
        patch.setattr(HdfScanner, "_answer", lambda _, request: answer(scanner, request))
        yield
