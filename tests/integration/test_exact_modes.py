"""Rare modes give the same bytes on any number of ranks and threads, and when a run goes on."""

from pathlib import Path

import pytest

from .conftest import Launch
from .tiny_project import Run, assert_ran, refine, results

pytestmark = pytest.mark.usefixtures("tiny_project")

MODES = {
    "correlation, nearest neighbours": ("--always_cc", "--NN", "--r_min_nn", "3"),
    "no map, inverted grid, padded CTF": (
        *("--denovo_3dref", "--K", "2", "--ref", "None", "--ini_high", "-1"),
        *("--dont_skip_gridding", "--pad_ctf"),
    ),
}
"""Several in one run, where they do not exclude each other."""


def of_any_command(folder: str) -> dict[str, bytes]:
    """Return the results less those that know the command."""
    ends = ("_halfmap.h5", "_options.yaml")
    return {n: text for n, text in results(Path(folder)).items() if not n.endswith(ends)}


@pytest.mark.parametrize("mode", MODES)
def test_a_rare_mode_gives_the_same_bytes_whoever_computes(
    halfmap: Launch, tiny_project: Path, run: Run, mode: str
) -> None:
    words = refine(*MODES[mode], "--iter", "2")
    assert_ran(run(words))
    Path("out").rename("alone")
    whole = of_any_command("alone")

    done = halfmap(tiny_project, *words, "--j", 2, ranks=3)

    assert done.returncode == 0, done.stderr
    assert of_any_command("out") == whole
    assert_ran(run(["refine", "--continue", "out/run_it001_optimiser.star", "--overwrite"]))
    assert of_any_command("out") == whole
