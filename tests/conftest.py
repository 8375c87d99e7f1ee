import os
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20_261_120)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with reference data: ``HALFMAP_SHARED``, or ``shared`` beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("HALFMAP_SHARED", beside))
    if not (folder / "golden").is_dir():
        pytest.skip(f"reference data absent: no golden/ in {folder} (set HALFMAP_SHARED)")
    return folder
