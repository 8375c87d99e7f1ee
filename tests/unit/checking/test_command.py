"""The command line of ``halfmap check``."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from halfmap.cli.main import main
from halfmap.engine.checking import written
from halfmap.engine.checking.findings import Finding, Severity
from halfmap.engine.checking.strict import Verdict
from halfmap.io.star import read_star

from .conftest import N, Project


def refusal(project: Project, *words: object) -> str:
    said = project.check(*words)
    assert said.code == 2
    assert said.err.startswith("halfmap: the options cannot be used:")
    assert said.out == ""
    return said.err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--nonsense",), "unrecognized arguments: --nonsense"),
        (("--kv", "x"), "--kv: found 'x'; Input should be a valid number"),
        (("--kv", "-1"), "--kv: found '-1'; Input should be greater than 0"),
        (("--q0", "2"), "--q0: found '2'; Input should be less than or equal to 1"),
        (("--random_seed", "-1"), "--random_seed: found '-1'"),
        (("--o", "x.star"), "--o: found without --fix"),
        (("--fix", "--o", "x.txt"), "--o x.txt: expected a name that ends in .star or .cs"),
        (("--fix", "--o", "p.star"), "--o p.star: found the table itself"),
        (("--fix", "--o", "no/x.star"), "--o no/x.star: the folder no does not exist"),
        (("--convert", "s.mrcs"), "--convert s.mrcs: expected a name that ends in"),
        (("--relative_to", "no"), "--relative_to no: found no such folder"),
    ],
)
def test_a_mistake_is_explained(project: Project, words, text: str) -> None:
    assert text in refusal(project, *words)


def test_all_mistakes_are_said_at_once(project: Project) -> None:
    said = refusal(project, "--o", "p.star", "--relative_to", "no")

    assert "--o: found without --fix" in said
    assert "--o p.star: found the table itself" in said
    assert "--relative_to no" in said


def test_a_table_that_is_not_there_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(tmp_path / "no.star")]) == 2
    assert "found no such file, expected a particle table" in capsys.readouterr().err


def test_files_are_replaced_only_if_asked(project: Project) -> None:
    project.write({"rlnDefocusU": [-1e4] * N, "rlnDefocusV": [-1e4] * N})
    Path("p_fixed.star").write_text("mine")
    Path("x.cs").write_text("mine")

    said = project.check("--fix")
    assert said.code == 2
    assert "p_fixed.star exists" in said.err
    assert "--convert x.cs: it exists" in refusal(project, "--convert", "x.cs")
    assert Path("p_fixed.star").read_text() == "mine"

    assert project.check("--fix", "--overwrite").code == 0
    assert float(read_star(Path("p_fixed.star")).tables["particles"]["rlnDefocusU"][0]) == 1e4


def test_a_copy_that_a_run_would_refuse_is_reported(project: Project, monkeypatch) -> None:
    project.write({"rlnDefocusU": [-1e4] * N, "rlnDefocusV": [-1e4] * N})
    refused = Verdict(None, np.arange(N), (Finding(Severity.PROBLEM, "it is bad"),))
    monkeypatch.setattr(written, "judge", lambda *_: refused)

    said = project.check("--fix")

    assert said.code == 3
    assert "the repaired copy is still refused: it is bad" in said.err


def test_a_stack_is_not_replaced_either(project: Project) -> None:
    Path("fixed.mrcs").write_text("mine")

    said = project.check("--fix", "--deep", "--dark", "--o", "fixed.star")

    assert said.code == 2
    assert "fixed.mrcs exists" in said.err
    assert not Path("fixed.star").exists()


def test_a_copy_in_another_folder_finds_its_stacks(project: Project, monkeypatch) -> None:
    (Path("work") / "sub").mkdir(parents=True)
    monkeypatch.chdir("work/sub")
    project.table = Path("../../p.star")

    said = project.check("--fix", "--dark", "--o", "f.star")

    assert said.code == 0, said.out
    names = read_star(Path("f.star")).tables["particles"]["rlnImageName"].tolist()
    assert names[0] == "000001@../../s.mrcs"


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_reader_that_goes_and_a_poor_terminal_do_no_harm(project: Project, encoding) -> None:
    project.write({"rlnDefocusU": [-1e4] * N, "rlnDefocusV": [-1e4] * N})
    reader, writer = os.pipe()
    os.close(reader)
    words = [sys.executable, "-m", "halfmap.cli.main", "check", "p.star", "--fix"]
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    environment.pop("PYTHONUNBUFFERED", None)
    try:
        run = subprocess.run(
            words, check=False, stdout=writer, stderr=subprocess.PIPE, env=environment
        )
    finally:
        os.close(writer)

    assert (run.returncode, run.stderr) == (0, b"")
    assert Path("p_fixed.star").exists()


def test_a_table_goes_to_cs_and_back_without_loss(project: Project) -> None:
    project.write({"myOwn": ["1.50", "x y", "", "4", "5", "6"]})

    assert project.check("--convert", "x.cs").code == 0
    project.table = Path("x.cs")
    assert project.check("--convert", "back.star").code == 0

    back, before = read_star(Path("back.star")), read_star(Path("p.star"))
    assert list(back.tables) == list(before.tables)
    for name, table in before.tables.items():
        assert {k: v.tolist() for k, v in back.tables[name].items()} == {
            k: v.tolist() for k, v in table.items()
        }


def test_a_repaired_copy_may_be_a_cs_file(project: Project) -> None:
    project.write({"rlnDefocusU": [-1e4] * N, "rlnDefocusV": [-1e4] * N})

    assert project.check("--fix", "--o", "x.cs").code == 0

    table = np.load("x.cs")
    assert table["ctf/df1_A"].tolist() == [1e4] * N
    assert len(set(table["uid"].tolist())) == N
    project.table = Path("x.cs")
    assert project.check().code == 0


def test_aberrations_of_cryosparc_that_are_not_converted_are_mentioned(project: Project) -> None:
    assert project.check("--convert", "x.cs").code == 0
    with Path("x.cs").open("rb") as file:
        table = np.load(file)
    project.table = Path("x.cs")
    assert "trefoil" not in project.check().out
    table["ctf/trefoil_A"][:] = [100.0, 0.0]
    with Path("x.cs").open("wb") as file:
        np.save(file, table)

    assert "ctf/trefoil_A is not zero: threefold astigmatism" in project.check().out


def test_windows_line_ends_are_explained(project: Project) -> None:
    text = project.table.read_bytes().replace(b"\n", b"\r\n")
    project.table.write_bytes(text)

    said = project.check()

    assert said.code == 3
    assert "has Windows line ends" in said.out
