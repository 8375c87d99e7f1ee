"""All that is done to a map is the same on any number of ranks, and when a run is continued."""

from pathlib import Path

import numpy as np
import pytest

from halfmap.io.mrc import write_map
from halfmap.io.star import write_star
from halfmap.steps.solvent import solvent_mask

from .conftest import Launch
from .tiny_project import BOX, PIXEL_A, Run, assert_ran, refine, results

pytestmark = pytest.mark.usefixtures("tiny_project")

WORDS = (
    *("--flatten_solvent", "--solvent_mask", "mask.mrc", "--solvent_mask2", "region.mrc"),
    *("--lowpass_mask", "shell.mrc", "--lowpass", "40", "--local_symmetry", "local.star"),
    *("--tau", "tau.star", "--center_classes", "--iter", "3", "--prior", "my_priors:half_of_it"),
)


@pytest.fixture(autouse=True)
def files(tiny_project: Path) -> None:
    del tiny_project  # the working folder
    mask = solvent_mask(BOX, PIXEL_A, 80.0, 3.0)
    write_map(Path("mask.mrc"), mask, PIXEL_A)
    write_map(Path("region.mrc"), solvent_mask(BOX, PIXEL_A, 20.0, 2.0), PIXEL_A)
    write_map(Path("shell.mrc"), 1.0 - mask, PIXEL_A)
    write_map(Path("part.mrc"), np.roll(solvent_mask(BOX, PIXEL_A, 24.0, 2.0), 4, 2), PIXEL_A)
    rows = {"rlnMaskName": ["part.mrc"], "rlnAngleRot": np.array([130.0])}
    zeros = {f"rlnAngle{name}": np.zeros(1) for name in ("Tilt", "Psi")}
    zeros |= {f"rlnOrigin{axis}Angst": np.zeros(1) for axis in "XYZ"}
    write_star(Path("local.star"), {"": rows | zeros})
    shells = np.arange(BOX // 2 + 1)
    write_star(
        Path("tau.star"),
        {"": {"rlnSpectralIndex": shells, "rlnReferenceTau2": np.exp(-shells / 4.0)}},
    )
    Path("my_priors.py").write_text(
        "def half_of_it(given):\n    return 0.5 * given.map\n", encoding="utf-8"
    )


def of_maps_and_tables(folder: str) -> dict[str, bytes]:
    """Return the files less those that know the command, with its --o."""
    return {
        name: content
        for name, content in results(Path(folder)).items()
        if not name.endswith(("_halfmap.h5", "_options.yaml"))
    }


@pytest.mark.parametrize("ranks", [2, 3])
def test_any_number_of_ranks_gives_the_same_bytes(
    halfmap: Launch, tiny_project: Path, run: Run, ranks: int
) -> None:
    assert_ran(run(refine(*WORDS)))
    Path("out").rename("alone")

    done = halfmap(tiny_project, *refine(*WORDS), ranks=ranks)

    assert done.returncode == 0, done.stderr
    assert of_maps_and_tables("out") == of_maps_and_tables("alone")


def test_a_continued_run_gives_the_bytes_of_the_uninterrupted_one(run: Run) -> None:
    assert_ran(run(refine(*WORDS)))
    whole = of_maps_and_tables("out")

    assert_ran(run(["refine", "--continue", "out/run_it001_optimiser.star", "--overwrite"]))

    assert of_maps_and_tables("out") == whole
