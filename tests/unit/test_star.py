from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halfmap.errors import DataError
from halfmap.io.star import TEXT, as_numbers, read_star, write_star
from halfmap.io.star_structure import star_structure
from halfmap.io.star_text import format_values


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "    0.000000"),
        (1.0, "    1.000000"),
        (-1.0, "    -1.00000"),
        (0.001, "    0.001000"),
        (0.0005, "5.000000e-04"),
        (-0.0005, "-5.00000e-04"),
        (12345.678901, "12345.678901"),
        (100000.0, "100000.00000"),
        (100000.5, "1.000005e+05"),
        (-100000.5, "-1.00000e+05"),
        (-12345.678, "-12345.67800"),
        (-99999.5, "-99999.50000"),
        (np.inf, "         inf"),
        (np.nan, "         nan"),
    ],
)
def test_numbers_are_written_as_relion_writes_them(value: float, text: str) -> None:
    assert format_values(np.array([value])) == [text]


def test_an_exponent_of_three_digits_is_not_cut_off() -> None:
    # RELION cuts after 12 characters and writes 1.000000e-30 and 1.000000e+10 here.
    assert format_values(np.array([1e-300, -1e-300, 1e100, 9.9999999e99])) == [
        "1.00000e-300",
        "-1.0000e-300",
        "1.00000e+100",
        "1.00000e+100",
    ]


def test_every_golden_file_is_written_again_byte_by_byte(shared: Path, tmp_path: Path) -> None:
    names = ("data", "sampling", "optimiser", "half1_model", "half2_model")
    for name in names:
        golden = shared / f"golden/relion/halves/run_it002_{name}.star"
        text = golden.read_text()
        star = read_star(golden)
        blocks = {
            line[5:]: _as_written(star, line[5:])
            for line in text.split("\n")
            if line.startswith("data_")
        }
        top = text.split("\n\n")[0].split("\n")
        comments = [line[2:] for line in top if text.startswith("#")]

        write_star(tmp_path / "again.star", blocks, comments)

        assert (tmp_path / "again.star").read_text() == text


def _as_written(star, name: str) -> dict:
    if name in star.tables:
        return {label: as_numbers(column) for label, column in star.tables[name].items()}
    values = star.lists[name].items()
    return {label: as_numbers(np.array([text], TEXT))[0] for label, text in values}


words = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters="\"'#\\"),
    max_size=12,
).filter(lambda text: not text.startswith(("data_", "loop_", "_")) and text not in ("NaN", "<NA>"))


@settings(deadline=None, max_examples=30)  # each example is a file
@given(st.lists(st.tuples(words, st.integers(-(2**62), 2**62)), min_size=1, max_size=5))
def test_text_and_integers_come_back_as_they_were(tmp_path_factory, rows) -> None:
    path = tmp_path_factory.mktemp("star") / "table.star"
    texts, numbers = [row[0] for row in rows], [row[1] for row in rows]

    write_star(path, {"t": {"rlnText": texts, "rlnNumber": np.array(numbers)}})
    table = read_star(path).table("t")

    assert table["rlnText"].tolist() == texts
    assert table["rlnNumber"].astype(object).tolist() == [str(number) for number in numbers]


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=50))
def test_what_has_been_written_once_is_written_the_same_again(values) -> None:
    first = [text.strip() for text in format_values(np.array(values))]

    column = as_numbers(np.array(first, TEXT))

    assert [text.strip() for text in format_values(column)] == first
    # Six digits after the point or of the mantissa, less one for a sign, one for an exponent.
    np.testing.assert_allclose(column.astype(float), values, rtol=5.1e-5, atol=5.1e-6)


def test_text_that_numbers_would_change_stays_text() -> None:
    for text in ("007", "1.50", "1e3", "mic", "+1", "1_0"):
        assert as_numbers(np.array([text], TEXT)).dtype == TEXT


def test_a_column_that_turns_into_text_after_many_numbers_stays_text() -> None:
    column = np.array([*(["1"] * 200), "x"], TEXT)

    assert as_numbers(column).dtype == TEXT


def test_blanks_and_nothing_are_quoted(tmp_path: Path) -> None:
    write_star(tmp_path / "q.star", {"t": {"rlnA": ["a b", ""]}, "l": {"rlnB": "", "rlnC": "x y"}})
    star = read_star(tmp_path / "q.star")

    assert star.table("t")["rlnA"].tolist() == ["a b", ""]
    assert star.values("l") == {"rlnB": "", "rlnC": "x y"}


