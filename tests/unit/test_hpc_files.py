"""What `hpc/` has for those who install: a container, a module, an easyconfig, agree with us.

Apptainer and EasyBuild are not run: their files are taken apart, and compared with pyproject.toml.
"""

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

import halfmap

CHECKOUT = Path(__file__).parents[2]
HPC = CHECKOUT / "hpc"
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LMOD = Path("/usr/share/lmod/lmod/libexec/lmod")
SECTIONS = {"labels", "files", "post", "environment", "runscript", "test", "help"}
OTHER_NAMES = {"pyyaml": "PyYAML"}
IN_BUNDLES = {"numpy": "SciPy-bundle", "scipy": "SciPy-bundle"}


# --- the container


@pytest.fixture(scope="module")
def recipe() -> dict[str, str]:
    """The sections of the recipe, and its head."""
    text = (HPC / "halfmap.def").read_text(encoding="utf-8")
    head, *parts = re.split(r"^%(\w+)\n", text, flags=re.MULTILINE)
    return {"head": head} | dict(zip(parts[::2], parts[1::2], strict=True))


def test_the_recipe_has_what_apptainer_needs(recipe: dict[str, str]) -> None:
    head = [line for line in recipe["head"].splitlines() if line and not line.startswith("#")]
    assert [line.split(": ")[0] for line in head] == ["Bootstrap", "From"]
    assert recipe.keys() - {"head"} == SECTIONS


@pytest.mark.parametrize("section", ["post", "environment", "runscript", "test"])
def test_the_programs_of_the_recipe_can_be_read_by_a_shell(
    recipe: dict[str, str], section: str
) -> None:
    subprocess.run(["sh", "-n"], input=recipe[section], text=True, check=True)


def test_the_recipe_copies_what_there_is_and_installs_it(recipe: dict[str, str]) -> None:
    sources = [line.split()[0] for line in recipe["files"].splitlines() if line.strip()]
    assert [name for name in sources if not (CHECKOUT / name).exists()] == []
    needed = {"pyproject.toml", "src", PROJECT["readme"], *PROJECT["license-files"]}
    assert needed <= set(sources)

    (extras,) = re.findall(r"/opt/source\[(.*?)\]", recipe["post"])
    assert set(extras.split(",")) <= PROJECT["optional-dependencies"].keys()


# --- the module


@pytest.mark.skipif(not LMOD.exists(), reason=f"no {LMOD} (Debian: lmod)")
def test_the_module_gives_programs_and_jobs_their_places(tmp_path: Path) -> None:
    (tmp_path / "hpc").symlink_to(HPC)
    done = subprocess.run(
        ["bash", "-c", f'eval "$({LMOD} bash load halfmap)"; env'],
        env={"PATH": os.environ["PATH"], "MODULEPATH": str(tmp_path / "hpc" / "modules")},
        capture_output=True,
        text=True,
        check=True,
    )
    found = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert found["LOADEDMODULES"] == f"halfmap/{halfmap.__version__}"
    assert found["HALFMAP_HOME"] == str(tmp_path)
    assert found["HALFMAP_VENV"] == str(tmp_path / ".venv")
    assert found["PATH"].startswith(f"{tmp_path}/.venv/bin:")
    assert found["HALFMAP_LAUNCHER"] == "mpirun"


# --- the easyconfig


@pytest.fixture(scope="module")
def easyconfig() -> dict[str, Any]:
    (file,) = (HPC / "easybuild").glob("*.eb")
    found: dict[str, Any] = {}
    exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), found)
    chain = found["toolchain"]
    assert file.stem == f"{found['name']}-{found['version']}-{chain['name']}-{chain['version']}"
    return found


def test_the_easyconfig_is_of_this_version(easyconfig: dict[str, Any]) -> None:
    assert (easyconfig["name"], easyconfig["version"]) == ("halfmap", halfmap.__version__)
    assert easyconfig["exts_list"][-1] == ("halfmap", halfmap.__version__)


@pytest.mark.parametrize("line", PROJECT["dependencies"])
def test_the_easyconfig_has_every_package_in_a_version_that_will_do(
    easyconfig: dict[str, Any], line: str
) -> None:
    needed = Requirement(line)
    given = {
        entry[0]: entry[1] for key in ("dependencies", "exts_list") for entry in easyconfig[key]
    }
    name = needed.name.lower()
    if name in IN_BUNDLES:
        assert IN_BUNDLES[name] in given  # of mid 2025: numpy 2.3, scipy 1.16
    else:
        assert needed.specifier.contains(given[OTHER_NAMES.get(name, name)])
