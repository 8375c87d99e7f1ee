"""With RELION's two single-precision running sums imitated, the rest agrees far more closely.

That shows where the few differing particles of `test_whole_runs` come from: from RELION's sums, not
from ours. The imitation exists for these tests only.
"""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from halfmap.engine import job
from halfmap.steps.search_plan import SearchRules

from .test_whole_runs import Run, refined, relative_rms, same_pose


@pytest.fixture(scope="module")
def imitated(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of our runs, by case."""
    folder = tmp_path_factory.mktemp("imitated")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "SearchRules", partial(SearchRules, single_precision_sums=True))
        return {case: refined(shared, folder, case) for case in ("em", "halves")}


@pytest.fixture(
    params=[("em", ""), ("halves", "_half1"), ("halves", "_half2")], ids=lambda c: "".join(c)
)
def pair(
    request: pytest.FixtureRequest, imitated: dict[str, Path], shared: Path
) -> tuple[Run, Run]:
    """The first iteration of ours and of RELION's."""
    case, half = request.param
    theirs = shared / "golden" / "relion" / case / "run_it001"
    return Run(imitated[case] / "run_it001", half), Run(theirs, half)


def test_all_poses_are_relions(pair: tuple[Run, Run]) -> None:
    assert same_pose(*pair).all()


def test_maps_agree_closely(pair: tuple[Run, Run]) -> None:
    ours, theirs = pair

    assert relative_rms(ours.map, theirs.map) <= 1e-2


def test_fsc_agrees_closely(pair: tuple[Run, Run]) -> None:
    name = "rlnGoldStandardFsc"
    ours, theirs = (run.spectra[name] for run in pair)

    np.testing.assert_allclose(ours, theirs, atol=3e-4)


def test_noise_spectra_agree_closely(pair: tuple[Run, Run]) -> None:
    for group in (1, 2):
        ours, theirs = (run.model[f"model_optics_group_{group}"]["rlnSigma2Noise"] for run in pair)
        np.testing.assert_allclose(ours, theirs, rtol=1e-4)
