"""How far the memory of this node is stretched in an iteration: what is there, what is needed."""

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from mpi4py import MPI

from halfmap.engine.job import Job
from halfmap.model.disc import make_disc
from halfmap.model.orientations import direction_pixels, psi_angles_deg
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.schedule import Schedule
from halfmap.parallel.collectives import share
from halfmap.steps.memory_plan import Degrees, NodeLoad, Volumes, degrees_within, n_bytes_of_node

GB = 1e9
MARGIN = 0.9
"""Part of what is free that we take, unless told how much."""
MEMORY, STATUS = Path("/proc/meminfo"), Path("/proc/self/status")
CGROUPS = Path("/sys/fs/cgroup")


class Stretch(NamedTuple):
    """The degrees of this node, and what is agreed on by all."""

    degrees: Degrees
    turns: tuple[tuple[int, ...], ...]
    """Halves that are computed together."""
    needed: int = 0
    """Bytes of this node."""
    budget: float = 0.0

    @property
    def text(self) -> str:
        """What is done for want of memory on this node; empty if nothing is."""
        done = _measures(self.degrees)
        if not done:
            return ""
        short = "" if self.needed <= self.budget else ", and it may not be enough"
        return (
            f"memory: {self.budget / GB:.1f} GB for this node, so {', '.join(done)}: about "
            f"{self.needed / GB:.1f} GB{short}. Results stay the same"
        )


def _measures(degrees: Degrees) -> list[str]:
    measures = {
        "ranks share sums": degrees.shares,
        f"units are inserted in {degrees.n_slabs} slabs": degrees.n_slabs > 1,
        "one half goes after the other": degrees.in_turn,
        "sums are on disc": degrees.on_disc,
    }
    return [text for text, is_done in measures.items() if is_done]


def stretched(job: Job, schedule: Schedule) -> Stretch:
    """Choose for this node; halves go in turn everywhere if they do anywhere. Collective."""
    ranks, world = job.ranks, job.ranks.world
    here = ranks.node.allgather(world.rank)
    workers = tuple(
        sum(half in ranks.served[rank] for rank in here) for half in range(ranks.n_halves)
    )
    load = NodeLoad(workers, len(here), job.options.n_threads)
    volumes, budget = volumes_at(job, schedule), _budget(job)
    own = degrees_within(load, volumes, budget)
    in_turn = bool(world.allreduce(own.in_turn, op=MPI.LOR))
    degrees = replace(own, in_turn=in_turn)
    halves = tuple(range(ranks.n_halves))
    turns = tuple((half,) for half in halves) if in_turn else (halves,)
    return Stretch(degrees, turns, n_bytes_of_node(load, volumes, degrees), budget)


def volumes_at(job: Job, schedule: Schedule) -> Volumes:
    """Return how large the volumes are in an iteration."""
    sphere = PaddedSphere(schedule.current_size // 2, job.padding, schedule.sampling.flat)
    images = job.largest_unit_bytes * (2 if job.inserts_others(schedule) else 1)
    slices, symmetric = _slices(job, schedule), len(job.group.right) > 0
    return Volumes(sphere, job.box, job.options.n_classes, slices, images, symmetric)


def _slices(job: Job, schedule: Schedule) -> int:
    """Return what the coarse slices take, if they are cut beforehand."""
    sampling = schedule.sampling
    if sampling.fixed_angles or sampling.prior_sigma_deg is not None:
        return 0
    geometry = max((images.geometry for images in job.images), key=lambda each: each.box)
    disc = make_disc(schedule.current_size, schedule.coarse_size, geometry)
    n_rows = len(direction_pixels(sampling)[0]) * len(psi_angles_deg(sampling))
    return 4 * job.options.n_classes * n_rows * (disc.coarse_width + disc.power_width)


def _budget(job: Job) -> float:
    """Return the bytes that the ranks of this node may take. Collective."""
    if job.options.memory_GB > 0.0:
        return GB * job.options.memory_GB
    held = job.ranks.node.allreduce(_resident(), op=MPI.SUM)
    free = share(free_bytes(), job.ranks.node)
    return MARGIN * (free + float(held))


def free_bytes() -> float:
    """Return the memory of this node that is free, for us: of the machine, the cgroup, the job."""
    known = [1024.0 * _number(MEMORY, "MemAvailable:"), *_cgroup_bytes()]
    with suppress(KeyError, ValueError):
        known.append(float(os.environ["SLURM_MEM_PER_NODE"]) * 2**20)
    return min((n for n in known if n > 0.0), default=float("inf"))


def _cgroup_bytes() -> list[float]:
    """Return what is left below the limit of each control group that this process is in."""
    left = []
    with suppress(OSError):
        own = Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines()[-1]
        folder = CGROUPS / own.rpartition(":")[2].lstrip("/")
        for group in (folder, *folder.parents):
            with suppress(OSError, ValueError):
                limit = float((group / "memory.max").read_text(encoding="ascii"))
                used = float((group / "memory.current").read_text(encoding="ascii"))
                left.append(max(limit - used, 1.0))
    return left


def _resident() -> float:
    return 1024.0 * _number(STATUS, "VmRSS:")


def _number(path: Path, name: str) -> float:
    """Return the number behind a name; 0 where the system does not tell."""
    with suppress(OSError):
        for line in path.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(name):
                return float(line.split()[1])
    return 0.0
