import pytest

from halfmap.kernels.protocol import Kernels
from halfmap.kernels.registry import make_kernels


@pytest.fixture(scope="session")
def kernels() -> Kernels:
    return make_kernels()
