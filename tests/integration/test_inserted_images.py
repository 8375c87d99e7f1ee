"""rlnReconstructImageName: other images make the map of the last iteration, and nothing else."""

from pathlib import Path

import numpy as np
import pytest

from halfmap.cli.main import main
from halfmap.engine import schedule
from halfmap.io.mrc import read_map
from halfmap.io.stack_writer import stack_writer
from halfmap.io.stacks import ImageSource
from halfmap.io.star import read_star, write_star

N, BOX, PIXEL_A = 40, 24, 6.0
REFINE = (
    "refine --i {} --ref data/start.mrc --o {}/run --auto_refine --split_random_halves --ctf "
    "--norm --scale --zero_mask --ini_high 40 --healpix_order 1 --offset_range 2 --offset_step 2 "
    "--particle_diameter 100 --random_seed 3 --verb 0 --low_resol_join_halves 40"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs that are told to have converged after one iteration: with other images and without.

    The others are the particles with light and dark exchanged.
    """
    folder = tmp_path_factory.mktemp("inserted")
    words = f"--phantom --n {N} --box {BOX} --angpix {PIXEL_A} --snr 0.5 --n_micrographs 2 --split"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(schedule, "has_converged", lambda known, _: known.iteration >= 1)
        assert main(["simulate", *words.split(), "--seed", "2", "--o", "data"]) == 0
        images = ImageSource(("data/particles.mrcs",)).read(np.zeros(N, int), np.arange(N), BOX)
        with stack_writer(Path("negative.mrcs"), PIXEL_A, "float32") as write:
            write(-images)
        blocks = {k: dict(v) for k, v in read_star(Path("data/particles.star")).tables.items()}
        names = [f"{row + 1:06d}@negative.mrcs" for row in range(N)]
        blocks["particles"]["rlnReconstructImageName"] = np.array(names)
        write_star(Path("others.star"), blocks)
        for table, name in (("data/particles.star", "plain"), ("others.star", "others")):
            assert main(REFINE.format(table, name).split()) == 0
    return folder


def test_before_the_last_iteration_nothing_is_different(folder: Path) -> None:
    for name in ("run_it001_half1_class001.mrc", "run_it001_half2_model.star"):
        plain, others = (
            [row for row in (folder / run / name).read_bytes().splitlines() if row[:1] != b"#"]
            for run in ("plain", "others")
        )
        assert [row.replace(b"plain/", b"others/") for row in plain] == others


def test_the_last_map_shows_the_other_images(folder: Path) -> None:
    plain, others = (read_map(folder / run / "run_class001.mrc")[0] for run in ("plain", "others"))

    # They were not multiplied by mean norm / own norm, which differ by a few per cent.
    assert np.corrcoef(plain.ravel(), others.ravel())[0, 1] < -0.98


def test_poses_come_from_the_compared_images(folder: Path) -> None:
    plain, others = (
        read_star(folder / run / "run_data.star").table("particles") for run in ("plain", "others")
    )

    for label in ("rlnAngleRot", "rlnOriginXAngst", "rlnMaxValueProbDistribution"):
        np.testing.assert_array_equal(plain[label], others[label])
    assert others["rlnReconstructImageName"][0] == "000001@negative.mrcs"