def test_a_table_without_rows_is_not_written(tmp_path: Path) -> None:
    write_star(tmp_path / "e.star", {"t": {"rlnA": np.zeros(0)}, "l": {"rlnB": 1}})

    assert "data_t" not in (tmp_path / "e.star").read_text()


def test_columns_of_different_length_are_a_mistake_of_the_program(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lengths"):
        write_star(tmp_path / "e.star", {"t": {"a": np.zeros(3), "b": np.zeros(2)}})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("data_t\nloop_\n_a\n_b\n1 2\n3\n", "line 6: row 2 of data_t has 1 values; .* 2 columns"),
        ("data_t\nloop_\n_a\n_b\n1 2 3\n", "line 5: row 1 of data_t has 3 values"),
        ("data_t\nloop_\n_a\n1\n\n2\n", "line 6: a row after the blank line 5"),
        ("data_t\nloop_\n_a\nx#1\n", "line 4: a quote or '#' inside a value"),
        ("data_t\nloop_\n_a\n5'end.mrc\n", "line 4: a quote or '#' inside a value"),
        ("data_t\nloop_\n_a\n# why\n_b\n1 2\n", "line 4: a comment or blank line among the labels"),
        ("data_t\nloop_\n_a\n\n_b\n1 2\n", "line 5: a label after a blank line"),
        ("data_t\nloop_\n_a\n_a\n1 2\n", "column a twice"),
        ("data_t\n_a 1\ndata_t\n_a 2\n", "line 3: a second block called data_t"),
        ("data_t\nloop_\n_a\n1\n\nloop_\n_b\n2\n", "line 6: a second table in data_t"),
        ("data_t\n_a\n", "line 2: expected one label and one value"),
        ("data_t\n_a 1 2\n", "line 2: expected one label and one value"),
        ("data_t\n_a C:\\x\n", "line 2: expected one label and one value"),
        ("data_t\nhello 1\n", "line 2: expected a label"),
        ("data_t\nloop_\n", "no columns"),
        ("a b c\n", "not a STAR file"),
        ("x 1\ndata_t\n_a 1\n", "line 1: 'x 1' stands before"),
    ],
)
def test_what_starfile_or_relion_would_misread_is_refused(
    tmp_path: Path, text: str, problem: str
) -> None:
    (tmp_path / "bad.star").write_text(text)

    with pytest.raises(DataError, match=problem):
        read_star(tmp_path / "bad.star")


def test_all_bad_lines_are_listed_at_once() -> None:
    _, problems = star_structure("data_t\nloop_\n_a\n_b\n1\n1 2\n1 2 3\n")

    assert len(problems) == 2


def test_tables_that_readers_met_in_the_wild_are_read_or_explained(shared: Path) -> None:
    refused = {}
    for path in sorted((shared / "data/tables").glob("*.star")):
        try:
            read_star(path)
        except DataError as error:
            refused[path.name] = str(error)

    assert refused.keys() == {"multi_line_c_engine.star", "sample.star"}
    assert "line 20: row 4 of data_planetary has 5 values" in refused["sample.star"]


def test_quotes_of_both_kinds_hold_blanks_together(shared: Path) -> None:
    for kind in ("single", "double"):
        table = read_star(shared / f"data/tables/loop_{kind}_quote.star").table("")
        assert table["quote_string"].tolist() == ["quote string", "quote string"]
        assert table["number_and_empty"].tolist() == ["5.0", ""]


def test_nan_stays_the_text_it_was(tmp_path: Path) -> None:
    (tmp_path / "n.star").write_text("data_t\nloop_\n_a\n_b\nnan 1\n2.0 NA\n")

    table = read_star(tmp_path / "n.star").table("t")

    assert table["a"].tolist() == ["nan", "2.0"]
    assert table["b"].tolist() == ["1", "NA"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"data_t\r\n_a 1\r\n", "Windows line ends.*sed -i"),
        (b"data_t\n_a \xff\xfe\n", "not a text file.*cryoSPARC"),
    ],
)
def test_files_that_are_no_star_text_are_explained(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    (tmp_path / "bad.star").write_bytes(content)

    with pytest.raises(DataError, match=problem):
        read_star(tmp_path / "bad.star")


def test_a_missing_file_and_a_missing_block_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none.star cannot be read: No such file"):
        read_star(tmp_path / "none.star")
    write_star(tmp_path / "a.star", {"optics": {"rlnA": [1]}, "general": {"rlnB": 2}})
    with pytest.raises(DataError, match="no table data_particles; it has data_general, data_opt"):
        read_star(tmp_path / "a.star").table("particles")
