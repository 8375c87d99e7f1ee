"""Examinations that take all ranks: do they know, see, and reach each other."""

import os
import secrets
import socket
import time
from pathlib import Path

import numpy as np
from mpi4py import MPI

from halfmap.engine.doctor.findings import Finding, Patient, Verdict
from halfmap.errors import OptionError
from halfmap.parallel.launcher import check_launcher, reports_losses
from halfmap.parallel.node_memory import NodeArrays

MESSAGE_BYTES = 16 * 2**20
N_MESSAGES = 4
SLOW_MB = 100.0
"""MB/s between nodes: gigabit Ethernet."""


def launcher(world: MPI.Intracomm) -> Finding:
    """Compare what the launcher started with what MPI sees."""
    library = MPI.Get_library_version().split(",")[0].splitlines()[0]
    try:
        check_launcher(os.environ, world.size, MPI.Get_library_version())
    except OptionError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        to_do = lines[-1].removeprefix("to do:").strip()
        return Finding("MPI", Verdict.BAD, lines[0], to_do, {"ranks": 1, "library": library})
    hosts = world.allgather(socket.gethostname())
    n_nodes = len(set(hosts))
    nodes = "1 node" if n_nodes == 1 else f"{n_nodes} nodes"
    of = "1 rank" if world.size == 1 else f"{world.size} ranks on {nodes}"
    numbers: dict[str, float | int | str] = {"ranks": world.size, "nodes": n_nodes}
    return Finding("MPI", Verdict.GOOD, f"{library}, {of}", "", numbers | {"library": library})


def fault_tolerance(world: MPI.Intracomm) -> Finding:
    """Say whether a run survives the loss of a rank."""
    topic = "lost ranks"
    if reports_losses(os.environ):
        return Finding(topic, Verdict.GOOD, "the others go on (ULFM is on)")
    restart = "a lost rank ends all: the job script has to start them again (slurm/)"
    if "Open MPI v5" not in MPI.Get_library_version():
        return Finding(topic, Verdict.NOTE, restart)
    if world.size == 1:
        return Finding(topic, Verdict.GOOD, "no launcher; mpirun --with-ft ulfm survives them")
    return Finding(topic, Verdict.NOTE, restart, "mpirun --with-ft ulfm, where mpirun can")


def node_memory(node: MPI.Intracomm) -> Finding:
    """Try to hold an array once for all ranks of the node."""
    topic = "memory of a node"
    if node.size == 1:
        return Finding(topic, Verdict.GOOD, "one rank: nothing to share")
    with NodeArrays(node) as arrays:
        array, rows = arrays.empty((node.size, 4), np.int64)
        array[rows] = node.rank
        node.Barrier()
        once = len(range(*rows.indices(node.size))) < node.size
        right = not once or bool((array[:, 0] == np.arange(node.size)).all())
        node.Barrier()
    if not node.allreduce(right, op=MPI.LAND):
        return Finding(topic, Verdict.BAD, "ranks see different numbers in it", "report this")
    if not once:
        to_do = "start all ranks of a node in one container, with one /proc"
        return Finding(topic, Verdict.NOTE, "each rank holds a copy of the maps", to_do)
    return Finding(topic, Verdict.GOOD, f"held once for {node.size} ranks")


def same_folder(patient: Patient, world: MPI.Intracomm) -> Finding:
    """Look from all nodes for a file that the first rank has written."""
    topic = "folder of the results"
    name = world.bcast(f".halfmap-doctor-{secrets.token_hex(8)}")
    file = Path(patient.folder) / name
    try:
        if world.rank == 0:
            file.write_bytes(b"")
    except OSError:  # said by the examination of the folder
        pass
    world.Barrier()
    seen = world.gather(None if file.exists() else socket.gethostname())
    if world.rank == 0:
        file.unlink(missing_ok=True)
    blind = sorted({host for host in seen or () if host is not None})
    if blind:
        text = f"{patient.folder} is not the same, or is absent, on {', '.join(blind)}"
        to_do = "work in a folder on a file system that all nodes share"
        return Finding(topic, Verdict.BAD, text, to_do)
    return Finding(topic, Verdict.GOOD, "the same for all ranks")


def network(world: MPI.Intracomm) -> Finding:
    """Send messages from the first rank to one neighbour, and to one rank of each other node."""
    topic = "messages"
    if world.size == 1:
        return Finding(topic, Verdict.GOOD, "one rank: none to send to")
    hosts = world.allgather(socket.gethostname())
    partners = [hosts.index(host) for host in dict.fromkeys(hosts) if host != hosts[0]]
    partners += [rank for rank in range(1, world.size) if hosts[rank] == hosts[0]][:1]
    rates = world.bcast({partner: _exchange(world, partner) for partner in partners})
    inside = [rates[p][0] for p in partners if hosts[p] == hosts[0]]
    between = [rates[p] for p in partners if hosts[p] != hosts[0]]
    parts = [f"{inside[0]:.0f} MB/s inside a node"] if inside else []
    if between:
        slowest, delay = min(r for r, _ in between), max(d for _, d in between)
        parts.append(f"{slowest:.0f} MB/s and {delay:.0f} us between nodes")
    numbers = {f"MB_per_s_to_{hosts[p]}_{p}": round(rates[p][0]) for p in partners}
    text = ", ".join(parts)
    if between and slowest < SLOW_MB:
        to_do = (
            "see which network MPI takes: OMPI_MCA_btl_tcp_if_include=ib0 (Open MPI), "
            "UCX_NET_DEVICES (UCX), or an MPI built for the cluster's network"
        )
        return Finding(topic, Verdict.NOTE, f"{text}: slow", to_do, numbers)
    return Finding(topic, Verdict.GOOD, text, "", numbers)


def _exchange(world: MPI.Intracomm, partner: int) -> tuple[float, float]:
    """Return MB/s of large messages, and us of small ones, between rank 0 and its partner."""
    world.Barrier()
    if world.rank not in (0, partner):
        return 0.0, 0.0
    seconds = []
    for n_bytes in (MESSAGE_BYTES, 8):
        message = np.zeros(n_bytes, np.uint8)
        _there_and_back(world, partner, message)  # connections are made by the first
        start = time.perf_counter()
        for _ in range(N_MESSAGES):
            _there_and_back(world, partner, message)
        seconds.append((time.perf_counter() - start) / (2 * N_MESSAGES))
    return MESSAGE_BYTES / 1e6 / seconds[0], 1e6 * seconds[1]


def _there_and_back(world: MPI.Intracomm, partner: int, message: np.ndarray) -> None:
    if world.rank == 0:
        world.Send(message, dest=partner)
        world.Recv(message, source=partner)
    else:
        world.Recv(message, source=0)
        world.Send(message, dest=0)
