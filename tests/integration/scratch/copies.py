"""Runs whose images are copied, and what they must equal."""

from pathlib import Path

from integration.tiny_project import refine, results

ALL = "copies: all 24 images (55.3 kB) lie in"
"""24 images of 24 x 24 px."""


def of_any_command(folder: Path) -> dict[str, bytes]:
    """Return the files of a run, less those that hold the command line and the options."""
    found = results(folder)
    return {n: found[n] for n in found if not n.endswith(("_halfmap.h5", "_options.yaml"))}


def with_copies(name: str, *more: str) -> list[str]:
    words = refine("--o", f"{name}/run", "--iter", "2", "--scratch_dir", "scratch", *more)
    return [*words, "--keep_free_scratch", "0"] if "--keep_free_scratch" not in more else words


def assert_same(name: str, plain: dict[str, bytes]) -> None:
    found = of_any_command(Path(name))
    # The root of the names is in the tables.
    renamed = {n: c.replace(f"{name}/run".encode(), b"plain/run") for n, c in found.items()}
    assert renamed == plain
