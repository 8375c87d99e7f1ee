"""Many ranks, one message."""

import pytest

from halfmap.cli.main import launcher_rank, main, message
from halfmap.config.command_line import MissingFileError, parse
from halfmap.errors import CollectiveError, DataError, OptionError

from .words import NEW


@pytest.mark.parametrize("name", ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"])
def test_the_rank_is_that_of_the_launcher(name: str) -> None:
    assert launcher_rank({}) == 0
    assert launcher_rank({name: "3"}) == 3


def test_the_launcher_of_the_ranks_counts_before_the_batch_system() -> None:
    assert launcher_rank({"SLURM_PROCID": "0", "OMPI_COMM_WORLD_RANK": "2"}) == 2


def test_what_all_ranks_know_is_said_by_rank_0_alone() -> None:
    for error in (OptionError("x"), CollectiveError("x")):
        assert message(error, {"PMI_RANK": "0"}) == "halfmap: x\n"
        assert message(error, {"PMI_RANK": "1"}) == ""


def test_what_one_rank_knows_is_said_by_it() -> None:
    text = message(DataError("x"), {"PMI_RANK": "1"})

    assert text.startswith("halfmap: rank 1 on ")
    assert text.endswith(": x\n")


def test_a_file_that_one_node_cannot_see_is_named_once_by_that_node() -> None:
    ranks = ({"OMPI_COMM_WORLD_RANK": "4", "OMPI_COMM_WORLD_LOCAL_RANK": n} for n in "01")

    first, second = (message(MissingFileError("x"), rank) for rank in ranks)

    assert first.startswith("halfmap: rank 4 on ")
    assert second == ""


def test_only_missing_files_depend_on_the_node() -> None:
    with pytest.raises(MissingFileError):
        parse(["--i", "no.star", *NEW[2:]])
    with pytest.raises(OptionError) as caught:
        parse(["--i", "no.star", *NEW[2:], "--sym", "C0"])
    assert not isinstance(caught.value, MissingFileError)


def test_help_is_printed_by_rank_0_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "1")

    assert main(["refine", "--help"]) == 0
    assert capsys.readouterr().out == ""
