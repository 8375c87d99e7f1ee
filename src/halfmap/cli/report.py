"""``halfmap report RUN``: one self-contained HTML page from the files of a run."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from halfmap.errors import DataError, OptionError
from halfmap.io.atomic import replacing

_DESCRIPTION = """\
Write one self-contained HTML page about a refinement: FSC curves, resolution and sampling by
iteration, view directions, central slices, Pmax, noise spectra, times. It works on finished
runs, on runs that stopped, and while one goes on; it reads files of RELION too."""


def run(argv: Sequence[str]) -> int:
    """Parse the words after ``halfmap report``, write the page, return the exit code.

    Raises
    ------
    HalfmapError
        As the page cannot be made or written.
    """
    arguments = _parser().parse_args(argv)
    target: Path | None = arguments.o
    if target is not None and target.suffix.lower() not in (".html", ".htm"):
        raise OptionError(
            f"--o {target}: expected a name that ends in .html; other files are never replaced."
        )
    # Loaded here: the other commands never need the packages that draw.
    from halfmap.report.page import report_page
    from halfmap.report.run_files import find_run

    root = find_run(arguments.run).root
    target = target or root.with_name(f"{root.name}_report.html")
    if not target.parent.is_dir():
        raise DataError(f"{target}: the folder {target.parent} does not exist; create it first.")
    page = report_page(root)
    with replacing(target) as beside:
        beside.write_text(page, encoding="utf-8")
    sys.stdout.write(f"{target} ({len(page.encode()) / 1e6:.1f} MB): open it in any browser.\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="halfmap report",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "run",
        type=Path,
        metavar="RUN",
        help="root of the run (its --o), its folder, or any of its files",
    )
    parser.add_argument(
        "--o",
        type=Path,
        metavar="PAGE.html",
        help="the page to write (default: <root>_report.html; an older page is replaced)",
    )
    return parser
