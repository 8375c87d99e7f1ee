"""Cores, matrix products, memory."""

import os
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from halfmap.engine.doctor.findings import Finding, Patient, Verdict
from halfmap.io.free_memory import free_memory
from halfmap.parallel.launcher import UNBOUND, bound_cores

N_SGEMM = 1024
SLOW_SGEMM = 10.0
"""GFLOP/s of one thread. Every core since 2013 (AVX2) does 30 and more with a good library."""
LITTLE_GB = 2.0
"""For each rank: what boxes of about 256 px take."""


def cores(patient: Patient) -> Finding:
    """Compare threads with cores: those that this rank may use, and those of the node."""
    of_node, bound = os.cpu_count() or 1, bound_cores()
    may_use = of_node if bound == UNBOUND else bound
    wanted = patient.ranks_of_node * patient.n_threads
    numbers: dict[str, float | int | str] = {
        "cores_of_node": of_node,
        "cores_of_rank": may_use,
        "ranks_of_node": patient.ranks_of_node,
        "threads_of_rank": patient.n_threads,
    }
    ranks = f"{patient.ranks_of_node} rank{'s' if patient.ranks_of_node > 1 else ''}"
    text = f"{of_node} on the node, for {ranks} with {patient.n_threads} threads each (--j)"
    if may_use < patient.n_threads:
        return Finding(
            "cores",
            Verdict.BAD,
            f"{text}; this rank is bound to {may_use}: its threads will wait for each other",
            "mpirun --bind-to none (Open MPI), or srun --cpus-per-task",
            numbers,
        )
    if wanted > of_node:
        to_do = "start fewer ranks on each node, or give them fewer threads (--j)"
        return Finding("cores", Verdict.NOTE, f"{text}: more threads than cores", to_do, numbers)
    return Finding("cores", Verdict.GOOD, text, "", numbers)


def matrix_products(_: Patient) -> Finding:
    """Measure the rate of matrix products in single precision, of one thread."""
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, N_SGEMM, N_SGEMM)).astype(np.float32)
    best = float("inf")
    with threadpool_limits(1):
        for _attempt in range(4):
            start = time.thread_time()  # of this thread: others may use the core too
            a @ b
            best = min(best, time.thread_time() - start)
    rate = 2e-9 * N_SGEMM**3 / best
    libraries = [i for i in threadpool_info() if i.get("user_api") == "blas"]
    names = [f"{i['internal_api']} {i.get('version') or ''}".strip() for i in libraries]
    library: str = names[0] if names else "a library that says nothing of itself"
    text = f"{rate:.0f} GFLOP/s on one thread, by {library}"
    numbers: dict[str, float | int | str] = {"gflops": round(rate, 1), "library": library}
    if rate < SLOW_SGEMM:
        to_do = "install numpy from PyPI or conda-forge, whose matrix products are fast"
        return Finding("matrix products", Verdict.BAD, f"{text}: slow", to_do, numbers)
    return Finding("matrix products", Verdict.GOOD, text, "", numbers)


def memory(patient: Patient) -> Finding:
    """Say how much memory each rank may take, of the node and of the job's share."""
    whole, free = _of_node(), free_memory()
    if free is None:
        return Finding("memory", Verdict.NOTE, "the system does not say how much is free")
    each = free / 1e9 / patient.ranks_of_node
    limited = " (by the scheduler or the container)" if free < 0.5 * whole else ""
    text = f"{free / 1e9:.1f} of {whole / 1e9:.1f} GB may be taken{limited}, {each:.1f} GB a rank"
    numbers = {"free_GB": round(free / 1e9, 2), "node_GB": round(whole / 1e9, 2)}
    if each < LITTLE_GB:
        to_do = (
            "start fewer ranks with more threads each, or ask the scheduler for more (--mem); "
            "halfmap refine --dry_run says how much a run takes"
        )
        return Finding("memory", Verdict.NOTE, f"{text}: little", to_do, numbers)
    return Finding("memory", Verdict.GOOD, text, "", numbers)


def _of_node() -> int:
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return 0


def shared_memory(_: Patient) -> Finding:
    """Look at /dev/shm, through which MPI moves messages and ``--preread_images`` keeps images."""
    place = Path("/dev/shm")
    if not place.is_dir():
        return Finding("/dev/shm", Verdict.NOTE, "absent: MPI takes slower ways inside a node")
    status = os.statvfs(place)
    size, free = (n * status.f_frsize for n in (status.f_blocks, status.f_bavail))
    text, numbers = f"{free / 1e9:.1f} of {size / 1e9:.1f} GB free", {"free_GB": free / 1e9}
    if free < 256 * 2**20:
        to_do = "containers: start with --shm-size=4g, or bind the node's /dev/shm"
        return Finding("/dev/shm", Verdict.NOTE, f"{text}: little", to_do, numbers)
    return Finding("/dev/shm", Verdict.GOOD, text, "", numbers)
