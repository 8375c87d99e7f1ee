"""Examine all nodes, and say it once."""

import json
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace

from mpi4py import MPI

import halfmap
from halfmap.engine.doctor import discs, processor, ranks, software
from halfmap.engine.doctor.findings import Exam, Finding, Patient, Verdict, failed
from halfmap.parallel.faults import node_of

OF_EACH_RANK: tuple[Exam, ...] = (processor.cores,)
OF_EACH_NODE: tuple[Exam, ...] = (
    processor.matrix_products,
    processor.memory,
    processor.shared_memory,
    discs.output_folder,
    discs.scratch_disc,
    software.versions,
    software.compile_cache,
    software.kernels_agree,
    software.graphics_processors,
)
WORDS = {Verdict.GOOD: "ok", Verdict.NOTE: "note", Verdict.BAD: "BAD"}
ALIKE = "; other nodes alike"
Placed = tuple[Finding, tuple[str, ...]]
"""A finding, and the nodes that it is true of."""


def doctor(patient: Patient, say: Callable[[str], None], *, as_json: bool) -> int:
    """Examine the nodes of all ranks; the first rank says what it found. Collective.

    Returns
    -------
    exit_code
        0 when a run would work here, 1 when something has to be changed; on every rank.
    """
    world = MPI.COMM_WORLD
    placed = examined(patient, world)
    if world.rank == 0:
        say(_json(placed) if as_json else _text(placed))
    return int(any(finding.verdict is Verdict.BAD for finding, _ in placed))


def examined(patient: Patient, world: MPI.Intracomm) -> list[Placed]:
    """Return all findings, on every rank. Collective."""
    node = node_of(world)
    patient = replace(patient, ranks_of_node=node.size)
    together = [ranks.launcher(world), ranks.fault_tolerance(world)]
    if world.size > 1:
        together += [ranks.same_folder(patient, world), ranks.network(world)]
    own = [_tried(exam, patient) for exam in OF_EACH_RANK]
    if node.rank == 0:  # one after the other would take long, all at once would disturb
        own += [_tried(exam, patient) for exam in OF_EACH_NODE]
    own.append(ranks.node_memory(node))
    gathered = world.allgather((socket.gethostname(), own))
    everywhere = [(finding, host) for host, findings in gathered for finding in findings]
    return [(finding, ()) for finding in together] + _merged(everywhere)


def _tried(exam: Exam, patient: Patient) -> Finding:
    try:
        return exam(patient)
    except Exception as error:  # whatever is wrong with the machine: that is what is asked for
        return failed(exam.__name__.replace("_", " "), error)


def _merged(findings: Iterable[tuple[Finding, str]]) -> list[Placed]:
    """Say what is true of several nodes once, topic by topic."""
    hosts: dict[tuple[str, Verdict, str], list[str]] = {}
    first: dict[tuple[str, Verdict, str], Finding] = {}
    for finding, host in findings:
        key = (finding.topic, finding.verdict, finding.found)
        first.setdefault(key, finding)
        if host not in hosts.setdefault(key, []):
            hosts[key].append(host)
    topics = list(dict.fromkeys(topic for topic, _, _ in first))
    keys = sorted(first, key=lambda key: topics.index(key[0]))
    return [(first[key], tuple(hosts[key])) for key in keys]


def _text(placed: Sequence[Placed]) -> str:
    n_hosts = len({host for _, hosts in placed for host in hosts})
    lines = [f"halfmap {halfmap.__version__}"]
    for finding, hosts in _alike(placed):
        where = f" on {', '.join(hosts)}" if 0 < len(hosts) < n_hosts else ""
        lines.append(f"{WORDS[finding.verdict]:>4}  {finding.topic}{where}: {finding.found}")
        if finding.to_do:
            lines.append(f"      to do: {finding.to_do}")
    n_bad = sum(finding.verdict is Verdict.BAD for finding, _ in placed)
    lines.append(f"{n_bad} to be changed before a run" if n_bad else "fit for a run")
    return "\n".join(lines) + "\n"


def _alike(placed: Sequence[Placed]) -> list[Placed]:
    """Let the first node speak for all that differ in nothing but numbers."""
    found: dict[tuple[str, Verdict, str], Placed] = {}
    for finding, hosts in placed:
        key = (finding.topic, finding.verdict, finding.to_do)
        if key in found:
            first, others = found[key]
            text = first.found.removesuffix(ALIKE) + ALIKE
            found[key] = (replace(first, found=text), (*others, *hosts))
        else:
            found[key] = (finding, hosts)
    return list(found.values())


def _json(placed: Sequence[Placed]) -> str:
    findings = [asdict(finding) | {"nodes": list(hosts)} for finding, hosts in placed]
    fit = all(finding.verdict is not Verdict.BAD for finding, _ in placed)
    return json.dumps({"halfmap": halfmap.__version__, "fit": fit, "findings": findings}) + "\n"
