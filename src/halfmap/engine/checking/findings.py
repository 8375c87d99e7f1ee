"""What a check has found: data, to be shown, counted and repaired."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from halfmap.io.problems import rows_text


class Severity(Enum):
    """How much a finding matters; the worst first."""

    PROBLEM = "problem"
    """A run refuses the table."""
    WARNING = "warning"
    """A run goes on, perhaps to a wrong result."""
    NOTICE = "notice"
    """Worth knowing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be."""

    severity: Severity
    found: str
    expected: str = ""
    remedy: str = ""
    """What the user can do, where there is no repair."""
    rows: tuple[int, ...] = ()
    """Rows of the table of particles that show it, from zero."""
    repair: str = ""
    """What ``--fix`` does about it; empty if it cannot."""

    @property
    def text(self) -> str:
        """Say it in a line: what was found, where, what was expected, what to do."""
        where = f" in {rows_text(self.rows)}" if self.rows else ""
        expected = f"; expected {self.expected}" if self.expected else ""
        remedy = f". {self.remedy}" if self.remedy else ""
        return f"{self.found}{where}{expected}{remedy}"


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings by severity, in their order otherwise."""
    order = list(Severity)
    return sorted(findings, key=lambda finding: order.index(finding.severity))


def remaining(findings: Sequence[Finding]) -> list[Finding]:
    """Return the problems that no repair solves."""
    return [f for f in findings if f.severity is Severity.PROBLEM and not f.repair]
