import pytest

from halfmap.io.eman.hdf_layout import stored_image

NO_LIMITS = [None, None, None]


def layout(**changed: object) -> dict:
    places = [[0, 0, 1000, 96]]
    plain = {"shape": [4, 6], "dtype": "<f4", "chunk": None, "filters": [], "places": places}
    return {**plain, **changed}


def test_an_image_may_end_where_the_file_ends() -> None:
    assert stored_image(layout(), NO_LIMITS, 1096).shape == (4, 6)


@pytest.mark.parametrize(
    ("changed", "size", "message"),
    [
        ({}, 1095, "is truncated"),
        ({"places": [[0, 0, -1, 96]]}, 5000, "is truncated"),
        ({"places": [[0, 0, 1000, 90]]}, 5000, "is truncated"),
        ({"places": []}, 5000, "lacks values: 0 of 1 pieces"),
        ({"shape": [0, 6]}, 5000, r"has the shape \(0, 6\), expected"),
        ({"shape": []}, 5000, "has the shape"),
        ({"dtype": "<c8"}, 5000, "holds complex64, expected real"),
        ({"dtype": "nonsense"}, 5000, "holds nonsense, expected real"),
        # 10^12 values in 96 bytes: more than deflate can pack
        (
            {"shape": [10**6] * 2, "chunk": [10**6] * 2, "filters": [1]},
            5000,
            "is truncated",
        ),
        ({"chunk": [2, 6], "places": [[0, 0, 1000, 48]] * 2}, 5000, "lacks values: 2 of 2"),
        (
            {"chunk": [2, 6], "places": [[0, 0, 1000, 48], [4, 0, 1048, 48]]},
            5000,
            r"lacks values: a piece begins at \(4, 0\)",
        ),
    ],
)
def test_what_a_file_cannot_hold_is_refused(changed: dict, size: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stored_image(layout(**changed), NO_LIMITS, size)


def test_limits_without_bits_mean_nothing() -> None:
    whole = layout(dtype="|i4")

    assert stored_image(whole, [0, 1.0, 2.0], 5000).scale is None
    assert stored_image(whole, [8, 1.0, None], 5000).scale is None
    assert stored_image(whole, [8, 1.0, 2.0], 5000).scale == (1.0 / 255, 1.0)


def test_only_whole_numbers_stand_for_values() -> None:
    assert stored_image(layout(), [8, 1.0, 2.0], 5000).scale is None


def test_more_bits_than_a_word_has_are_refused() -> None:
    with pytest.raises(ValueError, match=r"has the limits 0\.0, 1\.0 of 99 bits"):
        stored_image(layout(dtype="|i4"), [99, 0.0, 1.0], 5000)
