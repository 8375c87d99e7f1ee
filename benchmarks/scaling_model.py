"""Seconds of one iteration over nodes: a model, its constants, and where more nodes stop to help.

    python benchmarks/scaling_model.py [--box B] [--particles N] [--ms_per_particle T] ...

What a map takes (transform, decoding, reconstruction) is measured here, on one thread, at
`TRIED_BOX` and grows with the voxels; the time of a particle comes from `expectation.py`, that of a
message from `scaling.py`; what network and disc carry is an assumption, and said.
"""

import argparse
import math
import time
from dataclasses import dataclass

import numpy as np

from halfmap.model.exact import decode, sum_scales
from halfmap.model.half_model import HalfModel
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.sums import ExpectationSums
from halfmap.model.touched_voxels import n_touched
from halfmap.parallel.units import LARGEST_UNIT
from halfmap.steps.complete_sums import hermitian
from halfmap.steps.maximisation import spectra
from halfmap.steps.reconstruction import reconstruct
from halfmap.steps.references import fourier_reference

TRIED_BOX = 128
PADDING = 2.0
NODES = (1, 2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True)
class Cluster:
    """What the model assumes of nodes, network and disc."""

    cores: int
    threads: int
    """Of a rank."""
    network_GB_s: float
    disc_GB_s: float


@dataclass(frozen=True)
class Work:
    """An iteration of two halves and one class."""

    box: int
    n_particles: int
    particle_s: float
    message_s: float
    transform_s: float
    map_s: float

    @property
    def sums_bytes(self) -> int:
        """Integers of one half in the last iteration."""
        return 24 * n_touched(PaddedSphere(self.box // 2, PADDING))


def measured_maps(box: int) -> tuple[float, float]:
    """Return the CPU seconds to transform a map, and to make one from its sums."""
    volume = np.random.default_rng(1).standard_normal((TRIED_BOX,) * 3).astype(np.float32)
    start = time.thread_time()
    sphere = fourier_reference(volume, TRIED_BOX, PADDING).sphere
    transform_s = time.thread_time() - start
    n_shells = TRIED_BOX // 2 + 1
    model = HalfModel.untrained(
        volume[None], np.ones((1, n_shells)), np.ones((1, n_shells)), 1.0, (1, 1)
    )
    sums = ExpectationSums.zeros(1, n_touched(sphere), (1, n_shells), 1)
    sums.volume[:] = 2**20
    start = time.thread_time()
    (fourier,), _, _ = decode(sums, sum_scales(model, 1000), sphere)
    complete = hermitian(fourier)
    power = spectra(complete, TRIED_BOX, np.ones(n_shells), 1.0).signal_variance
    reconstruct(complete, TRIED_BOX, power, 1.0)
    map_s = time.thread_time() - start
    share = (box / TRIED_BOX) ** 3
    return transform_s * share, map_s * share


def phases(work: Work, cluster: Cluster, n_nodes: int) -> dict[str, float]:
    """Return the seconds of each phase; one rank leads, the others compute."""
    n_ranks = n_nodes * cluster.cores // cluster.threads
    threads = max(1, n_ranks - 1) * cluster.threads
    unit_s = LARGEST_UNIT * work.particle_s
    computing = work.n_particles * work.particle_s / threads + 0.5 * unit_s
    leading = work.n_particles / LARGEST_UNIT * work.message_s
    map_bytes = 4 * work.box**3
    hops = math.ceil(math.log2(max(2, n_nodes)))
    across = hops if n_nodes > 1 else 1  # inside a node memory takes the place of the network
    return {
        "expectation": max(computing, leading),
        "preparation": work.transform_s + across * map_bytes / (1e9 * cluster.network_GB_s),
        "reduction": across * work.sums_bytes / (1e9 * cluster.network_GB_s),
        "maps": work.map_s,
        "writing": 4 * map_bytes / (1e9 * cluster.disc_GB_s),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--box", type=int, default=256)
    parser.add_argument("--particles", type=int, default=1_000_000)
    parser.add_argument("--ms_per_particle", type=float, default=108.0, help="of one thread")
    parser.add_argument("--us_per_message", type=float, default=30.0, help="of the leader")
    parser.add_argument("--cores", type=int, default=64, help="of a node")
    parser.add_argument("--threads", type=int, default=8, help="of a rank")
    parser.add_argument("--network_GB_s", type=float, default=5.0, help="of a node; assumed")
    parser.add_argument("--disc_GB_s", type=float, default=0.3, help="assumed")
    said = parser.parse_args()
    cluster = Cluster(said.cores, said.threads, said.network_GB_s, said.disc_GB_s)
    ms, us = 1e-3 * said.ms_per_particle, 1e-6 * said.us_per_message
    work = Work(said.box, said.particles, ms, us, *measured_maps(said.box))
    each = {n: phases(work, cluster, n) for n in NODES}
    names = list(each[1])
    print("| nodes | " + " | ".join(names) + " | all, s | efficiency |\n" + "|---" * 8 + "|")
    first = sum(each[1].values())
    for n, seconds in each.items():
        total = sum(seconds.values())
        shown = " | ".join(f"{seconds[name]:.1f}" for name in names)
        print(f"| {n} | {shown} | {total:.1f} | {100 * first / total / n:.0f} % |")
    bend = next((n for n in NODES if n * sum(each[n].values()) > 2 * first), None)
    print(f"\nhalf of the nodes' time is lost from {bend or f'more than {NODES[-1]}'} nodes on")


if __name__ == "__main__":
    main()
