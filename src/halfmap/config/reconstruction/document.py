"""``docs/reconstruct_options.md``: ``python -m halfmap.config.reconstruction.document``."""

import sys

from halfmap.config.document import section
from halfmap.config.reconstruction.options import RECONSTRUCT

HEAD = """\
# Options of `halfmap reconstruct`

Made from the declarations in `src/halfmap/config/reconstruction` by
`python -m halfmap.config.reconstruction.document`; do not edit. The names are those of EMAN2's
e2make3dpar; docs/options.md says what the words about an option mean, docs/reconstruct.md what is
made and what differs.
"""


def document() -> str:
    """Return the whole page."""
    sections = [section(RECONSTRUCT, group, "EMAN2") for group in RECONSTRUCT.groups]
    return "\n".join([HEAD, *sections])


if __name__ == "__main__":
    sys.stdout.write(document())
