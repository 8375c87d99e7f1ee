"""A communicator that can be revoked whole."""

from typing import Any

from mpi4py import MPI

from halfmap.parallel.faults import Circle


def test_objects_are_reduced_in_the_communicator_itself() -> None:
    # mpi4py reduces objects in a communicator that it hides: who waits there when another rank
    # dies waits for ever, since nobody can revoke it.
    class Told(Circle):
        def allgather(self, sendobj: Any) -> list[Any]:
            return [sendobj, False, True]

    circle = Told(MPI.COMM_SELF)

    assert circle.allreduce(True, op=MPI.LAND) is False
    assert circle.allreduce(False, op=MPI.LOR) is True
    assert circle.allreduce(3) == 3 + False + True


def test_parts_of_a_circle_are_circles_of_its_family() -> None:
    world = Circle.of_world(MPI.COMM_SELF)

    part = world.Split(0, 0)

    assert isinstance(part, Circle)
    assert world.family == [world, part]
    part.Free()
