"""Ranks that make a map together, on any number of which it has the same bytes."""

import time
from dataclasses import dataclass

import numpy as np
import pytest
from mpi4py import MPI

from halfmap.engine.crew import Crew, crew_of, together
from halfmap.errors import CollectiveError
from halfmap.model.exact import SumScales
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.symmetry import point_group
from halfmap.model.touched_voxels import n_touched
from halfmap.parallel.halves import Ranks, organise
from halfmap.parallel.node_memory import NodeArrays
from halfmap.parallel.node_sums import SharedSums, volumes_of_node
from halfmap.steps.complete_sums import completed
from halfmap.steps.half_maps import downsampled_average
from halfmap.steps.maximisation import KnownSignal, estimated_spectra
from halfmap.steps.phases import Empty, Phase, Phases, alone, own_memory
from halfmap.steps.reconstruction import Prior, reconstruction
from halfmap.steps.references import Transform, transformed

COMM = MPI.COMM_WORLD
pytestmark = pytest.mark.mpi
BOX = 32
SPHERE = PaddedSphere(BOX // 2, 2.0)
FSC = np.linspace(1.0, 0.1, BOX // 2 + 1)
SCALES = SumScales(
    signal=np.full(BOX // 2 + 3, 2.0**40),
    weight=np.full(BOX // 2 + 3, 2.0**41),
    noise=np.ones((1, BOX // 2 + 1)),
    direction=1.0,
    n_particles=1,
)


@dataclass
class Options:
    n_threads: int


@dataclass
class Job:
    """What of a job is asked for to make maps."""

    ranks: Ranks
    options: Options


def integers(half: int, k: int) -> np.ndarray:
    rng = np.random.default_rng((half, k))
    drawn = rng.integers(-(2**50), 2**50, (n_touched(SPHERE), 3))
    drawn[:, 2] = np.abs(drawn[:, 2])
    return drawn


def made(volume: np.ndarray, group: str, empty: Empty = own_memory) -> Phases[list[np.ndarray]]:
    """Make all that a maximisation makes of a class, and the reference that becomes of it."""
    sums = yield from completed(volume, SCALES, SPHERE, point_group(group), empty)
    average = yield from downsampled_average(sums, empty)
    known = KnownSignal(None, 1.0, FSC)
    found = yield from estimated_spectra(sums, BOX, known, empty)
    prior = Prior(found.signal_variance)
    map_ = yield from reconstruction(sums, BOX, prior, empty=empty)
    out = empty(SPHERE.shape, np.complex64)
    reference = yield from transformed(map_, Transform(BOX, 2.0), out, empty)
    spectra = found.map_variance, found.fourier_coverage, reference.power
    return [sums.values, average, *spectra, map_, reference.values]


def of_all_classes(crew: Crew, group: str) -> Phases[dict[int, list[np.ndarray]]]:
    found = {}
    for k, volume in crew.volumes.items():
        found[k] = yield from made(volume, group, crew.empty)
    return found


def crews(ranks: Ranks, n_classes: int, n_copies: int) -> dict[int, Crew]:
    """Return who makes what, the totals being where a reduction leaves them."""
    found = {}
    for half, team in ranks.teams.items():
        node, copies = team.node, min(n_copies, team.node.size)
        shape = n_classes, n_touched(SPHERE), 3
        volumes = volumes_of_node(shape, copies, NodeArrays(node))
        sharing = NodeArrays(node.Split(node.rank * copies // node.size))
        shared = SharedSums((shape, (1, 1), (1, 1)), 1, sharing, team.comm.rank, volumes)
        for k in team.classes(n_classes):
            shared.sums.volume[k] = integers(half, k)
        crew = crew_of(ranks, half, shared, n_classes)
        if crew is not None:
            found[half] = crew
    return found


@pytest.mark.parametrize(
    ("n_halves", "n_classes", "n_copies", "n_threads", "group"),
    [(1, 1, 1, 1, "C1"), (2, 1, 4, 2, "D2"), (2, 3, 2, 1, "C1"), (1, 3, 1, 3, "C1")],
)
def test_maps_have_the_same_bytes_whoever_makes_them(
    n_halves: int, n_classes: int, n_copies: int, n_threads: int, group: str
) -> None:
    ranks = organise(COMM, n_halves)
    job = Job(ranks, Options(n_threads))

    crew = crews(ranks, n_classes, n_copies)
    found = together(job, {h: (c, of_all_classes(c, group)) for h, c in crew.items()})

    for half, team in ranks.teams.items():
        assert set(team.classes(n_classes)) <= set(found.get(half, ()))
    for half, of_class in found.items():
        for k, arrays in of_class.items():
            for array, expected in zip(arrays, alone(made(integers(half, k), group)), strict=True):
                np.testing.assert_array_equal(array, expected)


def test_every_worker_has_pieces_of_a_single_map() -> None:
    ranks = organise(COMM, n_halves=2)

    crew = crews(ranks, n_classes=1, n_copies=4)

    assert set(crew) == set(ranks.teams)
    for half, own in crew.items():
        team = ranks.teams[half]
        pieces = own.comm.allgather(list(own.own_pieces(Phase(12, print))))
        loads = own.comm.allgather(len(ranks.teams))
        assert len(pieces) == team.comm.size
        assert sorted(i for each in pieces for i in each) == list(range(12))
        # who works for both halves has half as many of each, if anyone works for one only
        n_turns = [max(loads) // load for load in loads]
        shares = [12 * n // sum(n_turns) for n in n_turns]
        assert [len(each) for each in pieces] == shares


def test_no_phase_begins_before_all_pieces_of_the_last_are_done() -> None:
    ranks = organise(COMM, n_halves=1)

    def phases(crew: Crew) -> Phases[None]:
        done, early = crew.empty((8,), np.uint8), []
        done[:] = 0
        yield Phase(0, print)

        def work(piece: int) -> None:
            time.sleep(0.02 * crew.comm.rank)
            done[piece] = 1

        yield Phase(8, work)
        yield Phase(8, lambda _: early.append(not done.all()))
        assert not any(early)

    crew = crews(ranks, n_classes=1, n_copies=1)
    together(Job(ranks, Options(1)), {h: (c, phases(c)) for h, c in crew.items()})


def test_a_piece_that_fails_is_an_error_of_all() -> None:
    ranks = organise(COMM, n_halves=2)
    maker = ranks.roots[0]

    def phases(half: int) -> Phases[None]:
        def work(piece: int) -> None:
            if half == 0 and COMM.rank == maker:
                raise ValueError(f"piece {piece} cannot be done")

        for _ in range(3):
            yield Phase(8, work)

    crew = crews(ranks, n_classes=1, n_copies=1)
    with pytest.raises(CollectiveError, match=r"making the maps.*cannot be done|cannot be done"):
        together(Job(ranks, Options(1)), {h: (c, phases(h)) for h, c in crew.items()})
