"""With RELION's two single-precision running sums imitated, the rest agrees far more closely.

That shows where the few differing particles of `test_whole_runs` come from: from RELION's sums, not
from ours. The imitation exists for these tests only.
"""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from halfmap.engine import make_job
from halfmap.steps.search_plan import SearchRules

from .golden_runs import Run, one_more, refined, relative_rms, same_pose


@pytest.fixture(scope="module")
def imitated(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Roots of the files of our iterations, by case."""
    folder = tmp_path_factory.mktemp("imitated")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(make_job, "SearchRules", partial(SearchRules, single_precision_sums=True))
        first = {case: refined(shared, folder, case) for case in ("em", "halves", "k2")}
        second = one_more(shared, tmp_path_factory.mktemp("second"), "k2", 1)
    return {case: path / "run_it001" for case, path in first.items()} | {
        "k2 again": second / "run_ct1_it002"
    }


@pytest.fixture(
    params=[("em", ""), ("halves", "_half1"), ("halves", "_half2"), ("k2", ""), ("k2 again", "")],
    ids=lambda c: "".join(c),
)
def pair(
    request: pytest.FixtureRequest, imitated: dict[str, Path], shared: Path
) -> tuple[Run, Run]:
    """An iteration of ours and of RELION's: the first, or one from RELION's first."""
    case, half = request.param
    folder, again, _ = case.partition(" again")
    theirs = shared / "golden" / "relion" / folder / ("run_it002" if again else "run_it001")
    return Run(imitated[case], half), Run(theirs, half)


def test_all_poses_are_relions(pair: tuple[Run, Run]) -> None:
    assert same_pose(*pair).all()


def test_maps_agree_closely(pair: tuple[Run, Run]) -> None:
    ours, theirs = pair

    for found, expected in zip(ours.maps, theirs.maps, strict=True):
        assert relative_rms(found, expected) <= 1e-2


def test_fsc_agrees_closely(pair: tuple[Run, Run]) -> None:
    name = "rlnGoldStandardFsc"
    ours, theirs = (run.spectra[name] for run in pair)

    np.testing.assert_allclose(ours, theirs, atol=3e-4)


def test_noise_spectra_agree_closely(pair: tuple[Run, Run]) -> None:
    for group in (1, 2):
        ours, theirs = (run.model[f"model_optics_group_{group}"]["rlnSigma2Noise"] for run in pair)
        np.testing.assert_allclose(ours, theirs, rtol=1e-4)
