"""The program: help, answers without input files, errors and exit codes."""

import os
import subprocess
import sys
import types

import pytest

from halfmap.cli.main import main
from halfmap.config.options import declarations
from halfmap.errors import DataError


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["refine", "--help"]) == 0

    words = capsys.readouterr().out.replace(",", " ").split()
    assert {f"--{d.spelling}" for d in declarations()} <= set(words)


def test_help_fits_its_width(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    main(["refine", "--help"])

    assert max(len(line) for line in capsys.readouterr().out.splitlines()) <= 100


def test_help_loads_nothing_that_is_slow_to_load() -> None:
    heavy = "numba scipy mpi4py matplotlib pandas gemmi rich h5py healpix"
    found = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from halfmap.cli.main import main; main(['refine', '--help']); "
            f"print(*set('{heavy}'.split()) & set(sys.modules), file=sys.stderr)",
        ],
        check=True,
        capture_output=True,
        text=True,
    )

    assert found.stderr.split() == []


@pytest.mark.parametrize("words", [["refine", "--help"], ["--version"]], ids=["long", "short"])
def test_help_that_is_cut_off_by_its_reader_ends_quietly(
    monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    # Python keeps a short text in its buffer, and flushes it once more at exit
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    reader, writer = os.pipe()
    os.close(reader)
    try:
        run = subprocess.run(
            [sys.executable, "-m", "halfmap.cli.main", *words],
            check=False,
            stdout=writer,
            stderr=subprocess.PIPE,
        )
    finally:
        os.close(writer)

    assert (run.returncode, run.stderr) == (0, b"")


def test_symmetry_operators_are_printed_without_input_files(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["refine", "--print_symmetry_ops", "--sym", "O"]) == 0

    out = capsys.readouterr().out
    assert out.startswith("O: 24 operators")
    assert out.count("R(") == 24


def test_operators_of_an_unknown_group_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["refine", "--print_symmetry_ops", "--sym", "I5"]) == 2
    assert "--sym: found 'I5'" in capsys.readouterr().err


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert (main(["--version"]), main(["refine", "--version"])) == (0, 0)

    first, second = capsys.readouterr().out.splitlines()
    assert first == second
    assert first.startswith("halfmap ")


@pytest.mark.parametrize("command", ["refin", "--ctf"])
def test_a_command_that_does_not_exist_lists_those_that_do(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command]) == 2

    error = capsys.readouterr().err
    assert error.startswith("halfmap: found the command")
    assert "refine, reconstruct, simulate, check, report" in error


def test_a_mistake_ends_with_exit_code_2_and_one_message_without_traceback() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "halfmap.cli.main", "refine", "--print_symmetry_ops", "--sym=X"],
        check=False,
        capture_output=True,
        text=True,
    )

    assert run.returncode == 2
    assert run.stderr.startswith("halfmap: the options cannot be used:\n  --sym: found 'X'")
    assert "Traceback" not in run.stderr


def stand_in(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let ``halfmap report`` end with this error."""

    def run(_: list[str]) -> int:
        raise error

    module = types.ModuleType("halfmap.cli.report")
    module.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "halfmap.cli.report", module)


def test_an_error_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, ZeroDivisionError("a mistake in the program"))

    with pytest.raises(ZeroDivisionError):
        main(["report", "RUN"])


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        pytest.param(DataError("run_model.star is empty"), 3, "run_model.star is empty", id="data"),
        pytest.param(KeyboardInterrupt(), 130, "interrupted", id="interrupted"),
    ],
)
def test_what_a_user_can_cause_has_an_exit_code_of_its_own_and_one_message(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    said: str,
) -> None:
    stand_in(monkeypatch, error)

    assert main(["report", "RUN"]) == code
    assert capsys.readouterr().err == f"halfmap: {said}\n"
