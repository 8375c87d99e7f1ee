"""``halfmap report RUN``: one self-contained HTML page from the files of a run or of a map."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from halfmap.errors import DataError, OptionError
from halfmap.io.atomic import replacing

_DESCRIPTION = """\
Write one self-contained HTML page about a refinement: FSC curves, resolution and sampling by
iteration, view directions, central slices, Pmax, noise spectra, times. It works on finished
runs, on runs that stopped, and while one goes on; it reads files of RELION too. Of a map of
halfmap reconstruct: coverage of Fourier space, views, slices that were dropped, FSC, options."""


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
    from halfmap.io.reconstruction_record import SUFFIX
    from halfmap.report.page import report_page
    from halfmap.report.reconstruction_page import find_record, reconstruction_page
    from halfmap.report.run_files import find_run

    record = find_record(arguments.run)
    root = find_run(arguments.run).root if record is None else record
    name = root.name.removesuffix(SUFFIX)
    target = target or root.with_name(f"{name}_report.html")
    if not target.parent.is_dir():
        raise DataError(f"{target}: the folder {target.parent} does not exist; create it first.")
    page = report_page(root) if record is None else reconstruction_page(record)
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
        help="root of the run (its --o), its folder, or any of its files; or a map of "
        "halfmap reconstruct",
    )
    parser.add_argument(
        "--o",
        type=Path,
        metavar="PAGE.html",
        help="the page to write (default: <root>_report.html; an older page is replaced)",
    )
    return parser
