"""Files as a bad disc, a half copy or a foe leaves them: good bytes, edited."""

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

FUZZED = settings(
    max_examples=int(os.environ.get("HALFMAP_FUZZ", "60")),
    deadline=None,  # pytest-timeout ends what hangs
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
"""``HALFMAP_FUZZ=5000`` looks longer."""

NUMBERS = tuple(
    value.to_bytes(width, order, signed=True)
    for value in (0, -1, 1, 2**31 - 1, -(2**31), 2**62, 10**9)
    for width in (4, 8)
    for order in ("little", "big")
    if -(2 ** (8 * width - 1)) <= value < 2 ** (8 * width - 1)
)
"""Sizes and counts that no file has."""
WORDS = (
    *(b"nan", b"inf", b"-1", b"1e400", b"99999999999999999999", b"0", b"x", b"", b"None"),
    *(b"\n", b"\n\n", b"loop_\n", b"data_\n", b"data_particles\n", b"_rlnImageName #1\n"),
    *(b"'", b'"', b"#", b" ", b"\0", b"\xff", b"\r\n", b"@", b"1@", b"[]", b"{}", b"../"),
)


@st.composite
def spoilt(draw: st.DrawFn, good: bytes, words: tuple[bytes, ...] = WORDS) -> bytes:
    """Return ``good`` after one to four edits."""
    data = good
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.one_of(st.integers(0, 16), st.integers(0, len(data))))
        kind = draw(st.sampled_from(("cut", "drop", "put", "number", "repeat", "bytes")))
        if kind == "cut":
            data = data[:at]
        elif kind == "drop":
            data = data[:at] + data[at + length :]
        elif kind == "put":
            data = data[:at] + draw(st.sampled_from(words)) + data[at:]
        elif kind == "number":
            number = draw(st.sampled_from(NUMBERS))
            data = data[:at] + number + data[at + len(number) :]
        elif kind == "repeat":
            data = data[:at] + data[at : at + length] + data[at:]
        else:
            other = draw(st.binary(min_size=1, max_size=8))
            data = data[:at] + other + data[at + len(other) :]
    return data
