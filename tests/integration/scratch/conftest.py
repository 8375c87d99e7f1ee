from pathlib import Path

import pytest

from halfmap.cli.main import main
from integration.scratch.copies import of_any_command
from integration.tiny_project import refine


@pytest.fixture
def scratch(tiny_project: Path) -> Path:
    (tiny_project / "scratch").mkdir()
    return Path("scratch")


@pytest.fixture(scope="module")
def plain(tiny_particles: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Results without copies."""
    folder = tmp_path_factory.mktemp("plain")
    (folder / "particles").symlink_to(tiny_particles)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(refine("--o", "plain/run", "--iter", "2", "--verb", "0")) == 0
    return of_any_command(folder / "plain")
