"""A copy of the sums that processes share: what the death of one of them leaves behind."""

import os
import signal
import time

import numpy as np
import pytest
from mpi4py import MPI

from halfmap.parallel.node_memory import NodeArrays
from halfmap.parallel.node_sums import SharedSums, SpoiltError

SHAPES = ((1, 10, 3), (1, 4), (1, 6))


@pytest.fixture
def shared() -> SharedSums:
    """A copy in memory that a forked process sees, too."""
    memory = NodeArrays(MPI.COMM_SELF, can_vacate=True)
    return SharedSums(SHAPES, 5, memory, rank=0)


def killed_while(shared: SharedSums, unit: int, slab: int) -> None:
    """Fork a process, and kill it when it has begun to add a unit and holds a slab."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        with shared.adding(unit), shared.slab(slab):
            shared.sums.volume[0, 0] += 1
            os.write(writing, b"x")
            time.sleep(60.0)
        os._exit(0)
    os.read(reading, 1)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    os.close(reading)
    os.close(writing)


def test_units_that_are_added_are_known(shared: SharedSums) -> None:
    for unit in (3, 1):
        with shared.adding(unit), shared.slab(0):
            shared.sums.volume[0, 0] += 1

    with shared.whole():
        assert shared.units == [1, 3]
    assert np.count_nonzero(shared.sums.volume) == 3


@pytest.mark.timeout(60)
def test_the_locks_of_a_killed_process_are_free_and_its_copy_is_marked(shared: SharedSums) -> None:
    killed_while(shared, unit=2, slab=0)

    with shared.slab(0):
        shared.sums.volume[0, 1] += 1
    with pytest.raises(SpoiltError), shared.whole():
        pass
    assert shared.units == []


@pytest.mark.timeout(60)
def test_a_process_that_died_between_units_spoils_nothing(shared: SharedSums) -> None:
    process = os.fork()
    if process == 0:
        with shared.adding(4), shared.slab(0):
            shared.sums.volume[0, 0] += 1
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(process, 0)

    with shared.whole():
        assert shared.units == [4]
        assert shared.sums.volume[0, 0].tolist() == [1, 1, 1]
