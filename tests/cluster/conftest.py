from collections.abc import Iterator

import pytest

from . import hosts as pretended
from . import slurm as real
from .hosts import Hosts
from .slurm import Slurm


@pytest.fixture(scope="session")
def hosts() -> Iterator[Hosts]:
    """Four hosts n0 .. n3; what a test switches off, it switches on again."""
    if reason := pretended.why_not():
        pytest.skip(reason)
    with Hosts(4) as found:
        yield found


@pytest.fixture(scope="session")
def slurm(hosts: Hosts) -> Iterator[Slurm]:
    """A Slurm that is led from n0 and runs jobs on n1, n2 and n3."""
    if reason := real.why_not():
        pytest.skip(reason)
    with Slurm(hosts) as found:
        yield found
