import io

import numpy as np
import pytest

from halfmap.io.frames import read_arrays, read_header, write_frame


def through_a_pipe(content: bytes) -> io.BufferedReader:
    return io.BufferedReader(io.BytesIO(content))


def test_words_and_arrays_arrive_as_they_were() -> None:
    arrays = {
        "map": np.random.default_rng(1).normal(size=(2, 3, 4)).astype(np.float32)[:, ::2],
        "empty": np.zeros((0, 3)),
        "number": np.array(3, np.int64),
    }
    pipe = io.BytesIO()
    write_frame(pipe, {"text": "ångström\n", "n": 3}, arrays)
    write_frame(pipe, {"second": True}, {})

    reader = through_a_pipe(pipe.getvalue())
    header = read_header(reader)
    found = read_arrays(reader, header)

    assert header["words"] == {"text": "ångström\n", "n": 3}
    assert found.keys() == arrays.keys()
    for name, values in arrays.items():
        assert found[name].dtype == values.dtype
        np.testing.assert_array_equal(found[name], values)
    found["map"][0] = 1.0  # a copy that may be changed
    assert read_header(reader)["words"] == {"second": True}


def test_a_pipe_that_ends_says_so() -> None:
    pipe = io.BytesIO()
    write_frame(pipe, {}, {"map": np.ones(10)})
    whole = pipe.getvalue()

    with pytest.raises(EOFError, match="has gone"):
        read_header(through_a_pipe(b""))
    reader = through_a_pipe(whole[:-1])
    header = read_header(reader)
    with pytest.raises(EOFError, match="has gone"):
        read_arrays(reader, header)


@pytest.mark.parametrize("line", [b"Segmentation fault\n", b"[1, 2]\n", b'{"words": {}}\n'])
def test_what_is_no_frame_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # of JSON or of ours
        read_header(through_a_pipe(line))
