import numpy as np
import pytest

from halfmap.engine.quarantine import SHOWN, Quarantine
from halfmap.errors import DataError
from halfmap.model.optics import Defocus
from halfmap.model.particles import Particles
from halfmap.steps.faults import CONSTANT, NO_WEIGHT, NOT_NUMBERS, find_faults
from halfmap.steps.normalisation import normalised


@pytest.fixture
def particles() -> Particles:
    """Twenty particles of one stack, those of odd rows in the second half."""
    n = 20
    zeros = np.zeros(n, np.int64)
    return Particles(
        stacks=("job/s.mrcs",),
        stack=zeros,
        slice=np.arange(n),
        optics=(),
        optics_group=zeros,
        scale_groups=("",),
        scale_group=zeros,
        half=np.arange(n) % 2,
        defocus=Defocus(*np.zeros((6, n))),
    )


def mark(quarantine: Quarantine, rows: list[int], fault: int) -> None:
    quarantine.check(np.array(rows), np.full(len(rows), fault, np.uint8))


def test_a_run_goes_on_with_as_many_bad_particles_as_allowed(particles: Particles) -> None:
    quarantine = Quarantine(particles, limit=3)

    mark(quarantine, [2, 5], NOT_NUMBERS)
    mark(quarantine, [7], CONSTANT)

    assert quarantine.rows.tolist() == [2, 5, 7]


def test_one_more_stops_it_and_all_are_named_with_the_reason(particles: Particles) -> None:
    quarantine = Quarantine(particles, limit=2)
    mark(quarantine, [2, 5], NOT_NUMBERS)

    with pytest.raises(
        DataError, match="found 3 bad particles so far, expected at most 2"
    ) as error:
        mark(quarantine, [7], CONSTANT)

    text = str(error.value)
    assert "000003@job/s.mrcs: pixels are NaN, infinite or beyond 1e15" in text
    assert "000008@job/s.mrcs: all pixels are equal" in text
    assert "--failsafe_threshold" in text


def test_of_very_many_some_are_named_and_the_rest_is_counted(particles: Particles) -> None:
    with pytest.raises(DataError) as error:
        mark(Quarantine(particles, limit=2), list(range(16)), NOT_NUMBERS)

    assert str(error.value).count("@job/s.mrcs") == SHOWN
    assert f"and {16 - SHOWN} more" in str(error.value)


def test_a_half_without_a_good_particle_stops_the_run(particles: Particles) -> None:
    quarantine = Quarantine(particles, limit=20)
    mark(quarantine, list(range(1, 19, 2)), NOT_NUMBERS)

    with pytest.raises(DataError, match="found no good particle in a set of 10"):
        mark(quarantine, [19], NOT_NUMBERS)


def test_what_is_found_again_does_not_count_twice(particles: Particles) -> None:
    quarantine = Quarantine(particles, limit=1)

    for _ in range(3):
        mark(quarantine, [2], NOT_NUMBERS)

    assert quarantine.rows.tolist() == [2]


def test_a_particle_that_has_weight_again_is_no_longer_bad(particles: Particles) -> None:
    quarantine = Quarantine(particles, limit=5)
    mark(quarantine, [2, 3], NO_WEIGHT)

    mark(quarantine, [2], 0)

    assert quarantine.columns()["rlnImageName"] == ["000004@job/s.mrcs"]


def test_each_bad_particle_is_news_once(particles: Particles) -> None:
    quarantine = Quarantine(particles, limit=5)
    assert quarantine.news() == ""
    mark(quarantine, [2], NOT_NUMBERS)

    assert quarantine.news().startswith("1 bad particle is left out:\n  000003@job/s.mrcs: pixels")
    assert quarantine.news() == ""

    mark(quarantine, [5], CONSTANT)
    assert "000003@" not in quarantine.news()


def test_the_table_has_a_name_and_a_reason_without_blanks(particles: Particles) -> None:
    quarantine = Quarantine(particles, limit=5)
    mark(quarantine, [5], CONSTANT)

    assert quarantine.columns() == {
        "rlnImageName": ["000006@job/s.mrcs"],
        "hlfReason": ["all_pixels_are_equal"],
    }


@pytest.mark.parametrize(
    ("pixel", "fault"),
    [(np.nan, NOT_NUMBERS), (np.inf, NOT_NUMBERS), (-1e16, NOT_NUMBERS), (1e14, 0)],
)
def test_one_pixel_makes_an_image_bad_when_it_is_no_number(
    rng: np.random.Generator, pixel: float, fault: int
) -> None:
    images = rng.normal(size=(3, 16, 16)).astype(np.float32)
    images[1, 4, 5] = pixel

    assert find_faults(images).tolist() == [0, fault, 0]


def test_the_square_of_the_largest_pixel_stays_in_single_precision() -> None:
    image = np.full((1, 1024, 1024), 1e15, np.float32)
    image[0, 0, 0] = 0.0

    assert find_faults(image).tolist() == [0]
    assert np.isfinite(np.sum(image**2))


@pytest.mark.parametrize(
    ("value", "fault"), [(np.nan, NOT_NUMBERS), (np.inf, NOT_NUMBERS), (0.1, CONSTANT)]
)
def test_normalising_a_bad_image_neither_repairs_it_nor_complains(value: float, fault: int) -> None:
    images = np.full((1, 16, 16), value, np.float32)

    assert find_faults(normalised(images, radius_px=6.0)).tolist() == [fault]
