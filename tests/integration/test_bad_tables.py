"""Particle tables that cannot be used get one clear message, before any work.

Every test asks for the exit code 3, for what was found, expected and to be done, for exactly one
message, and for no traceback. One process; what ranks add is in ``test_errors_on_ranks.py``.
"""

import pytest

from .spoilt_project import Spoil, replaced, with_subsets, with_value, without_column
from .tiny_project import (
    BOX,
    STACK,
    STAR,
    Run,
    assert_one_message,
    edit_star,
    pixels,
    refine,
    write,
)

pytestmark = pytest.mark.usefixtures("tiny_project")


def odd_box() -> list[str]:
    write(STACK, pixels(STACK)[:, 1:, 1:])

    def change(tables: dict) -> None:
        tables["optics"]["rlnImageSize"][:] = str(BOX - 1)

    edit_star(change)
    return refine()


def no_particles() -> list[str]:
    text = STAR.read_text().splitlines(keepends=True)
    STAR.write_text("".join(line for line in text if "@" not in line or line.startswith("#")))
    return refine()


def short_row() -> list[str]:
    STAR.write_text(STAR.read_text().replace(" mic00001.mrc ", " ", 1))
    return refine()


def too_large_diameter() -> list[str]:
    return refine("--particle_diameter", "200")


@pytest.mark.parametrize(
    ("spoil", "phrases"),
    [
        pytest.param(
            without_column("particles", "rlnDefocusU"),
            ("data_particles: the column rlnDefocusU is missing", "or leave out --ctf"),
            id="no defocus",
        ),
        pytest.param(
            without_column("optics", "rlnVoltage"),
            (f"{STAR} cannot be used", "data_optics: the column rlnVoltage is missing"),
            id="no voltage",
        ),
        pytest.param(
            without_column("optics", "rlnImagePixelSize"),
            ("data_optics: no pixel size; expected rlnImagePixelSize",),
            id="no pixel size",
        ),
        pytest.param(
            without_column("particles", "rlnImageName"),
            ("no rlnImageName in data_particles",),
            id="no image names",
        ),
        pytest.param(
            with_value("optics", "rlnImagePixelSize", "six"),
            ("rlnImagePixelSize is six in row 1; expected a number",),
            id="a word for a number",
        ),
        pytest.param(
            with_value("particles", "rlnImageName", "000000@particles/particles.mrcs"),
            ("rlnImageName is 000000@", "expected 000001@stack.mrcs"),
            id="an image of no stack",
        ),
        pytest.param(
            no_particles,
            ("no particles in data_particles; expected at least one",),
            id="no particles",
        ),
        pytest.param(
            short_row,
            ("row 1 of data_particles has 5 values; the table has 6",),
            id="a row too short",
        ),
        pytest.param(replaced(STAR, b"hello\n"), ("this is not a STAR file",), id="no STAR file"),
        pytest.param(
            replaced(STAR, b"\x93NUMPY\r\n" * 99), ("is not a text file",), id="a binary table"
        ),
        pytest.param(
            odd_box, ("rlnImageSize is 23 in rows 1, 2; expected an even box",), id="odd box"
        ),
        pytest.param(
            too_large_diameter,
            ("--particle_diameter: found 200 Å, expected at most the width of the box, 144 Å",),
            id="diameter beyond the box",
        ),
        pytest.param(
            with_subsets(lambda row: row % 3),
            ("rlnRandomSubset is 0 in 8 rows (1, 4, 7, 10, 13, ...); expected 1 or 2 for all",),
            id="mixed subsets",
        ),
        pytest.param(
            with_subsets(lambda _: 1),
            (
                "no particle is in half 2; both halves need some",
                "Remove the column rlnRandomSubset",
            ),
            id="an empty half",
        ),
    ],
)
def test_bad_tables_end_with_one_message(run: Run, spoil: Spoil, phrases: tuple[str, ...]) -> None:
    assert_one_message(run(spoil()), 3, *phrases)


def test_a_drawn_half_that_is_empty_is_not_blamed_on_the_table(run: Run) -> None:
    edit_star(
        lambda tables: tables.update(
            particles={label: column[:1] for label, column in tables["particles"].items()}
        )
    )

    said = run(refine(halves=True))

    assert_one_message(said, 3, "no particle is in half", "Add particles")
    assert "rlnRandomSubset" not in said.err
