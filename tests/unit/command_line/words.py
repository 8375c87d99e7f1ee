"""Command lines for tests, and what is said to a mistake in one."""

import pytest

from halfmap.config.command_line import parse
from halfmap.errors import OptionError

NEW = ["--i", "p.star", "--ref", "r.mrc", "--o", "run"]


AUTO = [*NEW, "--auto_refine", "--split_random_halves"]


def problems(*argv: str) -> list[str]:
    """Return the lines of the one error that these words end with."""
    with pytest.raises(OptionError) as caught:
        parse(argv)
    return [line.strip() for line in str(caught.value).splitlines()[1:-1]]
