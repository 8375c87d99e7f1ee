"""What ``halfmap check`` prints."""

import shutil
import textwrap
from collections.abc import Iterator, Sequence

from halfmap.engine.checking.findings import Finding, Severity, remaining, worst_first

_WIDEST = 110


def _width() -> int:
    return min(shutil.get_terminal_size((100, 24)).columns, _WIDEST)


def summary_text(title: str, rows: Sequence[tuple[str, str]]) -> str:
    """Return the table at the top."""
    wide = 2 + max((len(name) for name, _ in rows), default=0)
    lines = [title, ""]
    for name, value in rows:
        lines += textwrap.wrap(
            value,
            _width(),
            initial_indent=f"  {name:<{wide}}",
            subsequent_indent=" " * (wide + 2),
        )
    return "\n".join([*lines, ""])


def findings_text(findings: Sequence[Finding]) -> str:
    """Return the findings, most severe first."""
    lines: list[str] = []
    for severity in Severity:
        some = [f for f in worst_first(findings) if f.severity is severity]
        if some:
            plural = "" if len(some) == 1 else "s"
            lines += ["", f"{len(some)} {severity.value}{plural}"]
            lines += [line for finding in some for line in _lines(finding)]
    return "\n".join([*lines, ""]) if lines else ""


def _lines(finding: Finding) -> Iterator[str]:
    yield from textwrap.wrap(
        f"{finding.text}.",
        _width(),
        initial_indent="  - ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    if finding.repair:
        yield from textwrap.wrap(
            f"--fix: {finding.repair}.",
            _width(),
            initial_indent="    ",
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )


def verdict(findings: Sequence[Finding], *, fixed: bool) -> str:
    """Return the last line."""
    n_problems = sum(f.severity is Severity.PROBLEM for f in findings)
    left = len(remaining(findings))
    if not n_problems:
        repairs = sum(bool(f.repair) for f in findings)
        offer = "" if fixed or not repairs else " --fix would change what is marked above."
        return f"\nA run can use this table.{offer}\n"
    if fixed and not left:
        return ""
    if not left:
        return "\nA run refuses this table; --fix repairs all of it.\n"
    if left < n_problems:
        part = f"--fix repairs {n_problems - left} of {n_problems} problems"
        return f"\nA run refuses this table; {part}.\n"
    return "\nA run refuses this table.\n"
