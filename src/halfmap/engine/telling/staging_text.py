"""What is said of the copies of the particle images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from halfmap.io.scratch.copying import Tally
from halfmap.model.schedule import Schedule

UNITS = {"kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}
SHOWN = 3
"""Problems in a message; the rest is counted."""


@dataclass(frozen=True, slots=True)
class NodeReport:
    """What the ranks of a node say of the copies there."""

    node: str
    folder: str
    tally: Tally
    over: bool
    """Whether nothing more will be copied."""
    broken: str = ""
    """Why copies are of no use there, if so."""
    n_spoilt: int = 0
    """Images that were not any longer what had been copied."""
    lost: str = ""
    """Why copies could not be read, if so."""


def of_nodes(reports: Sequence[NodeReport]) -> tuple[NodeReport, ...]:
    """Take together what the ranks of each node say: the one that has seen most speaks."""
    nodes: dict[str, list[NodeReport]] = {}
    for report in reports:
        nodes.setdefault(report.node, []).append(report)
    return tuple(_of_ranks(own) for own in nodes.values())


def _of_ranks(own: list[NodeReport]) -> NodeReport:
    best = max(own, key=lambda report: report.tally.n_there)
    problems = [text for report in own for text in report.tally.problems]
    return NodeReport(
        node=best.node,
        folder=best.folder,
        tally=replace(best.tally, problems=list(dict.fromkeys(problems))),
        over=all(report.over for report in own),
        broken=next((report.broken for report in own if report.broken), ""),
        n_spoilt=sum(report.n_spoilt for report in own),
        lost=next((report.lost for report in own if report.lost), ""),
    )


def staging_lines(nodes: Sequence[NodeReport], reason: str) -> tuple[str, ...]:
    """Say how much is copied, in a line for all nodes that are alike.

    Parameters
    ----------
    reason
        Why no more is copied when there is no more room.
    """
    alike: dict[str, list[str]] = {}
    for node in nodes:
        if node.tally.n_there or not node.broken:
            alike.setdefault(_copied(node, reason), []).append(node.node)
    return tuple(text.format(on=_on(names, len(nodes))) for text, names in alike.items())


def _copied(report: NodeReport, reason: str) -> str:
    tally = report.tally
    there, wanted = f"{tally.n_there:,}", f"{tally.n_wanted:,}"
    folder = report.folder.replace("{", "{{").replace("}", "}}")
    if not report.over:
        return f"copies: {there} of {wanted} images lie in {folder}{{on}} so far"
    if tally.n_there >= tally.n_wanted:
        return f"copies: all {wanted} images ({_size(tally.bytes_there)}) lie in {folder}{{on}}"
    sizes = f"{_size(tally.bytes_there)} of {_size(tally.bytes_wanted)}"
    why = f": {reason}" if tally.full else ""
    return (
        f"copies: {there} of {wanted} images ({sizes}) lie in {folder}{{on}}{why}. "
        "The others are read from their stacks"
    )


def _on(names: list[str], n_nodes: int) -> str:
    if n_nodes == 1:
        return ""
    if len(names) == n_nodes:
        return f" of each of {n_nodes} nodes"
    return f" of {_listed(names)}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def broken_lines(nodes: Sequence[NodeReport]) -> tuple[str, ...]:
    """Say on which nodes copies are of no use, and why."""
    alike: dict[str, list[str]] = {}
    for node in nodes:
        if node.broken:
            alike.setdefault(node.broken, []).append(node.node)
    return tuple(
        f"images that are not copied are read from their stacks{_at(names, len(nodes))}. {text}"
        for text, names in alike.items()
    )


def _at(names: list[str], n_nodes: int) -> str:
    return "" if n_nodes == 1 else f" on {_listed(names)}"


def problem_lines(nodes: Sequence[NodeReport]) -> tuple[str, ...]:
    """Say what could not be copied, and what was lost of what had been."""
    lines = []
    problems = list(dict.fromkeys(text for node in nodes for text in node.tally.problems))
    if problems:
        listed = "".join(f"\n  {text}" for text in problems[:SHOWN])
        more = f"\n  and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        lines.append(f"stacks that are not copied as a whole: {len(problems)}{listed}{more}")
    lines += [
        f"{node.n_spoilt} images in {node.folder} of {node.node} are not any longer what was "
        "written there, and are read from their stacks. Have the disc checked"
        for node in nodes
        if node.n_spoilt
    ]
    lines += [
        f"copies in {node.folder} of {node.node} cannot be read ({node.lost}); those images are "
        "read from their stacks"
        for node in nodes
        if node.lost
    ]
    return tuple(lines)


def beyond_cut_text(limit_A: float, cut_size: int, before: Schedule, now: Schedule) -> str:
    """Say that an iteration is the first that images are too small for; empty if it is not.

    Parameters
    ----------
    limit_A, cut_size
        Detail that is left in cut images: resolution, and window of the map (px).
    before, now
        The iteration before, and this one.
    """
    if not 0 < cut_size < now.current_size or before.current_size > cut_size:
        return ""
    return (
        f"iteration {now.iteration} sees finer detail than {limit_A:g} Å (--scratch_crop_A): "
        "images are read whole, from their stacks"
    )


def _size(n_bytes: int) -> str:
    """Return a size in a unit that suits it.

    >>> _size(55_296), _size(1_300_000_000)
    ('55.3 kB', '1.3 GB')
    """
    unit = max((u for u in UNITS if n_bytes >= UNITS[u]), key=UNITS.__getitem__, default="kB")
    return f"{n_bytes / UNITS[unit]:.3g} {unit}"
